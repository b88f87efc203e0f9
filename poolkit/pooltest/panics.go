package pooltest

import "sync/atomic"

// Each callback that there is panics for a while, in a pool that is in use. The pool
// says so and goes on.
func panics[C comparable](r *rig[C]) {
	var panicking atomic.Value // of string: the callback that panics now
	panicking.Store("")
	r.hurts = func(callback string) {
		if callback == panicking.Load() {
			panic(errInjected)
		}
	}
	cfg := &r.backend.Config
	r.examines = true
	p := r.ready()
	for _, callback := range []struct {
		name string
		set  bool
	}{
		{"Dial", cfg.Dialer != nil},
		{"Accept", cfg.Acceptor != nil},
		{"Admit", cfg.Acceptor != nil},
		{"Shut", true},
		{"Watch", cfg.Watch != nil},
		{"Watch's stop", cfg.Watch != nil},
		{"Healthy", cfg.Healthy != nil},
		{"Check", cfg.Check != nil},
		{"Lent", cfg.Lent != nil},
		{"Peer", cfg.Peer != nil},
		{"Sequence", cfg.Sequence != nil},
	} {
		if !callback.set {
			continue
		}
		panicking.Store(callback.name)
		turn := 0
		r.eventually(func() bool {
			ctx, cancel := r.briefly()
			defer cancel()
			if l, err := p.Acquire(ctx); err == nil {
				if turn++; turn%2 == 0 {
					l.Release()
				} else {
					l.Discard()
				}
			}
			return r.panics.of(callback.name) > 2
		}, "%s panics, and the pool's Failed hook is not told", callback.name)
		panicking.Store("")
		r.full()
		r.drop(r.hold(everybody))
		r.settled()
	}
}
