package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"maildrift/monitor/web/wire"
)

// maxAnswer bounds an answer that is held in memory.
const maxAnswer = 256 << 20

// Options are settings of a client. The zero value is good.
type Options struct {
	// HTTP makes the requests; nil means http.DefaultClient. It should have no Timeout: a check
	// takes as long as it takes, and the context bounds it.
	HTTP *http.Client
	// By says who makes changes, for the history; the daemon writes "api" if it is empty.
	By string
	// Token is sent with every request; empty for none. Token and passwords belong into HTTPS, or on loopback.
	Token string
}

// Client calls one daemon.
type Client struct {
	base  *url.URL
	http  *http.Client
	by    string
	token string
}

// New makes a client of the daemon at base, for example http://127.0.0.1:9853. A path in
// it is kept: a reverse proxy may serve the daemon below one.
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the address of a daemon: write it as http://127.0.0.1:9853", base)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	c := &Client{base: u, http: o.HTTP, by: o.By, token: o.Token}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	return c, nil
}

// call is one request.
type call struct {
	method string
	// path is that below the base, each part as it is, not escaped.
	path []string
	// query may be nil.
	query       url.Values
	body        []byte
	contentType string
}

func api(method string, path ...string) call {
	return call{method: method, path: append([]string{"api", "v1"}, path...)}
}

// send makes the request. The caller closes the body of a response; one that is not a
// success comes back as an error.
func (c *Client) send(ctx context.Context, what call) (*http.Response, error) {
	u := c.base.JoinPath(escaped(what.path)...)
	u.RawQuery = what.query.Encode()
	var body io.Reader
	if what.body != nil {
		body = bytes.NewReader(what.body)
	}
	req, err := http.NewRequestWithContext(ctx, what.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", c.base, err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json, */*;q=0.1")
	if what.contentType != "" {
		req.Header.Set("Content-Type", what.contentType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			return nil, cause
		}
		return nil, &Unreachable{Base: c.base.Redacted(), Err: err}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readError(resp)
}

// escaped gives the parts of a path with everything escaped that has a meaning there: the
// key of a record may hold a slash.
func escaped(path []string) []string {
	out := make([]string, len(path))
	for i, part := range path {
		out[i] = url.PathEscape(part)
	}
	return out
}

// get makes a request and decodes its answer.
func get[T any](ctx context.Context, c *Client, what call) (T, error) {
	var out T
	resp, err := c.send(ctx, what)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&out); err != nil {
		return out, fmt.Errorf("read the answer of %s: %w", c.base.Redacted(), err)
	}
	return out, nil
}

// copyTo makes a request and copies its answer. An answer that was broken off is an
// error.
func (c *Client) copyTo(ctx context.Context, what call, to io.Writer) (int64, error) {
	resp, err := c.send(ctx, what)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(to, resp.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, fmt.Errorf("%s broke off after %d bytes; its log says why", c.base.Redacted(), n)
	}
	if err != nil {
		return n, fmt.Errorf("copy the answer of %s: %w", c.base.Redacted(), err)
	}
	return n, nil
}

// Status tells how the daemon and its fleet are.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	return get[wire.Status](ctx, c, api(http.MethodGet, "status"))
}

// Resolvers lists the configured resolvers.
func (c *Client) Resolvers(ctx context.Context) ([]wire.Resolver, error) {
	out, err := get[wire.Resolvers](ctx, c, api(http.MethodGet, "resolvers"))
	return out.Resolvers, err
}

// ResolverHealth says how resolvers have answered within the last day.
func (c *Client) ResolverHealth(ctx context.Context) (wire.Health, error) {
	return get[wire.Health](ctx, c, api(http.MethodGet, "resolvers", "health"))
}

// Receivers says how those fare who are told of alerts.
func (c *Client) Receivers(ctx context.Context) ([]wire.Receiver, error) {
	out, err := get[wire.Receivers](ctx, c, api(http.MethodGet, "receivers"))
	return out.Receivers, err
}

// Alerts lists the open incidents, the oldest first.
func (c *Client) Alerts(ctx context.Context) ([]wire.Incident, error) {
	out, err := get[wire.Incidents](ctx, c, api(http.MethodGet, "alerts"))
	return out.Incidents, err
}

// TestAlert sends a test alert to a receiver, or with an empty name where the routes lead, and gives what each
// integration answers.
func (c *Client) TestAlert(ctx context.Context, receiver, severity string) ([]wire.Trial, error) {
	what := api(http.MethodPost, "alerts", "test")
	if err := what.setJSON(wire.TrialRequest{Receiver: receiver, Severity: severity}); err != nil {
		return nil, err
	}
	out, err := get[wire.Trials](ctx, c, what)
	return out.Trials, err
}

// Backup writes a copy of the whole database and gives its size in bytes. What was written
// is of no use after an error.
func (c *Client) Backup(ctx context.Context, to io.Writer) (int64, error) {
	what := api(http.MethodGet, "backup")
	what.query = values("by", c.by)
	return c.copyTo(ctx, what, to)
}

// Compact has the daemon give back the room in its database that deleted history has left, beside its work.
func (c *Client) Compact(ctx context.Context) (wire.Compaction, error) {
	what := api(http.MethodPost, "compact")
	what.query = values("by", c.by)
	return get[wire.Compaction](ctx, c, what)
}

// Ready gives nil if the daemon is ready, and else an error that says why not.
func (c *Client) Ready(ctx context.Context) error {
	return c.plain(ctx, "ready")
}

// Healthy gives nil if the daemon answers.
func (c *Client) Healthy(ctx context.Context) error {
	return c.plain(ctx, "healthy")
}

// Reload makes the daemon read its configuration again. An error says what is wrong in it; then the
// old one stays in force.
func (c *Client) Reload(ctx context.Context) error {
	_, err := c.copyTo(ctx, call{method: http.MethodPost, path: []string{"-", "reload"}, query: values("by", c.by)}, io.Discard)
	return err
}

func (c *Client) plain(ctx context.Context, what string) error {
	_, err := c.copyTo(ctx, call{method: http.MethodGet, path: []string{"-", what}}, io.Discard)
	return err
}
