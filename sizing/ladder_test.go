package sizing_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// stock plays a pool to a Ladder whose members take lead to be made: steps come when
// it has asked for them.
type stock struct {
	*sizing.Ladder
	low, high int
	lead      time.Duration

	now, stepped time.Duration
	d            sizing.Decision
	due          []time.Duration // when replacements arrive
	takes        int
	observe      func(*sizing.Observation) // if set, has the last word
}

func newStock(l *sizing.Ladder, lead time.Duration) *stock {
	s := &stock{Ladder: l, low: 1, high: 1000, lead: lead}
	s.step()
	s.pass(time.Second)
	s.take(1) // from which it learns the lead time
	s.pass(time.Minute)
	return s
}

func (s *stock) step() {
	o := sizing.Observation{
		Elapsed: s.now - s.stepped, MinCapacity: s.low, MaxCapacity: s.high,
		Takes: s.takes, Idle: s.d.Target,
	}
	for len(s.due) > 0 && s.due[0] <= s.now {
		s.due = s.due[1:]
		o.Created++
		o.LeadSum += s.lead
	}
	if s.observe != nil {
		s.observe(&o)
	}
	s.d = s.Step(o)
	s.stepped, s.takes = s.now, 0
}

// take is so many takes at once.
func (s *stock) take(n int) {
	s.takes += n
	for range n {
		s.due = append(s.due, s.now+s.lead)
	}
	if s.now >= s.stepped+s.d.OnTake {
		s.step()
	}
}

// pass lets time pass.
func (s *stock) pass(d time.Duration) {
	for end := s.now + d; ; s.step() {
		next := s.stepped + s.d.Wait
		if s.takes > 0 {
			next = min(next, s.stepped+s.d.OnTake)
		}
		if next > end {
			s.now = end
			return
		}
		s.now = next
	}
}

// steadily takes 100 a second for a while, one after the other.
func (s *stock) steadily(length time.Duration) {
	for end := s.now + length; s.now < end; s.pass(10 * ms) {
		s.take(1)
	}
}

func (s *stock) expect(t *testing.T, when string, target int, why string) {
	t.Helper()
	if s.d.Target != target || !strings.Contains(s.d.Reason.String(), why) {
		t.Errorf("%s: the target is %d, %q; want %d, %q", when, s.d.Target, s.d.Reason, target, why)
	}
}

func TestLadderTellsThisStory(t *testing.T) {
	s := newStock(&sizing.Ladder{Price: 30 * time.Second}, 100*ms)
	s.expect(t, "in the beginning", 1, "1 is the least")
	s.take(12)
	s.expect(t, "when twelve are taken at once", 24, "growing to 24: more are needed than ever of late")
	s.pass(50 * ms)
	s.take(1)
	s.pass(700 * ms)
	s.expect(t, "seven lead times later", 13, "holding 13: the 13th spare was needed ")
	s.pass(28 * time.Second)
	s.expect(t, "when that was 28 s ago", 13, "needed 28 s ago")
	s.pass(3 * time.Second)
	s.expect(t, "when it was longer ago than a wait is worth", 1, "1 is the least")
	if s.d.Settled {
		t.Error("settled before its interval is the longest")
	}
	s.pass(20 * time.Second)
	if !s.d.Settled || s.d.Wait != 5*time.Second {
		t.Errorf("in quiet: %+v, want it settled, with the longest interval", s.d)
	}
	s.take(1)
	if s.d.Settled || s.d.Wait != 500*ms {
		t.Errorf("after a take: %+v, want it unsettled, with the shortest interval", s.d)
	}
}

func TestLadderExpectsWhatTheRateOfTakesNeeds(t *testing.T) {
	s := newStock(&sizing.Ladder{Price: 30 * time.Second}, 100*ms)
	s.steadily(20 * time.Second)
	// Ten are on their way at any time. Were the takes independent, the 22nd spare would
	// be needed once in 30 s: 100/s × P(Poisson(10) = 21) = 1/11 s, and of 22 = 1/25 s.
	if s.d.Target < 20 || s.d.Target > 24 || !strings.Contains(s.d.Reason.String(), "are taken a second") {
		t.Errorf("with 100 takes a second the target is %d, %q; want 22 or so", s.d.Target, s.d.Reason)
	}
	even := s.d.Target
	for range 1000 {
		s.take(1)
		s.pass(10 * ms)
		if d := s.d.Target - even; d < -1 || d > 1 {
			t.Fatalf("the target swings between %d and %d in even demand", even, s.d.Target)
		}
	}
}

func TestLadderExpectsTheMostWhereTakesAreEndless(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.high = 50
	for range 6000 {
		s.take(100)
		s.pass(10 * ms)
	}
	s.expect(t, "with 10 000 takes a second", 50, "needing 1000, but 50 is the most")
	s.pass(600 * ms)
	s.expect(t, "when the last are a while ago", 50, " are taken a second, but 50 is the most")
	s.pass(10 * time.Second)
	s.expect(t, "ten seconds later", 50, "holding 50: the 50th spare was needed ")
}

func TestLadderLearnsThatHoldingDoesNotPay(t *testing.T) {
	s := newStock(&sizing.Ladder{Price: 30 * time.Second}, 100*ms)
	for range 10 {
		s.take(50)
		s.pass(time.Minute)
	}
	s.take(50)
	s.pass(10 * time.Second)
	s.expect(t, "ten seconds after the latest of bursts that come once a minute", 1, "the least")
}

func TestLadderHoldsLongerForAHigherPrice(t *testing.T) {
	for _, price := range []time.Duration{10 * time.Second, 30 * time.Second, 100 * time.Second} {
		s := newStock(&sizing.Ladder{Price: price}, 20*ms)
		s.take(10)
		s.pass(price - time.Second)
		s.expect(t, fmt.Sprintf("a second before the price of %v is spent", price), 10, "the 10th spare")
		s.pass(2 * time.Second)
		s.expect(t, fmt.Sprintf("a second after the price of %v is spent", price), 1, "the least")
	}
}

func TestLadderReckonsWithCreationsThatFail(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.steadily(10 * time.Second)
	before := s.d.Target
	s.observe = func(o *sizing.Observation) { o.Failed = o.Created } // each second one
	s.steadily(10 * time.Second)
	if s.d.Target < before*3/2 {
		t.Errorf("the target went from %d to %d when half of all creations failed", before, s.d.Target)
	}
}

func TestLadderSaysWhenTheUpperBoundIsTooLow(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.high = 8
	s.take(6)
	s.expect(t, "growing beyond the bound", 8, "growing to 12: more are needed than ever of late, but 8 is the most")
	s.pass(50 * ms)
	s.take(50)
	s.expect(t, "while more are needed than there may be", 8, "needing 56, but 8 is the most")
	s.pass(5 * time.Second)
	s.expect(t, "when more were needed than there may be", 8, "holding 8")
	s.low, s.high = 2, 4
	s.pass(5 * time.Second)
	s.expect(t, "after the bounds were lowered", 4, "holding 4")
	s.low, s.high = 5, 10
	s.pass(5 * time.Second)
	s.expect(t, "after they were raised", 5, "5 is the least")
}

// In a pool whose members come back those in use count: the target falls while they
// are, and nothing else is ordered.
func TestLadderCountsMembersInUseWhereTheyComeBack(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	used, most := 0, 0
	s.observe = func(o *sizing.Observation) { o.Returns, o.InUse, o.MostInUse = true, used, most }
	used, most = 7, 7
	s.take(7)
	if s.d.Target < 8 || !s.d.InUse {
		t.Errorf("with seven in use: %+v, want eight or more, those in use included", s.d)
	}
	s.pass(3 * time.Second)
	s.expect(t, "while seven are in use", 8, "all of them are needed")
	used = 0
	s.step()
	most = 0
	s.pass(25 * time.Second)
	s.expect(t, "25 s after they came back", 8, "the 8th spare was needed ")
	s.pass(6 * time.Second)
	s.expect(t, "31 s after they came back", 1, "the least")
	s.pass(20 * time.Second)
	if !s.d.Settled {
		t.Errorf("in quiet: %+v, want it settled", s.d)
	}
}

// What is always kept where members come back is no demand: a pool opens with that many,
// and learns nothing from it.
func TestLadderOpensNoMoreThanTheLeastWhereMembersComeBack(t *testing.T) {
	for _, least := range []int{0, 1, 10, 40, 100} {
		s := &stock{Ladder: &sizing.Ladder{}, low: least, high: 200, lead: 100 * ms}
		used, most := 0, 0
		s.observe = func(o *sizing.Observation) { o.Returns, o.InUse, o.MostInUse = true, used, most }
		s.step()
		s.expect(t, "in the beginning", least, fmt.Sprintf("%d is the least", least))
		s.pass(time.Minute)
		s.low += 50
		s.step()
		s.expect(t, "when the least was raised", least+50, "is the least")
		s.pass(time.Minute)
		s.expect(t, "a minute later", least+50, "is the least")

		used, most = 5, 5
		s.take(5)
		s.pass(time.Second)
		s.expect(t, "with five in use", least+55, "all of them are needed")
		used, most = 0, 5
		s.step()
		most = 0
		s.pass(28 * time.Second)
		s.expect(t, "28 s after they came back", least+55, "spare was needed 2")
		s.pass(3 * time.Second)
		s.expect(t, "when it was longer ago than a wait is worth", least+50, "is the least")
	}
}

func TestLadderNoticesMembersThatCameBackBeforeItLooked(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	most := 7
	s.observe = func(o *sizing.Observation) { o.Returns, o.MostInUse, most = true, most, 0 }
	s.step()
	if s.d.Target < 8 || s.d.Settled {
		t.Errorf("when seven had been in use: %+v, want eight or more, and not settled", s.d)
	}
}

func TestLadderSaysWhenMoreAreInUseThanTheUpperBound(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.high = 8
	s.observe = func(o *sizing.Observation) { o.Returns, o.InUse, o.MostInUse = true, 50, 50 }
	s.take(50)
	s.pass(5 * time.Second)
	s.expect(t, "with 50 in use", 8, "needing 51, but 8 is the most")
}

// With nothing taken any more, the steps that come regularly are seconds apart.
func TestLadderEndsItsGrowthInTimeWhereNobodyTakesAnyMore(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.take(12)
	s.expect(t, "when twelve are taken at once", 24, "growing to 24")
	s.pass(4*100*ms + 500*ms)
	s.expect(t, "after four lead times and the shortest interval", 12, "the 12th spare")
}

func TestLadderForgetsAnOutage(t *testing.T) {
	s := newStock(&sizing.Ladder{}, 100*ms)
	s.steadily(10 * time.Second)
	before := s.d.Target
	s.observe = func(o *sizing.Observation) { o.Created, o.Failed = 0, o.Created }
	s.steadily(10 * time.Second)
	during := s.d.Target
	s.observe = nil
	s.steadily(40 * time.Second)
	if after := s.d.Target; during <= before || after > before+before/10 {
		t.Errorf("the target was %d before an outage, %d in it, and %d after; want it higher in it, and back", before, during, after)
	}
}

func TestLadderStaysWithinBoundsWhateverIsObserved(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	l := &sizing.Ladder{Price: time.Second, MinInterval: 100 * ms, MaxInterval: time.Second}
	for i := range 200_000 {
		low := rng.IntN(20)
		o := sizing.Observation{
			Elapsed:     time.Duration(rng.ExpFloat64() * float64(20*ms)),
			MinCapacity: low, MaxCapacity: low + rng.IntN(200),
			Takes: max(0, rng.IntN(400)-350), Created: max(0, rng.IntN(60)-50), Failed: max(0, rng.IntN(60)-57),
			LeadSum: time.Duration(rng.IntN(int(time.Second))), Idle: rng.IntN(50),
		}
		if o.Returns = i/1000%2 == 1; o.Returns {
			o.MostInUse = rng.IntN(300)
			o.InUse = rng.IntN(o.MostInUse + 1)
		}
		if i%10_000 == 0 {
			o.Elapsed = time.Hour
		}
		d := l.Step(o)
		if d.Target < o.MinCapacity || d.Target > o.MaxCapacity || d.Wait < 100*ms || d.Wait > time.Second || d.OnTake < 2*ms {
			t.Fatalf("step %d: it answers %+v to %+v", i, d, o)
		}
	}
}

func TestReasonsReadLikeThis(t *testing.T) {
	for want, r := range map[string]sizing.Reason{
		"":                                {},
		"fixed at 5":                      sizing.Fixed(5).Step(sizing.Observation{MaxCapacity: 9}).Reason,
		"the 1st":                         {Text: "the {nth}", N: 1},
		"the 22nd":                        {Text: "the {nth}", N: 22},
		"the 103rd":                       {Text: "the {nth}", N: 103},
		"the 112th, 12.3 ago":             {Text: "the {nth}, {rate} ago", N: 112, Rate: 12.345},
		"1234 or 0.05 a second":           {Text: "{rate} or 0.05 a second", Rate: 1234.5},
		"5 ms ago":                        {Text: "{ago}", Ago: 5 * ms},
		"4.2 s ago":                       {Text: "{ago}", Ago: 4200 * ms},
		"15 s ago":                        {Text: "{ago}", Ago: 15 * time.Second},
		"7 min ago":                       {Text: "{ago}", Ago: 7 * time.Minute},
		"all of 9 {x}, but 8 is the most": {Text: "all of {n} {x}", N: 9, Cut: 8},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v reads %q, want %q", r, got, want)
		}
	}
}

func ExampleLadder() {
	policy := &sizing.Ladder{Price: 30 * time.Second}
	bounds := sizing.Observation{MinCapacity: 1, MaxCapacity: 100}
	fmt.Println(policy.Step(bounds).Reason)

	// Twelve members are taken at once. Making their replacements takes 50 ms.
	taken := bounds
	taken.Elapsed, taken.Takes = time.Second, 12
	policy.Step(taken)

	later := bounds
	later.Elapsed, later.Created, later.LeadSum = 4*time.Second, 12, 12*50*time.Millisecond
	d := policy.Step(later)
	fmt.Println(d.Target, d.Reason)
	// Output:
	// 1 is the least
	// 12 holding 12: the 12th spare was needed 4.0 s ago
}
