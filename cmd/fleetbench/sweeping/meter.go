package sweeping

import (
	"sync"
	"time"

	"maildrift/cmd/fleetbench/usage"
	"maildrift/monitor"
	"maildrift/monitor/metrics"
)

// meter is the daemon's meter, which counts for Prometheus, and beside it sums up each sweep.
type meter struct {
	*metrics.Metrics
	asked *counted
	size  func() int64

	mu sync.Mutex
	// used is the CPU time at the end of the sweep before.
	used              usage.CPU
	committing, stall time.Duration
	// sweeps hands over what was swept until left is closed.
	sweeps chan swept
	left   chan struct{}
}

// swept is a sweep as it was and as the engine sums it up.
type swept struct {
	Sweep
	summary monitor.SweepSummary
	err     error
}

func newMeter(m *metrics.Metrics, asked *counted, size func() int64) *meter {
	return &meter{Metrics: m, asked: asked, size: size, sweeps: make(chan swept), left: make(chan struct{})}
}

// begin notes what was used before the first sweep.
func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used, m.committing, m.stall = usage.Now(), 0, 0
}

// leave says that nobody takes sweeps any more.
func (m *meter) leave() { close(m.left) }

// Committed implements monitor.Meter.
func (m *meter) Committed(d time.Duration, err error) {
	m.Metrics.Committed(d, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.committing += d
	m.stall = max(m.stall, d)
}

// Swept implements monitor.Meter.
func (m *meter) Swept(s monitor.SweepSummary) {
	m.Metrics.Swept(s)
	select {
	case m.sweeps <- m.close(s):
	case <-m.left:
	}
}

// close sums a sweep up and begins the next.
func (m *meter) close(s monitor.SweepSummary) swept {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := usage.Now()
	out := swept{summary: s, Sweep: Sweep{
		Took: time.Since(s.Started), Committing: m.committing, Stall: m.stall, CPU: now.Since(m.used),
		Transitions: s.Transitions, Database: m.size(),
	}}
	m.used, m.committing, m.stall = now, 0, 0
	out.Sources, out.Missing = m.asked.take(s.Started)
	for _, source := range out.Sources {
		out.Observed += source.Observed
		out.Lost += source.Lost
	}
	memory, err := usage.Resident()
	out.Resident, out.err = memory.Resident, err
	return out
}
