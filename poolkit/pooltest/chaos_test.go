package pooltest_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

var errFlaky = errors.New("flaky")

// try dials, and reports how that ended.
func try(ctx context.Context, d poolkit.Dialer[net.Conn]) (panicked any, err error) {
	defer func() { panicked = recover() }()
	_, c, err := d.Dial(ctx, 3)
	if err == nil {
		err = c.Close()
	}
	return nil, err
}

func TestASlowDialerTakesThatMuchLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := pooltest.Slow[net.Conn](new(pooltest.Peer), time.Minute)
		begun := time.Now()
		if _, err := try(t.Context(), d); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v, want success after 1m0s", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errFlaky)
		defer cancel()
		begun = time.Now()
		if _, err := try(ctx, d); !errors.Is(err, errFlaky) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v, want the context's cause after 1s", err, time.Since(begun))
		}
	})
}

func TestFlakyAndPanickingDialersSucceedInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := pooltest.Panicking(pooltest.Flaky[net.Conn](new(pooltest.Peer), 2, errFlaky), 3, "boom")
		var got []string
		for range 9 {
			switch panicked, err := try(t.Context(), d); {
			case panicked != nil:
				got = append(got, panicked.(string))
			case err != nil:
				got = append(got, err.Error())
			default:
				got = append(got, "ok")
			}
		}
		if want := []string{"ok", "flaky", "boom", "ok", "flaky", "boom", "ok", "flaky", "boom"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAFailingDialerAlwaysFails(t *testing.T) {
	for range 3 {
		if _, err := try(t.Context(), pooltest.Failing[net.Conn](errFlaky)); !errors.Is(err, errFlaky) {
			t.Errorf("got %v, want %v", err, errFlaky)
		}
	}
}

func TestAGateHoldsBackWhoPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate pooltest.Gate
		var meter pooltest.Meter
		d := pooltest.Metered(pooltest.Gated[net.Conn](new(pooltest.Peer), &gate), &meter)
		if _, err := try(t.Context(), d); err != nil {
			t.Errorf("through an open gate: %v", err)
		}
		for range 2 { // it can be used again
			gate.Close()
			gate.Close()
			var dials sync.WaitGroup
			for range 3 {
				dials.Go(func() {
					if _, err := try(t.Context(), d); err != nil {
						t.Error(err)
					}
				})
			}
			if err := gate.Await(t.Context(), 3); err != nil {
				t.Error(err)
			}
			if n := meter.UnderWay(); n != 3 {
				t.Errorf("%d dials are under way, want 3", n)
			}
			gate.Open()
			gate.Open()
			dials.Wait()
		}
		if meter.Dials() != 7 || meter.UnderWay() != 0 || meter.Most() != 3 {
			t.Errorf("%d dials, %d under way, %d at most; want 7, 0, 3", meter.Dials(), meter.UnderWay(), meter.Most())
		}
	})
}

func TestNobodyWaitsAtAGateForLongerThanHeLikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gate pooltest.Gate
		gate.Close()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errFlaky)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if err := gate.Pass(ctx); !errors.Is(err, errFlaky) {
				t.Errorf("Pass: %v, want the context's cause", err)
			}
		})
		if err := gate.Await(ctx, 2); !errors.Is(err, errFlaky) {
			t.Errorf("Await for two where one waits: %v, want the context's cause", err)
		}
		waiting.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := gate.Await(ctx, 1); err == nil {
			t.Error("somebody waits at the gate who has given up")
		}
	})
}
