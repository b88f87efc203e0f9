package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	quicgo "github.com/quic-go/quic-go"
)

// sockets is the sockets of a dialer: the latest, which all connections use, and
// earlier ones, as long as a connection lives that began there. quic-go ends a
// connection with the socket that it began on.
type sockets struct {
	mu     sync.Mutex
	latest *socket // guarded by mu; nil before the first
}

type socket struct {
	transport *quicgo.Transport
	owned     bool // ours to close
	users     int  // connections, and one more for the latest; guarded by sockets.mu
}

// use returns the latest socket, which may be a new one, for a connection. The caller
// calls leave when that has ended.
func (s *sockets) use() (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		next, err := openSocket()
		if err != nil {
			return nil, err
		}
		s.latest = next
	}
	s.latest.users++
	return s.latest, nil
}

// replace makes conn the latest socket, or one of our own where it is nil.
func (s *sockets) replace(conn net.PacketConn) error {
	next := given(conn)
	if conn == nil {
		var err error
		if next, err = openSocket(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	old := s.latest
	s.latest = next
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	return s.leave(old)
}

// leave ends the use of a socket, which is closed after the last.
func (s *sockets) leave(x *socket) error {
	s.mu.Lock()
	x.users--
	unused := x.users == 0
	s.mu.Unlock()
	if !unused {
		return nil
	}
	err := x.transport.Close()
	if x.owned {
		err = errors.Join(err, x.transport.Conn.Close())
	}
	return err
}

// close ends the use of the latest socket as such.
func (s *sockets) close() error {
	s.mu.Lock()
	latest := s.latest
	s.latest = nil
	s.mu.Unlock()
	if latest == nil {
		return nil
	}
	return s.leave(latest)
}

func given(conn net.PacketConn) *socket {
	return &socket{transport: &quicgo.Transport{Conn: conn}, users: 1}
}

func openSocket() (*socket, error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket: %w", err)
	}
	s := given(conn)
	s.owned = true
	return s, nil
}

// follow moves all connections to each new socket, until the dialer is closed.
func (d *dialer) follow(next <-chan net.PacketConn) {
	for {
		select {
		case conn, ok := <-next:
			if !ok {
				return
			}
			if d.sockets.replace(conn) == nil {
				d.move()
			}
		case <-d.ctx.Done():
			return
		}
	}
}

// move moves all connections to the latest socket. Those that cannot are renewed, as soon
// as a new one can be made there.
func (d *dialer) move() {
	var moves sync.WaitGroup
	for _, l := range d.open() {
		moves.Go(func() {
			if l.move(d.ctx) != nil {
				l.astray.Store(true)
				l.renew()
			}
		})
	}
	moves.Wait()
}

// move moves a connection to the latest socket once the server has answered there. It
// has to wait for the end of the handshake (RFC 9000, section 9).
func (l *link) move(ctx context.Context) error {
	if err := l.await(ctx); err != nil {
		return err
	}
	s, err := l.carrier.dialer.sockets.use()
	if err != nil {
		return err
	}
	if !l.keep(s) {
		return net.ErrClosed
	}
	path, err := l.AddPath(s.transport)
	if err != nil {
		return fmt.Errorf("add a path: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	defer context.AfterFunc(l.Context(), cancel)()
	if err := path.Probe(ctx); err != nil {
		return errors.Join(fmt.Errorf("probe a path: %w", err), path.Close())
	}
	if err := path.Switch(); err != nil {
		return fmt.Errorf("switch to a path: %w", err)
	}
	return nil
}

// keep uses a socket for as long as the connection lives. It reports false when that
// has ended already.
func (l *link) keep(s *socket) bool {
	l.mu.Lock()
	gone := l.gone
	if !gone {
		l.sockets = append(l.sockets, s)
	}
	l.mu.Unlock()
	if gone {
		_ = l.carrier.dialer.sockets.leave(s) // nobody is left to tell
	}
	return !gone
}
