package poolkit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Ledgers that share a budget are driven by byte programs, as their pools would drive
// them, and compared with sums over all they have.

type budgetModel struct {
	tb      testing.TB
	b       *Budget
	pools   []*budgetPool
	program []byte
	at      int
	name    string
	limit   int
	was     int // open before the operation
	now     time.Time
	grants  int
}

// budgetPool is one of the ledgers and all that it has.
type budgetPool struct {
	l       ledger[int]
	kick    chan struct{}
	tickets []ticket
	members []*member[int] // until they are shut
	waiters []*waiter[int]
	back    []*member[int] // between takeBack and putBack
}

func TestABudgetAgreesWithTheLedgersThatShareIt(t *testing.T) {
	programs := 300
	if testing.Short() || UnderRace {
		programs = 60
	}
	program, grants := make([]byte, 6000), 0
	for seed := range programs {
		rng := rand.New(rand.NewPCG(uint64(seed), 4))
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		grants += runBudgetModel(t, program)
	}
	if grants < 1000 {
		t.Errorf("only %d members were granted", grants)
	}
	t.Logf("%d members were granted in %d programs", grants, programs)
}

func FuzzBudget(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 4))
	program := make([]byte, 400)
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	f.Add(program)
	f.Fuzz(func(t *testing.T, program []byte) { runBudgetModel(t, program) })
}

func runBudgetModel(tb testing.TB, program []byte) (grants int) {
	w := &budgetModel{tb: tb, b: NewBudget(6), limit: 6, program: program, now: time.Unix(1000, 0)}
	for i := range 4 {
		cfg := Config[int]{
			Dialer: DialerFunc[int](nil), Places: 3, MaxShards: 1 + i,
			MaxDialing: 2 + i, MaxCapacity: 4,
		}
		if i == 3 {
			cfg.Acceptor = noAcceptor{}
		}
		p := &budgetPool{l: newLedger(&cfg, w.now), kick: make(chan struct{}, 1)}
		p.l.share = newShare(w.b, p.kick)
		w.pools = append(w.pools, p)
	}
	for len(w.program) > 0 {
		w.was = w.b.open
		w.step()
		w.check()
		w.at++
	}
	w.name = "the end"
	for _, p := range w.pools {
		gone, told := p.l.drain()
		w.tell(p, told)
		for _, m := range gone {
			w.free(p, m)
		}
		for len(p.tickets) > 0 {
			w.drop(p, p.tickets[0])
		}
		for len(p.members) > 0 {
			m := p.members[0]
			if m.state != closing {
				p.l.close(m, Ended)
			}
			w.free(p, m)
		}
	}
	if s := w.b.Stats(); s.Open != 0 || s.Closing != 0 || s.Waiting != 0 {
		w.fatalf("%+v is left", s)
	}
	return w.grants
}

func (w *budgetModel) fatalf(format string, args ...any) {
	w.tb.Helper()
	w.tb.Fatalf("operation %d (%s): "+format, append([]any{w.at, w.name}, args...)...)
}

func (w *budgetModel) byte() byte {
	if len(w.program) == 0 {
		return 0
	}
	b := w.program[0]
	w.program = w.program[1:]
	return b
}

func (w *budgetModel) step() {
	op, p := w.byte()%20, w.pools[w.byte()%4]
	n := int(w.byte())
	switch op {
	case 0, 1, 2:
		w.name = "take"
		if m := p.l.take(&wish{}); m == nil && p.l.refusal(&wish{}) == nil {
			x := &waiter[int]{ready: make(chan struct{}, 1)}
			p.l.waiters.add(x)
			p.waiters = append(p.waiters, x)
		}
		p.l.shed = false
		w.order(p)
	case 3, 4, 5:
		w.name = "land"
		if len(p.tickets) > 0 {
			w.land(p, p.tickets[n%len(p.tickets)], ID{2: byte(w.at >> 8), 3: byte(w.at)})
		}
	case 6:
		w.name = "drop"
		if len(p.tickets) > 0 {
			w.drop(p, p.tickets[n%len(p.tickets)])
		}
	case 7:
		w.name = "give up"
		if len(p.waiters) > 0 {
			x := p.waiters[n%len(p.waiters)]
			p.l.waiters.remove(x)
			w.tell(p, []*waiter[int]{x})
			p.l.share.served(p.l.urgent())
		}
	case 8, 9, 10:
		w.name = "release"
		if m := p.pick(n, onLoan); m != nil {
			if why, back := p.l.takeBack(m); back {
				p.back = append(p.back, m)
			} else {
				p.l.close(m, why)
			}
		}
	case 11, 12:
		w.name = "put back"
		if len(p.back) > 0 {
			m := p.back[n%len(p.back)]
			p.back = slices.DeleteFunc(p.back, func(x *member[int]) bool { return x == m })
			x, ok := p.l.putBack(m)
			if x != nil {
				w.tell(p, []*waiter[int]{x})
			}
			if !ok {
				p.l.close(m, Ended)
			}
		}
	case 13:
		w.name = "discard"
		if m := p.pick(n, onLoan); m != nil {
			p.l.close(m, Ended)
		}
	case 14, 15, 16:
		w.name = "free"
		if m := p.pick(n, closing); m != nil {
			w.free(p, m)
		}
	case 17:
		w.name = "evict"
		if len(p.l.evict(n%3, Evicted)) > 0 {
			p.l.shed = true
		}
	case 18:
		w.name = "turn"
		w.turns()
	case 19:
		w.rare(p, n)
	}
}

func (w *budgetModel) rare(p *budgetPool, n int) {
	switch n % 9 {
	case 0:
		w.name = "limit"
		w.limit = n / 9 % 12
		w.b.SetLimit(w.limit)
	case 1, 2:
		w.name = "dry"
		w.b.Dry()
	case 3:
		w.name = "retarget"
		p.l.retarget(n/9%5, false)
		w.order(p)
	case 4:
		w.name = "fail"
		if len(p.tickets) == 0 || p.tickets[0].accepted {
			break
		}
		t := p.tickets[0]
		p.tickets = remove(p.tickets, t)
		p.l.drop(t)
		w.tell(p, p.l.fail(t.shard, errModel, w.now, 0.5))
		w.order(p)
	case 5:
		w.name = "wake"
		w.now = w.now.Add(time.Duration(n) * 20 * time.Millisecond)
		p.l.wake(w.now)
		w.order(p)
	case 6:
		w.name = "flush"
		p.l.flush()
		w.order(p)
	case 7:
		w.name = "admit"
		if t, room, unique := p.l.admit(0, ID{1: 1, 2: byte(w.at >> 8), 3: byte(w.at)}); room && unique {
			p.tickets = append(p.tickets, t)
		}
	case 8:
		if p == w.pools[2] && len(w.program) < 2000 && p.l.waiters.len+p.l.lent() == 0 {
			w.name = "try to close"
			p.l.clear(Evicted)
			p.l.share.leave()
			p.l.drain()
		}
		if p == w.pools[1] && len(w.program) < 1000 {
			w.name = "drain"
			_, told := p.l.drain()
			w.tell(p, told)
		}
	}
}

// pick chooses one of the members in a state.
func (p *budgetPool) pick(n int, s memberState) *member[int] {
	var in []*member[int]
	for _, m := range p.members {
		if m.state == s {
			in = append(in, m)
		}
	}
	if len(in) == 0 {
		return nil
	}
	return in[n%len(in)]
}

func (w *budgetModel) order(p *budgetPool) {
	before := w.b.open
	got := p.l.order()
	if w.b.open != before+len(got) {
		w.fatalf("%d tickets, and what is open went from %d to %d", len(got), before, w.b.open)
	}
	if len(got) > 0 && w.b.open > w.limit {
		w.fatalf("%d open by %d tickets, the limit is %d", w.b.open, len(got), w.limit)
	}
	w.grants += len(got)
	p.tickets = append(p.tickets, got...)
}

// turns has every pool ask again that has been told to, as their keepers do.
func (w *budgetModel) turns() {
	for again := true; again; {
		again = false
		for _, p := range w.pools {
			select {
			case <-p.kick:
				w.order(p)
				again = true
			default:
			}
		}
	}
	for _, p := range w.pools {
		if p.l.share.turn.Load() {
			w.fatalf("it is the turn of a pool that nobody woke")
		}
	}
	if c := w.b.next(); c != nil && w.b.open < w.limit {
		w.fatalf("%d of %d are open, and someone wants %+v", w.b.open, w.limit, c.want)
	}
}

func (w *budgetModel) land(p *budgetPool, t ticket, id ID) {
	p.tickets = remove(p.tickets, t)
	if t.accepted {
		id = t.id
	}
	m := &member[int]{id: id, shard: t.shard, accepted: t.accepted}
	p.members = append(p.members, m)
	if x, _ := p.l.land(t, m, ""); x != nil {
		w.tell(p, []*waiter[int]{x})
	}
	w.order(p)
}

func (w *budgetModel) drop(p *budgetPool, t ticket) {
	p.tickets = remove(p.tickets, t)
	p.l.drop(t)
	w.order(p)
}

func (w *budgetModel) free(p *budgetPool, m *member[int]) {
	p.members = slices.DeleteFunc(p.members, func(x *member[int]) bool { return x == m })
	p.l.free(m)
	w.order(p)
}

// tell forgets waiters that have their answer.
func (w *budgetModel) tell(p *budgetPool, told []*waiter[int]) {
	p.waiters = slices.DeleteFunc(p.waiters, func(x *waiter[int]) bool { return slices.Contains(told, x) })
}

func remove(tickets []ticket, t ticket) []ticket {
	i := slices.Index(tickets, t)
	return slices.Delete(tickets, i, i+1)
}

func (w *budgetModel) check() {
	var open, shutting, urgent int
	for i, p := range w.pools {
		c := p.l.share
		if n := p.l.shards.Total().Open(); n != c.open || n != len(p.tickets)+len(p.members) {
			w.fatalf("pool %d has %d open, its claim says %d, and it is %d", i, n, c.open, len(p.tickets)+len(p.members))
		}
		n := 0
		if c.quit {
			n = len(p.tickets)
		}
		for _, m := range p.members {
			if m.state == closing {
				n++
			}
		}
		if c.closing != n {
			w.fatalf("pool %d shuts %d, its claim says %d", i, n, c.closing)
		}
		open, shutting, urgent = open+c.open, shutting+n, urgent+c.want.urgent
		if c.want.urgent > p.l.urgent() {
			w.fatalf("pool %d claims %d for callers, but only %d need one", i, c.want.urgent, p.l.urgent())
		}
		if (p.l.draining || p.l.paused) && w.name != "fail" && c.want.all() > 0 {
			w.fatalf("pool %d must not dial, and wants %+v", i, c.want)
		}
		if r := c.rank(); r == unranked && c.line != nil || r != unranked && c.line != &w.b.lines[r] {
			w.fatalf("pool %d wants %+v, has %d, and stands in the wrong line", i, c.want, c.open)
		}
	}
	b := w.b
	if b.open != open || b.closing != shutting || b.urgent != urgent {
		w.fatalf("the budget has %d open, %d closing, %d urgent; want %d, %d, %d", b.open, b.closing, b.urgent, open, shutting, urgent)
	}
	if open > w.limit && open > w.was {
		w.fatalf("open went from %d to %d, the limit is %d", w.was, open, w.limit)
	}
	if short := urgent+open-w.limit-shutting > 0; short != (b.mood.Load() != calm) {
		w.fatalf("the mood is %d, with %d urgent, %d open, %d closing, a limit of %d", b.mood.Load(), urgent, open, shutting, w.limit)
	}
	if c := b.next(); c != nil && open < w.limit && !c.turn.Load() {
		w.fatalf("%d of %d are open, and it is nobody's turn", open, w.limit)
	}
}
