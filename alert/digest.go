package alert

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// digestLabel is the group label of digests, by which templates tell them from other groups.
const digestLabel = "digest"

// digest tells what still fires when a silence or a quiet window ends: at once, and of several groups as one message
// a receiver. What a digest has told it stays responsible for: its alerts are left out of their own groups until
// they end, and their all-clear comes with the digest's group. The journal knows which these are, so that a restart
// changes nothing.
type digest struct {
	engine  *Engine
	routing *routing
	outlets map[string]outlet
	routes  map[string]*dispatch.Route

	mu sync.Mutex
	// muted are the firing alerts that were muted at the last look; released those that no longer are, and wait to be
	// told by a digest.
	muted, released map[heldAlert]bool
	// last is when each receiver's digest was looked at; busy those that are being sent.
	last map[string]time.Time
	busy map[string]bool
}

// heldAlert is an alert on its way to a receiver.
type heldAlert struct {
	receiver string
	alert    model.Fingerprint
}

func newDigest(e *Engine, r *routing) *digest {
	d := &digest{
		engine: e, routing: r, outlets: map[string]outlet{}, routes: map[string]*dispatch.Route{},
		muted: map[heldAlert]bool{}, released: map[heldAlert]bool{}, last: map[string]time.Time{}, busy: map[string]bool{},
	}
	r.route.Walk(func(rt *dispatch.Route) { d.routes[rt.ID()] = rt })
	return d
}

// every is how often it is looked what is muted: several times a group interval, and each second at least.
func (d *digest) every() time.Duration {
	return min(max(d.routing.route.RouteOpts.GroupInterval/4, 10*time.Millisecond), time.Second)
}

// run looks what is muted until ctx ends, and returns when nothing is being sent any more.
func (d *digest) run(ctx context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	tick := time.NewTicker(d.every())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, receiver := range d.look(ctx) {
			sending.Go(func() { d.send(ctx, receiver) })
		}
	}
}

// look notes what is muted and what no longer is, and gives the receivers whose digest has something to tell.
func (d *digest) look(ctx context.Context) []string {
	firing := func(a *amalert.Alert, now time.Time) bool {
		return !a.ResolvedAt(now) && a.Name() != WatchdogName
	}
	groups, _, err := d.routing.dispatcher.Groups(ctx, func(*dispatch.Route) bool { return true }, firing)
	if err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.muted
	d.muted = map[heldAlert]bool{}
	fresh := map[string][]heldAlert{}
	for _, g := range groups {
		quiet := d.quiet(g.RouteID)
		for _, a := range g.Alerts {
			key := heldAlert{g.Receiver, a.Fingerprint()}
			switch {
			case d.routing.inhibitor.Mutes(ctx, a.Labels):
			case quiet || d.engine.silencer.Mutes(ctx, a.Labels) && !outgrown(ctx, d.engine.silences, a):
				d.muted[key] = true
			case before[key] && !d.engine.journal.told(d.outlets[g.Receiver].ends, g.GroupKey, a) && !d.has(g.Receiver, a):
				fresh[g.Receiver] = append(fresh[g.Receiver], key)
			}
		}
	}
	for _, keys := range fresh {
		if len(keys) > 1 { // one alone is told by its own group
			for _, key := range keys {
				d.released[key] = true
			}
		}
	}
	return d.due(time.Now())
}

// due gives the receivers to whose digest something was added, and those whose group interval is over. The caller
// holds mu.
func (d *digest) due(now time.Time) []string {
	var out []string
	for name := range d.outlets {
		if d.busy[name] {
			continue
		}
		added := false
		for key := range d.released {
			added = added || key.receiver == name
		}
		if added || now.Sub(d.last[name]) >= d.routing.route.RouteOpts.GroupInterval {
			d.busy[name], d.last[name] = true, now
			out = append(out, name)
		}
	}
	return out
}

// quiet says whether a route is muted by its time intervals.
func (d *digest) quiet(routeID string) bool {
	rt := d.routes[routeID]
	if rt == nil {
		return false
	}
	now := time.Now()
	if muted, _, err := d.routing.intervals.Mutes(rt.RouteOpts.MuteTimeIntervals, now); err == nil && muted {
		return true
	}
	if len(rt.RouteOpts.ActiveTimeIntervals) == 0 {
		return false
	}
	active, _, err := d.routing.intervals.Mutes(rt.RouteOpts.ActiveTimeIntervals, now)
	return err == nil && !active
}

// key is the group key of a receiver's digest.
func (d *digest) key(receiver string) string { return "{}/digest:{receiver=\"" + receiver + "\"}" }

// has says whether a receiver's digest is responsible for an alert.
func (d *digest) has(receiver string, a *amalert.Alert) bool {
	return d.engine.journal.told(d.outlets[receiver].ends, d.key(receiver), a)
}

// send brings a receiver's digest to what is true now.
func (d *digest) send(ctx context.Context, receiver string) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.busy, receiver)
	}()
	alerts, added := d.members(receiver)
	if len(alerts) == 0 || !d.routing.gate.enter() {
		return
	}
	defer d.routing.gate.leave()
	opts := d.routing.route.RouteOpts
	ctx, cancel := context.WithTimeout(ctx, attemptTime(opts.GroupInterval))
	defer cancel()
	ctx = notify.WithGroupKey(ctx, d.key(receiver))
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{digestLabel: "still firing"})
	ctx = notify.WithReceiverName(ctx, receiver)
	ctx = notify.WithRepeatInterval(ctx, opts.RepeatInterval)
	ctx = notify.WithNow(ctx, time.Now())
	_, _, err := d.outlets[receiver].send.Exec(ctx, d.engine.log, alerts...)
	if err != nil {
		if ctx.Err() == nil {
			d.engine.log.Error("digest not sent", "receiver", receiver, "err", withoutURLs(err.Error()))
		}
		return // what was released is tried again
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range added {
		delete(d.released, key)
	}
}

// members gives the alerts of a receiver's digest as they are now, and those of them that are new to it.
func (d *digest) members(receiver string) (alerts []*amalert.Alert, added []heldAlert) {
	d.mu.Lock()
	released := map[model.Fingerprint]bool{}
	for key := range d.released {
		if key.receiver == receiver {
			released[key.alert] = true
			added = append(added, key)
		}
	}
	d.mu.Unlock()
	if len(released) == 0 && !d.engine.journal.any(d.outlets[receiver].ends, d.key(receiver)) {
		return nil, nil
	}
	it := d.engine.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		if fresh := released[a.Data.Fingerprint()]; fresh && !a.Data.Resolved() || d.has(receiver, a.Data) {
			alerts = append(alerts, a.Data)
		}
	}
	slices.SortFunc(alerts, func(a, b *amalert.Alert) int { return a.StartsAt.Compare(b.StartsAt) })
	return alerts, added
}

// held is the stage that leaves to a receiver's digest what is its business.
type held struct {
	*digest
	receiver string
}

// Exec implements notify.Stage.
func (s held) Exec(ctx context.Context, _ *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(alerts), func(a *amalert.Alert) bool {
		key := heldAlert{s.receiver, a.Fingerprint()}
		waits := !a.Resolved() && (s.muted[key] || s.released[key])
		return waits || s.has(s.receiver, a)
	})
	return ctx, kept, nil
}
