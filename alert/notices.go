package alert

import (
	"context"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

const (
	// aboutAtMost is how many alerts of a message a notice names.
	aboutAtMost = 10
	// repeatsKnown bounds for how many groups is remembered how they failed last.
	repeatsKnown = 1000
)

// notices hands on what was told to whom. The zero value hands it to nobody.
type notices struct {
	told func(monitor.Notice)

	mu sync.Mutex
	// failed is the last error of a group at an integration, so that trying again is not told again.
	failed map[string]string
}

// note hands on the end of an attempt.
func (n *notices) note(ctx context.Context, receiver string, it *notify.Integration, alerts []*amalert.Alert, began, ended time.Time, err error) {
	if n.told == nil {
		return
	}
	out := monitor.Notice{At: ended.UTC(), Receiver: receiver, Integration: it.String(), Took: ended.Sub(began)}
	if err != nil {
		out.Error = err.Error()
	}
	if n.repeated(ctx, receiver+"\xff"+it.String(), out.Error) {
		return
	}
	for _, a := range alerts {
		over := a.ResolvedAt(ended)
		if over {
			out.Resolved++
		} else {
			out.Firing++
		}
		if len(out.About) < aboutAtMost {
			out.About = append(out.About, monitor.NoticeAbout{
				Alert: monitor.AlertName(a.Labels[model.AlertNameLabel]), Domain: rrset.Name(a.Labels["domain"]),
				Record: string(a.Labels["record"]), Resolved: over,
			})
		}
	}
	n.told(out)
}

// repeated reports whether an integration failed so for the same group before.
func (n *notices) repeated(ctx context.Context, integration, failure string) bool {
	group, _ := notify.GroupKey(ctx)
	key := integration + "\xff" + group
	n.mu.Lock()
	defer n.mu.Unlock()
	if failure == "" {
		delete(n.failed, key)
		return false
	}
	if n.failed[key] == failure {
		return true
	}
	if n.failed == nil || len(n.failed) >= repeatsKnown {
		n.failed = map[string]string{}
	}
	n.failed[key] = failure
	return false
}
