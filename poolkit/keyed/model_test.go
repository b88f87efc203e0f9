package keyed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A Pool is compared, whenever it has come to rest, with a model of what it promises:
// lists and loops over all keys, and no goroutines. Dials take no time, so that at rest
// every member is idle or on loan. There are no more keys than the budget has members, so
// that no pool is closed for being one too many.
//
// A place goes to whoever is first when it is taken. So between two that become free the
// Pool comes to rest: who is first may depend on the second.

const (
	modelKeys   = 6
	modelBudget = 6 // the least, and four more at most
)

// modelKey is what is known of a key that has a pool.
type modelKey struct {
	name                  string
	idle, lent, waiting   int
	proven                bool
	strays                []lease // on loan from pools that were removed
	leases                []lease
	calls                 []modelCall
	pooled                bool
	needyTurn, sharedTurn int // since when it stands in a line, or 0
}

type modelCall struct {
	cancel context.CancelFunc
	result <-chan got
}

type model struct {
	t             *testing.T
	p             *pool
	w             *world
	keys          []*modelKey
	fresh, proven []*modelKey // the next to be evicted first
	limit         int
	dry           bool
	turns         int
	evictions     int
	evicted       int
	at            int
	op            string
}

func TestAPoolOfKeysAgreesWithItsModel(t *testing.T) {
	programs, steps := 150, 400
	if testing.Short() || underRace {
		programs = 25
	}
	evicted := 0
	for seed := range programs {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			cfg := w.config(modelBudget+4, 0)
			m := &model{t: t, w: w, limit: modelBudget + 4}
			m.p = open(t, w, cfg)
			for i := range modelKeys {
				m.keys = append(m.keys, &modelKey{name: fmt.Sprint("k", i)})
			}
			rng := rand.New(rand.NewPCG(uint64(seed), 9))
			for m.at = range steps {
				m.step(rng)
				if t.Failed() {
					return
				}
			}
			evicted += m.evicted
			m.end()
		})
		if t.Failed() {
			t.Fatalf("with seed %d", seed)
		}
	}
	t.Logf("%d members were evicted in %d programs", evicted, programs)
}

func (m *model) step(rng *rand.Rand) {
	k := m.keys[rng.IntN(1+rng.IntN(modelKeys))]
	switch op := rng.IntN(40); {
	case op < 14:
		m.op = "acquire " + k.name
		if len(k.calls) < 4 {
			m.acquire(k)
		}
	case op < 26:
		m.op = "release " + k.name
		if len(k.leases) > 0 {
			l := k.leases[0]
			k.leases = k.leases[1:]
			l.Release()
			m.release(k)
		}
	case op < 28:
		m.op = "discard " + k.name
		if len(k.leases) > 0 {
			l := k.leases[0]
			k.leases = k.leases[1:]
			l.Discard()
			k.lent--
			m.rank(k)
		}
	case op < 32:
		m.op = "try " + k.name
		l, ok := m.p.TryAcquire(k.name)
		if ok != (k.idle > 0) {
			m.t.Errorf("step %d: a try of %s reports %t, with %d idle", m.at, k.name, ok, k.idle)
		}
		if k.pooled {
			m.touch(k)
		}
		if ok {
			k.idle--
			k.lent++
			k.leases = append(k.leases, l)
		}
	case op < 34:
		m.op = "give up " + k.name
		if n := len(k.calls); n > 0 {
			i := rng.IntN(n)
			k.calls[i].cancel()
			<-k.calls[i].result
			k.calls = slices.Delete(k.calls, i, i+1)
			k.waiting--
			m.rank(k)
		}
	case op < 36:
		m.limit = modelBudget + rng.IntN(5)
		m.op = fmt.Sprint("budget ", m.limit)
		if err := m.p.SetBudget(m.limit); err != nil {
			m.t.Error(err)
		}
	case op < 37:
		m.op = "flush " + k.name
		m.p.Flush(k.name)
		k.idle = 0
		m.rank(k)
		leases := k.leases // they would be shut as they come back
		k.leases = nil
		for _, l := range leases {
			m.rest()
			l.Discard()
			k.lent--
			m.rank(k)
		}
	case op < 38:
		m.op = "remove " + k.name
		if m.p.Remove(k.name) != k.pooled {
			m.t.Errorf("step %d: %s was removed, or not, against expectation", m.at, k.name)
		}
		m.remove(k)
	default:
		m.op = "end a stray of " + k.name
		if len(k.strays) > 0 {
			k.strays[0].Release()
			k.strays = k.strays[1:]
		}
	}
	m.rest()
	m.collect()
	m.check()
}

// rest lets everything happen that was set off.
func (m *model) rest() {
	m.settle()
	synctest.Wait()
}

func (m *model) acquire(k *modelKey) {
	ctx, cancel := context.WithCancel(m.t.Context())
	result := make(chan got, 1)
	go func() {
		l, err := m.p.Acquire(ctx, k.name)
		result <- got{l, err}
	}()
	k.calls = append(k.calls, modelCall{cancel, result})
	m.enter(k)
	if k.idle > 0 {
		k.idle--
		k.lent++
	} else {
		k.waiting++
		m.rank(k)
	}
}

// enter notes a use of a key.
func (m *model) enter(k *modelKey) {
	if k.pooled {
		m.touch(k)
		return
	}
	k.pooled = true
	m.fresh = append(m.fresh, k)
}

func (m *model) touch(k *modelKey) {
	m.unlist(k)
	k.proven = true
	m.proven = append(m.proven, k)
}

func (m *model) unlist(k *modelKey) {
	not := func(x *modelKey) bool { return x == k }
	m.fresh, m.proven = slices.DeleteFunc(m.fresh, not), slices.DeleteFunc(m.proven, not)
}

func (m *model) forget(k *modelKey) {
	m.unlist(k)
	k.pooled, k.proven = false, false
}

func (m *model) release(k *modelKey) {
	switch {
	case m.short() > 0 && (m.open() > m.limit || m.dry && (k.waiting == 0 || m.needy() != nil && k.idle+k.lent > 1)):
		k.lent--
		m.evicted++
	case k.waiting > 0:
		k.waiting--
	default:
		k.lent--
		k.idle++
	}
	m.rank(k)
}

func (m *model) remove(k *modelKey) {
	if !k.pooled {
		return
	}
	k.strays = append(k.strays, k.leases...)
	k.leases, k.idle, k.lent = nil, 0, 0
	m.forget(k)
	waiting := k.waiting
	k.waiting = 0
	m.rank(k)
	m.calm()
	for range waiting {
		m.enter(k)
		k.waiting++
	}
	m.rank(k)
}

// rank has a key stand in the line it belongs in, at the back if it did not.
func (m *model) rank(k *modelKey) {
	if k.waiting == 0 || k.idle+k.lent > 0 {
		k.needyTurn = 0
	} else if k.needyTurn == 0 {
		m.turns++
		k.needyTurn = m.turns
	}
	if k.waiting == 0 || k.idle+k.lent == 0 {
		k.sharedTurn = 0
	} else if k.sharedTurn == 0 {
		m.turns++
		k.sharedTurn = m.turns
	}
}

func (m *model) first(turn func(*modelKey) int) *modelKey {
	var best *modelKey
	for _, k := range m.keys {
		if turn(k) > 0 && (best == nil || turn(k) < turn(best)) {
			best = k
		}
	}
	return best
}

func (m *model) needy() *modelKey { return m.first(func(k *modelKey) int { return k.needyTurn }) }

func (m *model) open() int {
	n := 0
	for _, k := range m.keys {
		n += k.idle + k.lent + len(k.strays)
	}
	return n
}

func (m *model) short() int {
	n := m.open() - m.limit
	for _, k := range m.keys {
		n += k.waiting
	}
	return n
}

// calm notes that nobody is short.
func (m *model) calm() {
	if m.short() <= 0 {
		m.dry = false
	}
}

// settle lets everything happen that has to.
func (m *model) settle() {
	for {
		m.calm()
		next := m.needy()
		if next == nil {
			next = m.first(func(k *modelKey) int { return k.sharedTurn })
		}
		switch {
		case next != nil && m.open() < m.limit:
			next.waiting--
			next.lent++
			next.needyTurn, next.sharedTurn = 0, 0
			m.rank(next)
		case m.short() > 0 && !m.dry:
			m.sweep()
		default:
			return
		}
	}
}

// sweep evicts as many as are short, or else the budget is dry.
func (m *model) sweep() {
	for _, s := range []*[]*modelKey{&m.fresh, &m.proven} {
		for n := len(*s); n > 0 && len(*s) > 0; n-- {
			if m.short() <= 0 {
				return
			}
			k := (*s)[0]
			gives := min(k.idle, m.short())
			if k.lent > 0 || k.waiting > 0 {
				*s = append((*s)[1:], k)
				continue
			}
			k.idle -= gives
			m.evicted += gives
			if k.idle == 0 {
				m.forget(k)
			}
			if gives > 0 {
				m.evictions++
				if m.evictions%24 == 0 && len(m.proven) > 0 {
					last := m.proven[0]
					m.proven = m.proven[1:]
					last.proven = false
					m.fresh = append(m.fresh, last)
				}
			}
		}
	}
	for _, k := range append(slices.Clone(m.fresh), m.proven...) {
		gives := max(min(k.idle, m.short()), 0)
		k.idle -= gives
		m.evicted += gives
		m.rank(k)
	}
	m.dry = m.short() > 0
}

// collect takes what callers have got.
func (m *model) collect() {
	for _, k := range m.keys {
		k.calls = slices.DeleteFunc(k.calls, func(c modelCall) bool {
			select {
			case r := <-c.result:
				if r.err != nil {
					m.t.Errorf("step %d (%s): a caller of %s was told %v", m.at, m.op, k.name, r.err)
					return true
				}
				k.leases = append(k.leases, r.lease)
				return true
			default:
				return false
			}
		})
	}
}

func (m *model) check() {
	var want, got strings.Builder
	for _, k := range m.keys {
		if k.pooled {
			fmt.Fprintf(&want, "%s: %d idle, %d on loan, %d waiting; ", k.name, k.idle, k.lent, k.waiting)
		}
		if s, ok := m.p.StatsOf(k.name); ok {
			fmt.Fprintf(&got, "%s: %d idle, %d on loan, %d waiting; ", k.name, s.Idle, s.OnLoan, s.Waiting)
		}
		if len(k.leases) != k.lent {
			fmt.Fprintf(&got, "%s: %d leases; ", k.name, len(k.leases))
		}
	}
	var order []string
	for _, k := range append(slices.Clone(m.fresh), m.proven...) {
		order = append(order, k.name)
	}
	slices.Reverse(order)
	fmt.Fprintf(&want, "order %v, %d open, %d evicted", order, m.open(), m.evicted)
	order = nil
	for key := range m.p.All() {
		order = append(order, key)
	}
	s := m.p.Stats()
	fmt.Fprintf(&got, "order %v, %d open, %d evicted", order, s.Open, s.Evicted)
	if got.String() != want.String() {
		m.t.Errorf("step %d (%s): it is\n%s, want\n%s", m.at, m.op, got.String(), want.String())
	}
}

func (m *model) end() {
	for _, k := range m.keys {
		for _, c := range k.calls {
			c.cancel()
		}
	}
	synctest.Wait()
}
