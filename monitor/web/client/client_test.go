package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maildrift/monitor"
	"maildrift/monitor/web/client"
)

// answering gives a client of a server that answers everything alike.
func answering(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, client.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAddressesOfADaemon(t *testing.T) {
	for base, ok := range map[string]bool{
		"http://127.0.0.1:9853": true, "https://watch.example.com/maildrift/": true, "http://[::1]:9853": true,
		"127.0.0.1:9853": false, "localhost:9853": false, "": false, "ftp://example.com": false, "http://": false, "http://a b": false,
	} {
		if _, err := client.New(base, client.Options{}); (err == nil) != ok {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// TestADaemonBelowAPath is about reverse proxies.
func TestADaemonBelowAPath(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/watch/api/v1/domains/a%2Fb" {
			t.Errorf("asked for %s", r.URL.EscapedPath())
		}
		io.WriteString(w, `{"name":"a.example"}`)
	}))
	defer server.Close()
	c, err := client.New(server.URL+"/watch/", client.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.Domain(t.Context(), "a/b"); err != nil || d.Name != "a.example" {
		t.Errorf("%v %v", d.Name, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context())
	var unreachable *client.Unreachable
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), "no maildrift answers at "+server.URL) || errors.Is(err, monitor.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestAPasswordIsNotInTheError is about addresses with a user in them.
func TestAPasswordIsNotInTheError(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := client.New(strings.Replace(server.URL, "http://", "http://ops:canary-secret@", 1), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Status(t.Context()); err == nil || strings.Contains(err.Error(), "canary-secret") {
		t.Errorf("%v", err)
	}
}

func TestAnswersThatAreNotOurs(t *testing.T) {
	for _, row := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"a proxy's page", "text/html", "<html>Bad Gateway", 502, "the daemon answered 502 Bad Gateway"},
		{"plain text", "text/plain; charset=utf-8", "go away\n", 403, "go away"},
		{"a problem that is none", "application/problem+json", "oops", 500, "the daemon answered 500 Internal Server Error"},
		{"a problem without words", "application/problem+json", "{}", 500, "the daemon answered 500 Internal Server Error"},
		{"terminal escapes", "text/plain", "\x1b[2J", 500, `\x1b[2J`},
		{"success that is no JSON", "text/html", "<html>", 200, "read the answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", row.kind)
				w.WriteHeader(row.status)
				io.WriteString(w, row.body)
			})
			if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

// TestFieldsOfLaterVersionsAreIgnored lets an old client speak to a new daemon.
func TestFieldsOfLaterVersionsAreIgnored(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"version":"9","moods":["calm"]}`)
	})
	if s, err := c.Status(t.Context()); err != nil || s.Version != "9" {
		t.Errorf("%q %v", s.Version, err)
	}
}

func TestTheContextEndsACall(t *testing.T) {
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestABodyThatCannotBeReadIsNotSent(t *testing.T) {
	c := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	if _, err := c.Import(t.Context(), io.MultiReader(strings.NewReader("{}"), broken{}), false); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
