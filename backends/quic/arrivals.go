package quic

import (
	"context"
	"sync"

	quicgo "github.com/quic-go/quic-go"
)

// arrivals are connections to a server whose share quic-go has asked for, but whose
// end it has not told how to learn of yet. It does both within one call.
type arrivals struct {
	budget *budget

	mu     sync.Mutex
	shares map[*quicgo.ClientInfo]*share // guarded by mu
}

func newArrivals(b *budget) *arrivals {
	return &arrivals{budget: b, shares: make(map[*quicgo.ClientInfo]*share)}
}

// settings returns a copy of conf that gives each connection a share.
func (a *arrivals) settings(conf *quicgo.Config) *quicgo.Config {
	each := conf.Clone()
	each.GetConfigForClient = func(info *quicgo.ClientInfo) (*quicgo.Config, error) {
		s := a.budget.open()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.shares[info] = s
		return s.settings(conf), nil
	}
	return each
}

// greet returns quic-go's ConnContext: one that also makes the share of a connection end
// with it, or at once where it is refused.
func (a *arrivals) greet(greet greeting) greeting {
	return func(ctx context.Context, info *quicgo.ClientInfo) (context.Context, error) {
		a.mu.Lock()
		s := a.shares[info]
		delete(a.shares, info)
		a.mu.Unlock()
		conn, err := greet(ctx, info)
		if err != nil {
			s.end()
			return nil, err
		}
		context.AfterFunc(ctx, s.end) // also when the handshake fails
		return conn, nil
	}
}

// greeting is the type of a ConnContext.
type greeting = func(context.Context, *quicgo.ClientInfo) (context.Context, error)
