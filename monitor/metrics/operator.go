package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"maildrift/monitor/resolve"
)

// authority is the operator label of all nameservers of zones together.
const authority = "authority"

// operatorSeries are the series of one operator, found once.
type operatorSeries struct {
	byOutcome           []prometheus.Counter
	duration            prometheus.Observer
	retries, mismatches prometheus.Counter
}

func (m *Metrics) newOperatorSeries(name string) *operatorSeries {
	s := &operatorSeries{
		duration:   m.lookupTime.WithLabelValues(name),
		retries:    m.retries.WithLabelValues(name),
		mismatches: m.mismatches.WithLabelValues(name),
	}
	for _, outcome := range resolve.Outcomes() {
		s.byOutcome = append(s.byOutcome, m.lookups.WithLabelValues(name, outcome.String()))
	}
	return s
}

// observe counts a question, unless it did not go out.
func (s *operatorSeries) observe(o resolve.Observation) {
	if o.Withheld {
		return
	}
	s.byOutcome[o.Outcome].Inc()
	if replied(o.Outcome) {
		s.duration.Observe(o.Latency.Seconds())
	}
	if o.Tries > 1 {
		s.retries.Add(float64(o.Tries - 1))
	}
	if o.Mismatches > 0 {
		s.mismatches.Add(float64(o.Mismatches))
	}
}

// replied says whether the outcome is a reply's, so that its latency is one.
func replied(o resolve.Outcome) bool {
	switch o {
	case resolve.Timeout, resolve.Network, resolve.Local, resolve.Mismatched:
		return false
	case resolve.Answered, resolve.NoData, resolve.NXDomain, resolve.Elsewhere, resolve.ServFail, resolve.Refused,
		resolve.OtherRcode, resolve.Malformed, resolve.Truncated, resolve.Lame, resolve.Filtered, resolve.Stale:
	}
	return true
}
