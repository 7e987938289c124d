package sweeping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/store"
)

const (
	// filledAtOnce is how many domains are registered in one transaction, as by an import.
	filledAtOnce = 1000
	// ttl is what all answers come with, in seconds.
	ttl = 3600
)

// Fill makes a database in which every record of the fleet was verified by what the zone says at all sources. The domains get there
// through an engine; what a first sweep leaves is written without one, since asking is not what is measured on it.
func Fill(ctx context.Context, job Job) (r Filled, err error) {
	began := time.Now()
	configured, err := job.configured()
	if err != nil {
		return r, err
	}
	s, err := store.Open(ctx, job.Database, store.Options{})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := assemble(ctx, job, s, configured)
	if err != nil {
		return r, err
	}
	defer e.client.Close()
	made := slices.Collect(job.Fleet.All())
	w, err := job.writing(began)
	if err != nil {
		return r, err
	}
	for from := 0; from < len(made); from += filledAtOnce {
		some := made[from:min(from+filledAtOnce, len(made))]
		domains := configured[min(from, len(configured)):min(from+len(some), len(configured))]
		if job.Registered {
			if domains, err = e.engine.AddAll(ctx, specsOf(some), "fleetbench"); err != nil {
				return r, err
			}
		}
		batch, err := w.verified(some, domains)
		if err != nil {
			return r, err
		}
		if err := s.Commit(ctx, batch); err != nil {
			return r, err
		}
		r.Records += len(batch.States)
	}
	r.Took, r.Database = time.Since(began), s.Size()
	return r, nil
}

// configured gives the fleet as the configuration has it: not at all if it was registered at run time.
func (j Job) configured() ([]*monitor.Domain, error) {
	if j.Registered {
		return nil, nil
	}
	return j.Fleet.Domains()
}

func specsOf(domains []fleet.Domain) []monitor.Spec {
	out := make([]monitor.Spec, len(domains))
	for i, d := range domains {
		out[i] = d.Spec()
	}
	return out
}

// writing is what a first sweep of a fleet would write.
type writing struct {
	answers fleet.Answers
	sources []*resolve.Source
	// servers are the names of the zone's servers.
	servers []rrset.Name
	at      time.Time
}

func (j Job) writing(at time.Time) (writing, error) {
	resolvers, authorities := j.sources()
	answers, err := j.Fleet.Answers()
	w := writing{answers: answers, sources: slices.Concat(resolvers, authorities), at: at}
	for _, s := range authorities {
		name, _, _ := strings.Cut(s.ID, "/")
		w.servers = append(w.servers, rrset.Name(name))
	}
	return w, err
}

// verified gives what is committed once all records of some domains are verified.
func (w writing) verified(made []fleet.Domain, domains []*monitor.Domain) (monitor.Batch, error) {
	var batch monitor.Batch
	for i, d := range domains {
		for _, r := range d.Records {
			said, err := w.answers.Of(made[i], resolve.Question{Name: r.Name, Type: r.Kind.Type()})
			if found := r.Check(said); err == nil && found.Class != mailrec.Same {
				err = fmt.Errorf("it is not as it must be: %s", found.Reason)
			}
			if err != nil {
				return batch, fmt.Errorf("%s of %s: %w", r.Key, d.Name, err)
			}
			w.add(&batch, d, r, said)
		}
	}
	return batch, nil
}

// add adds a record that is verified since all say the same.
func (w writing) add(batch *monitor.Batch, d *monitor.Domain, r monitor.Record, said rrset.Set) {
	id := monitor.RecordID{Domain: d.Name, Key: r.Key}
	batch.States = append(batch.States, monitor.RecordState{
		ID: id, Name: r.Name, Expectation: r.Expectation, Baseline: r.Select(said), OldTTL: ttl,
		State: judge.State{Phase: judge.Verified, Verdict: judge.Holding, Since: w.at, Registered: d.Registered, VerifiedAt: w.at},
		Zone:  d.Name, Servers: w.servers, Affordable: r.Kind == mailrec.SPF,
	})
	for _, s := range w.sources {
		batch.Intervals = append(batch.Intervals, monitor.Interval{
			ID: id, Source: s.ID, Authority: s.Role == resolve.Authoritative, From: w.at, Set: said, TTL: ttl,
		})
	}
}
