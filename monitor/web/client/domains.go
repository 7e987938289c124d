package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"maildrift/monitor"
	"maildrift/monitor/web/wire"
)

// Filter selects domains; the zero Filter selects all.
type Filter struct {
	// Text is looked for in names, services, labels and notes.
	Text string
	// Standing is that of the worst record: "missing", "pending"; empty for any.
	Standing          string
	Service, Schedule string
	// Label is name=value, or a name alone.
	Label string
}

func (f Filter) values() url.Values {
	return values("q", f.Text, "standing", f.Standing, "service", f.Service, "schedule", f.Schedule, "label", f.Label)
}

// values makes a query of names and values in turn, without those that are empty.
func values(pairs ...string) url.Values {
	out := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return out
}

// Page gives the domains that come after the cursor, at most limit (0 means 100, at most 1000). The
// cursor is empty for the first page and else the Next of the page before.
func (c *Client) Page(ctx context.Context, f Filter, cursor string, limit int) (wire.Page, error) {
	what := api(http.MethodGet, "domains")
	what.query = f.values()
	if cursor != "" {
		what.query.Set("cursor", cursor)
	}
	if limit > 0 {
		what.query.Set("limit", strconv.Itoa(limit))
	}
	return get[wire.Page](ctx, c, what)
}

// Domains gives all domains that match, by name, asking for page after page. It
// ends with the first error.
func (c *Client) Domains(ctx context.Context, f Filter) iter.Seq2[wire.Summary, error] {
	const pageSize = 1000
	return func(yield func(wire.Summary, error) bool) {
		for cursor := ""; ; {
			page, err := c.Page(ctx, f, cursor, pageSize)
			if err != nil {
				yield(wire.Summary{}, err)
				return
			}
			for _, d := range page.Domains {
				if !yield(d, nil) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

// Domain gives all about one domain.
func (c *Client) Domain(ctx context.Context, name string) (wire.Domain, error) {
	return get[wire.Domain](ctx, c, api(http.MethodGet, "domains", name))
}

// Add registers a domain.
func (c *Client) Add(ctx context.Context, spec monitor.Spec) (wire.Domain, error) {
	what := api(http.MethodPost, "domains")
	what.query = values("by", c.by)
	if err := what.setJSON(spec); err != nil {
		return wire.Domain{}, err
	}
	return get[wire.Domain](ctx, c, what)
}

func (what *call) setJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	what.body, what.contentType = b, "application/json"
	return nil
}

// Remove forgets a domain that was added at run time; one that has sender addresses only if
// it is forced.
func (c *Client) Remove(ctx context.Context, name string, force bool) error {
	what := api(http.MethodDelete, "domains", name)
	what.query = values("by", c.by)
	if force {
		what.query.Set("force", "true")
	}
	_, err := c.copyTo(ctx, what, io.Discard)
	return err
}

// SetSenders replaces the sender addresses of a domain that was added at run time.
func (c *Client) SetSenders(ctx context.Context, name string, senders []string) (wire.Domain, error) {
	what := api(http.MethodPut, "domains", name, "senders")
	what.query = values("by", c.by)
	if err := what.setJSON(wire.Senders{Senders: append([]string{}, senders...)}); err != nil {
		return wire.Domain{}, err
	}
	return get[wire.Domain](ctx, c, what)
}

// Check asks about a domain now. It returns when that is judged, which can take
// minutes if something seems to have changed.
func (c *Client) Check(ctx context.Context, name string) (wire.Domain, error) {
	return get[wire.Domain](ctx, c, api(http.MethodPost, "domains", name, "check"))
}

// Accept makes what a drifted record says now its baseline. It needs a reason.
func (c *Client) Accept(ctx context.Context, name, key, why string) (wire.Domain, error) {
	what := api(http.MethodPost, "domains", name, "records", key, "accept")
	if err := what.setJSON(wire.Acceptance{By: c.by, Why: why}); err != nil {
		return wire.Domain{}, err
	}
	return get[wire.Domain](ctx, c, what)
}

// Import registers many domains, all or none. The body is a JSON array of specs or has one
// JSON object a line. With keep, domains that are registered already stay as they are; without,
// they are an error. An *Error tells line by line what is wrong.
func (c *Client) Import(ctx context.Context, body io.Reader, keep bool) (wire.Imported, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return wire.Imported{}, fmt.Errorf("read what to import: %w", err)
	}
	what := api(http.MethodPost, "import")
	what.query = values("by", c.by)
	if keep {
		what.query.Set("existing", "keep")
	}
	what.body, what.contentType = b, "application/x-ndjson"
	return get[wire.Imported](ctx, c, what)
}

// Export writes registered domains as they were registered, one JSON object a
// line: all, or only those that were added at run time.
func (c *Client) Export(ctx context.Context, to io.Writer, addedOnly bool) error {
	what := api(http.MethodGet, "export")
	if addedOnly {
		what.query = values("origin", "api")
	}
	_, err := c.copyTo(ctx, what, to)
	return err
}

// Expect announces a change of a record.
func (c *Client) Expect(ctx context.Context, name, key string, a wire.Announcement) (wire.Domain, error) {
	a.By = c.by
	return c.tell(ctx, a, http.MethodPut, "domains", name, "records", key, "change")
}

// Withdraw takes an announced change back.
func (c *Client) Withdraw(ctx context.Context, name, key, why string) (wire.Domain, error) {
	what := api(http.MethodDelete, "domains", name, "records", key, "change")
	what.query = values("by", c.by, "why", why)
	return get[wire.Domain](ctx, c, what)
}

// Rotate begins a rotation of DKIM keys.
func (c *Client) Rotate(ctx context.Context, name, key string, r wire.Rotation) (wire.Domain, error) {
	r.By = c.by
	return c.tell(ctx, r, http.MethodPost, "domains", name, "records", key, "rotate")
}

// Pause keeps quiet about a domain, or one of its records, for a time.
func (c *Client) Pause(ctx context.Context, name string, p wire.Pause) (wire.Domain, error) {
	p.By = c.by
	return c.tell(ctx, p, http.MethodPut, "domains", name, "pause")
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, name, record, why string) (wire.Domain, error) {
	what := api(http.MethodDelete, "domains", name, "pause")
	what.query = values("record", record, "by", c.by, "why", why)
	return get[wire.Domain](ctx, c, what)
}

// tell sends a body and gives the domain as it is then.
func (c *Client) tell(ctx context.Context, body any, method string, path ...string) (wire.Domain, error) {
	what := api(method, path...)
	if err := what.setJSON(body); err != nil {
		return wire.Domain{}, err
	}
	return get[wire.Domain](ctx, c, what)
}
