package pooltest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vistone/poolkit/poolkit"
)

// tapped returns a configuration whose callbacks go through the rig.
func (r *rig[C]) tapped(cfg poolkit.Config[C]) poolkit.Config[C] {
	if d := cfg.Dialer; d != nil {
		cfg.Dialer = r.source(poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
			id, c, err := d.Dial(ctx, shard)
			r.made("Dial", id, c, err)
			return id, c, err
		}), "Dial")
	}
	if a := cfg.Acceptor; a != nil {
		cfg.Acceptor = &tappedAcceptor[C]{r, a, r.source(poolkit.DialerFunc[C](r.admit), "Admit")}
	}
	if shut := cfg.Shut; shut != nil { // else let the pool say so
		cfg.Shut = func(c C) error {
			r.census.shut(c)
			err := shut(c)
			r.event("Shut")
			return err
		}
	}
	if closed := cfg.Closed; closed != nil {
		cfg.Closed = func() error {
			if open, n := len(r.census.open()), r.meter.UnderWay(); open != 0 || n != 0 || r.closings.Add(1) != 1 {
				r.Errorf("Closed was called %d times, with %d members open and %d dials under way", r.closings.Load(), open, n)
			}
			return closed()
		}
	}
	r.tapChecks(&cfg)
	r.tapFacts(&cfg)
	r.tapHooks(&cfg.Hooks)
	return cfg
}

// source is the dialer that the pool gets to see, with the check's chaos in it.
func (r *rig[C]) source(d poolkit.Dialer[C], callback string) poolkit.Dialer[C] {
	if r.chaos != nil {
		d = r.chaos(d)
	}
	d = Metered(d, &r.meter)
	return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
		r.event(callback)
		id, c, err := d.Dial(ctx, shard)
		r.look("the end of " + callback)
		return id, c, err
	})
}

// made looks at what the backend has returned.
func (r *rig[C]) made(callback string, id poolkit.ID, c C, err error) {
	var none C
	switch {
	case err == nil && c == none:
		r.Errorf("%s returned neither a member nor an error", callback)
	case err == nil:
		r.census.arrive(id, c)
	case c != none:
		r.Errorf("%s returned a member, %v, beside the error %q: the pool does not shut it", callback, c, err)
	}
}

// tapChecks taps the callbacks that say whether a member is alive.
func (r *rig[C]) tapChecks(cfg *poolkit.Config[C]) {
	if watch := cfg.Watch; watch != nil {
		cfg.Watch = func(c C, w poolkit.Watcher) func() bool {
			r.event("Watch")
			s := &tappedWatcher[C]{Watcher: w, rig: r, conn: c}
			stop := watch(c, s)
			return func() bool {
				alive := stop()
				s.alive.Store(!r.census.was(c).killed)
				r.event("Watch's stop")
				return alive
			}
		}
	}
	if healthy := cfg.Healthy; healthy != nil {
		cfg.Healthy = func(c C) bool {
			r.event("Healthy")
			return healthy(c)
		}
	}
	if examine := cfg.Check; examine != nil {
		cfg.Check = func(ctx context.Context, c C) error {
			r.event("Check")
			r.examinations.Add(1)
			return examine(ctx, c)
		}
	}
}

// tapFacts taps the callbacks that are told or say something about a member.
func (r *rig[C]) tapFacts(cfg *poolkit.Config[C]) {
	if lent := cfg.Lent; lent != nil {
		cfg.Lent = func(c C, l poolkit.Lease[C]) {
			lent(c, l)
			r.event("Lent")
		}
	}
	if peer := cfg.Peer; peer != nil {
		cfg.Peer = func(c C) string {
			r.event("Peer")
			return peer(c)
		}
	}
	if sequence := cfg.Sequence; sequence != nil {
		cfg.Sequence = func(c C) uint64 {
			r.event("Sequence")
			return sequence(c)
		}
	}
}

func (r *rig[C]) tapHooks(h *poolkit.Hooks) {
	theirs := *h
	h.Joined = func(id poolkit.ID, shard int) {
		r.census.join(id)
		r.look("Hooks.Joined")
		if theirs.Joined != nil {
			theirs.Joined(id, shard)
		}
	}
	h.Left = func(id poolkit.ID, shard int, why poolkit.Reason) {
		r.census.leave(id, why)
		r.look("Hooks.Left")
		if theirs.Left != nil {
			theirs.Left(id, shard, why)
		}
	}
	h.Failed = func(shard int, err error) {
		r.failed(err)
		if theirs.Failed != nil {
			theirs.Failed(shard, err)
		}
	}
}

// failed looks at a failure that the pool tells of.
func (r *rig[C]) failed(err error) {
	panicked, ok := errors.AsType[*poolkit.PanicError](err)
	switch {
	case !ok:
	case errors.Is(err, errInjected):
		r.panics.add(panicked.Callback)
	default:
		r.Errorf("the backend's %s panicked: %v\n%s", panicked.Callback, panicked.Value, panicked.Stack)
	}
}

// tappedWatcher is what the backend tells that a member has ended.
type tappedWatcher[C comparable] struct {
	poolkit.Watcher
	rig   *rig[C]
	conn  C
	alive atomic.Bool // when the watch was stopped, the peer had not ended the member
}

// Gone implements [poolkit.Watcher]. A call that was under way when the watch was
// stopped is no mistake; one about what the peer did later is.
func (w *tappedWatcher[C]) Gone() {
	if p := w.rig.census.was(w.conn); w.alive.Load() && p.killed {
		w.rig.Errorf("the watch of member %v told of its end after it had been stopped: "+
			"a stopped watch must not call its Watcher any more", p.id)
	}
	w.rig.census.tell(w.conn)
	if !w.rig.deaf.Load() {
		w.Watcher.Gone()
	}
}

// tappedAcceptor lets offers through the rig.
type tappedAcceptor[C comparable] struct {
	rig    *rig[C]
	theirs poolkit.Acceptor[C]
	admit  poolkit.Dialer[C]
}

func (a *tappedAcceptor[C]) Accept(ctx context.Context) (poolkit.Offer[C], error) {
	a.rig.event("Accept")
	o, err := a.theirs.Accept(ctx)
	switch {
	case err != nil:
		return nil, err
	case o == nil:
		a.rig.Errorf("Accept returned neither an offer nor an error")
		return nil, nil
	}
	return &tappedOffer[C]{Offer: o, admit: a.admit}, nil
}

// tappedOffer is admitted by a dialer, so that what spoils dialers spoils it too.
type tappedOffer[C comparable] struct {
	poolkit.Offer[C]
	admit    poolkit.Dialer[C]
	id       poolkit.ID
	answered bool // by the backend's Admit
}

type offerKey struct{}

func (o *tappedOffer[C]) Admit(ctx context.Context, id poolkit.ID) (C, error) {
	o.id = id
	defer func() {
		if !o.answered { // it was spoiled before
			o.Refuse()
		}
	}()
	_, c, err := o.admit.Dial(context.WithValue(ctx, offerKey{}, o), o.Shard())
	return c, err
}

// admit admits the offer that is in the context.
func (r *rig[C]) admit(ctx context.Context, _ int) (poolkit.ID, C, error) {
	o := ctx.Value(offerKey{}).(*tappedOffer[C])
	o.answered = true
	c, err := o.Offer.Admit(ctx, o.id)
	r.made("Admit", o.id, c, err)
	return o.id, c, err
}
