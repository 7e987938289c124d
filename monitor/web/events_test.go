package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/access"
	"maildrift/monitor/judge"
	"maildrift/monitor/web"
	"maildrift/monitor/web/client"
)

// happens adds a transition and says that something has changed, as an engine does.
func (w *world) happens(seq uint64, record string) {
	w.history.add(monitor.Transition{Seq: seq, ID: monitor.RecordID{Domain: "a.example", Key: record}, Transition: judge.Transition{At: now.Add(time.Duration(seq) * time.Second)}})
	w.engine.change(func(*monitor.Snapshot) {})
}

// listen gives the numbers of the transitions of a stream until n were told.
func listen(t *testing.T, c *client.Client, after uint64, n int, then func(told int)) []uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []uint64
	then(0)
	for event, err := range c.Events(ctx, "", after) {
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		if event.Transition == nil {
			then(len(got))
			continue
		}
		if got = append(got, event.Transition.Seq); len(got) == n {
			break
		}
	}
	return got
}

func TestEventsTellEachTransitionOnce(t *testing.T) {
	w := newWorld(t)
	w.happens(6, "spf")
	w.happens(7, "spf")
	c := connect(t, w)
	next := uint64(7)
	got := listen(t, c, 6, 4, func(told int) {
		if told > 0 && next < 10 { // what was before is told first, then what happens
			next++
			w.happens(next, "spf")
		}
	})
	for i, seq := range got {
		if seq != uint64(7+i) {
			t.Fatalf("told %v, want each after 6 once and in order", got)
		}
	}
}

func TestEventsEndWithTheDaemon(t *testing.T) {
	w := newWorld(t)
	stopping := make(chan struct{})
	w.options.Stopping = stopping
	c := connect(t, w)
	w.happens(1, "spf")
	ended := make(chan error, 1)
	go func() {
		var last error
		for _, err := range c.Events(context.Background(), "", 0) {
			last = err
		}
		ended <- last
	}()
	time.AfterFunc(100*time.Millisecond, func() { close(stopping) })
	select {
	case err := <-ended:
		if !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the stream holds up the stop")
	}
}

// TestEventsEndWithTheToken revokes a token with which somebody listens.
func TestEventsEndWithTheToken(t *testing.T) {
	w, secrets := closed(t)
	server := httptest.NewServer(w.handler())
	defer server.Close()
	c, err := client.New(server.URL, client.Options{Token: secrets[access.Read]})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	heard := make(chan struct{}, 100)
	go func() {
		var last error
		for _, err := range c.Events(t.Context(), "", 0) {
			last = err
			heard <- struct{}{}
		}
		ended <- last
	}()
	for seq := uint64(1); len(heard) == 0; seq++ { // until it listens
		w.happens(seq, "spf")
		time.Sleep(20 * time.Millisecond)
	}
	if resp := w.ask(http.MethodDelete, "/api/v1/tokens/the-read", "", "Authorization", "Bearer "+secrets[access.Admin]); resp.Code != http.StatusNoContent {
		t.Fatalf("%d %s", resp.Code, resp.Body)
	}
	for seq := uint64(1000); ; seq++ {
		select {
		case err := <-ended:
			if !errors.Is(err, io.EOF) {
				t.Errorf("ended with %v", err)
			}
			return
		case <-time.After(100 * time.Millisecond):
			w.happens(seq, "spf")
		case <-t.Context().Done():
			t.Fatal("who has no token any more still listens")
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	w := newWorld(t)
	addr := serve(t, web.NewServer("", w.handler()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	refused := 0
	for range 260 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/v1/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		if resp.StatusCode == http.StatusServiceUnavailable {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d streams refused, want those over 256", refused)
	}
}

func TestEventsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	if resp := w.ask(http.MethodGet, "/api/v1/events?domain=a..b", ""); resp.Code != http.StatusUnprocessableEntity {
		t.Errorf("what is no name: %d", resp.Code)
	}
}

func TestETags(t *testing.T) {
	w := populated(t)
	first := w.ask(http.MethodGet, "/api/v1/domains/notice.example", "")
	tag := first.Header().Get("ETag")
	if len(tag) < 10 || !strings.Contains(first.Header().Get("Cache-Control"), "no-cache") {
		t.Fatalf("headers %v", first.Header())
	}
	for header, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, "": 200} {
		resp := w.ask(http.MethodGet, "/api/v1/domains/notice.example", "", "If-None-Match", header)
		if resp.Code != want || (want == 304) != (resp.Body.Len() == 0) {
			t.Errorf("If-None-Match %s: %d with %d bytes, want %d", header, resp.Code, resp.Body.Len(), want)
		}
	}
	w.engine.change(func(s *monitor.Snapshot) { s.States = monitor.States{} })
	if resp := w.ask(http.MethodGet, "/api/v1/domains/notice.example", "", "If-None-Match", tag); resp.Code != http.StatusOK || resp.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d", resp.Code)
	}
	for _, path := range []string{"/api/v1/domains/other.example", "/api/v1/backup", "/"} {
		if resp := w.ask(http.MethodGet, path, "", "If-None-Match", "*"); resp.Code == http.StatusNotModified || resp.Header().Get("ETag") != "" {
			t.Errorf("%s has an ETag: %d", path, resp.Code)
		}
	}
}

func TestTimelineThatCannotBe(t *testing.T) {
	w := populated(t)
	for path, want := range map[string]int{
		"/api/v1/domains/other.example/records/spf/timeline":                              404,
		"/api/v1/domains/notice.example/records/nothing/timeline":                         404,
		"/api/v1/domains/notice.example/records/spf/timeline?since=soon":                  422,
		"/api/v1/domains/notice.example/records/spf/timeline?since=2026-01-02&until=2026": 422,
		"/api/v1/domains/notice.example/records/spf/timeline?since=1h&until=2h":           422,
		"/api/v1/domains/notice.example/records/spf/timeline?since=2026-01-01&until=5d":   200,
		"/domains/notice.example?since=soon":                                              422,
		"/domains/notice.example?record=nothing":                                          404,
		"/domains/notice.example?record=mx&since=5y&until=2026-03-14T11:00:00Z":           200,
	} {
		if resp := w.ask(http.MethodGet, path, ""); resp.Code != want {
			t.Errorf("%s: %d, want %d\n%s", path, resp.Code, want, resp.Body)
		}
	}
}
