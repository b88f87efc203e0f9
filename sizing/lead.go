package sizing

import "time"

// lead is how long it takes until a member that is ordered is there.
type lead struct {
	mean    float64 // of creations, in nanoseconds; zero until one has been seen
	failing float64 // share of creations that fail
}

const (
	firstLead    = 50 * time.Millisecond // until one has been seen
	shortestLead = 2 * time.Millisecond

	// The newest count for 1/16 each, and all that a step has seen for a half at most:
	// they may have met the same trouble.
	leadWeight, leadShare = 1. / 16, 0.5

	failWeight  = 1. / 32
	mostFailing = 0.75 // that is reckoned with: what fails still more is an outage
)

func (l *lead) observe(o *Observation) {
	if o.Created > 0 {
		mean := float64(o.LeadSum) / float64(o.Created)
		if l.mean == 0 {
			l.mean = mean
		}
		l.mean += min(float64(o.Created)*leadWeight, leadShare) * (mean - l.mean)
	}
	if o.Failed > 0 || l.failing > 0 && o.Created > 0 {
		n := float64(o.Created + o.Failed)
		l.failing += min(n*failWeight, 1) * (float64(o.Failed)/n - l.failing)
	}
}

// expected counts attempts that fail in: of those it takes 1/(1−failing).
func (l *lead) expected() time.Duration {
	if l.mean == 0 {
		return firstLead
	}
	return max(shortestLead, time.Duration(l.mean/(1-min(l.failing, mostFailing))))
}
