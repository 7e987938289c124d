package store

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"maildrift/monitor"
)

// TestAFileThatRestsIsStillThere reads beside it, and all of it again afterwards.
func TestAFileThatRestsIsStillThere(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	var b monitor.Batch
	for _, name := range fleetNames(20000) {
		b.States = append(b.States, monitor.RecordState{ID: id(name, "spf"), Name: "x.test", Baseline: txt("v=spf1 -all")})
	}
	commit(t, s, b)
	count := func() int {
		m, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return len(remembered(t, m))
	}
	if n := count(); n != len(b.States) {
		t.Fatalf("%d records", n)
	}
	before := mapped(t)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				if n := count(); n != len(b.States) {
					t.Errorf("%d records beside", n)
				}
			}
		}
	}()
	for range 20 {
		if err := s.Rest(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-ended
	if err := s.Rest(); err != nil {
		t.Fatal(err)
	}
	if after := mapped(t); runtime.GOOS == "linux" && after >= before-1000 {
		t.Errorf("%d kB of files are resident, %d before", after, before)
	}
	if n := count(); n != len(b.States) {
		t.Errorf("%d records afterwards", n)
	}
}

// mapped gives how many kB of files are resident, on Linux.
func mapped(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fleetNames(n int) []string {
	var out []string
	for i := range n {
		out = append(out, "d"+strconv.Itoa(i)+".test")
	}
	return out
}
