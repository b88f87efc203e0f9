package poolkit

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The ledger is compared, after every operation, with an independent model of what
// a pool has to be: lists instead of linked queues, sums instead of running tallies.
// One interpreter of byte programs drives both, for random programs and for the
// fuzzer.

// modelConfigs are the pools that are modelled: all of them so small that they are
// often full, and with so few IDs that these often collide.
var modelConfigs = []Config[int]{
	{MinCapacity: 1, MaxCapacity: 4, Places: 3, MaxShards: 3, MaxDialing: 4, Dialer: DialerFunc[int](nil), Sequence: modelSequence},
	{MinCapacity: 0, MaxCapacity: 2, Places: 2, MaxShards: 2, MaxDialing: 1, Dialer: DialerFunc[int](nil), NewestFirst: true, Peer: modelPeer, FailFast: true},
	{MinCapacity: 2, MaxCapacity: 6, Places: 1, MaxShards: 8, MaxDialing: 3, Dialer: DialerFunc[int](nil)},
	{MinCapacity: 2, MaxCapacity: 6, Places: 4, MaxShards: 5, MaxDialing: 4, Dialer: DialerFunc[int](nil), Acceptor: noAcceptor{}, Spread: 3, Peer: modelPeer, FailFast: true},
	{MinCapacity: 1, MaxCapacity: 3, Places: 4, MaxShards: 2, MaxDialing: 2, Acceptor: noAcceptor{}, FirstID: &ID{3: 1}, Peer: modelPeer},
	{MinCapacity: 1, MaxCapacity: 5, Places: 4, MaxShards: 3, MaxDialing: 2, Dialer: DialerFunc[int](nil), Acceptor: noAcceptor{}, FirstID: &ID{}, Sequence: modelSequence},
	{MinCapacity: 2, MaxCapacity: 5, Places: 3, MaxShards: 4, MaxDialing: 4, Dialer: DialerFunc[int](nil), MaxAge: 9 * time.Second, MaxIdle: 4 * time.Second, MaxUses: 3, CheckInterval: 3 * time.Second},
	{MinCapacity: 1, MaxCapacity: 4, Places: 2, MaxShards: 2, MaxDialing: 4, Dialer: DialerFunc[int](nil), NewestFirst: true, Peer: modelPeer, MaxAge: 5 * time.Second, CheckInterval: time.Second},
	{MinCapacity: 1, MaxCapacity: 5, Places: 4, MaxShards: 3, MaxDialing: 2, Dialer: DialerFunc[int](nil), Acceptor: noAcceptor{}, Sequence: modelSequence, MaxAge: 20 * time.Second, MaxIdle: 2 * time.Second},
	{MinCapacity: 3, MaxCapacity: 3, Places: 8, MaxShards: 1, MaxDialing: 8, Dialer: DialerFunc[int](nil), Acceptor: noAcceptor{}, NewestFirst: true, FailFast: true},
}

type noAcceptor struct{ Acceptor[int] }

// modelSequence is never called: the members of the model have numbers.
func modelSequence(int) uint64 { return 0 }

// modelPeer is never called: the ledger is told the names.
func modelPeer(int) string { return "" }

func TestLedgerAgreesWithItsModel(t *testing.T) {
	operations := 1_100_000
	if testing.Short() || UnderRace {
		operations = 200_000
	}
	program := make([]byte, 6000)
	done, programs := 0, 0
	for seed := uint64(1); done < operations; seed++ {
		for config := range modelConfigs {
			rng := rand.New(rand.NewPCG(seed, uint64(config)))
			for i := range program {
				program[i] = byte(rng.Uint32())
			}
			done += runModel(t, config, program)
			programs++
		}
	}
	t.Logf("%d operations in %d programs", done, programs)
}

func FuzzLedger(f *testing.F) {
	for config := range modelConfigs {
		rng := rand.New(rand.NewPCG(7, uint64(config)))
		program := make([]byte, 400)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		f.Add(byte(config), program)
	}
	f.Fuzz(func(t *testing.T, config byte, program []byte) {
		runModel(t, int(config)%len(modelConfigs), program)
	})
}

// runModel runs a program and returns the number of its operations. However it
// goes, in the end everything is drained and every place must be free.
func runModel(tb testing.TB, config int, program []byte) (operations int) {
	w := newModel(tb, config)
	w.program = program
	for len(w.program) > 0 {
		w.step(operations)
		operations++
	}
	w.name = "the end"
	w.drain()
	w.seize()
	for len(w.tickets) > 0 {
		w.land(w.tickets[0], ID{})
	}
	for len(w.returning) > 0 {
		w.putBack(w.returning[0])
	}
	for _, a := range w.examined() {
		w.checked(a)
	}
	for len(w.actors) > 0 {
		w.free(w.actors[0])
		w.check()
	}
	if !w.l.empty() {
		w.fatalf("%+v is open, want nothing", w.l.shards.Total())
	}
	return operations
}

// step runs the next operation of the program.
func (w *model) step(n int) {
	op := w.byte()
	w.at = n
	op %= 30
	if w.calm && (op == 13 || op == 14 || op == 20 || op == 24) {
		op = 17 // what is taken comes back
	}
	switch op {
	case 0, 1, 2:
		w.name = "order"
		w.order()
	case 3, 4, 5, 6:
		w.name = "land"
		if t := pick(w, w.tickets); t != nil {
			w.land(t, w.id())
		}
		if a := pick(w, w.actors); a != nil {
			w.prove(a)
		}
	case 7:
		w.name = "drop"
		if t := pick(w, w.tickets); t != nil {
			w.drop(t)
		}
	case 8:
		w.name = "fail"
		if t := pick(w, w.tickets); t != nil {
			w.drop(t)
			w.fail(t, w.byte()%16 == 0)
		}
	case 9:
		w.name = "full"
		if t := pick(w, w.tickets); t != nil {
			w.drop(t)
			w.learn(t.shard)
		}
	case 10:
		w.name = "wake"
		w.wake(time.Duration(w.byte()) * 20 * time.Millisecond)
		w.tend()
	case 11, 12:
		w.name = "admit"
		w.admit(int(w.byte()%10)-1, w.id())
	case 13, 14:
		w.name = "take"
		w.take(wish{})
	case 15:
		w.name = "takeID"
		w.take(wish{kind: forID, id: w.id()})
	case 16:
		w.name = "give up"
		if x := pick(w, w.waiting()); x != nil {
			w.giveUp(x)
		}
	case 17, 18:
		w.name = "release"
		if a := pick(w, w.actors); a != nil {
			w.release(a)
		}
	case 19:
		w.name = "put back"
		if a := pick(w, w.returning); a != nil {
			w.putBack(a)
		}
	case 20:
		w.name = "discard"
		if a := pick(w, w.actors); a != nil {
			w.discard(a)
		}
	case 21:
		w.name = "lose"
		if a := pick(w, w.actors); a != nil {
			w.lose(a)
		}
		if a := pick(w, w.actors); a != nil && w.byte()%8 == 0 {
			w.disown(a)
		}
	case 22:
		w.name = "free"
		for range 3 { // it happens to each that is closed
			if a := pick(w, w.in(closing)); a != nil && !a.examined {
				w.free(a)
			}
		}
	case 23:
		w.rare(w.byte())
	case 24, 25:
		w.name = "takeFrom"
		w.take(wish{kind: forPeer, peer: w.peer()})
	case 26:
		w.name = "leave"
		if a := pick(w, w.actors); a != nil {
			w.leave(a)
		}
	case 27, 28:
		w.name = "claim"
		w.claim()
	case 29:
		w.name = "checked"
		if a := pick(w, w.examined()); a != nil {
			w.checked(a)
		}
	}
	w.check()
}

// rare runs the operations that change much at once.
func (w *model) rare(op byte) {
	switch {
	case op < 30:
		w.calm = !w.calm
	case op < 80:
		w.name = "trim"
		w.observe()
		w.trim()
	case op < 140:
		w.name = "resize"
		a, b := w.byte()%8, w.byte()%8
		w.resize(int(min(a, b)), int(max(a, b)))
	case op < 200:
		w.name = "retarget"
		to := w.byte()
		w.retarget(int(to%10), to >= 128)
	case op < 235:
		w.name = "flush"
		w.flush()
	case op < 250:
		w.name = "fail to accept"
		w.fail(nil, op%8 == 0)
	case !w.l.draining:
		if len(w.program) >= 1000 { // most of a program goes before
			break
		}
		if op < 253 && !w.quiet {
			w.name = "quiesce"
			w.quiesce()
			break
		}
		w.name = "drain"
		w.drain()
	default:
		w.name = "seize"
		w.seize()
	}
}

// byte is the next of the program, or zero at its end.
func (w *model) byte() byte {
	if len(w.program) == 0 {
		return 0
	}
	b := w.program[0]
	w.program = w.program[1:]
	return b
}

// id is one of few.
func (w *model) id() ID { return ID{3: w.byte() % modelIDs} }

// peer is one of few, of whom one has most of the members.
func (w *model) peer() string { return modelPeers[int(w.byte()%4)%len(modelPeers)] }

// pick lets the program choose one of a list; nil if that is empty.
func pick[T any](w *model, from []*T) *T {
	if len(from) == 0 {
		return nil
	}
	return from[int(w.byte())%len(from)]
}
