package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/access"
	"maildrift/monitor/web/wire"
)

// fakeTokens keeps tokens in memory.
type fakeTokens struct {
	mu   sync.Mutex
	all  []access.Token
	used []string
}

func (f *fakeTokens) Tokens(context.Context) ([]access.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all), nil
}

func (f *fakeTokens) AddToken(_ context.Context, t access.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.ContainsFunc(f.all, func(o access.Token) bool { return o.Name == t.Name }) {
		return errors.New("exists already")
	}
	f.all = append(f.all, t)
	return nil
}

func (f *fakeTokens) UseToken(_ context.Context, t access.Token) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = append(f.used, t.Name)
	return nil
}

func (f *fakeTokens) RemoveToken(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.all)
	f.all = slices.DeleteFunc(f.all, func(t access.Token) bool { return t.Name == name })
	if len(f.all) == n {
		return errors.New("does not exist")
	}
	return nil
}

// closed is a world that lets nobody in without a token, and a token of each scope.
func closed(t *testing.T) (*world, map[access.Scope]string) {
	t.Helper()
	w := populated(t)
	kept := &fakeTokens{}
	secrets := map[access.Scope]string{}
	for _, scope := range []access.Scope{access.Read, access.Operate, access.Admin} {
		secret, token, err := access.NewToken("the-"+scope.String(), scope, "test", now, now.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		secrets[scope] = secret
		kept.all = append(kept.all, token)
	}
	w.options.Tokens, w.options.RequireToken = kept, true
	w.options.Reload = func(context.Context, string) (string, error) { return "", nil }
	h := w.handler()
	w.fixed = h // sessions live in the handler
	return w, secrets
}

// TestF139NobodyComesInWithoutAToken asks for everything without one, and with one of each scope.
func TestF139NobodyComesInWithoutAToken(t *testing.T) {
	w, secrets := closed(t)
	for _, row := range []struct {
		what   string
		needed access.Scope
	}{
		{"GET /-/healthy", access.Nobody}, {"GET /-/ready", access.Nobody}, {"GET /static/app.js", access.Nobody}, {"GET /signin", access.Nobody},
		{"GET /", access.Read}, {"GET /domains/notice.example", access.Read}, {"GET /api/v1/status", access.Read}, {"GET /api/v1/openapi.json", access.Read},
		{"GET /api/v1/history", access.Read}, {"GET /alerts", access.Read}, {"GET /api/v1/export", access.Read},
		{"POST /api/v1/domains/notice.example/check", access.Operate}, {"POST /domains/notice.example/check", access.Operate},
		{"PUT /api/v1/domains/notice.example/senders", access.Operate}, {"POST /register", access.Operate},
		{"DELETE /api/v1/domains/notice.example", access.Admin}, {"DELETE /api/v1/domains/a%2Fb.example", access.Admin}, {"POST /-/reload", access.Admin},
		{"GET /api/v1/backup", access.Admin}, {"GET /api/v1/%62ackup", access.Admin}, {"GET /api/v1/tokens", access.Admin}, {"DELETE /api/v1/tokens/nobody", access.Admin},
	} {
		method, path, _ := strings.Cut(row.what, " ")
		for _, scope := range []access.Scope{access.Nobody, access.Read, access.Operate, access.Admin} {
			var headers []string
			if scope > access.Nobody {
				headers = []string{"Authorization", "Bearer " + secrets[scope]}
			}
			resp := w.ask(method, path, "", headers...)
			switch {
			case scope >= row.needed && (resp.Code == http.StatusUnauthorized || resp.Code == http.StatusForbidden):
				t.Errorf("%s is refused to %s: %d %s", row.what, scope, resp.Code, resp.Body)
			case scope < row.needed && scope == access.Nobody && (resp.Code != http.StatusUnauthorized || resp.Header().Get("WWW-Authenticate") == ""):
				t.Errorf("%s without a token: %d", row.what, resp.Code)
			case scope < row.needed && scope > access.Nobody && (resp.Code != http.StatusForbidden || !strings.Contains(resp.Body.String(), row.needed.String())):
				t.Errorf("%s by %s: %d %s", row.what, scope, resp.Code, resp.Body)
			}
		}
	}
}

func TestF139TokensThatAreNone(t *testing.T) {
	w, secrets := closed(t)
	good := secrets[access.Admin]
	status := func(secret string) int {
		return w.ask(http.MethodGet, "/api/v1/status", "", "Authorization", "Bearer "+secret).Code
	}
	if status(good) != http.StatusOK {
		t.Fatal("the good token is refused")
	}
	for _, bad := range []string{"", "x", good[:20], good + "x", strings.ToUpper(good)} {
		if got := status(bad); got != http.StatusUnauthorized {
			t.Errorf("%q: %d", bad, got)
		}
	}
	for range 30 {
		status("x")
	}
	if got := status(good); got != http.StatusTooManyRequests {
		t.Errorf("after many wrong ones from an address: %d", got)
	}
	w.later(2 * time.Minute)
	if got := status(good); got != http.StatusOK {
		t.Errorf("after a while: %d", got)
	}
	w.later(25 * time.Hour)
	if got := status(good); got != http.StatusUnauthorized {
		t.Errorf("after its end: %d", got)
	}
}

// TestTokensOverTheAPI makes a token, does something with it, and revokes it.
func TestTokensOverTheAPI(t *testing.T) {
	w, secrets := closed(t)
	admin := []string{"Authorization", "Bearer " + secrets[access.Admin]}
	resp := w.ask(http.MethodPost, "/api/v1/tokens?by=ada", `{"name":"ci","scope":"operate","expires":"90d"}`, admin...)
	var made wire.NewToken
	if err := json.Unmarshal(resp.Body.Bytes(), &made); err != nil || resp.Code != http.StatusCreated || made.Scope != access.Operate || made.By != "the-admin (ada)" {
		t.Fatalf("%d %s %v", resp.Code, resp.Body, err)
	}
	list := w.ask(http.MethodGet, "/api/v1/tokens", "", admin...).Body.String()
	if strings.Contains(list, made.Secret) || strings.Contains(list, "hash") || !strings.Contains(list, `"ci"`) {
		t.Errorf("the list shows too much or too little: %s", list)
	}
	ci := []string{"Authorization", "Bearer " + made.Secret}
	if resp := w.ask(http.MethodPost, "/api/v1/domains/notice.example/records/spf/accept", `{"by":"eve","why":"x"}`, ci...); resp.Code != http.StatusOK {
		t.Errorf("%d %s", resp.Code, resp.Body)
	}
	if want := "accept notice.example/spf by ci (eve) because x"; !slices.Contains(w.engine.calls, want) {
		t.Errorf("audit trail %q, want %q: nobody may pass for somebody else", w.engine.calls, want)
	}
	for body, want := range map[string]int{
		`{"name":"ci","scope":"read"}`: 409, `{"name":"a","scope":"root"}`: 422, `{"name":"a/b","scope":"read"}`: 422, `{"name":"b","scope":"read","expires":"soon"}`: 422,
		`{"name":"b","scope":"read","expires":"2020-01-01"}`: 422,
	} {
		if resp := w.ask(http.MethodPost, "/api/v1/tokens", body, admin...); resp.Code != want {
			t.Errorf("%s: %d, want %d: %s", body, resp.Code, want, resp.Body)
		}
	}
	if resp := w.ask(http.MethodDelete, "/api/v1/tokens/ci", "", admin...); resp.Code != http.StatusNoContent {
		t.Errorf("revoked: %d %s", resp.Code, resp.Body)
	}
	if resp := w.ask(http.MethodGet, "/api/v1/status", "", ci...); resp.Code != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", resp.Code)
	}
	if resp := w.ask(http.MethodDelete, "/api/v1/tokens/ci", "", admin...); resp.Code != http.StatusNotFound {
		t.Errorf("revoked twice: %d", resp.Code)
	}
}

// TestSignIn signs a browser in and out.
func TestSignIn(t *testing.T) {
	w, secrets := closed(t)
	html := []string{"Accept", "text/html"}
	resp := w.ask(http.MethodGet, "/domains/notice.example?record=spf", "", html...)
	if to := resp.Header().Get("Location"); resp.Code != http.StatusSeeOther || to != "/signin?next=%2Fdomains%2Fnotice.example%3Frecord%3Dspf" {
		t.Fatalf("%d to %s", resp.Code, to)
	}
	if resp := w.post("/signin", url.Values{"token": {"mdt_x"}, "next": {"/alerts"}}); resp.Code != http.StatusUnauthorized || !strings.Contains(resp.Body.String(), "copy all of it") || !strings.Contains(resp.Body.String(), `value="/alerts"`) {
		t.Errorf("a wrong token: %d\n%s", resp.Code, resp.Body)
	}
	for next, want := range map[string]string{
		"/alerts?x=1": "/alerts?x=1", "": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "alerts": "/",
	} {
		if got := w.post("/signin", url.Values{"token": {secrets[access.Operate]}, "next": {next}}).Header().Get("Location"); got != want {
			t.Errorf("next %q leads to %q", next, got)
		}
	}
	resp = w.post("/signin", url.Values{"token": {secrets[access.Operate]}})
	session := resp.Result().Cookies()[0]
	if !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Value == secrets[access.Operate] {
		t.Errorf("cookie %+v", session)
	}
	cookie := append(slices.Clone(html), "Cookie", session.Name+"="+session.Value)
	if body := w.ask(http.MethodGet, "/", "", cookie...).Body.String(); !strings.Contains(body, "Sign out the-operate") {
		t.Errorf("signed in: %s", body)
	}
	if resp := w.post("/domains/notice.example/check", url.Values{}, session); resp.Code != http.StatusSeeOther {
		t.Errorf("a form: %d", resp.Code)
	}
	if resp := w.post("/domains/notice.example/remove", url.Values{}, session); resp.Code != http.StatusForbidden {
		t.Errorf("a form beyond the scope: %d", resp.Code)
	}
	if resp := w.ask(http.MethodPost, "/domains/notice.example/check", "", append(cookie, "Sec-Fetch-Site", "cross-site")...); resp.Code != http.StatusForbidden {
		t.Errorf("a form of another site: %d", resp.Code)
	}
	w.post("/signout", url.Values{}, session)
	if resp := w.ask(http.MethodGet, "/", "", cookie...); resp.Code != http.StatusSeeOther {
		t.Errorf("signed out: %d", resp.Code)
	}
	again := w.post("/signin", url.Values{"token": {secrets[access.Operate]}}).Result().Cookies()[0]
	w.later(13 * time.Hour)
	if resp := w.ask(http.MethodGet, "/", "", append(html, "Cookie", again.Name+"="+again.Value)...); resp.Code != http.StatusSeeOther {
		t.Errorf("the next day: %d", resp.Code)
	}
}

// TestOpenHouse is a daemon that wants no token: one that is sent must be good all the same, and its scope holds.
func TestOpenHouse(t *testing.T) {
	w, secrets := closed(t)
	w.options.RequireToken, w.fixed = false, nil
	for headers, want := range map[string]int{"": 404, "Bearer " + secrets[access.Read]: 403, "Bearer " + secrets[access.Admin]: 404, "Bearer mdt_x": 401, "Basic YWRhOng=": 404} {
		if resp := w.ask(http.MethodDelete, "/api/v1/domains/other.example", "", "Authorization", headers); resp.Code != want {
			t.Errorf("%q: %d, want %d", headers, resp.Code, want)
		}
	}
	// Users that a server before us has checked are known by their names.
	w.options.RequireToken, w.options.UsersChecked = true, true
	if resp := w.ask(http.MethodPost, "/api/v1/domains/notice.example/records/spf/accept", `{"why":"x"}`, "Authorization", "Basic YWRhOng="); resp.Code != http.StatusOK {
		t.Errorf("a user: %d", resp.Code)
	}
	if want := "accept notice.example/spf by ada because x"; !slices.Contains(w.engine.calls, want) {
		t.Errorf("audit trail %q", w.engine.calls)
	}
}
