package alert

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func idle(t *testing.T, o Options) *Engine {
	t.Helper()
	e, err := NewEngine(o, parse(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestHandlerPaths(t *testing.T) {
	e := idle(t, Options{ExternalURL: "http://mail.example/am/"})
	if err := e.Put(context.Background(), firing("a.example")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path string
		code int
		has  string
	}{
		{"/am/api/v2/alerts", 200, "a.example"},
		{"/api/v2/alerts", 200, "a.example"},
		{"/am/api/v2/alerts/groups", 200, "[]"}, // none before Run
		{"/am/api/v2/status", 200, "disabled"},
		{"/am/api/v2/receivers", 200, "default"},
		{"/am/api/v2/silences", 200, "[]"},
		{"/am/api/v2/silence/1c5b9c8e-0000-4000-8000-000000000000", 404, ""},
		{"/am/-/ready", 200, "OK"},
		{"/am/api/v2/nothing", 404, ""},
		{"/am/api/v1/alerts", 404, ""},
		{"/amx/api/v2/alerts", 404, ""},
		{"/am", 404, ""},
		{"/", 404, ""},
	} {
		code, body := ask(e.Handler(), http.MethodGet, tc.path, "")
		if code != tc.code || !strings.Contains(body, tc.has) {
			t.Errorf("%s: %d %s, want %d with %q", tc.path, code, body, tc.code, tc.has)
		}
	}
}

func TestSilenceLimits(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name   string
		limit  time.Duration
		lasts  time.Duration
		status int
	}{
		{"an hour", 0, time.Hour, 200},
		{"exactly the limit", 0, 30 * day, 200},
		{"too long", 0, 31 * day, 400},
		{"a limit of one's own", time.Hour, 2 * time.Hour, 400},
		{"no limit", -1, 365 * day, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := idle(t, Options{MaxSilence: tc.limit})
			code, body := ask(e.Handler(), http.MethodPost, "/alertmanager/api/v2/silences",
				silenceBody("domain", `"a.example"`, tc.lasts))
			if code != tc.status {
				t.Errorf("%d %s, want %d", code, body, tc.status)
			}
		})
	}
	code, _ := ask(idle(t, Options{}).Handler(), http.MethodPost, "/alertmanager/api/v2/silences",
		`{"comment":"`+strings.Repeat("x", maxBody)+`"}`)
	if code != http.StatusBadRequest {
		t.Errorf("huge body: %d", code)
	}
}

// TestSilencesAreOnDiskWhenAnswered looks at the file at once, as a kill -9 right after the answer would leave it.
func TestSilencesAreOnDiskWhenAnswered(t *testing.T) {
	dir := t.TempDir()
	e := idle(t, Options{Dir: dir})
	onDisk := func() string {
		raw, err := os.ReadFile(filepath.Join(dir, "silences"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	var made struct{ SilenceID string }
	call(t, e.Handler(), http.MethodPost, "/alertmanager/api/v2/silences", silenceBody("domain", `"a.example"`, time.Hour), &made)
	begun := onDisk()
	if made.SilenceID == "" || !strings.Contains(begun, made.SilenceID) {
		t.Errorf("silence %q is answered and not on disk", made.SilenceID)
	}
	call(t, e.Handler(), http.MethodDelete, "/alertmanager/api/v2/silence/"+made.SilenceID, "", nil)
	if onDisk() == begun {
		t.Error("the end of a silence is answered and not on disk")
	}
}

// TestSilencesThatCannotBeKept asks while the disk takes nothing.
func TestSilencesThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	e := idle(t, Options{Dir: dir})
	blocked := filepath.Join(dir, "silences.tmp")
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	body := silenceBody("domain", `"a.example"`, time.Hour)
	if code, text := ask(e.Handler(), http.MethodPost, "/alertmanager/api/v2/silences", body); code != http.StatusInternalServerError || !strings.Contains(text, "until a restart") {
		t.Errorf("%d %s, want 500 and why", code, text)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if code, text := ask(e.Handler(), http.MethodPost, "/alertmanager/api/v2/silences", body); code != http.StatusOK {
		t.Errorf("after the repair: %d %s", code, text)
	}
}

func TestEngineRefusesBadOptions(t *testing.T) {
	for _, o := range []Options{
		{ExternalURL: "127.0.0.1:9853"},
		{ExternalURL: "ftp://h.example/"},
		{Dir: "/dev/null/alert"},
	} {
		if e, err := NewEngine(o, parse(t, "")); err == nil {
			t.Errorf("%+v: no error", o)
			e.Close()
		}
	}
}
