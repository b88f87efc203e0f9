package compat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// What both backends promise of their compatibility pools is tested there. The tests here
// are about a core of pipes, which opens, or does not, as the test wants.

// end is one end of a pipe. Close gives it back.
type end struct {
	net.Conn
	lease poolkit.Lease[*end]
}

func (e *end) Close() error {
	e.lease.Release()
	return nil
}

// pipes returns a pool whose members are ends of pipes.
func pipes(t testing.TB, open func() error) *Pool[*end] {
	t.Helper()
	p := New(Config[*end]{
		Backend:  "pipes",
		Members:  "ends",
		Capacity: 3,
		Interval: time.Minute,
		Open: func(hooks poolkit.Hooks) (*poolkit.Pool[*end], error) {
			if err := open(); err != nil {
				return nil, err
			}
			return poolkit.New(poolkit.Config[*end]{
				Dialer: poolkit.DialerFunc[*end](func(context.Context, int) (poolkit.ID, *end, error) {
					c, _ := net.Pipe()
					return poolkit.RandomID(), &end{Conn: c}, nil
				}),
				Shut:        func(e *end) error { return e.Conn.Close() },
				Lent:        func(e *end, l poolkit.Lease[*end]) { e.lease = l },
				MinCapacity: 3,
				MaxCapacity: 3,
				Hooks:       hooks,
			})
		},
	})
	t.Cleanup(p.Close)
	return p
}

// TestMain keeps quiet what the tests provoke.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func at(t *testing.T, took, want time.Duration) {
	t.Helper()
	if took != want {
		t.Errorf("after %v, want %v", took, want)
	}
}

func TestAPoolThatCannotBeOpenedIsOpenedAgainASecondLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, tries := errors.New("the address is taken"), 0
		p := pipes(t, func() error {
			if tries++; tries <= 3 {
				return busy
			}
			return nil
		})
		begun := time.Now()
		p.Start()
		for range 10 { // each at once, and with the reason
			_, _, err := p.IncomingGet(time.Hour)
			if !errors.Is(err, busy) || !strings.HasPrefix(err.Error(), "pipes: ") {
				t.Errorf("%v", err)
			}
		}
		at(t, time.Since(begun), 0)
		time.Sleep(3 * openAgain)
		synctest.Wait()
		if _, _, err := p.IncomingGet(time.Hour); err != nil {
			t.Error(err)
		}
		at(t, time.Since(begun), 3*openAgain)
		time.Sleep(time.Hour)
		if tries != 4 {
			t.Errorf("opened %d times", tries)
		}
	})
}

func TestAPermanentErrorIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := pipes(t, func() error {
			tries++
			return poolkit.Permanent(errors.New("nonsense"))
		})
		p.Start()
		time.Sleep(time.Hour)
		if tries != 1 {
			t.Errorf("opened %d times", tries)
		}
		begun := time.Now()
		if _, err := p.OutgoingGet("00000000", time.Hour); !poolkit.IsPermanent(err) {
			t.Errorf("%v", err)
		}
		at(t, time.Since(begun), 0)
	})
}

func TestClosingAPoolWhileItOpensLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opening, goOn := make(chan struct{}), make(chan struct{})
		p := pipes(t, func() error {
			close(opening)
			<-goOn
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(p.Start)
		<-opening
		wg.Go(func() {
			if _, _, err := p.IncomingGet(time.Hour); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		wg.Go(p.Close)
		synctest.Wait()
		close(goOn)
		wg.Wait() // the bubble would not end with a goroutine of the core
		if p.Core() != nil || p.Ready() {
			t.Error("the core is there after Close")
		}
	})
}

func TestAGetterOfAPoolThatWasNotStartedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipes(t, func() error { return nil })
		begun := time.Now()
		_, _, err := p.IncomingGet(time.Second)
		if !errors.Is(err, ErrNotStarted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		at(t, time.Since(begun), time.Second)
		if p.Capacity() != 3 || p.Interval() != time.Minute || p.Active() != 0 {
			t.Errorf("capacity %d, interval %v, %d active", p.Capacity(), p.Interval(), p.Active())
		}
	})
}

func TestGettersThatWaitForTheCoreGetOnlyTheTimeThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipes(t, func() error { return nil })
		begun := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := p.OutgoingGet("00000000", 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
		time.Sleep(9 * time.Second)
		p.Start()
		wg.Wait()
		at(t, time.Since(begun), 10*time.Second)
	})
}

func TestATimeoutThatWasUsedSaysNothingToALaterGetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipes(t, func() error { return nil })
		p.Start()
		for range 100 {
			for _, wait := range []time.Duration{0, time.Second} {
				begun := time.Now()
				if _, err := p.OutgoingGet("00000000", wait); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%v", err)
				}
				at(t, time.Since(begun), wait)
			}
			if _, _, err := p.IncomingGet(0); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // until it is replaced
		}
	})
}

// The only garbage of a getter that finds what it wants is the ID that it returns.
func TestAGetterThatFindsAMemberAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	p := pipes(t, func() error { return nil })
	p.Start()
	core, err := p.Opened(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := core.WaitReady(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	l, err := core.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := l.ID().String()
	l.Release()
	for core.Stats().OnLoan > 0 {
		time.Sleep(time.Millisecond)
	}
	var got net.Conn
	for name, c := range map[string]struct {
		get  func() error
		most float64
	}{
		"OutgoingGet": {func() (err error) { got, err = p.OutgoingGet(id, time.Minute); return err }, 0},
		"IncomingGet": {func() (err error) { _, got, err = p.IncomingGet(time.Minute); return err }, 1},
	} {
		if n := testing.AllocsPerRun(1000, func() {
			if err := c.get(); err != nil {
				t.Fatal(err)
			}
			got.Close() // releases it
		}); n > c.most {
			t.Errorf("%s: %v allocations, want no more than %v", name, n, c.most)
		}
	}
}

func TestAHastyCallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		var later string
		begun := time.Now()
		v, err := Hasty(ctx, "test", func() (string, error) {
			time.Sleep(time.Minute)
			return "late", nil
		}, func(v string, err error) { later = v })
		at(t, time.Since(begun), time.Second)
		if v != "" || err == nil || err.Error() != "enough" {
			t.Errorf("%q, %v", v, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if later != "late" {
			t.Errorf("nobody was told of %q", later)
		}
	})
}

func TestAHastyCallReturnsWhatTheFunctionDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := func(int, error) { t.Error("late") }
		if v, err := Hasty(t.Context(), "test", func() (int, error) { return 1, net.ErrClosed }, late); v != 1 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, %v", v, err)
		}
		var p *poolkit.PanicError
		if v, err := Hasty(t.Context(), "test", func() (int, error) { panic(net.ErrClosed) }, late); v != 0 || !errors.As(err, &p) {
			t.Errorf("%v, %v", v, err)
		} else if p.Callback != "test" || p.Value != any(net.ErrClosed) || len(p.Stack) == 0 {
			t.Errorf("%+v", p)
		}
		if v, err := Hasty(t.Context(), "test", func() (int, error) { runtime.Goexit(); return 1, nil }, late); v != 0 || err != nil {
			t.Errorf("%v, %v", v, err)
		}
	})
}

func TestALateAnswerMayBeNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Hasty(ctx, "test", func() (int, error) { time.Sleep(time.Nanosecond); return 1, nil }, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Second)
	})
}
