package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/metrics"
	"maildrift/monitor/resolve"
	"maildrift/monitor/web/wire"
)

const (
	// noticesWaiting is how many messages may wait to be written down; a message more is not.
	noticesWaiting = 1000
	// noticeWithin bounds the last write of a daemon that stops.
	noticeWithin = 2 * time.Second
)

// noted hands a message to whoever writes it down. Telling people must never wait for that.
func (d *daemon) noted(n monitor.Notice) {
	if d.notices == nil {
		return // a test of receivers without a daemon
	}
	select {
	case d.notices <- n:
	default:
		d.log.Warn("what a receiver was told is not written down: too much waits", "receiver", n.Receiver)
	}
}

// keepNotices writes down what receivers were told, what has come together in one transaction.
func (d *daemon) keepNotices(ctx context.Context) {
	for {
		var b monitor.Batch
		select {
		case n := <-d.notices:
			b.Notices = append(b.Notices, n)
		case <-ctx.Done():
		}
		for len(d.notices) > 0 {
			b.Notices = append(b.Notices, <-d.notices)
		}
		if len(b.Notices) > 0 {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeWithin)
			if err := d.store.Commit(within, b); err != nil {
				d.log.Error("what receivers were told is not written down", "messages", len(b.Notices), "err", err)
			}
			cancel()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// receivers says how those fare who are told of alerts.
func (d *daemon) receivers() []wire.Receiver {
	now := time.Now()
	var out []wire.Receiver
	for _, x := range d.alerts.Deliveries() {
		r := wire.Receiver{
			Receiver: x.Receiver, Integration: x.Integration, LastSuccess: x.LastSuccess.UTC(), LastAttempt: x.LastAttempt.UTC(), LastError: x.LastError,
		}
		if x.FailingFor(now) > 0 {
			r.FailingSince = x.FailingSince.UTC()
		}
		out = append(out, r)
	}
	return out
}

// meter tells the metrics what happens, and the health of resolvers too.
type meter struct {
	*metrics.Metrics
	health *health.Recorder
	// rest gives memory back that is not needed for some minutes.
	rest func()
}

// Observed implements monitor.Meter.
func (m meter) Observed(o resolve.Observation) {
	m.Metrics.Observed(o)
	m.health.Observed(o)
}

// Swept implements monitor.Meter.
func (m meter) Swept(s monitor.SweepSummary) {
	m.Metrics.Swept(s)
	if s.Records >= largeFleet {
		go m.rest()
	}
}

// largeFleet is from how many records on a start or a sweep leaves so much memory behind that it is worth giving back: the
// next sweep needs it only in some minutes. Below that, looking for it costs more than it brings.
const largeFleet = 20_000

// patientGC has the garbage collector look less often until it is undone. Nearly all that a start takes in stays: looking through it again and
// again while it grows takes a quarter of the time and finds nothing. It looks the less the more there is already, so it is as if there
// were as much as the database is large, up to a bound, which nobody ever touches. A limit in GOMEMLIMIT is kept, and so is a GOGC that is
// more patient.
func patientGC(database string) (undo func()) {
	const percent, atMost = 300, 256 << 20
	var room []byte
	before := debug.SetGCPercent(percent)
	if before < 0 || before > percent {
		debug.SetGCPercent(before)
	} else if info, err := os.Stat(database); err == nil && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		room = make([]byte, min(info.Size(), atMost))
	}
	return func() {
		runtime.KeepAlive(room)
		debug.SetGCPercent(before)
	}
}

// rest gives memory back that is not needed for some minutes.
func (d *daemon) rest() {
	debug.FreeOSMemory()
	if err := d.store.Rest(); err != nil {
		d.log.Warn("the database stays in memory", "err", err)
	}
}

// leftAloneNow says of sources since when they are left alone, as the client has it now: what was counted of questions knows of a resolver
// that is back only when it is asked again.
func leftAloneNow(sources []health.Source, silent []resolve.Silence) []health.Source {
	now := map[string]resolve.Silence{}
	for _, s := range silent {
		now[s.Source.ID] = s
	}
	for i := range sources {
		source := &sources[i]
		s, left := now[source.ID]
		if source.LeftAlone, source.Why = s.Since, ""; !left {
			source.Withheld = 0
			continue
		}
		if source.Why = "it answers nothing"; s.Outcome == resolve.Refused {
			source.Why = "it refuses everything"
		}
	}
	return sources
}
