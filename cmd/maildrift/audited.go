package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/rrset"
)

// note writes into the audit trail what was done to the daemon as a whole, also while it stops.
func (d *daemon) note(ctx context.Context, a monitor.Audit) {
	a.At = time.Now()
	if err := d.store.Commit(context.WithoutCancel(ctx), monitor.Batch{Audit: []monitor.Audit{a}}); err != nil {
		d.log.Error("what was done is not in the audit trail", "action", a.Action, "by", a.By, "err", err)
	}
}

// refusalOf says in a line why a configuration was refused: what is wrong first, and how much more there is.
func refusalOf(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if len(lines) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%s; and %d more", lines[0], len(lines)-1)
}

// reloaded is what a reload changes.
type reloaded struct {
	before, after           string
	added, removed, changed int
	domains                 int
	// waiting are the fields that are taken at the next start only.
	waiting []string
}

// changesOf compares two configurations.
func changesOf(before, after *config.Config) reloaded {
	out := reloaded{before: shortHash(before), after: shortHash(after), domains: len(after.Domains)}
	had := make(map[rrset.Name]*monitor.Domain, len(before.Domains))
	for _, d := range before.Domains {
		had[d.Name] = d
	}
	for _, d := range after.Domains {
		old, known := had[d.Name]
		switch {
		case !known:
			out.added++
		case !sameDomain(old, d):
			out.changed++
		}
		delete(had, d.Name)
	}
	out.removed = len(had)
	return out
}

// waiting gives the fields that are other than they were at the start, and are taken at the next one only.
func waiting(started, now *config.Config) []string {
	var out []string
	for _, field := range []struct {
		name string
		same bool
	}{
		{"log", started.Log == now.Log},
		{"metrics", reflect.DeepEqual(started.Metrics, now.Metrics)},
		{"alerting.runbooks", started.Alerting.Runbooks == now.Alerting.Runbooks},
		{"alerting.language", started.Alerting.Language == now.Alerting.Language},
	} {
		if !field.same {
			out = append(out, field.name)
		}
	}
	return out
}

// sameDomain says whether a domain is still written alike, and the same is expected of it: a preset may have changed.
func sameDomain(a, b *monitor.Domain) bool {
	return reflect.DeepEqual(a.Spec, b.Spec) && slices.EqualFunc(a.Records, b.Records, func(x, y monitor.Record) bool {
		return x.Key == y.Key && x.Name == y.Name && reflect.DeepEqual(x.Expectation, y.Expectation)
	})
}

// String says it for people.
func (r reloaded) String() string {
	tail := ""
	if len(r.waiting) > 0 {
		tail = "; until the next start without its " + strings.Join(r.waiting, ", ")
	}
	if r.before == r.after {
		return fmt.Sprintf("configuration %s, as before, with %s%s", r.after, counted(r.domains, "domain"), tail)
	}
	return fmt.Sprintf("configuration %s in place of %s, with %s: %d added, %d removed, %d changed%s",
		r.after, r.before, counted(r.domains, "domain"), r.added, r.removed, r.changed, tail)
}

// shortHash names a configuration by its content, short enough to be read out.
func shortHash(cfg *config.Config) string { return cfg.Hash[:12] }
