package pooltest

import (
	"context"
	"sync"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// The peer falls silent and ends nothing: its members are half-open. Nobody is held up
// for longer than he wants to wait.
func silentPeer[C comparable](r *rig[C]) {
	r.needs(r.backend.Stall != nil, "Stall")
	r.examines, r.stalls = true, true
	p := r.ready()
	all := r.hold(kept)
	r.full()
	r.backend.Stall()
	if r.backend.Config.Check != nil {
		before := r.examinations.Load()
		r.eventually(func() bool { return r.examinations.Load() > before }, "members stand idle, and none is examined")
	}

	var talks sync.WaitGroup
	if r.backend.Echo != nil {
		talks.Go(func() { _ = r.echo(all[0], 1) }) // ends with the pool, at the latest
	}
	r.atOnce("TryAcquire", func() {
		if l, ok := p.TryAcquire(); ok {
			go l.Release() // may shut it, which is for later; Close waits for it
		}
	})
	if !r.single {
		r.atOnce("Release", func() { r.giveBack(all[1], 2) })
	}
	r.within(func() {
		r.yield(all[2], 3)
		all[2].Discard()
	}, "Discard of a member whose peer is silent does not return: Shut must not wait for the peer without a bound")
	r.within(func() {
		for range everybody {
			ctx, cancel := r.briefly()
			if l, err := p.Acquire(ctx); err == nil {
				l.Discard()
			}
			cancel()
		}
	}, "while the peer is silent, a caller whose context has ended waits on")
	r.within(p.Flush, "while the peer is silent, Flush does not return: Shut must not wait for the peer without a bound")
	r.close()
	r.within(talks.Wait, "a borrower waits for the silent peer although the pool is closed: "+
		"Shut must end what is under way on a member, or Echo has to give up")
}

// Members of a silent peer leave the pool when they are examined.
func silenceFound[C comparable](r *rig[C]) {
	r.needs(r.backend.Stall != nil, "Stall")
	r.needs(r.backend.Config.Check != nil, "Check")
	r.examines, r.stalls = true, true
	r.ready()
	silent := r.someIdle()
	r.backend.Stall()
	for _, m := range silent {
		r.eventually(func() bool { _, gone := r.census.why(m.id); return gone },
			"the peer of member %v, which is idle, is silent, and Check finds nothing wrong", m.id)
	}
	r.backend.Recover()
	r.full()
	r.drop(r.hold(everybody))
	r.settled()
}

// atOnce checks that something takes no time.
func (r *rig[C]) atOnce(what string, f func()) {
	r.Helper()
	begun := time.Now()
	r.within(f, "%s waits for a silent peer: Healthy, Watch and its stop must not block", what)
	most := time.Duration(0)
	if !r.bubble {
		most = 2 * time.Second // on a machine that is busy
	}
	if took := time.Since(begun); took > most {
		r.Errorf("%s took %v while the peer was silent: Healthy, Watch and its stop must not block", what, took)
	}
}

// A pool recovers from whatever its peer went through.
func recovers[C comparable](trouble func(*Backend[C]) func(), what string) func(*rig[C]) {
	return func(r *rig[C]) {
		begin := trouble(&r.backend)
		r.needs(begin != nil, what)
		r.stalls = true
		p := r.ready()
		for range 2 {
			dials := r.meter.Dials()
			begin()
			p.Flush()
			r.within(func() {
				for range everybody {
					ctx, cancel := r.briefly()
					if l, err := p.Acquire(ctx); err == nil {
						l.Discard()
					}
					cancel()
				}
			}, "while the peer is in trouble, a caller whose context has ended waits on")
			if r.backend.Config.Dialer != nil {
				r.eventually(func() bool { return r.meter.Dials() > dials }, "while the peer is in trouble, nothing is dialled")
			}
			r.giveUp()
			r.backend.Recover()
			r.eventually(func() bool { return r.oneWorks(p) }, "the peer has recovered, and the pool lends no member that works")
			r.full()
		}
		r.settled()
	}
}

// giveUp waits, in virtual time, until dials that nobody answers have failed. In real
// time it dials by itself, where the backend lets others decide for how long.
func (r *rig[C]) giveUp() {
	cfg := &r.backend.Config
	if r.bubble {
		<-time.After(15 * time.Second)
		return
	}
	if cfg.Dialer == nil || cfg.DialTimeout == poolkit.NoTimeout {
		return
	}
	r.within(func() {
		ctx, cancel := r.briefly()
		defer cancel()
		if _, c, err := cfg.Dialer.Dial(ctx, 0); err == nil {
			_ = cfg.Shut(c) // it was the peer's choice to answer
		}
	}, "Dial does not return though its context has ended")
}

// oneWorks tries a member, and discards it if it does not work.
func (r *rig[C]) oneWorks(p *poolkit.Pool[C]) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l, err := p.Acquire(ctx)
	if err != nil {
		return false
	}
	r.claim(l, 1)
	err = r.echo(l, 1)
	r.yield(l, 1)
	if err != nil {
		l.Discard()
		return false
	}
	l.Release()
	return true
}
