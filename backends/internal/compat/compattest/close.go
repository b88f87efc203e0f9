package compattest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Conn is a connection that closes gently: it can be read until the peer has closed, too.
type Conn interface {
	net.Conn
	Abort() error
}

// Ends are the two ends of a connection. Near is closed first, and may be either the
// server's or the client's.
type Ends struct {
	Near Conn
	Far  net.Conn
	Over func() bool // whether Near holds its place no more
	Room int         // bytes that an end can write before the other reads
}

// Closes tests how connections close. The function calls a test with the ends of a new
// connection; afterwards both have been closed, and their places are to be free.
func Closes(t *testing.T, connect func(t *testing.T, test func(*testing.T, Ends))) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Ends){
		"AfterCloseAReaderGetsAllThatThePeerStillSends": answerAfterClose,
		"AfterBothClosedEachStillReadsWhatWasSent":      bothClosed,
		"AbortIsNoCleanEnd":                             aborted,
		"WritingAfterCloseFails":                        writeAfterClose,
	} {
		t.Run(name, func(t *testing.T) { connect(t, test) })
	}
}

// ClosesInTime tests how long connections live on after Close. It is [Closes] in a bubble
// of virtual time, where news takes as long as delay to the peer.
func ClosesInTime(t *testing.T, delay time.Duration, connect func(t *testing.T, test func(*testing.T, Ends))) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Ends){
		"WithoutAReaderAConnectionEndsASecondAfterClose":  func(t *testing.T, e Ends) { withoutReader(t, e, delay) },
		"AReaderNowAndThenKeepsAConnectionOpenAfterClose": readerNowAndThen,
		"AReaderThatWaitsKeepsAConnectionOpenForAMinute":  readerThatWaits,
	} {
		t.Run(name, func(t *testing.T) { connect(t, test) })
	}
}

func answerAfterClose(t *testing.T, e Ends) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	if _, err := e.Near.Write([]byte("send it")); err != nil {
		t.Fatal(err)
	}
	_ = e.Near.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		request, err := io.ReadAll(e.Far)
		if string(request) != "send it" || err != nil {
			t.Errorf("the peer read %q, %v", request, err)
		}
		if _, err := e.Far.Write(message); err != nil {
			t.Error(err)
		}
		_ = e.Far.Close()
	})
	got, err := io.ReadAll(e.Near)
	if err != nil || !bytes.Equal(got, message) {
		t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
	}
	wg.Wait()
}

func bothClosed(t *testing.T, e Ends) {
	message := bytes.Repeat([]byte("x"), e.Room)
	for _, c := range []net.Conn{e.Near, e.Far} {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	for _, c := range []net.Conn{e.Near, e.Far} {
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, message) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
		}
	}
}

func aborted(t *testing.T, e Ends) {
	if _, err := e.Near.Write([]byte("half a mess")); err != nil {
		t.Fatal(err)
	}
	_ = e.Near.Abort() // always nil
	if !e.Over() {
		t.Error("the place is held after Abort")
	}
	if got, err := io.ReadAll(e.Far); err == nil {
		t.Errorf("the peer read %q and a clean end", got)
	}
	for _, op := range []func([]byte) (int, error){e.Near.Read, e.Near.Write} {
		if _, err := op([]byte{0}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Abort: %v", err)
		}
	}
	_ = e.Far.Close()
}

func writeAfterClose(t *testing.T, e Ends) {
	_ = e.Near.Close()
	if n, err := e.Near.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if got, err := io.ReadAll(e.Far); len(got) > 0 || err != nil {
		t.Errorf("the peer read %q, %v", got, err)
	}
	_ = e.Far.Close()
}

func withoutReader(t *testing.T, e Ends, delay time.Duration) {
	_ = e.Near.Close()
	<-time.After(time.Second - 1)
	if e.Over() {
		t.Error("over before a second has passed")
	}
	<-time.After(1)
	if !e.Over() {
		t.Error("not over after a second")
	}
	if _, err := e.Near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after the end: %v", err)
	}
	<-time.After(delay)
	if _, err := e.Far.Write([]byte("too late")); err == nil {
		t.Error("the peer was not told to stop")
	}
	_ = e.Far.Close()
}

func readerNowAndThen(t *testing.T, e Ends) {
	_ = e.Near.Close()
	for i := range 50 {
		go func() { // ends when the byte is read
			if _, err := e.Far.Write([]byte{byte(i)}); err != nil {
				t.Error(err)
			}
		}()
		<-time.After(time.Second - time.Millisecond)
		readsByte(t, e.Near, byte(i))
	}
	if e.Over() {
		t.Error("ended under its reader")
	}
	_ = e.Far.Close()
}

func readerThatWaits(t *testing.T, e Ends) {
	_ = e.Near.Close()
	go func() { // a byte now and then
		for i := range 10 {
			<-time.After(time.Minute - time.Second)
			if _, err := e.Far.Write([]byte{byte(i)}); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := range 10 {
		readsByte(t, e.Near, byte(i))
	}
	begun := time.Now()
	_, err := e.Near.Read(make([]byte, 1))
	if took := time.Since(begun); took < time.Minute || took > time.Minute+time.Second {
		t.Errorf("the wait ended after %v", took)
	}
	if !errors.Is(err, net.ErrClosed) || !e.Over() {
		t.Errorf("the wait ended with %v", err)
	}
	_ = e.Far.Close()
}

func readsByte(t *testing.T, r io.Reader, want byte) {
	t.Helper()
	var got [1]byte
	if _, err := io.ReadFull(r, got[:]); err != nil || got[0] != want {
		t.Fatalf("byte %d: %d, %v", want, got[0], err)
	}
}
