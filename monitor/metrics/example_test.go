package metrics_test

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"maildrift/monitor"
	"maildrift/monitor/metrics"
)

// Count a sweep, as the engine does, and gather what Prometheus would scrape.
func Example() {
	registry := prometheus.NewRegistry()
	m := metrics.New(registry, func() *monitor.Snapshot { return nil }, metrics.Options{Version: "1.0"})
	m.Swept(monitor.SweepSummary{Group: "default", Duration: 2 * time.Second, Questions: 120})

	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() == "maildrift_sweeps_total" {
			for _, series := range f.GetMetric() {
				fmt.Println(series.GetLabel()[1].GetValue(), series.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// distrusted 0
	// good 1
}
