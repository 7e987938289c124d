package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/web/wire"
)

// statusOperations are about the daemon as a whole.
func (s *site) statusOperations(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/status", "get-status", "How the daemon and its fleet are"),
		func(context.Context, *struct{}) (*answer[wire.Status], error) {
			return &answer[wire.Status]{s.status(s.index.current())}, nil
		})
	huma.Register(api, operation(http.MethodGet, "/resolvers", "list-resolvers", "The configured resolvers"),
		func(context.Context, *struct{}) (*answer[wire.Resolvers], error) {
			out := wire.Resolvers{Resolvers: []wire.Resolver{}}
			snap := s.Engine.Snapshot()
			for _, source := range snap.Sources {
				out.Resolvers = append(out.Resolvers, wire.ResolverOf(source, snap.Self))
			}
			return &answer[wire.Resolvers]{out}, nil
		})
	huma.Register(api, operation(http.MethodGet, "/resolvers/health", "get-resolver-health", "How resolvers have answered within the last day"),
		func(context.Context, *struct{}) (*answer[wire.Health], error) {
			return &answer[wire.Health]{wire.Health{Sources: append([]health.Source{}, s.Health()...)}}, nil
		})
	huma.Register(api, operation(http.MethodGet, "/receivers", "list-receivers", "How those fare who are told of alerts"),
		func(context.Context, *struct{}) (*answer[wire.Receivers], error) {
			return &answer[wire.Receivers]{wire.Receivers{Receivers: append([]wire.Receiver{}, s.Receivers()...)}}, nil
		})
	huma.Register(api, operation(http.MethodGet, "/alerts", "list-alerts", "Open incidents, the oldest first"),
		func(context.Context, *struct{}) (*answer[wire.Incidents], error) {
			out := wire.Incidents{Incidents: []wire.Incident{}}
			for _, i := range s.Engine.Snapshot().Open {
				out.Incidents = append(out.Incidents, wire.IncidentOf(i))
			}
			return &answer[wire.Incidents]{out}, nil
		})
	if s.TryAlert != nil {
		huma.Register(api, operation(http.MethodPost, "/alerts/test", "test-alert", "Send a test alert and say what each receiver answers", 422), s.tryAlert)
	}
	backup := operation(http.MethodGet, "/backup", "get-backup", "A copy of the whole database, consistent at one moment")
	backup.Responses = map[string]*huma.Response{"200": {
		Description: "The database file",
		Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
	}}
	huma.Register(api, backup, s.backup)
	if s.Compact != nil {
		huma.Register(api, operation(http.MethodPost, "/compact", "compact", "Give back the room in the database that deleted history has left", 409), s.compact)
	}
}

// trialInput knows the response, whose deadline is moved: receivers may take their time.
type trialInput struct {
	Body   wire.TrialRequest
	writer http.ResponseWriter
}

// Resolve is called by huma after the parameters are read.
func (in *trialInput) Resolve(ctx huma.Context) []error {
	_, in.writer = humago.Unwrap(ctx)
	return nil
}

func (s *site) tryAlert(ctx context.Context, in *trialInput) (*answer[wire.Trials], error) {
	s.deadline(http.NewResponseController(in.writer).SetWriteDeadline, checkWithin)
	trials, err := s.TryAlert(ctx, in.Body.Receiver, in.Body.Severity)
	if err != nil {
		return nil, s.problem("test the receivers", err)
	}
	return &answer[wire.Trials]{wire.Trials{Trials: append([]wire.Trial{}, trials...)}}, nil
}

func (s *site) status(x *index) wire.Status {
	out := wire.Status{
		Version: s.Version, Started: s.Started.UTC(), Now: s.Now().UTC(), Ready: true,
		Domains: len(x.snap.Domains), Records: x.records, DomainsBy: x.domainsBy, RecordsBy: x.recordsBy,
		Incidents: len(x.snap.Open), LastGoodSweep: x.snap.Self.LastGoodSweep.UTC(), GateSince: x.snap.Self.GateSince.UTC(),
		Groups: []wire.Group{},
	}
	out.Paused, out.Pauses = wire.PausedDomainsOf(x.snap, s.Now())
	if err := s.Ready(); err != nil {
		out.Ready, out.NotReady = false, err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(x.snap.NextSweep)) {
		group := wire.Group{Name: name, NextSweep: x.snap.NextSweep[name].UTC(), Blind: x.snap.Self.BlindGroups[name]}
		if sweep, ok := x.snap.Sweeps[name]; ok {
			sweep = wire.SweepOf(sweep)
			group.LastSweep = &sweep
		}
		if estimate, ok := x.snap.Estimates[name]; ok {
			group.Estimate = wire.EstimateOf(estimate)
		}
		if progress, ok := x.snap.Sweeping[name]; ok {
			group.Sweeping = wire.SweepingOf(progress, s.Now())
		}
		group.Skipped = wire.SkippedOf(x.snap.Skipped[name], group.LastSweep)
		out.Groups = append(out.Groups, group)
	}
	return out
}

// backupInput says who wants a copy.
type backupInput struct {
	By string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
}

// backup streams the database. What goes wrong before the first byte is an answer; after it
// the connection is broken off, so that nobody takes a part for the whole.
func (s *site) backup(ctx context.Context, in *backupInput) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		out := s.newStream(w, "application/octet-stream")
		out.Header().Set("Content-Disposition", `attachment; filename="maildrift-backup.db"`)
		size, err := s.History.Backup(ctx, out)
		if err == nil && hc.Method() == http.MethodGet { // before the response ends: who has the copy whole finds that in the audit trail
			s.note(context.WithoutCancel(ctx), monitor.Audit{Action: "backup", By: by(ctx, in.By), Detail: fmt.Sprintf("%d bytes", size)})
		}
		out.end("back up the database", err)
	}}, nil
}

// stream writes a long response. Its deadline moves on as long as the client
// reads.
type stream struct {
	http.ResponseWriter
	site        *site
	contentType string
	began       bool
}

func (s *site) newStream(w http.ResponseWriter, contentType string) *stream {
	return &stream{ResponseWriter: w, site: s, contentType: contentType}
}

// Write sends a part of the body.
func (s *stream) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.begin()
	s.site.deadline(http.NewResponseController(s.ResponseWriter).SetWriteDeadline, writeWithin)
	return s.ResponseWriter.Write(b)
}

func (s *stream) begin() {
	if !s.began {
		s.began = true
		s.Header().Set("Content-Type", s.contentType)
		s.WriteHeader(http.StatusOK)
	}
}

// end ends the response, well or not.
func (s *stream) end(doing string, err error) {
	switch {
	case err == nil:
		s.begin()
	case s.began:
		s.site.Logger.Error("response broken off", "doing", doing, "err", err)
		panic(http.ErrAbortHandler)
	default:
		s.Header().Del("Content-Disposition")
		var known huma.StatusError
		if problem := s.site.problem(doing, err); errors.As(problem, &known) {
			writeProblem(s.ResponseWriter, known.GetStatus(), known.Error())
		}
	}
}

var _ io.Writer = (*stream)(nil)
