package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/access"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

const (
	// streamsAtMost bounds how many streams of events are open at once.
	streamsAtMost = 256
	// eventsEvery is the least time between two looks at what has happened.
	eventsEvery = time.Second
	// pingEvery is how often a stream on which nothing happens is written to, so that both ends notice when the other
	// has gone.
	pingEvery = 15 * time.Second
	// replayAtMost bounds how many transitions somebody is told who comes back. Who was away for longer reads the
	// history.
	replayAtMost = 1000
)

type eventsInput struct {
	Domain string `query:"domain" doc:"Only of this domain"`
	Last   uint64 `header:"Last-Event-ID" doc:"Number of the last transition that was received, as browsers send it; those since are told first"`
	After  uint64 `query:"after" doc:"The same for clients that cannot set the header"`
}

// eventOperations tell what happens while it does.
func (s *site) eventOperations(api huma.API) {
	op := operation(http.MethodGet, "/events", "stream-events",
		"Server-sent events: transition with a transition as in /history, change when anything has changed, at most once a second", 422, 503)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "Events until either side hangs up",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	huma.Register(api, op, s.events)
}

func (s *site) events(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	var domain rrset.Name
	if in.Domain != "" {
		var err error
		if domain, err = rrset.ParseName(in.Domain); err != nil {
			return nil, badParameter("query.domain", err)
		}
	}
	select {
	case s.streams <- struct{}{}:
	default:
		return nil, huma.Error503ServiceUnavailable(fmt.Sprintf("%d streams are open already", streamsAtMost))
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer func() { <-s.streams }()
		r, w := humago.Unwrap(hc)
		feed := &feed{site: s, request: r, out: s.newStream(w, "text/event-stream"), domain: domain, last: max(in.Last, in.After)}
		w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events back
		if err := feed.run(r.Context()); err != nil {
			s.Logger.Debug("stream of events ended", "err", err)
		}
	}}, nil
}

// feed tells one client what happens.
type feed struct {
	site   *site
	out    *stream
	domain rrset.Name
	// request is how the stream was asked for: with a token that may end.
	request *http.Request
	// last is the number of the last transition that the client knows.
	last uint64
}

// run tells until the client or the daemon goes.
func (f *feed) run(ctx context.Context) error {
	changed := f.site.Engine.Changed()
	if err := f.begin(ctx); err != nil {
		return err
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.site.Stopping:
			return nil
		case <-ping.C:
			if !f.welcome() {
				return nil
			}
			if err := f.write(": still here\n\n"); err != nil {
				return err
			}
		case <-changed:
			changed = f.site.Engine.Changed()
			if !f.welcome() {
				return nil
			}
			if err := f.tell(ctx); err != nil {
				return err
			}
			f.rest(ctx)
		}
	}
}

// welcome says whether the client may still read: its token may have been revoked, or have ended.
func (f *feed) welcome() bool {
	caller, err := f.site.gate.identify(f.request)
	return err == nil && caller.Scope >= access.Read
}

// rest waits, so that a sweep of many domains is not told a thousand times a second.
func (f *feed) rest(ctx context.Context) {
	t := time.NewTimer(eventsEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-f.site.Stopping:
	case <-t.C:
	}
}

// begin finds where the client stands; who does not say is told what happens from now on.
func (f *feed) begin(ctx context.Context) error {
	if f.last == 0 {
		newest, err := f.site.History.Transitions(ctx, Query{Newest: true, Limit: 1})
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			f.last = newest[0].Seq
		}
		return f.write("retry: 3000\n\n")
	}
	return f.tell(ctx)
}

// tell tells the transitions that the client does not know, and that something has changed.
func (f *feed) tell(ctx context.Context) error {
	rows, err := f.site.History.Transitions(ctx, Query{Newest: true, Limit: replayAtMost})
	if err != nil {
		return err
	}
	known := slices.IndexFunc(rows, func(t monitor.Transition) bool { return t.Seq <= f.last })
	if known >= 0 {
		rows = rows[:known]
	}
	slices.Reverse(rows)
	for _, t := range rows {
		f.last = t.Seq
		if f.domain != "" && t.ID.Domain != f.domain {
			continue
		}
		data, err := json.Marshal(wire.TransitionOf(t))
		if err != nil {
			return fmt.Errorf("write a transition: %w", err)
		}
		if err := f.write(fmt.Sprintf("id: %d\nevent: transition\ndata: %s\n\n", t.Seq, data)); err != nil {
			return err
		}
	}
	return f.write(fmt.Sprintf("event: change\ndata: {\"at\":%q}\n\n", f.site.Now().UTC().Format(time.RFC3339Nano)))
}

func (f *feed) write(event string) error {
	if _, err := f.out.Write([]byte(event)); err != nil {
		return err
	}
	return http.NewResponseController(f.out.ResponseWriter).Flush()
}
