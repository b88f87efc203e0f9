package quic

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// incarnation is a server between its start and its end. The next one has the same
// address.
type incarnation struct {
	number   uint32
	pool     *native
	acceptor *acceptor
	secret   bool // it has the secret that all who have one share

	// Guarded by mortality.mu.
	dead, clean bool // whether it ended with a goodbye
	ended       time.Time
}

// mortality is a world in which the server dies again and again while a client takes
// streams, and which knows whose every stream is.
type mortality struct {
	*world
	client *native
	dialer *dialer
	takers sync.WaitGroup

	mu     sync.Mutex
	server *incarnation                // guarded by mu, as is the rest: the latest
	owner  map[poolkit.ID]*incarnation // of every stream that has arrived at a server
	fate   map[*connection]*fate       // of the client's connections

	takes, failed int // how often a stream was taken, and how often in vain
	unknowing     int // how often a dead one was taken before the client could know
	unowned       int // how often one that was nobody's
}

// fate is when the client knew that a connection was dead: how many takes had begun,
// and the time. That is zero as long as the client does not.
type fate struct {
	take int
	at   time.Time

	nobodys time.Time // when a stream was taken that no server has had

	// reset is when a stateless reset arrives at the latest.
	reset time.Time
}

// mortality starts a server and a client of n streams.
func (w *world) mortality(n int, configure func(*dialer)) *mortality {
	w.Helper()
	conf, err := clientTLS("0", "localhost")
	if err != nil {
		w.Fatal(err)
	}
	m := &mortality{
		world:  w,
		dialer: newDialer(fixed(w.Addr(serverHost)), conf, clientSettings(0), w.Socket(clientHost)),
		owner:  make(map[poolkit.ID]*incarnation),
		fate:   make(map[*connection]*fate),
	}
	configure(m.dialer)
	m.start(true)
	if m.client, err = poolkit.New(m.dialer.poolConfig(n, n, nil, poolkit.Hooks{})); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { m.client.Close(); m.server.pool.Close() })
	m.settled(n)
	return m
}

// start starts the next server.
func (m *mortality) start(secret bool) {
	m.Helper()
	next := &incarnation{secret: secret}
	var k *keys
	if secret {
		var err error
		if k, err = deriveKeys(bytes.Repeat([]byte{7}, minSecret)); err != nil {
			m.Fatal(err)
		}
	}
	var err error
	if next.acceptor, err = listen(acceptorConfig{socket: m.Socket(serverHost), tls: m.tls, keys: k, early: m.dialer.early}); err != nil {
		m.Fatal(err)
	}
	next.pool, err = poolkit.New(next.acceptor.poolConfig(places, poolkit.Hooks{Joined: func(id poolkit.ID, _ int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.owner[id] = next
	}}))
	if err != nil {
		m.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != nil {
		next.number = m.server.number + 1
	}
	m.server = next
}

// kill ends the server: with a goodbye, or without a word.
func (m *mortality) kill(clean bool) {
	m.mu.Lock()
	s := m.server
	s.dead, s.clean, s.ended = true, clean, time.Now()
	for _, f := range m.fate {
		if f.reset.Sub(s.ended) >= rtt/2 {
			f.reset = time.Time{} // nobody is left to send it
		}
	}
	m.mu.Unlock()
	if clean {
		s.pool.Close()
	} else {
		crash(s.pool, s.acceptor)
	}
}

// look notes what the client knows. It returns the number of the take that begins.
func (m *mortality) look() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.takes++
	for _, l := range m.dialer.open() {
		m.follow(l.connection)
	}
	for c, f := range m.fate {
		if f.at.IsZero() && !c.usable() {
			f.take, f.at = m.takes, time.Now()
		}
	}
	return m.takes
}

// follow notes, under mu, when a connection ends.
func (m *mortality) follow(c *connection) *fate {
	f := m.fate[c]
	if f == nil {
		f = new(fate)
		m.fate[c] = f
		context.AfterFunc(c.Context(), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if f.at.IsZero() {
				f.take, f.at = m.takes+1, time.Now()
			}
		})
	}
	return f
}

// take takes a stream, and asks it whose it is.
func (m *mortality) take(hold time.Duration) {
	number := m.look()
	ctx, stop := context.WithTimeout(m.Context(), 10*time.Second)
	defer stop()
	l, err := m.client.Acquire(ctx)
	if err != nil {
		m.mu.Lock()
		m.failed++
		m.mu.Unlock()
		return
	}
	c := l.Conn()
	defer c.Close()
	owner, dead := m.judge(c, number, time.Now())
	if owner == nil {
		return
	}
	_, _ = c.Write(bytes.Repeat([]byte{'?'}, 32)) // a failure shows when reading
	if !dead {
		m.takers.Go(func() { owner.stamp(ctx, c.ID(), hold) })
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // fails only once the stream has ended
	var stamp uint32
	err = binary.Read(c, binary.BigEndian, &stamp)

	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil && stamp != owner.number:
		m.Errorf("a stream of server %d says that it is of %d", owner.number, stamp)
	case err == nil && dead:
		m.Errorf("a stream of server %d, which was dead, says something", owner.number)
	case err != nil && !owner.dead:
		m.Errorf("a stream of server %d, which is alive: %v", owner.number, err)
	}
}

// stamp says on a stream, which it takes at the server, whose it is.
func (s *incarnation) stamp(ctx context.Context, id poolkit.ID, hold time.Duration) {
	l, err := s.pool.AcquireID(ctx, id)
	if err != nil {
		return // the client finds out
	}
	_ = binary.Write(l.Conn(), binary.BigEndian, s.number)
	time.Sleep(hold)
	l.Conn().Close()
}

// judge returns whose a stream is that was handed out in a certain take, and whether
// that server is dead. The client must not have known.
func (m *mortality) judge(c *StreamConn, take int, now time.Time) (*incarnation, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.follow(c.conn)
	if !f.at.IsZero() && (f.take <= take || f.at.Before(now)) {
		m.Errorf("a stream of a connection that was known to be dead %v ago", now.Sub(f.at))
	}
	if m.owner[c.ID()] == nil { // with early data, the client has it first
		m.mu.Unlock()
		time.Sleep(rtt)
		m.mu.Lock()
	}
	owner := m.owner[c.ID()]
	switch {
	case owner == nil:
		m.unowned++ // the server died before it had it: the connection is dead, and it is soon known
		if f.nobodys.IsZero() {
			f.nobodys = now
		}
		if since := now.Sub(f.nobodys); since > suspectedAfter {
			m.Errorf("%v later there is still a stream that is nobody's", since)
		}
		return nil, false
	case !owner.dead:
		return owner, false
	}
	m.unknowing++
	news := rtt / 2
	if !owner.clean {
		news += suspectedAfter
	}
	if late := now.Sub(owner.ended.Add(news)); late > 0 {
		m.Errorf("server %d (clean end: %v): a stream handed out %v too late", owner.number, owner.clean, late)
	}
	if !f.reset.IsZero() && now.After(f.reset) {
		m.Errorf("server %d: a stream handed out %v after a stateless reset was due", owner.number, now.Sub(f.reset))
	}
	if f.reset.IsZero() && owner.secret && m.server.secret && !m.server.dead {
		f.reset = now.Add(rtt) // in answer to what is written to this stream
	}
	return owner, true
}

// suspectedAfter is the time after the last packet from a dead peer in which it is
// suspected: what arrives right after a beat is noticed at the next.
const suspectedAfter = suspectAfter + beat
