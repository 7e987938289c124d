// Package metrics tells Prometheus what maildrift sees and how it fares.
//
// The usual sequence is
//
//	m := metrics.New(registry, engineSnapshot, metrics.Options{PerRecordLimit: 1000})
//	engine, err := monitor.New(ctx, monitor.Options{Meter: m, ...}, ...)
//	m.Reloaded(nil, time.Now()) // after each reading of the configuration
//
// What happens (sweeps, lookups, commits) is counted as it happens, through the
// methods of [Metrics], which is a monitor.Meter. What is so at the moment (records by verdict,
// open alerts) is read from the engine's snapshot when Prometheus scrapes.
//
// Labels hold only what was configured: names of domains, records, groups and
// operators. Nothing that came from the wire ever becomes a label, so that no
// zone can add series. Nameservers of zones are counted together, as the operator
// "authority". The number of series about single records is bounded by
// Options.PerRecordLimit and the domains that Options.PerRecordLabels name. They are rendered when a record changes, not at
// each scrape: serve them with [Metrics.Handler].
//
// Everything may be called from several goroutines.
package metrics
