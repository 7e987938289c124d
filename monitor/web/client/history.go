package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"maildrift/monitor/web/wire"
)

// Span selects a part of the history. The zero Span is the newest 100 rows of all
// domains.
type Span struct {
	// Domain and Record narrow it down.
	Domain, Record string
	// Since and Until are RFC 3339, a date, or how long ago: "7d".
	Since, Until string
	// Oldest gives the oldest rows first.
	Oldest bool
	// Limit is the most rows, 0 for 100, at most 10,000.
	Limit int
}

func (s Span) call(what string) call {
	out := api(http.MethodGet, what)
	out.query = values("domain", s.Domain, "record", s.Record, "since", s.Since, "until", s.Until)
	if s.Oldest {
		out.query.Set("order", "oldest")
	}
	if s.Limit > 0 {
		out.query.Set("limit", strconv.Itoa(s.Limit))
	}
	return out
}

// History gives what happened to records.
func (c *Client) History(ctx context.Context, s Span) (wire.Transitions, error) {
	return get[wire.Transitions](ctx, c, s.call("history"))
}

// Intervals gives from when each source gave which answer.
func (c *Client) Intervals(ctx context.Context, s Span) (wire.Intervals, error) {
	return get[wire.Intervals](ctx, c, s.call("intervals"))
}

// Audit gives what people did.
func (c *Client) Audit(ctx context.Context, s Span) (wire.Audits, error) {
	return get[wire.Audits](ctx, c, s.call("audit"))
}

// Notices gives what receivers of alerts were told, and what they answered.
func (c *Client) Notices(ctx context.Context, s Span) (wire.Notices, error) {
	return get[wire.Notices](ctx, c, s.call("notices"))
}

// Timeline gives who said what about a record when. Since and until are written as in a Span; empty means the last
// seven days.
func (c *Client) Timeline(ctx context.Context, domain, record, since, until string) (wire.Timeline, error) {
	what := api(http.MethodGet, "domains", domain, "records", record, "timeline")
	what.query = values("since", since, "until", until)
	return get[wire.Timeline](ctx, c, what)
}

// Sweeps gives sweeps in numbers. Domain and Record of the span must be empty.
func (c *Client) Sweeps(ctx context.Context, s Span) (wire.Sweeps, error) {
	return get[wire.Sweeps](ctx, c, s.call("sweeps"))
}

// Presets lists the mail services that are known.
func (c *Client) Presets(ctx context.Context) ([]wire.Preset, error) {
	out, err := get[wire.Presets](ctx, c, api(http.MethodGet, "presets"))
	return out.Presets, err
}

// Preset gives a mail service and what a domain must publish for it. Without a domain it is
// shown for a sample.
func (c *Client) Preset(ctx context.Context, id, domain string, params map[string]string) (wire.ExpandedPreset, error) {
	what := api(http.MethodGet, "presets", id)
	what.query = url.Values{}
	if domain != "" {
		what.query.Set("domain", domain)
	}
	for name, value := range params {
		what.query.Add("param", name+"="+value)
	}
	slices.Sort(what.query["param"])
	return get[wire.ExpandedPreset](ctx, c, what)
}
