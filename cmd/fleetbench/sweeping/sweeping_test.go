package sweeping

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/fleet/fleettest"
)

// jobOf is a small fleet with three resolvers and two authorities, which are all the same server.
func jobOf(t *testing.T) Job {
	t.Helper()
	f := fleet.Fleet{Size: 20, Seed: 4}
	at := fleettest.Serve(t, f)
	return Job{
		Fleet: f, Resolvers: []netip.AddrPort{at, at, at}, Authorities: []netip.AddrPort{at, at},
		Server: os.Getpid(), Sweeps: 3, Window: 20, Database: filepath.Join(t.TempDir(), "db"),
	}
}

func TestSweepsAreMeasured(t *testing.T) {
	job := jobOf(t)
	r, err := Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if r.Records < 5*job.Fleet.Size || len(r.Sweeps) != job.Sweeps || r.Registered <= 0 {
		t.Errorf("%d records, %d sweeps: %+v", r.Records, len(r.Sweeps), r)
	}
	for i, s := range r.Sweeps {
		if s.Observed < 5*len(job.Fleet.Questions()) || s.Lost != 0 || s.Missing != 0 {
			t.Errorf("sweep %d: %d observed, %d lost, %d missing", i+1, s.Observed, s.Lost, s.Missing)
		}
		if s.Took <= 0 || s.CPU.Total() <= 0 || s.Server.Total() <= 0 || s.Committing <= 0 || s.Stall > s.Committing || s.Committing > s.Took+r.Registered || s.Resident == 0 || s.Database == 0 {
			t.Errorf("sweep %d: %+v", i+1, s)
		}
		for n, source := range s.Sources {
			if source.Observed == 0 || source.Last <= 0 || source.Last > s.Took {
				t.Errorf("sweep %d, source %d: %+v", i+1, n, source)
			}
		}
	}
	if r.Peak < r.Settled || r.Scrape.First <= 0 || r.Scrape.Next <= 0 || r.Scrape.Size < 1000 {
		t.Errorf("%+v", r)
	}
	again, err := Restart(t.Context(), job)
	if err != nil || again.Ready < again.Open || again.Resident == 0 {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestAnEngineThatSeesNothingIsNotMeasured(t *testing.T) {
	job := jobOf(t)
	job.Fleet.Seed++ // the zone has other domains
	if r, err := Run(t.Context(), job); err == nil {
		t.Errorf("measured %+v", r)
	}
}
