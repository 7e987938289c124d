package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/common/route"
)

// maxBody bounds what a client may send: 4 MiB is some ten thousand alerts.
const maxBody = 4 << 20

// newHandler wraps Alertmanager's API v2 as Engine.Handler describes it. What changes silences is answered once save has
// them on disk.
func newHandler(a *api.API, prefix string, maxSilence time.Duration, save func() error) http.Handler {
	inner := a.Register(route.New(), "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = withoutPrefix(r, prefix)
		path := r.URL.Path
		switch {
		case path == "/-/healthy" || path == "/-/ready":
			fmt.Fprintln(w, "OK") //nolint:errcheck // the client's loss
			return
		case !isEndpoint(path):
			// Alertmanager would make a metric of every path that somebody tries.
			http.NotFound(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if path == "/api/v2/silences" && r.Method == http.MethodPost && maxSilence > 0 {
			if err := refuseLong(r, maxSilence, time.Now()); err != nil {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				json.NewEncoder(w).Encode(err.Error()) //nolint:errcheck // the client's loss
				return
			}
		}
		if changesSilences(r.Method, path) {
			once := &heldAnswer{head: http.Header{}, status: http.StatusOK}
			inner.ServeHTTP(once, r)
			once.release(w, save)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

func changesSilences(method, path string) bool {
	return path == "/api/v2/silences" && method == http.MethodPost ||
		strings.HasPrefix(path, "/api/v2/silence/") && method == http.MethodDelete
}

// heldAnswer keeps an answer back: who is told that a silence was made, or has ended, must be able to rely on it when the
// process is killed the next instant.
type heldAnswer struct {
	head   http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *heldAnswer) Header() http.Header { return h.head }

// WriteHeader implements http.ResponseWriter.
func (h *heldAnswer) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *heldAnswer) Write(b []byte) (int, error) { return h.body.Write(b) }

// release sends the answer once save has succeeded, and its failure if it has not.
func (h *heldAnswer) release(w http.ResponseWriter, save func() error) {
	if h.status/100 == 2 {
		if err := save(); err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			json.NewEncoder(w).Encode("the change holds until a restart only, ask again once the disk is repaired: " + err.Error()) //nolint:errcheck // the client's loss
			return
		}
	}
	maps.Copy(w.Header(), h.head)
	w.WriteHeader(h.status)
	w.Write(h.body.Bytes()) //nolint:errcheck // the client's loss
}

// withoutPrefix takes the prefix off the path where it is there.
func withoutPrefix(r *http.Request, prefix string) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.Path, prefix)
	if prefix == "" || !ok || !strings.HasPrefix(rest, "/") {
		return r
	}
	out := r.Clone(r.Context())
	out.URL.Path = rest
	out.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
	return out
}

func isEndpoint(path string) bool {
	switch path {
	case "/api/v2/status", "/api/v2/receivers", "/api/v2/alerts", "/api/v2/alerts/groups",
		"/api/v2/silences", "/api/v2/swagger.json":
		return true
	}
	id, ok := strings.CutPrefix(path, "/api/v2/silence/")
	return ok && id != "" && !strings.Contains(id, "/")
}

// refuseLong answers with an error if the request asks for a silence that lasts
// longer than that: one that is forgotten must not hide a broken record for
// ever. A body that it cannot read is left to Alertmanager to complain about.
func refuseLong(r *http.Request, longest time.Duration, now time.Time) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read silence: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var asked struct {
		StartsAt time.Time `json:"startsAt"`
		EndsAt   time.Time `json:"endsAt"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil //nolint:nilerr // Alertmanager will say what is wrong with it
	}
	from := asked.StartsAt
	if from.Before(now) {
		from = now
	}
	// A minute's grace: who asks for exactly the limit has another clock.
	if lasts := asked.EndsAt.Sub(from); lasts > longest+time.Minute {
		return fmt.Errorf("silence lasts %v, the limit is %v: ask for a shorter one and renew it",
			lasts.Round(time.Minute), longest)
	}
	return nil
}
