package poolkit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/poolkit"
)

// ofShard names the peer of a member after its shard, as if each connection were
// another peer's.
func ofShard(c *conn) string { return string(rune('a' + c.shard)) }

// peopled starts a pool that accepts, and whose peers are its shards.
func peopled(t *testing.T) (*peers, *poolkit.Pool[*conn]) {
	t.Helper()
	w := &world{}
	ps, cfg := accepting(w)
	cfg.Peer = ofShard
	return ps, open(t, w, cfg)
}

// from waits for a member of a peer.
func from(t *testing.T, p *poolkit.Pool[*conn], peer string) func() (poolkit.Lease[*conn], error) {
	return func() (poolkit.Lease[*conn], error) { return p.AcquireFrom(t.Context(), peer) }
}

// anyOf waits for any member.
func anyOf(t *testing.T, p *poolkit.Pool[*conn]) func() (poolkit.Lease[*conn], error) {
	return func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) }
}

func TestAcquireFromLendsTheLongestIdleOfThatPeerAndTheShortestOnDemand(t *testing.T) {
	for _, newest := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			ps, cfg := accepting(w)
			cfg.Peer, cfg.NewestFirst = ofShard, newest
			p := open(t, w, cfg)
			var made [2][]poolkit.ID
			for i := range 6 {
				o := ps.offer(&offer{shard: i % 2})
				made[i%2] = append(made[i%2], o.admitted.id)
			}
			for i := range 3 {
				if newest {
					i = 2 - i
				}
				l, err := p.AcquireFrom(t.Context(), "b")
				if err != nil || l.ID() != made[1][i] || l.Peer() != "b" || l.Conn().shard != 1 {
					t.Errorf("with NewestFirst %t got %v of %q (%v), want %v of b", newest, l.ID(), l.Peer(), err, made[1][i])
				}
			}
			if l, ok := p.TryAcquireFrom("b"); ok {
				t.Errorf("got %v of a peer without an idle member", l.ID())
			}
			if _, ok := p.TryAcquireFrom("a"); !ok {
				t.Error("got no member of the other peer, which has three")
			}
		})
	}
}

func TestWhoWaitsForAPeerIsServedByItAndByNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ps, p := peopled(t)
		ps.offer(&offer{shard: 0})
		results := make(chan got, 1)
		call(results, 0, from(t, p, "c")) // whom nobody has heard of
		ps.offer(&offer{shard: 1})
		expect(t, p, "before the peer has come", 2, 0, 0, 1)
		ps.offer(&offer{shard: 2})
		r := <-results
		if r.err != nil || r.lease.Peer() != "c" {
			t.Errorf("got a member of %q (%v), want of c", r.lease.Peer(), r.err)
		}
		call(results, 0, from(t, p, "c"))
		r.lease.Release()
		if back := <-results; back.lease.Conn() != r.lease.Conn() {
			t.Errorf("got %v, want the member that came back", back.lease.ID())
		}
	})
}

func TestThoseWhoWaitForAnyAndForAPeerAreServedInTheOrderTheyCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ps, p := peopled(t)
		results := make(chan got, 6)
		for i, f := range []func() (poolkit.Lease[*conn], error){
			from(t, p, "b"), anyOf(t, p), from(t, p, "a"), anyOf(t, p), from(t, p, "b"), anyOf(t, p),
		} {
			call(results, i, f)
		}
		for _, arrival := range []struct{ shard, caller int }{{0, 1}, {0, 2}, {1, 0}, {1, 3}, {1, 4}, {0, 5}} {
			ps.offer(&offer{shard: arrival.shard})
			if r := <-results; r.caller != arrival.caller || r.lease.Shard() != arrival.shard {
				t.Errorf("a member of shard %d went to caller %d, want caller %d", r.lease.Shard(), r.caller, arrival.caller)
			}
		}
	})
}

func TestWhoWaitsForAnIDComesBeforeThoseWhoWaitForItsPeer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		first := poolkit.ID{1, 2, 3, 4}
		cfg.Peer, cfg.FirstID = ofShard, &first
		p := open(t, w, cfg)
		results := make(chan got, 2)
		call(results, 0, from(t, p, "a"))
		call(results, 1, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), first) })
		for _, caller := range []int{1, 0} {
			ps.offer(&offer{shard: 0})
			if r := <-results; r.caller != caller {
				t.Errorf("caller %d was served, want %d", r.caller, caller)
			}
		}
	})
}

func TestAVainWaitForAPeerSaysWhichAndEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ps, p := peopled(t)
		ps.offer(&offer{shard: 0})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := p.AcquireFrom(ctx, "b\n")
		var acquireErr *poolkit.AcquireError
		if !errors.As(err, &acquireErr) || !acquireErr.ByPeer || acquireErr.Peer != "b\n" || acquireErr.ByID {
			t.Fatalf("got %#v, want an AcquireError for the peer", err)
		}
		if took := time.Since(begun); took != 3*time.Second || !acquireErr.Timeout() {
			t.Errorf("gave up after %v with %v, want after 3s with a timeout", took, err)
		}
		want := `poolkit: acquire a member of peer "b\n": context deadline exceeded` +
			" (1 idle of 1, 0 on loan, 0 on their way, 0 waiting)"
		if err.Error() != want {
			t.Errorf("error text\n\t%s, want\n\t%s", err, want)
		}
		if diff := cmp.Diff([]poolkit.PeerStats{{Peer: "a", Idle: 1}}, p.Peers()); diff != "" {
			t.Errorf("somebody is still waited for: %s", diff)
		}
	})
}

func TestAWaitForAPeerFailsWhenThePoolIsClosedOrCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(1)
		cfg.Acceptor, cfg.Peer = ps, ofShard
		w.delay = time.Second
		w.breaks(always(errRefused))
		p := open(t, w, cfg)
		results := make(chan got, 1)
		call(results, 0, from(t, p, "x"))
		w.breaks(always(poolkit.Permanent(errRefused)))
		if r := <-results; !errors.Is(r.err, errRefused) {
			t.Errorf("got %v, want the permanent error", r.err)
		}
		w.breaks(nil)
		after(time.Minute)
		call(results, 0, from(t, p, "x"))
		p.Close()
		if r := <-results; !errors.Is(r.err, poolkit.ErrClosed) {
			t.Errorf("got %v, want %v", r.err, poolkit.ErrClosed)
		}
		if _, err := p.AcquireFrom(t.Context(), "a"); !errors.Is(err, poolkit.ErrClosed) {
			t.Errorf("after Close got %v, want %v", err, poolkit.ErrClosed)
		}
	})
}

func TestAPoolThatDoesNotTellItsPeersApartSaysSoAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(1))
		ready(t, p)
		_, err := p.AcquireFrom(t.Context(), "")
		want := `poolkit: acquire a member of peer "": the pool does not tell its peers apart: set Config.Peer` +
			" (1 idle of 1, 0 on loan, 0 on their way, 0 waiting)"
		if err == nil || err.Error() != want {
			t.Errorf("got\n\t%v, want\n\t%s", err, want)
		}
		if _, ok := p.TryAcquireFrom(""); ok {
			t.Error("got a member all the same")
		}
		if all := p.Peers(); len(all) != 0 {
			t.Errorf("its peers are %+v, want none", all)
		}
		if l := acquire(t, p); l.Peer() != "" || (poolkit.Lease[*conn]{}).Peer() != "" {
			t.Errorf("a member is of peer %q", l.Peer())
		}
	})
}

func TestPeersAreListedAsLongAsTheyHaveMembersOrAreWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		cfg = watched(cfg)
		cfg.Peer = ofShard
		cfg.Shut = func(c *conn) error {
			time.Sleep(time.Second)
			return shutConn(c)
		}
		p := open(t, w, cfg)
		check := func(when string, want ...poolkit.PeerStats) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, append([]poolkit.PeerStats(nil), p.Peers()...)); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
		check("at first")
		results := make(chan got, 1)
		call(results, 0, from(t, p, "c"))
		check("when one is waited for", poolkit.PeerStats{Peer: "c", Waiting: 1})
		for _, shard := range []int{3, 1, 1} {
			ps.offer(&offer{shard: shard})
		}
		l, _ := p.AcquireFrom(t.Context(), "b")
		check("with some on loan",
			poolkit.PeerStats{Peer: "b", Idle: 1, OnLoan: 1}, poolkit.PeerStats{Peer: "c", Waiting: 1}, poolkit.PeerStats{Peer: "d", Idle: 1})
		for _, c := range w.members() {
			if c != l.Conn() {
				c.end()
			}
		}
		check("when some end", poolkit.PeerStats{Peer: "b", OnLoan: 1, Closing: 1},
			poolkit.PeerStats{Peer: "c", Waiting: 1}, poolkit.PeerStats{Peer: "d", Closing: 1})
		after(time.Second)
		check("when they have ended", poolkit.PeerStats{Peer: "b", OnLoan: 1}, poolkit.PeerStats{Peer: "c", Waiting: 1})
		ps.offer(&offer{shard: 2})
		(<-results).lease.Release()
		l.Discard()
		check("in the end", poolkit.PeerStats{Peer: "c", Idle: 1})
	})
}

// Whom the dialer dials is its own affair, so that a wait for a peer that it never
// dials must not make the pool grow.
func TestAWaitForAPeerOrdersNoDial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		cfg.Peer = ofShard
		p := open(t, w, cfg)
		ready(t, p)
		results := make(chan got, 10)
		for i := range 10 {
			call(results, i, from(t, p, "z"))
		}
		after(time.Minute)
		expect(t, p, "while ten wait for a peer that is not dialled", 2, 0, 0, 10)
		if n := w.dialled(); n != 2 {
			t.Errorf("%d dials, want 2", n)
		}
		l, err := p.AcquireFrom(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		expect(t, p, "after one was taken", 2, 1, 0, 10)
		l.Discard()
	})
}

func TestWhoMeetsADeadMemberOfAPeerGetsItsNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		cfg.Peer = ofShard
		cfg.Healthy = func(c *conn) bool { return !c.ended.Load() }
		p := open(t, w, cfg)
		dead := ps.offer(&offer{shard: 1}).admitted
		dead.ended.Store(true)
		ps.offer(&offer{shard: 0})
		results := make(chan got, 1)
		call(results, 0, from(t, p, "b"))
		expect(t, p, "after a dead one", 1, 0, 0, 1)
		next := ps.offer(&offer{shard: 1}).admitted
		if r := <-results; r.err != nil || r.lease.Conn() != next {
			t.Errorf("got %v (%v), want the next of that peer", r.lease.ID(), r.err)
		}
		if dead.shut.Load() != 1 {
			t.Error("the dead member was not shut")
		}
	})
}

func TestAMemberWhosePeerCannotBeNamedIsTurnedAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		var asked notes[*conn]
		cfg.Peer = func(c *conn) string {
			asked.add(c)
			if c.shard == 1 {
				panic("no name")
			}
			return ""
		}
		var failed notes[error]
		cfg.Hooks.Failed = func(_ int, err error) { failed.add(err) }
		p := open(t, w, cfg)
		c := ps.offer(&offer{shard: 1}).admitted
		var panicked *poolkit.PanicError
		if errs := failed.list(); len(errs) != 1 || !errors.As(errs[0], &panicked) || panicked.Callback != "Peer" {
			t.Errorf("reported %v, want the panic, once", errs)
		}
		if c.shut.Load() != 1 || len(p.Peers()) != 0 {
			t.Errorf("shut %d times, peers %+v; want once and none", c.shut.Load(), p.Peers())
		}
		ps.offer(&offer{shard: 0})
		l, err := p.AcquireFrom(t.Context(), "")
		if err != nil {
			t.Fatalf("no member of the peer whose name is empty: %v", err)
		}
		l.Release()
		if n := len(asked.list()); n != 2 {
			t.Errorf("asked for %d names, want one for each member", n)
		}
	})
}
