package sizing

import "time"

// Ladder is the policy that prices a wait, and follows demand by itself.
//
// It thinks of the idle members as rungs: the k-th is needed when a member is asked
// for while the replacements of k−1 others are on their way; where members come back
// after use, while k−1 are in use. Three rules each want a number of rungs, and the
// highest has its way, within the bounds:
//
//   - A rung that has been needed is held for a while. Holding it for as long as a
//     wait is worth costs at most twice what knowing the future would (ski rental).
//     Where experience shows that rungs are seldom needed again by then, they are
//     given up sooner, after a fourth of that at least.
//   - Rungs that takes at their present rate are going to need are held before they
//     are needed.
//   - When demand breaks its record, the target runs ahead of it for four lead times. A
//     lead time is how long it takes to make a member.
//
// It reckons with the takes, how long members take to be made, and how many creations
// fail; never with how many are idle or waiting. So there is nothing to oscillate.
//
// Set its fields before the first step, and give it to one pool only.
type Ladder struct {
	// Price is what avoiding one wait is worth: for how long one more member may stand
	// idle for it. The default is 30 s; 10 s is lean, 100 s generous. In steady use there
	// is then about one wait in Price; a few where a thousand are taken a second.
	Price time.Duration

	// MinInterval and MaxInterval bound the time between two steps if nothing happens;
	// default 500 ms and 5 s. It is the shortest while members are taken, and doubles in
	// quiet. Demand is noticed when it comes all the same.
	MinInterval, MaxInterval time.Duration

	now      time.Duration // since the first step
	target   int           // of the latest
	interval time.Duration
	lead     lead
	recent   recent
	rungs    rungs
	growth   growth
	forecast forecast
}

// The defaults of a Ladder.
const (
	defaultPrice       = 30 * time.Second
	defaultMinInterval = 500 * time.Millisecond
	defaultMaxInterval = 5 * time.Second
)

// After a take there is a step within an eighth of a lead time, but no more often than
// every shortestOnTake. That is as good as one at every take. Were it 20 ms, pools whose
// members are made in 20 ms would cost a tenth more, and in 1 ms nearly twice as much.
const (
	stepsPerLead   = 8
	shortestOnTake = 2 * time.Millisecond
)

// Step implements [Policy].
func (l *Ladder) Step(o Observation) Decision {
	price := orDefault(l.Price, defaultPrice)
	before := l.now
	l.now += o.Elapsed
	l.lead.observe(&o)
	lead := l.lead.expected()
	onTake := max(lead/stepsPerLead, shortestOnTake)

	// Where members come back the least stand ready beside all that are in use. They are
	// always there, and nothing to learn from.
	demand, always, since := 0, 0, before // rungs that no longer are needed were so until since
	if o.Returns {
		demand, always = o.MostInUse, o.MinCapacity
	} else {
		l.recent.add(l.now, min(o.Elapsed, onTake), o.Takes)
		demand = l.recent.within(l.now, lead)
		since = min(l.now, before+lead)
		l.forecast.step(o.Takes, o.MaxCapacity, o.Elapsed, lead, price)
	}
	low, high := o.MinCapacity-always, o.MaxCapacity-always
	needed := min(demand, high)
	l.growth.step(needed, l.rungs.held, l.now, lead)
	l.rungs.step(needed, low, high, l.now, since, price)

	d := Decision{OnTake: onTake, InUse: o.Returns}
	d.Target, d.Reason = l.choose(&o, demand, always)
	d.Wait = l.pace(&o, low, d.Target < l.target)
	l.target = d.Target
	d.Settled = o.Takes == 0 && o.MostInUse == o.InUse && (o.Returns || needed == 0) &&
		d.Target == max(needed, low)+always && d.Wait == l.longest()
	return d
}

// choose returns the highest number that a rule wants, with those that are always there
// and within the bounds, and why.
func (l *Ladder) choose(o *Observation, demand, always int) (target int, why Reason) {
	rungs := l.rungs.held
	why = Reason{Text: "holding {n}: all of them are needed"}
	if l.rungs.held > l.rungs.needed {
		why = Reason{Text: "holding {n}: the {nth} spare was needed {ago}", Ago: l.rungs.unneeded(l.now)}
	}
	if n := l.growth.wanted(l.now); n > rungs {
		rungs, why = n, Reason{Text: "growing to {n}: more are needed than ever of late"}
	}
	if n := l.forecast.floor; n > rungs {
		rungs, why = n, Reason{Text: "expecting to need {n}: {rate} are taken a second", Rate: l.forecast.rate}
	}
	if demand > rungs { // there are no more rungs
		rungs, why = demand, Reason{Text: "needing {n}"}
	}
	why.N = rungs + always
	if why.N <= o.MinCapacity {
		return o.MinCapacity, Reason{Text: "{n} is the least", N: o.MinCapacity}
	}
	if why.N > o.MaxCapacity {
		why.Cut = o.MaxCapacity
	}
	return min(why.N, o.MaxCapacity), why
}

// pace returns the time until the next step, if nothing happens. When the target falls
// there is surplus to look after, and growth is to end in time.
func (l *Ladder) pace(o *Observation, low int, falls bool) time.Duration {
	shortest := l.shortest()
	l.interval = clamp(2*l.interval, shortest, l.longest())
	if o.Takes > 0 || falls || l.growth.wanted(l.now) > 0 {
		l.interval = shortest
	}
	return clamp(l.rungs.due(l.now, low), shortest, l.interval)
}

func (l *Ladder) shortest() time.Duration { return orDefault(l.MinInterval, defaultMinInterval) }

func (l *Ladder) longest() time.Duration {
	return max(l.shortest(), orDefault(l.MaxInterval, defaultMaxInterval))
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
