package quic

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// crash ends a server as a power cut would: its clients are told nothing.
func crash(p *native, a *acceptor) {
	_ = a.transport.Close() // never says goodbye
	p.Close()
}

// restarted crashes a server that has a client with n idle streams, starts another
// on the same address, and returns after how long the client had n streams of it.
func (w *world) restarted(before, after []byte, n int) time.Duration {
	w.Helper()
	start := func(secret []byte) (*native, *acceptor) {
		k, err := deriveKeys(secret)
		if err != nil {
			w.Fatal(err)
		}
		return w.guarded(acceptorConfig{keys: k})
	}
	server, a := start(before)
	client := w.dial(DialConfig{MinCapacity: n, MaxCapacity: n})
	if err := client.WaitReady(w.Context(), n); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Minute)
	crash(server, a)
	server, _ = start(after)
	begun := time.Now()
	for server.Stats().Idle < n || client.Stats().Idle < n {
		if time.Since(begun) > time.Minute {
			w.Fatalf("a minute after the restart: client %+v, server %+v", client.Stats(), server.Stats())
		}
		time.Sleep(rtt / 10)
		synctest.Wait()
	}
	took := time.Since(begun)
	client.Close()
	server.Close()
	return took
}

func TestAServerWithASecretIsBackAtTheNextProbe(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		secret := bytes.Repeat([]byte{7}, 32)
		took := w.restarted(secret, secret, 20)
		t.Logf("back after %v", took)
		// A probe is due within five seconds; its answer, the rest after the failures it
		// causes, and the new connection's two round trips come on top.
		if took > probeAfter+beat+firstRest+5*rtt {
			t.Errorf("the client was back after %v", took)
		}
	})
}

// firstRest bounds the first pause of a shard after a failure.
const firstRest = 125 * time.Millisecond

func TestAServerWithAnotherSecretIsBackWhenItsSilenceIsNoticed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		took := w.restarted(bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32), 20)
		t.Logf("back after %v", took)
		if took > 6*time.Second+firstRest+5*rtt {
			t.Errorf("the client was back after %v", took)
		}
	})
}

func TestAShortSecretIsRefused(t *testing.T) {
	_, err := Listen(ListenConfig{Secret: []byte("short")})
	if err == nil || !strings.Contains(err.Error(), "at least 16") {
		t.Errorf("Listen with a secret of five bytes: %v", err)
	}
}
