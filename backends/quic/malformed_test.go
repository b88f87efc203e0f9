package quic

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// misbehave does on a stream what comes to its mind, and then ends it. Each message
// begins with one of the given bytes. What the stream says to that is not its concern.
func misbehave(chance *rand.Rand, s *quicgo.Stream, begins ...byte) {
	code := quicgo.StreamErrorCode(chance.Uint32())
	for what := chance.IntN(16); what < 12; what = chance.IntN(16) {
		switch what {
		case 0, 1, 2, 3, 4, 5:
			b := make([]byte, 1+chance.IntN(12))
			for i := range b {
				b[i] = byte(chance.Uint32())
			}
			b[0] = begins[chance.IntN(len(begins))]
			_, _ = s.Write(b)
		case 6:
			_ = s.Close()
		case 7:
			s.CancelRead(code)
		case 8:
			s.CancelWrite(code)
		case 9, 10:
			time.Sleep(time.Duration(chance.Int64N(int64(2 * rtt))))
		case 11:
			_ = s.SetReadDeadline(time.Now().Add(rtt))
			_, _ = s.Read(make([]byte, chance.IntN(6)))
		}
	}
	switch chance.IntN(1000) {
	case 0:
		time.Sleep(2 * exchangeTimeout)
	case 1:
		_ = s.SetWriteDeadline(time.Now().Add(rtt))
		_, _ = s.Write(make([]byte, firstStreamWindow))
	}
	reset(s, code)
}

// bringsBack checks that a stream brings back what is written to it, a little every round
// trip, until done is closed.
func bringsBack(t *testing.T, s io.ReadWriteCloser, done <-chan struct{}) {
	t.Helper()
	sent, got := make([]byte, 100), make([]byte, 100)
	for i := byte(0); ; i++ {
		for j := range sent {
			sent[j] = i + byte(j)
		}
		if _, err := s.Write(sent); err != nil {
			t.Errorf("round %d: %v", i, err)
			return
		}
		if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(sent, got) {
			t.Errorf("round %d: %x came back as %x, %v", i, sent, got, err)
			return
		}
		select {
		case <-done:
			return
		case <-time.After(rtt):
		}
	}
}

// Clients do on most streams what nobody expects. Those that behave go on, at the same
// connection and at others, and in the end no place is lost. In full: half a million
// bad streams.
func TestNoMalformedExchangeOfAClientDisturbsAnotherStream(t *testing.T) {
	const conns, workers, goods = 4, 100, 4
	exchanges := scaled(4_000, 500_000)
	chance := seeded(t)
	inWorld(t, func(t *testing.T, w *world) {
		server, acceptor := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: goods, MaxCapacity: goods, PacketConn: w.Socket(thirdHost)})
		ready(t, goods, client, server)
		foreigner := w.foreign(clientHost, alpn)

		done := make(chan struct{})
		var well, ill sync.WaitGroup
		echo := func(id poolkit.ID, s io.ReadWriteCloser) {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			l, err := server.AcquireID(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			well.Go(func() { _, _ = io.Copy(l.Conn(), l.Conn()); l.Release() })
			well.Go(func() { bringsBack(t, s, done); s.Close() })
		}
		for range goods {
			l, err := client.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			echo(l.ID(), l.Conn())
		}
		var left atomic.Int64
		left.Store(int64(exchanges))
		var all []*quicgo.Conn
		for range conns {
			settings := foreignSettings()
			settings.EnableDatagrams = true
			conn, err := foreigner.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), foreigner.tls, settings)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, conn)
			for range goods {
				g := openGood(t, conn)
				echo(g.id, g)
			}
			for range workers {
				mine := rand.New(rand.NewPCG(chance.Uint64(), 0))
				ill.Go(func() {
					for left.Add(-1) >= 0 {
						s, err := openSync(t, conn)
						if err != nil {
							t.Error(err)
							return
						}
						misbehave(mine, s, hello, hello, hello, 0xff)
						if mine.IntN(100) == 0 {
							_ = conn.SendDatagram(make([]byte, mine.IntN(1000))) // fails when many are queued
						}
					}
				})
			}
		}
		ill.Wait()
		close(done)
		well.Wait()
		time.Sleep(2 * exchangeTimeout)
		synctest.Wait()
		if s := server.Stats(); s.Open() != goods {
			t.Errorf("want %d streams, the other client's: %+v", goods, s)
		}
		t.Logf("%d streams were in time and good enough, %d were not", server.Stats().Created, server.Stats().Failed)
		for _, conn := range all {
			for range places {
				openGood(t, conn)
			}
		}
		ready(t, goods+conns*places, server)
		for _, conn := range all {
			_ = conn.CloseWithError(codeDone, "test")
		}
		time.Sleep(rtt)
		synctest.Wait()
		if n := acceptor.connections(); n != 1 {
			t.Errorf("%d connections are held though one is left", n)
		}
	})
}

// goodBit is set in the first byte of the IDs that a server means seriously.
const goodBit = 0x80

// answer answers a client's stream, with a number for its ID, in ill will or as it
// should. A good stream brings back what is written to it.
func answer(s *quicgo.Stream, number uint32, chance *rand.Rand, ill bool) {
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil || ill {
		misbehave(chance, s, 0, byte(chance.IntN(goodBit)))
		return
	}
	_, _ = s.Write(binary.BigEndian.AppendUint32(nil, goodBit<<24|number))
	_, _ = io.Copy(s, s)
	reset(s, codeDone)
}

// moody is a server that answers one stream in ten as it should, and does on the others
// what nobody expects, until it is good.
type moody struct {
	good atomic.Bool
	bad  atomic.Int64 // streams so far

	mu     sync.Mutex
	chance *rand.Rand // guarded by mu
}

func (m *moody) serve(conn *quicgo.Conn) {
	for {
		s, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return
		}
		m.mu.Lock()
		chance := rand.New(rand.NewPCG(m.chance.Uint64(), 0))
		m.mu.Unlock()
		ill := !m.good.Load() && chance.IntN(10) > 0
		if ill {
			m.bad.Add(1)
		}
		go answer(s, uint32(s.StreamID()), chance, ill) // ends with the connection
	}
}

// seriously dials until the server answers as it should.
func seriously(t *testing.T, d *dialer, shard int) *StreamConn {
	t.Helper()
	var last error
	for range 1000 {
		id, s, err := d.Dial(t.Context(), shard)
		switch {
		case err != nil:
			last = err
		case id[0]&goodBit != 0:
			return s
		default:
			_ = s.end()
		}
	}
	t.Fatalf("no good stream in a thousand: %v", last)
	return nil
}

// A server answers one stream in ten as it should, and does on the others what nobody
// expects. The good ones work, and in the end no place is lost. In full: half a million
// bad streams.
func TestNoMalformedExchangeOfAServerDisturbsAnotherStream(t *testing.T) {
	const shards, workers, goods = 4, 100, 4
	exchanges := scaled(4_000, 500_000)
	chance := seeded(t)
	inWorld(t, func(t *testing.T, w *world) {
		server := &moody{chance: chance}
		w.foreign(serverHost, alpn).serve(server.serve)
		conf, err := clientTLS("0", "localhost")
		if err != nil {
			t.Fatal(err)
		}
		d := newDialer(fixed(w.Addr(serverHost)), conf, clientSettings(0), w.Socket(clientHost))
		defer func() { _ = d.close() }() // what it returns is of the socket, which the test owns

		done := make(chan struct{})
		var well, ill sync.WaitGroup
		for i := range shards * goods {
			s := seriously(t, d, i%shards)
			well.Go(func() { bringsBack(t, s, done); _ = s.end() })
		}
		begun := d.open()
		for i := range shards * workers {
			ill.Go(func() {
				for server.bad.Load() < int64(exchanges) {
					id, s, err := d.Dial(t.Context(), i%shards)
					if errors.Is(err, poolkit.ErrShardFull) {
						time.Sleep(rtt)
					}
					if err != nil {
						continue
					}
					if id[0]&goodBit != 0 {
						carries(t, s, s)
					}
					_ = s.end()
				}
			})
		}
		ill.Wait()
		close(done)
		well.Wait()
		time.Sleep(2 * exchangeTimeout)
		for _, l := range d.open() {
			if was := slices.Contains(begun, l); !was || l.load() != 0 {
				t.Errorf("%d streams on a connection, want none; it has been there from the beginning: %v", l.load(), was)
			}
		}
		server.good.Store(true)
		for i := range shards * places {
			s := seriously(t, d, i%shards)
			carries(t, s, s)
		}
		if n := len(d.open()); n != shards {
			t.Errorf("%d connections, want %d", n, shards)
		}
	})
}
