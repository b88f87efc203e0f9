package poolkit_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// peers is an acceptor whose peers are the test.
type peers struct {
	w      *world
	offers chan *offer
}

func newPeers(w *world) *peers { return &peers{w: w, offers: make(chan *offer)} }

func (ps *peers) Accept(ctx context.Context) (poolkit.Offer[*conn], error) {
	select {
	case o := <-ps.offers:
		if o == nil {
			return nil, errRefused
		}
		return o, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// offer is a peer that wants to open a member.
type offer struct {
	w        *world
	shard    int
	delay    time.Duration
	err      error
	ids      []poolkit.ID // that Admit was called with
	admitted *conn
	refused  atomic.Int32
}

func (o *offer) Shard() int {
	if o.shard == -7 {
		panic("no shard")
	}
	return o.shard
}

func (o *offer) Admit(ctx context.Context, id poolkit.ID) (*conn, error) {
	o.ids = append(o.ids, id)
	if err := pass(ctx, o.delay); err != nil {
		return nil, err
	}
	if o.err != nil {
		return nil, o.err
	}
	o.admitted = o.w.make(o.shard)
	o.admitted.id = id
	return o.admitted, nil
}

func (o *offer) Refuse() { o.refused.Add(1) }

// offer makes a peer come, and returns when it has been dealt with or waits.
func (ps *peers) offer(o *offer) *offer {
	o.w = ps.w
	ps.offers <- o
	synctest.Wait()
	return o
}

func accepting(w *world) (*peers, poolkit.Config[*conn]) {
	ps := newPeers(w)
	cfg := w.config(1)
	cfg.Dialer, cfg.Acceptor = nil, ps
	return ps, cfg
}

func TestOffersAreRefusedWhereTheirShardIsFullAndOnlyThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		cfg.Places, cfg.MaxShards = 2, 2
		p := open(t, w, cfg)
		for _, shard := range []int{0, 0, 1, 1} {
			if o := ps.offer(&offer{shard: shard}); o.admitted == nil {
				t.Errorf("an offer on shard %d was refused with room there: idle beyond the target is fine", shard)
			}
		}
		for _, shard := range []int{0, 1, 2, -1, math.MaxInt} {
			if o := ps.offer(&offer{shard: shard}); o.refused.Load() != 1 || o.ids != nil {
				t.Errorf("on shard %d: refused %d times, admitted %v; want refused once", shard, o.refused.Load(), o.ids)
			}
		}
		after(time.Hour)
		expect(t, p, "an hour later", 4, 0, 0, 0)
		if s := p.Stats(); s.Refused != 5 || s.Created != 4 {
			t.Errorf("%d refused, %d created; want 5, 4", s.Refused, s.Created)
		}
	})
}

func TestTheFirstIDIsGivenOnceAndAgainOnlyIfAdmitFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		first := poolkit.ID{1, 2, 3, 4}
		cfg.FirstID = &first
		p := open(t, w, cfg)
		first = poolkit.ID{} // the pool has its own
		want := poolkit.ID{1, 2, 3, 4}

		failed := ps.offer(&offer{err: errRefused})
		slow := ps.offer(&offer{delay: time.Second})
		meanwhile := ps.offer(&offer{})
		after(time.Second)
		if failed.ids[0] != want || slow.ids[0] != want || meanwhile.ids[0] == want {
			t.Errorf("IDs %v, %v, %v; want the first ID for the first two alone", failed.ids, slow.ids, meanwhile.ids)
		}
		l, err := p.AcquireID(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		l.Discard()
		for range 100 {
			if o := ps.offer(&offer{}); o.ids[0] == want {
				t.Error("the first ID was given again after its member had gone")
			}
		}
	})
}

func TestASlowAdmitDisturbsNobodyAndIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		cfg.DialTimeout = 3 * time.Second
		p := open(t, w, cfg)
		slow := ps.offer(&offer{delay: time.Hour})
		if o := ps.offer(&offer{}); o.admitted == nil {
			t.Error("an offer waited for another")
		}
		expect(t, p, "beside a slow one", 1, 0, 1, 0)
		after(3 * time.Second)
		expect(t, p, "after its time", 1, 0, 0, 0)
		if slow.admitted != nil || slow.refused.Load() != 0 {
			t.Error("the slow one was admitted, or both admitted and refused")
		}
	})
}

func TestAcceptErrorsEndNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		failures := 0
		cfg.Hooks.Failed = func(shard int, err error) {
			if shard == -1 && errors.Is(err, errRefused) {
				failures++
			}
		}
		p := open(t, w, cfg)
		begun := time.Now()
		for range 5 {
			ps.offers <- nil
		}
		if got := time.Since(begun); got < time.Second {
			t.Errorf("5 errors in %v, want pauses between them", got)
		}
		ps.offer(&offer{})
		ps.offers <- nil
		begun = time.Now()
		ps.offer(&offer{})
		if got := time.Since(begun); got > 125*time.Millisecond {
			t.Errorf("after a success the pause is %v, want the first one again", got)
		}
		if failures != 6 || p.Stats().Idle != 2 || p.Stats().LastError != nil {
			t.Errorf("%d failures, %+v; want 6, two idle and no error left", failures, p.Stats())
		}
	})
}

func TestAnOfferThatPanicsIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		p := open(t, w, cfg)
		if o := ps.offer(&offer{shard: -7}); o.refused.Load() != 1 {
			t.Errorf("refused %d times, want once", o.refused.Load())
		}
		if o := ps.offer(&offer{}); o.admitted == nil {
			t.Error("the next offer was not admitted")
		}
		expect(t, p, "after a panic", 1, 0, 0, 0)
	})
}

func TestAPoolMayDialAndAcceptAndTrimsOnlyWhatItDialled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(2)
		cfg.Acceptor, cfg.SingleUse = ps, true
		p := open(t, w, cfg)
		ready(t, p)
		for range 5 {
			ps.offer(&offer{shard: 1})
		}
		after(time.Minute)
		expect(t, p, "with 2 dialled and 5 accepted", 5, 0, 0, 0)
		for _, c := range w.members() {
			if trimmed := c.shut.Load() > 0; trimmed != (c.shard == 0) {
				t.Errorf("member %v of shard %d was trimmed: %t", c.id, c.shard, trimmed)
			}
		}
	})
}

func TestMembersThatPeersOpenDoNotSpeedUpFailingDials(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(100)
		cfg.Acceptor, cfg.MaxDialing = ps, 1
		w.breaks(always(errRefused))
		open(t, w, cfg)
		after(5 * time.Second)
		before := w.dialled()
		for range 50 {
			ps.offer(&offer{shard: 1})
			after(100 * time.Millisecond)
		}
		if n := w.dialled() - before; n > 10 {
			t.Errorf("%d dials in 5 s of an outage, want a few", n)
		}
	})
}

// What keeps the pool from dialling is the dialer's to say.
func TestAPeersFailureDoesNotHideAPermanentError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		w.breaks(always(poolkit.Permanent(errRefused)))
		ps := newPeers(w)
		cfg := w.config(1)
		cfg.Acceptor = ps
		p := open(t, w, cfg)
		synctest.Wait()
		ps.offer(&offer{err: errors.New("a port scanner")})
		begun := time.Now()
		_, err := p.Acquire(t.Context())
		if !poolkit.IsPermanent(err) || !errors.Is(p.Stats().LastError, errRefused) || time.Since(begun) > 0 {
			t.Errorf("after %v: %v; last error %v", time.Since(begun), err, p.Stats().LastError)
		}
	})
}

func TestADialledMemberDoesNotTakeTheFirstID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(1)
		cfg.Acceptor = ps
		first := number(1) // which the dialer comes up with, too
		cfg.FirstID = &first
		p := open(t, w, cfg)
		ready(t, p)
		ps.offer(&offer{})
		if l, ok := p.TryAcquireID(first); !ok {
			t.Error("the first member that was admitted has not the first ID")
		} else {
			l.Discard()
		}
	})
}
