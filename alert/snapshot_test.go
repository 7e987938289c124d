package alert

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotSurvivesABrokenDisk(t *testing.T) {
	var logged strings.Builder
	s := newSnapshot(t.TempDir(), "nflog", time.Second, slog.New(slog.NewTextHandler(&logged, nil)))
	broken := true
	s.gc = func() (int, error) { return 0, nil }
	s.write = func(w io.Writer) (int64, error) {
		if broken {
			return 0, errors.New("no space left on device")
		}
		n, err := io.WriteString(w, "state")
		return int64(n), err
	}
	s.touch(nil)
	if _, err := s.maintain(); err == nil {
		t.Error("no error at the first failure")
	}
	if _, err := s.maintain(); err != nil {
		t.Errorf("complained again at once: %v", err)
	}
	if n := strings.Count(logged.String(), "snapshot failed"); n != 1 {
		t.Errorf("%d lines in the log: %s", n, &logged)
	}
	broken = false
	size, err := s.maintain()
	if got, _ := os.ReadFile(s.path); err != nil || size != 5 || string(got) != "state" {
		t.Errorf("after the repair: size %d, error %v, file %q", size, err, got)
	}
}

func TestSnapshotLoad(t *testing.T) {
	s := newSnapshot(t.TempDir(), "nflog", time.Second, slog.New(slog.DiscardHandler))
	if got, err := s.load(newMeshEntry); err != nil || len(got) != 0 {
		t.Errorf("missing: %q, %v", got, err)
	}
	for _, junk := range []string{"\x00", "\x05abc", "junk that is no protobuf", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if err := os.WriteFile(s.path, []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.load(newMeshEntry); err != nil || len(got) != 0 {
			t.Errorf("%q: %q, %v", junk, got, err)
		}
		if _, err := os.Stat(s.path); err == nil {
			t.Errorf("%q: not moved aside", junk)
		}
		time.Sleep(2 * time.Millisecond) // the name aside has milliseconds
	}
	if err := os.Mkdir(s.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(newMeshEntry); err == nil {
		t.Error("a directory in its place: no error")
	}
	if _, err := NewEngine(Options{Dir: filepath.Dir(s.path)}, parse(t, "")); err == nil {
		t.Error("engine over an unreadable snapshot: no error")
	}
}

func TestCarry(t *testing.T) {
	for _, tc := range []struct {
		name                      string
		before, firing, now, want []uint64
	}{
		{"nothing before", nil, []uint64{1}, []uint64{2}, []uint64{2}},
		{"kept", []uint64{3}, []uint64{1}, []uint64{2}, []uint64{2, 3}},
		{"known already", []uint64{2}, []uint64{1}, []uint64{2}, []uint64{2}},
		{"fires again", []uint64{1, 3}, []uint64{1}, nil, []uint64{3}},
	} {
		if diff := cmp.Diff(tc.want, carry(tc.before, tc.firing, tc.now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if n := len(carry(make([]uint64, 0), nil, make([]uint64, maxCarried+5))); n != maxCarried+5 {
		t.Errorf("what is told now was cut to %d", n)
	}
}
