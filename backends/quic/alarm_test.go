package quic

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tower is where bells hang. It notes what rang, and when.
type tower struct {
	begun time.Time

	mu    sync.Mutex
	rings []string // guarded by mu
}

// bell is a ringer.
type bell struct {
	alarm
	*tower
	name string
	then func() // called after each ring, unless nil
}

func (b *bell) ring() {
	b.mu.Lock()
	b.rings = append(b.rings, fmt.Sprintf("%s %v", b.name, time.Since(b.begun)))
	b.mu.Unlock()
	if b.then != nil {
		b.then()
	}
}

// withAlarms runs a test in virtual time. What bells note is returned by rung.
func withAlarms(t *testing.T, test func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tw := &tower{begun: time.Now()}
		newBell := func(name string) *bell { return &bell{tower: tw, name: name} }
		test(t, &alarms{delay: time.Second}, newBell, func() []string {
			synctest.Wait()
			tw.mu.Lock()
			defer tw.mu.Unlock()
			return slices.Clone(tw.rings)
		})
	})
}

func rang(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rang (-want +got):\n%s", d)
	}
}

func TestAlarmsRingAfterTheDelayInTheOrderInWhichTheyWereSet(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		var want []string
		for i := range 5 {
			b := newBell(fmt.Sprint(i))
			q.set(&b.alarm, b)
			want = append(want, fmt.Sprintf("%d %v", i, time.Second+time.Duration(i)*300*time.Millisecond))
			time.Sleep(300 * time.Millisecond)
		}
		rang(t, rung(), want[:2]...)
		time.Sleep(time.Hour)
		rang(t, rung(), want...)
	})
}

func TestACancelledAlarmDoesNotRingAndTheOthersDo(t *testing.T) {
	for cancelled := range 3 {
		withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
			var want []string
			bells := []*bell{newBell("a"), newBell("b"), newBell("c")}
			for i, b := range bells {
				q.set(&b.alarm, b)
				if i != cancelled {
					want = append(want, b.name+" 1s")
				}
			}
			time.Sleep(time.Second / 2)
			q.cancel(&bells[cancelled].alarm)
			q.cancel(&bells[cancelled].alarm) // again is no matter
			time.Sleep(time.Hour)
			rang(t, rung(), want...)
			q.cancel(&bells[(cancelled+1)%3].alarm) // nor after it rang
		})
	}
}

func TestAnAlarmThatWasCancelledOrRangIsSetAgain(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		a := newBell("a")
		q.set(&a.alarm, a)
		time.Sleep(time.Second / 2)
		q.cancel(&a.alarm)
		q.set(&a.alarm, a)
		time.Sleep(2 * time.Second)
		rang(t, rung(), "a 1.5s")
		q.set(&a.alarm, a)
		time.Sleep(time.Hour)
		rang(t, rung(), "a 1.5s", "a 3.5s")
	})
}

// A stream that is closing gently sets its alarm again whenever it rings.
func TestAnAlarmMaySetItselfWhileItRings(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		a, b := newBell("a"), newBell("b")
		left := 3
		a.then = func() {
			if left--; left > 0 {
				q.set(&a.alarm, a)
			}
		}
		q.set(&a.alarm, a)
		time.Sleep(time.Second / 2)
		q.set(&b.alarm, b)
		time.Sleep(time.Hour)
		rang(t, rung(), "a 1s", "b 1.5s", "a 2s", "a 3s")
	})
}

func TestRingNowRingsWhatIsSetOnceAndTheQueueGoesOn(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		q.ringNow() // nothing is set
		a, b, c := newBell("a"), newBell("b"), newBell("c")
		q.set(&a.alarm, a)
		time.Sleep(time.Second / 2)
		q.set(&b.alarm, b)
		q.ringNow()
		rang(t, rung(), "a 500ms", "b 500ms")
		time.Sleep(time.Second / 4)
		q.set(&c.alarm, c)
		time.Sleep(time.Hour)
		rang(t, rung(), "a 500ms", "b 500ms", "c 1.75s")
	})
}

func TestAfterTheEndAlarmsRingAsSoonAsTheyAreSet(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		a, b := newBell("a"), newBell("b")
		q.set(&a.alarm, a)
		time.Sleep(time.Second / 2)
		q.end()
		rang(t, rung(), "a 500ms")
		time.Sleep(time.Second / 4)
		q.set(&b.alarm, b)
		rang(t, rung(), "a 500ms", "b 750ms")
		q.end()
		time.Sleep(time.Hour)
		rang(t, rung(), "a 500ms", "b 750ms")
	})
}

func TestAQueueThatEndsUnusedRingsWhatComesLater(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		q.end()
		a := newBell("a")
		q.set(&a.alarm, a)
		rang(t, rung(), "a 0s")
	})
}

func TestAllAlarmsShareOneTimer(t *testing.T) {
	withAlarms(t, func(t *testing.T, q *alarms, newBell func(string) *bell, rung func() []string) {
		first := newBell("first")
		q.set(&first.alarm, first)
		timer := q.timer
		if n := testing.AllocsPerRun(1000, func() {
			b := first
			q.cancel(&b.alarm)
			q.set(&b.alarm, b)
		}); n != 0 {
			t.Errorf("%v allocations to set an alarm again", n)
		}
		for range 1000 {
			b := newBell("later")
			q.set(&b.alarm, b)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if n := len(rung()); n != 1001 {
			t.Errorf("%d rang", n)
		}
		if q.timer != timer || q.armed {
			t.Errorf("another timer: %v, still running: %v", q.timer != timer, q.armed)
		}
	})
}
