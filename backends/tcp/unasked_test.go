package tcp

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
)

// halved is a server's wire on which, when told so, the second half of a record comes later.
type halved struct {
	net.Conn
	hold bool
	rest chan []byte // gets the second half
}

func (h *halved) Write(p []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(p)
	}
	h.rest <- slices.Clone(p[len(p)/2:])
	if _, err := h.Conn.Write(p[:len(p)/2]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// What has arrived of a record may become the answer to what the next borrower asks.
func TestAConnectionOnWhichHalfARecordHasArrivedIsNotUsedAgain(t *testing.T) {
	server, client := certificate(t)
	rest := make(chan []byte, 2) // of two connections at most
	up := startUpstream(t, nil, func(c net.Conn) {
		wire := &halved{Conn: c, rest: rest}
		s := tls.Server(wire, server)
		var b [8]byte
		if _, err := io.ReadFull(s, b[:]); err != nil {
			return
		}
		_, _ = s.Write(b[:])
		wire.hold = true
		_, _ = s.Write([]byte("UNASKED."))
		_, _ = io.Copy(io.Discard, c)
	})
	p, err := Dial(DialConfig{Addr: up.addr, TLS: client, MinCapacity: 1, MaxCapacity: 1, MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	l := acquire(t, p)
	if _, err := io.WriteString(l.Conn(), "question"); err != nil {
		t.Fatal(err)
	}
	var answer [8]byte
	if _, err := io.ReadFull(l.Conn(), answer[:]); err != nil {
		t.Fatal(err)
	}
	<-rest
	first := l.Conn()
	eventually(t, "nothing has arrived", func() bool { // TLS may have taken it in with the answer
		return first.socket.look() == waiting || first.wire.inRecord()
	})
	l.Release()
	next := acquire(t, p)
	defer next.Discard()
	if next.Conn() == first {
		t.Error("it was lent again")
	}
}

// Libraries look whether it is a *tls.Conn, and what it has negotiated.
func TestAGreetingDoesNotChangeWhatAConnectionIs(t *testing.T) {
	_, cfg := serverThat(t, true, greet)
	p := poolOf(t, 1, cfg)
	l := acquire(t, p)
	eventually(t, "no greeting arrived", func() bool { return l.Conn().socket.look() == waiting })
	l.Release()
	l = acquire(t, p)
	bare, ok := l.Conn().NetConn().(*tls.Conn)
	if !ok || !l.Hijack() {
		t.Fatalf("it is a %T", l.Conn().NetConn())
	}
	defer bare.Close()
	var b [7]byte
	if n, err := io.ReadFull(bare, b[:]); string(b[:]) != "welcome" {
		t.Errorf("it begins with %q, %v; want the greeting", b[:n], err)
	}
}

func TestAHijackedConnectionBeginsWithItsFirstByte(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(1)
		l := acquire(t, server)
		if _, err := io.WriteString(l.Conn(), "hello"); err != nil {
			t.Fatal(err)
		}
		if err := l.Conn().CloseWrite(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client has not noticed", func() bool { return client.Stats().Closing == 1 })
		o := acquireID(t, client, l.ID())
		bare := o.Conn().NetConn()
		if !o.Hijack() {
			t.Fatal("it was not mine")
		}
		defer bare.Close()
		if got, err := io.ReadAll(bare); string(got) != "hello" {
			t.Errorf("it yields %q, %v; want hello", got, err)
		}
	})
}

func TestRecordsAreFollowedHoweverTheyArrive(t *testing.T) {
	whole := []byte("\x17\x03\x03\x00\x03abc\x17\x03\x03\x01\x00" + string(make([]byte, 256)) + "\x14\x03\x03\x00\x00")
	ends := []int{8, 8 + 5 + 256, len(whole)}
	for step := 1; step <= len(whole); step++ {
		var r record
		for at := 0; at < len(whole); {
			n := min(step, len(whole)-at)
			r.pass(whole[at : at+n])
			at += n
			if between := slices.Contains(ends, at); between != (r == record{}) {
				t.Fatalf("%d bytes at a time, after %d: %+v", step, at, r)
			}
		}
	}
}
