package metrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Type is what kind of metric one is.
type Type uint8

// The types.
const (
	// Counter only grows.
	Counter Type = iota
	// Gauge goes up and down.
	Gauge
	// Histogram counts observations in buckets, classic and native.
	Histogram
)

var typeNames = [...]string{Counter: "counter", Gauge: "gauge", Histogram: "histogram"}

// String gives the name that the exposition format uses.
func (t Type) String() string { return typeNames[t] }

// MarshalText writes the name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name.
func (t *Type) UnmarshalText(b []byte) error {
	i := slices.Index(typeNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown metric type %q: use counter, gauge or histogram", b)
	}
	*t = Type(i)
	return nil
}

// value is what Prometheus' library calls a number of the type that is collected at a scrape.
func (d MetricDoc) value() prometheus.ValueType {
	if d.Type == Counter {
		return prometheus.CounterValue
	}
	return prometheus.GaugeValue
}

// MetricDoc describes one metric, for the documentation.
type MetricDoc struct {
	Name   string   `json:"name"`
	Type   Type     `json:"type"`
	Help   string   `json:"help"`
	Labels []string `json:"labels"`
}

// The metrics. Each is described here once, and everything else follows from it.
var (
	sweepsTotal = MetricDoc{"maildrift_sweeps_total", Counter,
		"Sweeps of whole schedule groups that ended, by result: good, or distrusted if nothing in them counts.", []string{"group", "result"}}
	sweepsSkipped = MetricDoc{"maildrift_sweeps_skipped_total", Counter,
		"Sweeps of whole schedule groups that were due while the one before still ran, and so did not take place.", []string{"group"}}
	sweepDuration = MetricDoc{"maildrift_sweep_duration_seconds", Histogram,
		"How long sweeps of whole schedule groups took, confirmations included.", []string{"group"}}
	sweepQuestions = MetricDoc{"maildrift_sweep_questions_total", Counter,
		"Questions that sweeps had, by fate: sent, shared with another record that had the same question, spared because a resolver could only have answered from its cache what is known, or withheld because the source had answered nothing for a while.", []string{"group", "fate"}}
	transitionsTotal = MetricDoc{"maildrift_transitions_total", Counter,
		"Changes of phase, verdict or stage of records, by schedule group.", []string{"group"}}
	lookupsTotal = MetricDoc{"maildrift_lookups_total", Counter,
		"Questions asked, by operator and outcome. Nameservers of zones together are the operator authority.", []string{"operator", "outcome"}}
	lookupDuration = MetricDoc{"maildrift_lookup_duration_seconds", Histogram,
		"How long replies took. Questions without a reply are not in it.", []string{"operator"}}
	lookupRetries = MetricDoc{"maildrift_lookup_retries_total", Counter,
		"Tries beyond the first one of each question.", []string{"operator"}}
	lookupMismatches = MetricDoc{"maildrift_lookup_mismatched_replies_total", Counter,
		"Replies thrown away because their ID or question was another one: attempts at spoofing, or strays.", []string{"operator"}}
	commitDuration = MetricDoc{"maildrift_store_commit_duration_seconds", Histogram,
		"How long transactions of the store took.", nil}
	commitFailures = MetricDoc{"maildrift_store_commit_failures_total", Counter,
		"Transactions of the store that failed. What they held is found again by the next sweep.", nil}
	handoversTotal = MetricDoc{"maildrift_incident_handovers_total", Counter,
		"Hand-overs of all open incidents to the alert engine, by result: ok or error.", []string{"result"}}
	reloadSuccessful = MetricDoc{"maildrift_config_last_reload_successful", Gauge,
		"Whether the last reading of the configuration succeeded (1) or not (0).", nil}
	reloadTimestamp = MetricDoc{"maildrift_config_last_reload_success_timestamp_seconds", Gauge,
		"When the configuration was last read with success.", nil}
	buildInfo = MetricDoc{"maildrift_build_info", Gauge,
		"Always 1; the labels say what is running.", []string{"version", "revision", "goversion"}}
	storeSize = MetricDoc{"maildrift_store_size_bytes", Gauge,
		"Size of the database file.", nil}

	domainsCount = MetricDoc{"maildrift_domains", Gauge,
		"Registered domains.", nil}
	recordsCount = MetricDoc{"maildrift_records", Gauge,
		"Records watched, by phase (pending, verified, overdue) and verdict.", []string{"phase", "verdict"}}
	sharedCount = MetricDoc{"maildrift_shared_records", Gauge,
		"SPF records that those of registered domains include or redirect to, by phase and verdict.", []string{"phase", "verdict"}}
	recordsBlind = MetricDoc{"maildrift_records_blind", Gauge,
		"Verified records about which too little was heard last time. Their last verdict stands.", nil}
	propagationRatio = MetricDoc{"maildrift_propagation_ratio", Gauge,
		"Average share of operators that see a change, over the records that are changing, by phase; of a sample if they are thousands. No series when none is.", []string{"phase"}}
	alertsOpen = MetricDoc{"maildrift_alerts_open", Gauge,
		"Incidents that last, by the name of their alert.", []string{"alertname"}}
	incidentsOpen = MetricDoc{"maildrift_incidents_open", Gauge,
		"Incidents about records that last, by what receivers do: none, weakened (protection is lost), degraded (some mail suffers) or rejected (mail is refused).", []string{"impact"}}
	notifierUp = MetricDoc{"maildrift_notifier_up", Gauge,
		"Whether each integration of each receiver took what it was last told (1) or not (0). No series before it was told anything.", []string{"receiver", "integration"}}
	notifierFailing = MetricDoc{"maildrift_notifier_failing_seconds", Gauge,
		"For how long an integration could not be told anything, though it was tried; 0 if it can.", []string{"receiver", "integration"}}
	lastGoodSweep = MetricDoc{"maildrift_last_good_sweep_timestamp_seconds", Gauge,
		"When the last sweep ended that can be relied on; 0 if there was none yet.", nil}
	nextSweep = MetricDoc{"maildrift_next_sweep_timestamp_seconds", Gauge,
		"When each schedule group is due next.", []string{"group"}}
	goodSweepDue = MetricDoc{"maildrift_good_sweep_due_timestamp_seconds", Gauge,
		"By when a sweep of the schedule group that can be relied on has to have ended: the one that is due next has time until the one after it, or twice as long as the last one took if that is longer, or the first one after a start takes by the estimate. No series if there is no more.", []string{"group"}}
	sweepExpected = MetricDoc{"maildrift_sweep_expected_seconds", Gauge,
		"How long a sweep of the schedule group takes at the configured rates, which is how long the resolver operator or nameserver takes that has most to answer, as reckoned when the last one began. No series before that.", []string{"group"}}
	sweepInterval = MetricDoc{"maildrift_sweep_interval_seconds", Gauge,
		"The shortest time between two sweeps of the schedule group, which they have to fit into. No series before its first sweep, or if there is only one.", []string{"group"}}
	groupBlind = MetricDoc{"maildrift_group_blind", Gauge,
		"Whether the last sweep of the schedule group could not be relied on (1).", []string{"group"}}
	resolverQuarantined = MetricDoc{"maildrift_resolver_quarantined", Gauge,
		"Whether the operator has no vote because it contradicted holding records, alone, sweep after sweep (1).", []string{"operator"}}
	resolverSilent = MetricDoc{"maildrift_resolver_silent", Gauge,
		"Whether the resolver answers nothing, or refuses everything, and is left alone but for a probe now and then (1).", []string{"resolver", "operator"}}
	gateClosed = MetricDoc{"maildrift_gate_closed", Gauge,
		"Whether transitions are being held back because too many records turned at once (1).", nil}

	recordState = MetricDoc{"maildrift_record_state", Gauge,
		"Always 1; the labels say how a record stands. Only for as many records as metrics.per_record_limit allows, those in trouble first, and for those of domains that have one of metrics.per_record_labels.",
		[]string{"domain", "record", "kind", "phase", "verdict"}}
	recordPropagation = MetricDoc{"maildrift_record_propagation_ratio", Gauge,
		"Share of operators that see the change of a record that is changing. Limited as maildrift_record_state is.", []string{"domain", "record"}}
	seriesDropped = MetricDoc{"maildrift_record_series_dropped", Gauge,
		"Records that have no series of their own because there are more than metrics.per_record_limit.", nil}
)

// Reference describes all of maildrift's own metrics, sorted by name. The Go
// runtime's and the process's are exported beside them.
func Reference() []MetricDoc {
	all := slices.Concat(eventDocs(), snapshotDocs(), recordDocs())
	slices.SortFunc(all, func(a, b MetricDoc) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// eventDocs are the metrics of what happens.
func eventDocs() []MetricDoc {
	return []MetricDoc{
		sweepsTotal, sweepDuration, sweepQuestions, transitionsTotal,
		lookupsTotal, lookupDuration, lookupRetries, lookupMismatches,
		commitDuration, commitFailures, handoversTotal,
		reloadSuccessful, reloadTimestamp, buildInfo, storeSize,
	}
}

// snapshotDocs are the metrics of what is so at the moment.
func snapshotDocs() []MetricDoc {
	return []MetricDoc{
		domainsCount, recordsCount, sharedCount, recordsBlind, propagationRatio, alertsOpen, incidentsOpen,
		notifierUp, notifierFailing,
		lastGoodSweep, nextSweep, goodSweepDue, sweepsSkipped, sweepExpected, sweepInterval, groupBlind, gateClosed, resolverQuarantined, resolverSilent,
	}
}

// recordDocs are the metrics about single records.
func recordDocs() []MetricDoc { return []MetricDoc{recordState, recordPropagation, seriesDropped} }

func (d MetricDoc) desc() *prometheus.Desc {
	return prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)
}

func (d MetricDoc) counter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func (d MetricDoc) gauge() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// histogram has classic buckets for everybody and native ones for those who scrape them.
func (d MetricDoc) histogram(buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: d.Name, Help: d.Help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: nativeReset,
	}, d.Labels)
}
