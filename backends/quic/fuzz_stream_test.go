package quic

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// duel is one stream after the exchange: the peer's end, with which anything may be
// done, and ours, which stands idle in a pool until it is taken.
type duel struct {
	*testing.T
	pool *native
	id   poolkit.ID
	peer *quicgo.Stream
	ours *StreamConn // nil until taken

	sent, received []byte // by the peer, and by us
	ended          bool   // the peer has ended a half, or we have
}

// do does what an opcode says. In its upper bits is how much of it.
func (d *duel) do(op byte) {
	much := int(op/12) + 1
	if op%12 > 5 && d.ours == nil {
		return
	}
	switch op % 12 {
	case 0:
		b := bytes.Repeat([]byte{op}, much)
		if n, err := d.peer.Write(b); err == nil {
			d.sent = append(d.sent, b[:n]...)
		}
	case 1:
		_ = d.peer.Close()
		d.ended = true
	case 2:
		d.peer.CancelRead(7)
		d.ended = true
	case 3:
		d.peer.CancelWrite(7)
		d.ended = true
	case 4:
		time.Sleep(time.Duration(much) * rtt / 8)
	case 5:
		d.take()
	case 6:
		_, _ = d.ours.Write(make([]byte, much))
	case 7:
		d.read(much)
	case 8:
		_ = d.ours.CloseWrite()
	case 9:
		_ = d.ours.CloseRead()
		d.ended = true
	case 10:
		_ = d.ours.Close()
		d.ended = true
	case 11:
		_ = d.ours.Abort()
		d.ended = true
	}
}

func (d *duel) take() {
	if d.ours != nil {
		return
	}
	l, ok := d.pool.TryAcquireID(d.id)
	if ok {
		d.ours = l.Conn()
	} else if !d.ended {
		d.Error("a stream that nobody has ended is gone")
	}
}

func (d *duel) read(most int) {
	_ = d.ours.SetReadDeadline(time.Now().Add(rtt)) // fails once it is closed, as does the read
	b := make([]byte, most)
	n, err := d.ours.Read(b)
	d.received = append(d.received, b[:n]...)
	switch {
	case !bytes.HasPrefix(d.sent, d.received):
		d.Errorf("the peer sent %x, and we received %x", d.sent, d.received)
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded), d.ended:
	default:
		d.Errorf("a stream that nobody has ended: %v", err)
	}
	if errors.Is(err, io.EOF) && len(d.received) < len(d.sent) {
		d.Errorf("the peer sent %d bytes, and the end came after %d", len(d.sent), len(d.received))
	}
}

// accepted returns a duel over a stream that a foreigner has opened, and what checks
// that nobody else was hurt.
func (w *world) accepted(gentle bool) (d *duel, check func()) {
	w.Helper()
	pool, a := w.acceptor()
	if gentle {
		a.partings = &alarms{delay: patience}
	}
	conn := w.stranger()
	other, peer := openGood(w.T, conn), openGood(w.T, conn)
	ready(w.T, 2, pool)
	return &duel{T: w.T, pool: pool, id: peer.id, peer: peer.Stream}, func() {
		if s := pool.Stats(); s.Open() != 1 {
			w.Errorf("want one stream, the other: %+v", s)
		}
		for range places - 1 {
			openGood(w.T, conn)
		}
		ready(w.T, places, pool)
		alive(w.T, pool, other)
	}
}

// dialled is the same over a stream that a foreigner has accepted.
func (w *world) dialled(gentle bool) (d *duel, check func()) {
	w.Helper()
	var opened []good
	var mu sync.Mutex // guards opened
	w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
		for i := byte(0); ; i++ {
			s, err := conn.AcceptStream(conn.Context())
			if err != nil {
				return
			}
			_, _ = s.Write([]byte{0, 0, 0, i})
			_, _ = io.ReadFull(s, make([]byte, 1))
			mu.Lock()
			opened = append(opened, good{poolkit.ID{0, 0, 0, i}, s})
			mu.Unlock()
		}
	})
	conf, err := clientTLS("0", "localhost")
	if err != nil {
		w.Fatal(err)
	}
	dialer := newDialer(fixed(w.Addr(serverHost)), conf, clientSettings(0), w.Socket(clientHost))
	if gentle {
		dialer.partings = &alarms{delay: patience}
	}
	pool, err := poolkit.New(dialer.poolConfig(2, 2, nil, poolkit.Hooks{}))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { pool.Close() })
	ready(w.T, 2, pool)
	mu.Lock()
	defer mu.Unlock()
	other, peer := opened[0], opened[1]
	return &duel{T: w.T, pool: pool, id: peer.id, peer: peer.Stream}, func() {
		if s := pool.Stats(); s.Idle != 2 || s.Open() != 2 {
			w.Errorf("want two idle streams: %+v", s)
		}
		alive(w.T, pool, other)
	}
}

// alive checks that the other stream stands idle and works.
func alive(t *testing.T, pool *native, other good) {
	t.Helper()
	l, ok := pool.TryAcquireID(other.id)
	if !ok {
		t.Fatal("the other stream is gone")
	}
	b := make([]byte, 4)
	if _, err := l.Conn().Write([]byte("ping")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(other, b); err != nil || string(b) != "ping" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := other.Write([]byte("pong")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(l.Conn(), b); err != nil || string(b) != "pong" {
		t.Errorf("%q, %v", b, err)
	}
}

// Whatever a peer does to a stream that stands idle or is in use, and whatever we do,
// the others of its connection go on, and its place comes back.
func FuzzStream(f *testing.F) {
	for _, ops := range []string{
		"", "\x00\x05\x07", "\x01\x04\x05", "\x03\x04\x05", "\x00\x01\x04\x05\x07\x07",
		"\x05\x00\x0a\x07", "\x05\x06\x02\x0b", "\x00\x03\x05", "\x00\x04\x01\x04\x03\x05\x07", "\x05\x08\x01\x04\x07",
	} {
		for what := range byte(4) {
			f.Add([]byte(ops), what&1 > 0, what&2 > 0)
		}
	}
	f.Fuzz(func(t *testing.T, ops []byte, gentle, dialled bool) {
		inWorld(t, func(t *testing.T, w *world) {
			begin := w.accepted
			if dialled {
				begin = w.dialled
			}
			d, check := begin(gentle)
			for _, op := range ops[:min(len(ops), 50)] {
				d.do(op)
			}
			reset(d.peer, 7)
			if d.ours != nil {
				_ = d.ours.Close()
			}
			time.Sleep(2 * silence)
			synctest.Wait()
			check()
		})
	})
}
