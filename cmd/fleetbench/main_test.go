package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maildrift/cmd/fleetbench/asking"
	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/fleet/fleettest"
	"maildrift/cmd/fleetbench/tables"
)

// TestMain lets the test's program be its own worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerCommand {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheCommandLine(t *testing.T) {
	o, err := parse([]string{"-fleet", "100 20000 5", "-only", "sweeps,dead", "-sweeps", "20"}, io.Discard)
	if err != nil || len(o.fleet) != 3 || o.fleet[1] != 20_000 || len(o.only) != 2 || o.sweeps != 20 || o.runs != 3 {
		t.Errorf("got %+v, %v", o, err)
	}
	if size := (&bench{o: o}).deadSize(); size != 100 {
		t.Errorf("%d domains are swept with a dead resolver", size)
	}
	for _, bad := range [][]string{
		{"-fleet", ""}, {"-fleet", "ten"}, {"-fleet", "0"}, {"-only", "some"}, {"-runs", "0"}, {"-sweeps", "1"}, {"-lookups", "0"}, {"now"}, {"-unknown"},
	} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAWorkerIsAProcessOfItsOwn(t *testing.T) {
	f := fleet.Fleet{Size: 10, Seed: 1}
	job := asking.Job{Fleet: f, Server: fleettest.Serve(t, f), Rounds: 1, Window: 5}
	profile := filepath.Join(t.TempDir(), "profile")
	for _, name := range []string{workMaildrift, workPlain} {
		r, err := send[asking.Result](t.Context(), name, profile, job)
		if err != nil || r.Lookups != len(f.Questions()) || r.Answered != r.Lookups || r.CPU.Total() <= 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if info, err := os.Stat(profile); err != nil || info.Size() == 0 {
		t.Errorf("profile: %v", err)
	}
	if _, err := send[asking.Result](t.Context(), "idle", "", job); err == nil || !strings.Contains(err.Error(), `no worker is named "idle"`) {
		t.Errorf("a worker that is none: %v", err)
	}
}

func TestTablesAreMadeAnewFromResults(t *testing.T) {
	dir := t.TempDir()
	results, page := filepath.Join(dir, "results.jsonl"), filepath.Join(dir, "page.md")
	set := tables.Set{{Run: 1, Kind: tables.Asking, Case: tables.DNSPerf, Values: values(asking.Result{Lookups: 10, Answered: 10, Time: 1e6})}}
	var lines bytes.Buffer
	if err := set.Write(&lines); err != nil {
		t.Fatal(err)
	}
	empty, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{results: lines.Bytes(), page: empty} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-from", results, "-docs", page}, nil, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(page); err != nil || out.String() != set.Markdown() || !strings.Contains(string(got), out.String()) {
		t.Errorf("%v: the page is\n%s", err, got)
	}
}

func TestVersionsAreFound(t *testing.T) {
	for words, want := range map[string]string{
		"knotd (Knot DNS), version 3.2.6\n": "3.2.6", "DNS Performance Testing Tool\nVersion 2.10.0\n": "2.10.0", "": "of unknown version",
	} {
		if got := versionIn([]byte(words)); got != want {
			t.Errorf("%q says %q", words, got)
		}
	}
}

func TestAddressesStandForServers(t *testing.T) {
	r, a := resolverAddrs(), authorityAddrs()
	if len(r) != 12 || r[11] != netip.MustParseAddr("127.0.1.12") || len(a) != 2 || a[1] != netip.MustParseAddr("127.0.2.2") {
		t.Errorf("%v, %v", r, a)
	}
}

// The whole, small: only where its servers are installed and time is no matter.
func TestTheWholeBenchmark(t *testing.T) {
	if os.Getenv("MAILDRIFT_SOAK") == "" {
		t.Skip("it takes minutes: set MAILDRIFT_SOAK, as make soak does")
	}
	for _, program := range []string{"/usr/sbin/knotd", "dnsperf"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v; make soak installs it", err)
		}
	}
	var out bytes.Buffer
	args := []string{"-fleet", "50", "-runs", "1", "-sweeps", "2", "-lookups", "1000", "-json"}
	if err := run(t.Context(), args, nil, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	set, err := tables.ReadSet(&out)
	if err != nil {
		t.Fatal(err)
	}
	if text := set.Markdown(); strings.Count(text, "\n### ") != 8 {
		t.Errorf("not all tables are there:\n%s", text)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	var said, out strings.Builder
	if err := run(t.Context(), []string{"-help"}, nil, &out, &said); err != nil || !strings.Contains(said.String(), "-lookups") || out.Len() > 0 {
		t.Errorf("%v, %q, %q", err, said.String(), out.String())
	}
}
