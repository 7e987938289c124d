package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Matcher is one condition of a silence, as Alertmanager's API has it.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// Silence keeps alerts from being sent for a time.
type Silence struct {
	ID        string    `json:"id,omitempty"`
	Matchers  []Matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	Status    struct {
		State string `json:"state"`
	} `json:"status,omitzero"`
}

// AlertState is an alert as Alertmanager's API has it.
type AlertState struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	Status      struct {
		State       string   `json:"state"`
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

func alertmanager(method string, path ...string) call {
	return call{method: method, path: append([]string{"alertmanager", "api", "v2"}, path...)}
}

// Silences lists the silences that last or are to come, and with all those that have ended too.
func (c *Client) Silences(ctx context.Context, all bool) ([]Silence, error) {
	list, err := get[[]Silence](ctx, c, alertmanager(http.MethodGet, "silences"))
	if err != nil || all {
		return list, err
	}
	out := []Silence{}
	for _, s := range list {
		if s.Status.State != "expired" {
			out = append(out, s)
		}
	}
	return out, nil
}

// Silence begins a silence and gives its ID.
func (c *Client) Silence(ctx context.Context, s Silence) (string, error) {
	s.CreatedBy = c.by
	what := alertmanager(http.MethodPost, "silences")
	if err := what.setJSON(s); err != nil {
		return "", err
	}
	out, err := get[struct {
		ID string `json:"silenceID"`
	}](ctx, c, what)
	return out.ID, err
}

// Unsilence ends a silence.
func (c *Client) Unsilence(ctx context.Context, id string) error {
	what := alertmanager(http.MethodDelete, "silence", id)
	what.query = url.Values{"by": {c.by}}
	_, err := c.copyTo(ctx, what, io.Discard)
	return err
}

// AlertsMatching lists the alerts that fit all matchers, muted ones among them.
func (c *Client) AlertsMatching(ctx context.Context, matchers []Matcher) ([]AlertState, error) {
	what := alertmanager(http.MethodGet, "alerts")
	what.query = url.Values{}
	for _, m := range matchers {
		what.query.Add("filter", m.String())
	}
	return get[[]AlertState](ctx, c, what)
}

// String gives the matcher as Alertmanager's filters write it.
func (m Matcher) String() string {
	op := map[[2]bool]string{{true, false}: "=", {false, false}: "!=", {true, true}: "=~", {false, true}: "!~"}[[2]bool{m.IsEqual, m.IsRegex}]
	quoted, _ := json.Marshal(m.Value) //nolint:errchkjson // a string always encodes
	return m.Name + op + string(quoted)
}
