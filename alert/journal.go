package alert

import (
	"errors"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/common/model"
)

// maxCarried bounds the resolved alerts that an entry of the journal carries
// on, at 8 bytes each. What falls off the end resolved longest ago.
const maxCarried = 10_000

// journal is the notification log: what was told to whom. It adds to
// Alertmanager's that an all-clear is remembered for longer than until the
// group's next message, since alerts are replayed here.
type journal struct {
	log *nflog.Log
}

// Query implements notify.NotificationLog.
func (j *journal) Query(params ...nflog.QueryParam) ([]*nflogpb.Entry, error) {
	return j.log.Query(params...)
}

// Log implements notify.NotificationLog. The expiry that the pipeline proposes,
// two repeat intervals, is not used: an alert may be muted for longer than that
// after it was told, and its all-clear has to find the entry.
func (j *journal) Log(r *nflogpb.Receiver, group string, firing, resolved []uint64, store *nflog.Store, _ time.Duration) error {
	if prev := j.entry(r, group); prev != nil {
		resolved = carry(prev.ResolvedAlerts, firing, resolved)
	}
	return j.log.Log(r, group, firing, resolved, store, 0)
}

// told reports whether one of the receivers was last told that the alert fires.
func (j *journal) told(receivers []*nflogpb.Receiver, group string, a *amalert.Alert) bool {
	hash := labelHash(a)
	return slices.ContainsFunc(receivers, func(r *nflogpb.Receiver) bool {
		e := j.entry(r, group)
		return e != nil && slices.Contains(e.FiringAlerts, hash)
	})
}

// any reports whether one of the receivers was last told that something in the group fires.
func (j *journal) any(receivers []*nflogpb.Receiver, group string) bool {
	return slices.ContainsFunc(receivers, func(r *nflogpb.Receiver) bool {
		e := j.entry(r, group)
		return e != nil && len(e.FiringAlerts) > 0
	})
}

func (j *journal) entry(r *nflogpb.Receiver, group string) *nflogpb.Entry {
	found, err := j.log.Query(nflog.QReceiver(r), nflog.QGroupKey(group))
	if errors.Is(err, nflog.ErrNotFound) || len(found) == 0 {
		return nil
	}
	return found[0]
}

// carry is now and those of before that neither fire again nor are in now.
func carry(before, firing, now []uint64) []uint64 {
	seen := make(map[uint64]struct{}, len(firing)+len(now))
	for _, h := range firing {
		seen[h] = struct{}{}
	}
	for _, h := range now {
		seen[h] = struct{}{}
	}
	out := slices.Clone(now)
	for _, h := range before {
		if len(out) >= maxCarried {
			break
		}
		if _, ok := seen[h]; !ok {
			out = append(out, h)
		}
	}
	return out
}

// labelHash is the hash by which Alertmanager's notification log knows an alert
// (notify.hashAlert, which it does not export; a test holds the two together).
func labelHash(a *amalert.Alert) uint64 {
	const sep = '\xff'
	names := make([]string, 0, len(a.Labels))
	for n := range a.Labels {
		names = append(names, string(n))
	}
	slices.Sort(names)
	b := make([]byte, 0, 1024)
	for _, n := range names {
		b = append(append(b, n...), sep)
		b = append(append(b, a.Labels[model.LabelName(n)]...), sep)
	}
	return xxhash.Sum64(b)
}
