package alert

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// engineMetrics are Alertmanager's own, under their own names, so that its
// dashboards and alerts serve here, too. They are made in a registry of their
// own, which joins the caller's as one: a second engine on the same registerer
// is an error rather than a panic, and a closed one leaves it again.
type engineMetrics struct {
	registry *prometheus.Registry
	joined   prometheus.Registerer

	notify       *notify.Metrics
	dispatch     *dispatch.DispatcherMetrics
	requests     *prometheus.HistogramVec
	receivers    prometheus.Gauge
	integrations prometheus.Gauge
	inhibitions  prometheus.Gauge
}

func newEngineMetrics(join prometheus.Registerer) *engineMetrics {
	reg := prometheus.NewRegistry()
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &engineMetrics{
		registry: reg,
		joined:   join,
		notify:   notify.NewMetrics(reg, featurecontrol.NoopFlags{}),
		dispatch: dispatch.NewDispatcherMetrics(false, reg, featurecontrol.NoopFlags{}),
		requests: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "alertmanager_http_request_duration_seconds",
			Help:                            "Histogram of latencies for HTTP requests.",
			Buckets:                         prometheus.DefBuckets,
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"handler", "method", "code"}),
		receivers:    gauge("alertmanager_receivers", "Number of configured receivers."),
		integrations: gauge("alertmanager_integrations", "Number of configured integrations."),
		inhibitions:  gauge("alertmanager_inhibition_rules", "Number of configured inhibition rules."),
	}
}

// join makes the metrics visible. It comes after all of them are made, since a
// registry is described to another one only once.
func (m *engineMetrics) join() error {
	if m.joined == nil {
		return nil
	}
	err := m.joined.Register(m.registry)
	if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		return errors.New("alert metrics: the registerer has those of another engine; one engine a registerer, reload it instead")
	}
	if err != nil {
		return fmt.Errorf("alert metrics: %w", err)
	}
	return nil
}

func (m *engineMetrics) leave() {
	if m.joined != nil {
		m.joined.Unregister(m.registry)
	}
}

func (m *engineMetrics) describe(r *routing) {
	n := 0
	for _, integrations := range r.receivers {
		n += len(integrations)
	}
	m.receivers.Set(float64(len(r.receivers)))
	m.integrations.Set(float64(n))
	m.inhibitions.Set(float64(len(r.cfg.InhibitRules)))
}
