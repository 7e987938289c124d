package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// standing collects from the snapshot how things stand at the moment of a scrape.
type standing struct {
	snapshot  func() *monitor.Snapshot
	notifiers func() []Notifier
	silent    func() []resolve.Silence
	descs     map[string]*prometheus.Desc
}

func newStanding(snapshot func() *monitor.Snapshot, o Options) *standing {
	s := &standing{snapshot: snapshot, notifiers: o.Notifiers, silent: o.Silent, descs: map[string]*prometheus.Desc{}}
	for _, d := range snapshotDocs() {
		s.descs[d.Name] = d.desc()
	}
	return s
}

// Describe names all metrics that Collect may send.
func (s *standing) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

// Collect reads the snapshot once and sends what follows from it.
func (s *standing) Collect(out chan<- prometheus.Metric) {
	snap := s.snapshot()
	if snap == nil {
		return
	}
	c := collection{standing: s, snap: snap, out: out}
	c.domains()
	c.records()
	c.alerts()
	c.sweeps()
	if s.notifiers != nil {
		c.receivers()
	}
	if s.silent != nil {
		c.silences()
	}
}

// receivers says how each receiver fares.
func (c *collection) receivers() {
	for _, n := range c.notifiers() {
		if !n.Known {
			continue
		}
		up := 1.0
		if n.Failing > 0 {
			up = 0
		}
		c.send(notifierUp, up, label(n.Receiver), label(n.Integration))
		c.send(notifierFailing, n.Failing.Seconds(), label(n.Receiver), label(n.Integration))
	}
}

// collection is one scrape.
type collection struct {
	*standing
	snap *monitor.Snapshot
	out  chan<- prometheus.Metric
}

func (c *collection) send(d MetricDoc, value float64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(c.descs[d.Name], d.value(), value, labels...)
}

func (c *collection) domains() { c.send(domainsCount, float64(len(c.snap.Domains))) }

// records counts by phase and verdict. The positions that every fleet can come
// into are sent with 0 too, so that an alert rule sees them come.
func (c *collection) records() {
	counts := c.snap.States.Counts()
	c.positions(recordsCount, counts.Records, []judge.Position{
		{Phase: judge.Pending}, {Phase: judge.Overdue},
		{Phase: judge.Verified, Verdict: judge.Holding}, {Phase: judge.Verified, Verdict: judge.Disagreeing},
		{Phase: judge.Verified, Verdict: judge.Drifted}, {Phase: judge.Verified, Verdict: judge.Missing},
	})
	c.positions(sharedCount, counts.Shared, []judge.Position{
		{Phase: judge.Pending}, {Phase: judge.Verified, Verdict: judge.Holding},
		{Phase: judge.Verified, Verdict: judge.Drifted}, {Phase: judge.Verified, Verdict: judge.Missing},
	})
	c.send(recordsBlind, float64(counts.Blind))
	shares, looked := make([]mean, len(judge.Phases())), 0
	for state := range c.snap.States.Unsettled() {
		if state.ID.Key == monitor.SharedKey {
			continue
		}
		if share, changing := propagation(state, c.snap.Votes); changing {
			shares[state.Phase].add(share)
		}
		if looked++; looked == propagationSample {
			break
		}
	}
	for _, phase := range judge.Phases() {
		if shares[phase].n > 0 {
			c.send(propagationRatio, shares[phase].value(), phase.String())
		}
	}
}

// propagationSample bounds of how many records the average propagation is taken. They come in the order of a hash of
// their domains: of more than these, they are a fair sample.
const propagationSample = 2000

// positions sends the numbers by phase and verdict: those that are not 0, and those that every fleet can come to.
func (c *collection) positions(d MetricDoc, counts monitor.Positions, always []judge.Position) {
	for _, phase := range judge.Phases() {
		for _, verdict := range judge.Verdicts() {
			if n := counts[phase][verdict]; n > 0 || slices.Contains(always, judge.Position{Phase: phase, Verdict: verdict}) {
				c.send(d, float64(n), phase.String(), verdict.String())
			}
		}
	}
}

func (c *collection) alerts() {
	open := map[monitor.AlertName]int{
		monitor.AlertDrifted: 0, monitor.AlertMissing: 0, monitor.AlertDisagreement: 0,
		monitor.AlertOverdue: 0, monitor.AlertBlind: 0, monitor.AlertAtRisk: 0,
		monitor.AlertQuarantined: 0, monitor.AlertCause: 0, monitor.AlertChangeNotMade: 0,
	}
	impacts := map[mailrec.Impact]int{mailrec.None: 0, mailrec.Weakened: 0, mailrec.Degraded: 0, mailrec.Rejected: 0}
	for _, i := range c.snap.Open {
		open[i.Name]++
		if i.ID != (monitor.RecordID{}) {
			impacts[i.Impact]++
		}
	}
	for impact, n := range impacts {
		c.send(incidentsOpen, float64(n), impact.String())
	}
	for name, n := range open {
		c.send(alertsOpen, float64(n), string(name))
	}
}

func (c *collection) sweeps() {
	self := c.snap.Self
	c.send(lastGoodSweep, seconds(self.LastGoodSweep))
	c.send(gateClosed, truth(!self.GateSince.IsZero()))
	for group, at := range c.snap.GoodSweepDue {
		c.send(goodSweepDue, seconds(at), label(group))
	}
	for group, at := range c.snap.NextSweep {
		c.send(nextSweep, seconds(at), label(group))
		c.send(groupBlind, truth(self.BlindGroups[group] != ""), label(group))
		c.send(sweepsSkipped, float64(c.snap.Skipped[group].Times), label(group)) // with 0 too, so that the first is an increase
		c.estimate(group)
	}
	operators := map[resolve.Operator]bool{}
	for _, source := range c.snap.Sources {
		if !operators[source.Operator] {
			c.send(resolverQuarantined, truth(self.Dissenters[source.Operator].Quarantined()), label(string(source.Operator)))
		}
		operators[source.Operator] = true
	}
}

// silences says of each resolver whether it is left alone.
func (c *collection) silences() {
	silent := map[string]bool{}
	for _, s := range c.silent() {
		silent[s.Source.ID] = true
	}
	for _, source := range c.snap.Sources {
		c.send(resolverSilent, truth(silent[source.ID]), label(source.ID), label(string(source.Operator)))
	}
}

// estimate says how long the sweeps of a group take, and how long they may.
func (c *collection) estimate(group string) {
	e, ok := c.snap.Estimates[group]
	if !ok {
		return
	}
	c.send(sweepExpected, e.Takes.Seconds(), label(group))
	if e.Interval > 0 {
		c.send(sweepInterval, e.Interval.Seconds(), label(group))
	}
}

// propagation gives the share of the operators heard that see the change which
// a record goes through: the good record while it is waited for or comes back, the bad one
// while that spreads. The second result is false for a record that is not changing.
func propagation(state *monitor.RecordState, votes monitor.Votes) (float64, bool) {
	if state.Phase == judge.Verified && state.Verdict == judge.Holding {
		return 0, false
	}
	good, heard := count(votes.Of(state.ID))
	if heard == 0 && state.Incident != nil {
		// Nobody was asked since the start: what the incident tells is the last word.
		d := state.Incident.Facts.Decision
		good, heard = d.Heard-d.Wrong, d.Heard
	}
	if heard == 0 {
		// A record that is waited for is not asked of resolvers before the authority has it.
		return 0, state.Phase != judge.Verified
	}
	share := float64(good) / float64(heard)
	if state.Phase == judge.Verified && state.Stage != judge.Recovering {
		share = 1 - share
	}
	return share, true
}

// count gives the operators that see the good record and those that were heard
// at all. An operator with several addresses has one vote.
func count(votes []monitor.SourceVote) (good, heard int) {
	byOperator := map[string]judge.Vote{}
	for _, v := range votes {
		if v.Authority {
			continue
		}
		name := string(v.Operator)
		byOperator[name] = judge.Vote{Stand: v.Stand}.Merge(byOperator[name])
	}
	for v := range maps.Values(byOperator) {
		switch v.Stand {
		case judge.Good:
			good++
			heard++
		case judge.Differs, judge.Absent, judge.Bogus:
			heard++
		case judge.Unheard, judge.Abstains:
		}
	}
	return good, heard
}

// mean is a running average.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m *mean) value() float64 { return m.sum / float64(m.n) }

// label makes any configured identifier safe as a label's value: Prometheus
// refuses what is not UTF-8, and with it the whole scrape.
func label(s string) string { return rrset.Printable([]byte(s)) }

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
