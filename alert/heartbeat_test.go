package alert

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestHeartbeat(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("went to another host")
	}))
	defer other.Close()
	for _, tc := range []struct {
		name    string
		answers []int // the last one repeats
		to      string
		asked   int32
		err     string
	}{
		{"well", []int{204}, "", 1, ""},
		{"a passing failure", []int{503, 429, 200}, "", 3, ""},
		{"a lasting failure", []int{500}, "", 3, "answered 500"},
		{"a wrong URL is not tried again", []int{404}, "", 1, "answered 404"},
		{"a redirect on the host", []int{302, 200}, "/S3CRET/there", 2, ""},
		{"a redirect elsewhere", []int{302}, other.URL + "/S3CRET", 3, "another host"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := int(asked.Add(1))
				w.Header().Set("Location", tc.to)
				w.WriteHeader(tc.answers[min(n, len(tc.answers))-1])
				w.Write([]byte(strings.Repeat("x", 2*maxBeatBody)))
			}))
			defer srv.Close()
			var logged strings.Builder
			h := NewHeartbeat(srv.URL+"/S3CRET", nil, slog.New(slog.NewTextHandler(&logged, nil)))
			h.backoff = time.Millisecond
			err := h.Beat(context.Background())
			if (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if asked.Load() != tc.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tc.asked)
			}
			if err != nil && strings.Contains(err.Error()+logged.String(), "S3CRET") {
				t.Errorf("secret in %q or %q", err, &logged)
			}
			if (err != nil) != strings.Contains(logged.String(), "127.0.0.1") {
				t.Errorf("logged %q", &logged)
			}
			at, last := h.Last()
			if at.IsZero() != (err != nil) || (last == nil) != (err == nil) {
				t.Errorf("last %v %v", at, last)
			}
		})
	}
}

func TestHeartbeatWithoutConnection(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	h := NewHeartbeat(srv.URL+"/S3CRET", &http.Client{Timeout: time.Second}, nil)
	h.backoff = time.Millisecond
	if err := h.Beat(context.Background()); err == nil || strings.Contains(err.Error(), "S3CRET") || !strings.Contains(err.Error(), "attempt 3") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Beat(ctx); err == nil || !strings.Contains(err.Error(), "attempt 1") {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestHeartbeatURL(t *testing.T) {
	for _, tc := range []struct {
		url string
		ok  bool
	}{{"", true}, {"hc.example/S3CRET", false}, {"ftp://hc.example/S3CRET", false}, {"http://[S3CRET", false}} {
		err := NewHeartbeat(tc.url, nil, nil).Beat(context.Background())
		if (err == nil) != tc.ok || (err != nil && strings.Contains(err.Error(), "S3CRET")) {
			t.Errorf("%q: error %v", tc.url, err)
		}
	}
}
