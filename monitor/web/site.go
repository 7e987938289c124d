package web

import (
	"fmt"
	"net/http"
	"strings"
)

// site is everything that is served.
type site struct {
	Options
	mux   *http.ServeMux
	index indexer
	// streams holds a token for each stream of events that is open.
	streams chan struct{}
	gate    *gate
}

// New makes the handler of everything. It returns an error only for Options that lack
// something.
func New(o Options) (http.Handler, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &site{Options: o, mux: http.NewServeMux(), index: indexer{engine: o.Engine}, streams: make(chan struct{}, streamsAtMost)}
	gate, err := s.newGate()
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	s.gate = gate
	s.operations()
	if err := s.api(); err != nil {
		return nil, err
	}
	if err := s.pages(); err != nil {
		return nil, err
	}
	return s.guarded(etagged(http.HandlerFunc(s.route))), nil
}

// route serves a request, and says what is wrong with it as a problem where the API
// should be.
func (s *site) route(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	if pattern != "" || !strings.HasPrefix(r.URL.Path, "/api/") {
		s.mux.ServeHTTP(w, r)
		return
	}
	// The router's own answer: not found, or not with this method.
	answer := &statusOnly{header: w.Header(), status: http.StatusNotFound}
	h.ServeHTTP(answer, r)
	detail := "there is nothing at " + r.URL.Path + "; the API is described at " + apiPrefix + "/openapi.json"
	if answer.status == http.StatusMethodNotAllowed {
		detail = r.Method + " is not possible here; use " + w.Header().Get("Allow")
	}
	writeProblem(w, answer.status, detail)
}

// statusOnly takes a response's status and headers and forgets its body.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
