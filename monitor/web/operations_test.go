package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestHealthAndReadiness(t *testing.T) {
	w := newWorld(t)
	if resp := w.ask(http.MethodGet, "/-/healthy", ""); resp.Code != http.StatusOK {
		t.Errorf("healthy: %d", resp.Code)
	}
	if resp := w.ask(http.MethodGet, "/-/ready", ""); resp.Code != http.StatusOK {
		t.Errorf("ready: %d", resp.Code)
	}
	w.options.Ready = func() error { return errors.New("the state is still being loaded") }
	resp := w.ask(http.MethodGet, "/-/ready", "")
	if resp.Code != http.StatusServiceUnavailable || !strings.Contains(resp.Body.String(), "still being loaded") {
		t.Errorf("not ready: %d %s", resp.Code, resp.Body)
	}
	if resp := w.ask(http.MethodGet, "/-/healthy", ""); resp.Code != http.StatusOK {
		t.Errorf("not ready is still alive: %d", resp.Code)
	}
}

func TestReload(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		want int
		text string
	}{
		{"the configuration is good", nil, 200, "is in force: 1 added"},
		{"the configuration is refused", errors.New("maildrift.yml:3: listen: missing port"), 400, "maildrift.yml:3: listen: missing port"},
		{"it was not read to the end", fmt.Errorf("read: %w", context.DeadlineExceeded), 500, "old configuration stays"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Reload = func(context.Context, string) (string, error) { return "1 added", row.err }
			resp := w.ask(http.MethodPost, "/-/reload", "")
			if resp.Code != row.want || !strings.Contains(resp.Body.String(), row.text) {
				t.Errorf("%d %s", resp.Code, resp.Body)
			}
		})
	}
	w := newWorld(t)
	w.options.Reload = func(context.Context, string) (string, error) { t.Error("GET made it reload"); return "", nil }
	if resp := w.ask(http.MethodGet, "/-/reload", ""); resp.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.Code)
	}
}

// TestAReloadIsFinishedAlthoughTheCallerHangsUp looks at the context that the reload
// gets.
func TestAReloadIsFinishedAlthoughTheCallerHangsUp(t *testing.T) {
	w := newWorld(t)
	w.options.Reload = func(ctx context.Context, _ string) (string, error) { return "", ctx.Err() }
	c := dial(t, serve(t, &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		gone, cancel := context.WithCancel(r.Context())
		cancel()
		w.handler().ServeHTTP(rw, r.WithContext(gone))
	})}))
	if err := c.Reload(t.Context()); err != nil {
		t.Errorf("the reload was given up: %v", err)
	}
}

func TestMountedHandlers(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/metrics", "/alertmanager/api/v2/status"} {
		if resp := w.ask(http.MethodGet, path, ""); resp.Code != http.StatusNotFound {
			t.Errorf("%s without a handler: %d", path, resp.Code)
		}
	}
	if resp := w.ask(http.MethodPost, "/-/reload", ""); resp.Code == http.StatusOK {
		t.Error("reload without a reload")
	}
	say := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Method+" "+r.URL.Path) })
	w.options.Metrics, w.options.Alertmanager = say, say
	for _, what := range []string{"GET /metrics", "GET /alertmanager/api/v2/status", "DELETE /alertmanager/api/v2/silence/x", "POST /alertmanager/api/v2/silences"} {
		method, path, _ := strings.Cut(what, " ")
		if resp := w.ask(method, path, ""); resp.Body.String() != what {
			t.Errorf("%s arrived as %q", what, resp.Body)
		}
	}
	if resp := w.ask(http.MethodPost, "/metrics", ""); resp.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %d", resp.Code)
	}
}
