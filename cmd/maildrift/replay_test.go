package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/replay"
	"maildrift/monitor/rrset"
)

// another writes a configuration that differs from the daemon's in some texts, and gives its path.
func (s *bench) another(name string, oldnew ...string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.daemon.cfg.File)
	s.must(err)
	text := string(b)
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(text, oldnew[i]) {
			s.t.Fatalf("the demo's configuration has no %q", oldnew[i])
		}
		text = strings.ReplaceAll(text, oldnew[i], oldnew[i+1])
	}
	path := filepath.Join(s.t.TempDir(), name)
	s.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// fates gives what a replay says of each alert.
func fates(t *testing.T, s said) []string {
	t.Helper()
	var report replayReport
	if err := json.Unmarshal([]byte(s.out), &report); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, s.out, s.err)
	}
	var out []string
	for _, a := range report.Alerts {
		if a.Alert != monitor.AlertCause {
			out = append(out, string(a.Fate)+" "+string(a.Alert)+" "+a.Record+" "+a.Severity)
		}
	}
	return out
}

// TestReplayOfADaemonsHistory replays what a running daemon recorded, under its rules and others, from the daemon and
// from a backup.
func TestReplayOfADaemonsHistory(t *testing.T) {
	s := newBench(t)
	was := s.daemon.engine.Snapshot().States.Get(monitor.RecordID{Domain: demoApex, Key: "dmarc"}).Baseline.Lines()
	s.lab.Delete(demoApex, "_dmarc."+demoApex, rrset.TXT)
	s.await("the record is missing", "dmarc", func(st *monitor.RecordState) bool { return st.Verdict == judge.Missing })
	s.must(s.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, was[0]))
	s.await("the record is back", "dmarc", func(st *monitor.RecordState) bool { return st.Verdict == judge.Holding && st.Incident == nil })
	same := s.another("same.yml")
	slow := s.another("slow.yml", "wait: 500ms", "wait: 1h")
	backup := filepath.Join(t.TempDir(), "backup.db")
	s.cmd("backup", backup).expect(t, exitGood, "bytes", "")

	told := []string{"same RecordMissing dmarc critical"}
	if got := fates(t, s.cmd("replay", "--config", same, "--format", "json")); !slices.Equal(got, told) {
		t.Errorf("the daemon's own rules gave %q, want %q", got, told)
	}
	first := s.cmd("replay", "--config", same, "--db", backup, "--format", "json")
	if again := s.cmd("replay", "--config", same, "--db", backup, "--format", "json"); again.out != first.out {
		t.Errorf("two replays of one backup differ:\n%s\n%s", first.out, again.out)
	}
	want := strings.ReplaceAll(strings.Join(told, ";"), "same", string(replay.Dropped))
	if got := fates(t, s.cmd("replay", "--config", slow, "--db", backup, "--format", "json")); strings.Join(got, ";") != want {
		t.Errorf("with an hour of waiting: %q, want %q", got, want)
	}
	s.cmd("replay", "--config", slow, "--db", backup).expect(t, exitGood, "dropped  RecordMissing shop.example dmarc (critical)", "")
	s.cmd("replay", "--config", same, "--db", backup, "--domain", "other.example").expect(t, exitGood, "no difference", "")
}

func TestReplaySaysWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.yml")
	if err := os.WriteFile(path, []byte("data_dir: "+t.TempDir()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "replay").expect(t, exitUsage, "", "--config")
	command(t, "replay", "--config", path).expect(t, exitUsage, "", "name the data directory with --data-dir")
}
