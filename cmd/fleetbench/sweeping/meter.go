package sweeping

import (
	"errors"
	"sync"
	"time"

	"maildrift/cmd/fleetbench/usage"
	"maildrift/monitor"
	"maildrift/monitor/metrics"
	"maildrift/store"
)

// meter is the daemon's meter, which counts for Prometheus, and beside it sums up each sweep.
type meter struct {
	*metrics.Metrics
	asked *counted
	store *store.Store
	// server is the server's process, 0 if there is none to look at.
	server int

	mu sync.Mutex
	// used and served are the CPU times, ours and the server's, at the end of the sweep before.
	used, served      usage.CPU
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

func newMeter(m *metrics.Metrics, asked *counted, s *store.Store, server int) *meter {
	return &meter{Metrics: m, asked: asked, store: s, server: server, sweeps: make(chan swept), left: make(chan struct{})}
}

// begin notes what was used before the first sweep.
func (m *meter) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used, m.committing, m.stall = usage.Now(), 0, 0
	var err error
	m.served, err = m.serving()
	return err
}

// serving is what the server has used so far.
func (m *meter) serving() (usage.CPU, error) {
	if m.server == 0 {
		return usage.CPU{}, nil
	}
	return usage.OfProcess(m.server)
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
	served, lost := m.serving()
	out := swept{summary: s, Sweep: Sweep{
		Took: time.Since(s.Started), Committing: m.committing, Stall: m.stall, CPU: now.Since(m.used), Server: served.Since(m.served),
		Transitions: s.Transitions, Database: m.store.Size(),
	}}
	out.Sources, out.Missing = m.asked.take(s.Started)
	for _, source := range out.Sources {
		out.Observed += source.Observed
		out.Lost += source.Lost
	}
	resident, err := m.resident(s.Records)
	out.Resident, out.err = resident, errors.Join(lost, err)
	// What giving back costs is between the sweeps: the next one begins now.
	m.used, m.served, m.committing, m.stall = usage.Now(), served, 0, 0
	return out
}

// largeFleet is from how many records on memory is given back after a sweep, as by the daemon.
const largeFleet = 20_000

// resident gives the memory that stays after a sweep.
func (m *meter) resident(records int) (int64, error) {
	if records >= largeFleet {
		return rest(m.store)
	}
	memory, err := usage.Resident()
	return memory.Resident, err
}
