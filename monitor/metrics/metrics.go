package metrics

import (
	"cmp"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
)

// nativeReset is how often a native histogram may start anew when it has too
// many buckets.
const nativeReset = time.Hour

// Options say what is exported. The zero value exports no series about single records.
type Options struct {
	// PerRecordLimit is how many records have series of their own; 0 means none. PerRecordLabels are labels of which a
	// domain needs one for its records to have series beyond that; an empty value stands for any.
	PerRecordLimit  int
	PerRecordLabels map[string]string
	// Version and Revision say what is running.
	Version, Revision string
	// StoreSize gives the size of the database in bytes. It is called at each
	// scrape; nil leaves the metric out.
	StoreSize func() int64
	// Notifiers gives how each receiver fares; nil leaves these metrics out.
	Notifiers func() []Notifier
	// Silent gives the resolvers that answer nothing and are left alone; nil leaves the metric out.
	Silent func() []resolve.Silence
}

// Notifier is how one integration of a receiver fares.
type Notifier struct {
	Receiver, Integration string
	// Known says that it was told anything since the start.
	Known bool
	// Failing is for how long it could not be told; 0 if it can.
	Failing time.Duration
}

// Metrics counts what happens and exports what is so. It is a monitor.Meter.
type Metrics struct {
	sweeps, questions, transitions *prometheus.CounterVec
	sweepTime                      *prometheus.HistogramVec

	lookups, retries, mismatches *prometheus.CounterVec
	lookupTime                   *prometheus.HistogramVec
	// operators holds *operatorSeries by name, found once,
	// because a sweep counts some hundred thousand questions.
	operators sync.Map

	commitTime     prometheus.Observer
	commitFailures prometheus.Counter
	handovers      *prometheus.CounterVec

	reloadOK, reloadAt prometheus.Gauge

	series *series
}

// New registers all metrics, the Go runtime's and the process's included. The
// snapshot is read at each scrape; it may be nil as long as there is no engine
// yet. New panics if reg holds metrics of these names already, which is a mistake in
// the program.
func New(reg prometheus.Registerer, snapshot func() *monitor.Snapshot, o Options) *Metrics {
	// From a tenth of a second to an hour.
	sweepBuckets := []float64{.1, .3, 1, 3, 10, 30, 60, 120, 300, 600, 1800, 3600}
	lookupBuckets := []float64{.001, .003, .01, .03, .1, .3, 1, 3}
	commitBuckets := []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10}
	commitTimes, failures := commitDuration.histogram(commitBuckets), commitFailures.counter()
	reloadOK, reloadAt := reloadSuccessful.gauge(), reloadTimestamp.gauge()
	build := buildInfo.gauge()
	m := &Metrics{
		sweeps: sweepsTotal.counter(), questions: sweepQuestions.counter(), transitions: transitionsTotal.counter(),
		sweepTime: sweepDuration.histogram(sweepBuckets),
		lookups:   lookupsTotal.counter(), retries: lookupRetries.counter(), mismatches: lookupMismatches.counter(),
		lookupTime: lookupDuration.histogram(lookupBuckets),
		commitTime: commitTimes.WithLabelValues(), commitFailures: failures.WithLabelValues(),
		handovers: handoversTotal.counter(), series: newSeries(snapshot, o),
		reloadOK: reloadOK.WithLabelValues(), reloadAt: reloadAt.WithLabelValues(),
	}
	build.WithLabelValues(label(o.Version), label(o.Revision), runtime.Version()).Set(1)
	m.handovers.WithLabelValues("ok")
	m.handovers.WithLabelValues("error")
	reg.MustRegister(
		m.sweeps, m.questions, m.transitions, m.sweepTime, m.lookups, m.retries, m.mismatches, m.lookupTime,
		commitTimes, failures, m.handovers, reloadOK, reloadAt, build,
		newStanding(snapshot, o),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if o.StoreSize != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: storeSize.Name, Help: storeSize.Help},
			func() float64 { return float64(o.StoreSize()) }))
	}
	return m
}

// Observed counts one question.
func (m *Metrics) Observed(o resolve.Observation) { m.operator(o.Source).observe(o) }

// Swept counts one sweep of a schedule group.
func (m *Metrics) Swept(s monitor.SweepSummary) {
	group, result := label(s.Group), "good"
	if !s.Good() {
		result = "distrusted"
	}
	// Both results exist from the first sweep on, so that the first bad one is an
	// increase and not a new series.
	m.sweeps.WithLabelValues(group, "good")
	m.sweeps.WithLabelValues(group, "distrusted")
	m.sweeps.WithLabelValues(group, result).Inc()
	m.sweepTime.WithLabelValues(group).Observe(s.Duration.Seconds())
	m.questions.WithLabelValues(group, "sent").Add(float64(s.Questions))
	m.questions.WithLabelValues(group, "shared").Add(float64(s.Shared))
	m.questions.WithLabelValues(group, "spared").Add(float64(s.Spared))
	m.questions.WithLabelValues(group, "withheld").Add(float64(s.Withheld))
	m.transitions.WithLabelValues(group) // so that the first one is an increase
}

// Transitioned counts one transition.
func (m *Metrics) Transitioned(group string) { m.transitions.WithLabelValues(label(group)).Inc() }

// Committed counts one transaction of the store.
func (m *Metrics) Committed(d time.Duration, err error) {
	m.commitTime.Observe(d.Seconds())
	if err != nil {
		m.commitFailures.Inc()
	}
}

// Notified counts one hand-over of the incidents to the notifier.
func (m *Metrics) Notified(err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.handovers.WithLabelValues(result).Inc()
}

// Reloaded notes that the configuration was read at that time, with an error or
// without.
func (m *Metrics) Reloaded(err error, at time.Time) {
	if err != nil {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadAt.Set(seconds(at))
}

// operator gives the series of whoever was asked. All nameservers of zones
// share one: their names come from the wire.
func (m *Metrics) operator(s *resolve.Source) *operatorSeries {
	name := authority
	if s.Role == resolve.Recursive {
		name = cmp.Or(string(s.Operator), s.ID)
	}
	if had, ok := m.operators.Load(name); ok {
		return had.(*operatorSeries)
	}
	had, _ := m.operators.LoadOrStore(name, m.newOperatorSeries(label(name)))
	return had.(*operatorSeries)
}
