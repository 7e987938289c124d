package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// operations adds what operators expect of a daemon.
func (s *site) operations() {
	s.mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "maildrift is alive")
	})
	s.mux.HandleFunc("GET /-/ready", s.ready)
	if s.Reload != nil {
		s.mux.HandleFunc("POST /-/reload", s.reload)
	}
	if s.Metrics != nil {
		s.mux.Handle("GET /metrics", s.Metrics)
	}
	if s.Alertmanager != nil {
		s.mux.Handle("/alertmanager/", s.audited(s.Alertmanager))
	}
}

func (s *site) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		writeText(w, http.StatusServiceUnavailable, "maildrift is not ready: "+err.Error())
		return
	}
	writeText(w, http.StatusOK, "maildrift is ready")
}

// reload answers 400 for a configuration that was refused, and 500 if it was not
// read to the end.
func (s *site) reload(w http.ResponseWriter, r *http.Request) {
	// The new configuration is taken whole even if the caller hangs up.
	changes, err := s.Reload(context.WithoutCancel(r.Context()), by(r.Context(), r.URL.Query().Get("by")))
	switch {
	case err == nil:
		writeText(w, http.StatusOK, "the configuration was read again and is in force: "+changes)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		writeText(w, http.StatusInternalServerError, "reload failed, the old configuration stays in force: "+err.Error())
	default:
		writeText(w, http.StatusBadRequest, "the configuration was refused, the old one stays in force:\n"+err.Error())
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text) //nolint:errcheck // the client's loss
}
