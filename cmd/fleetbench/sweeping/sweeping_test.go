package sweeping

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/fleet/fleettest"
	"maildrift/monitor"
	"maildrift/store"
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
	server := time.Duration(0)
	for i, s := range r.Sweeps {
		server += s.Server.Total()
		if s.Observed < 5*len(job.Fleet.Questions()) || s.Lost != 0 || s.Missing != 0 {
			t.Errorf("sweep %d: %d observed, %d lost, %d missing", i+1, s.Observed, s.Lost, s.Missing)
		}
		if s.Took <= 0 || s.CPU.Total() <= 0 || s.Committing <= 0 || s.Stall > s.Committing || s.Committing > s.Took+r.Registered || s.Resident == 0 || s.Database == 0 {
			t.Errorf("sweep %d: %+v", i+1, s)
		}
		for n, source := range s.Sources {
			if source.Observed == 0 || source.Last <= 0 || source.Last > s.Took {
				t.Errorf("sweep %d, source %d: %+v", i+1, n, source)
			}
		}
	}
	if server <= 0 { // of another process it is told in hundredths of a second, which one sweep may not take
		t.Error("the server took no time")
	}
	if r.Peak < r.Settled || r.Scrape.First <= 0 || r.Scrape.Next <= 0 || r.Scrape.Size < 1000 {
		t.Errorf("%+v", r)
	}
	startAgain(t, job, r.Records)
}

// startAgain starts on a database in which so many records are verified.
func startAgain(t *testing.T, job Job, records int) {
	t.Helper()
	again, err := Restart(t.Context(), job)
	if err != nil || again.Ready < again.Open || again.Records != records || again.CPU.Total() <= 0 || again.Peak < again.Before || again.Resident == 0 {
		t.Errorf("%+v, %v", again, err)
	}
}

// What is filled in without sweeps is what sweeps would leave: nothing is left for a start to begin.
func TestADatabaseIsFilledWithoutSweeps(t *testing.T) {
	for _, registered := range []bool{false, true} {
		job := Job{Fleet: fleet.Fleet{Size: 20, Seed: 4}, Registered: registered, Database: filepath.Join(t.TempDir(), "db")}
		job.Resolvers, job.Authorities = make([]netip.AddrPort, 3), make([]netip.AddrPort, 2)
		filled, err := Fill(t.Context(), job)
		if err != nil || filled.Records < 5*job.Fleet.Size || filled.Database == 0 {
			t.Fatalf("%+v, %v", filled, err)
		}
		startAgain(t, job, filled.Records)
		s, err := store.Open(t.Context(), job.Database, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		memory, err := s.Load(t.Context())
		if err != nil || len(memory.Domains) != job.Fleet.Size {
			t.Fatalf("%d domains, %v", len(memory.Domains), err)
		}
		for _, d := range memory.Domains {
			if (d.Spec != nil) != registered {
				t.Errorf("%s: the spec is in the database: %v", d.Name, d.Spec != nil)
			}
		}
		err = memory.Records(func(kept []monitor.Remembered) {
			for _, k := range kept {
				if k.State.Unsettled() || len(k.Last) != 5 {
					t.Errorf("%s is %s, heard %d times", k.State.ID, k.State.Position(), len(k.Last))
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkStart starts on the database of a fleet, from a configuration and from specs that are all in the database: how long until
// there is an engine, which CPU time that takes, and what memory stays. MAILDRIFT_BENCH_DOMAINS is the size of the fleet;
// figures of memory are those of the whole process, so that they say something of large fleets only.
func BenchmarkStart(b *testing.B) {
	size := 1000
	if text := os.Getenv("MAILDRIFT_BENCH_DOMAINS"); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for _, kind := range []string{"configured", "registered"} {
		b.Run(kind, func(b *testing.B) { benchmarkStart(b, size, kind == "registered") })
	}
}

func benchmarkStart(b *testing.B, size int, registered bool) {
	job := Job{Fleet: fleet.Fleet{Size: size, Seed: 1}, Registered: registered, Database: filepath.Join(b.TempDir(), "db")}
	job.Resolvers, job.Authorities = make([]netip.AddrPort, 12), make([]netip.AddrPort, 2)
	if _, err := Fill(b.Context(), job); err != nil {
		b.Fatal(err)
	}
	var least Restarted
	for b.Loop() {
		r, err := Restart(b.Context(), job)
		if err != nil {
			b.Fatal(err)
		}
		if least.Ready == 0 || r.Ready < least.Ready {
			least = r
		}
	}
	b.ReportMetric(least.Ready.Seconds()*1000, "ready-ms")
	b.ReportMetric(least.CPU.Total().Seconds()*1000, "cpu-ms")
	b.ReportMetric(float64(least.Resident)/float64(least.Records), "B/record")
	b.ReportMetric(float64(least.Peak)/1e6, "peak-MB")
	b.ReportMetric(0, "ns/op") // making the fleet and giving memory back are no part of a start
}

func TestAnEngineThatSeesNothingIsNotMeasured(t *testing.T) {
	job := jobOf(t)
	job.Fleet.Seed++ // the zone has other domains
	if r, err := Run(t.Context(), job); err == nil {
		t.Errorf("measured %+v", r)
	}
}
