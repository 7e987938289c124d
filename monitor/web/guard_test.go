package web_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/web"
	"maildrift/monitor/web/client"
)

// TestF143HostAllowList is about DNS rebinding: a page of evil.example that makes a browser
// call 127.0.0.1 under that name.
func TestF143HostAllowList(t *testing.T) {
	w := populated(t)
	w.options.AllowedHosts = []string{"Watch.example.com"}
	for _, row := range []struct {
		host string
		want int
	}{
		{"localhost", 200}, {"LOCALHOST:9853", 200}, {"localhost.:9853", 200},
		{"127.0.0.1:9853", 200}, {"127.8.8.8", 200}, {"[::1]:9853", 200}, {"[::1]", 200},
		{"192.0.2.1:9853", 200}, // a number cannot be rebound
		{"watch.example.com", 200}, {"watch.example.com:443", 200}, {"WATCH.example.com.", 200},
		{"evil.example", 403}, {"evil.example:9853", 403}, {"localhost.evil.example", 403}, {"127.0.0.1.evil.example", 403},
		{"watch.example.com.evil.example", 403}, {"", 403}, {":9853", 403},
	} {
		for _, path := range []string{"/", "/api/v1/status", "/-/healthy"} {
			if resp := w.ask(http.MethodGet, path, "", "Host", row.host); resp.Code != row.want {
				t.Errorf("%s at host %q: %d, want %d", path, row.host, resp.Code, row.want)
			}
		}
	}
	w.options.AllowedHosts = []string{"*"}
	if resp := w.ask(http.MethodGet, "/", "", "Host", "anything.example"); resp.Code != http.StatusOK {
		t.Errorf("any host is allowed, but %d", resp.Code)
	}
}

// TestF138OtherSitesChangeNothing sends what browsers send for requests that a page of
// another site makes.
func TestF138OtherSitesChangeNothing(t *testing.T) {
	w := populated(t)
	w.options.Reload = func(context.Context, string) (string, error) { t.Error("another site made it reload"); return "", nil }
	for _, row := range []struct {
		name    string
		headers []string
	}{
		{"fetch metadata says cross-site", []string{"Sec-Fetch-Site", "cross-site"}},
		{"fetch metadata says same-site", []string{"Sec-Fetch-Site", "same-site"}},
		{"an old browser names another origin", []string{"Origin", "http://evil.example"}},
		{"a page without an origin", []string{"Origin", "null"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, what := range []string{
				"POST /-/reload", "POST /api/v1/domains", "POST /api/v1/import", "DELETE /api/v1/domains/notice.example",
				"POST /api/v1/domains/notice.example/check", "POST /api/v1/domains/notice.example/records/spf/accept",
			} {
				method, path, _ := strings.Cut(what, " ")
				if resp := w.ask(method, path, "{}", row.headers...); resp.Code != http.StatusForbidden {
					t.Errorf("%s: %d", what, resp.Code)
				}
			}
		})
	}
	if len(w.engine.calls) > 0 {
		t.Errorf("the engine was asked %q", w.engine.calls)
	}
	if resp := w.ask(http.MethodPost, "/api/v1/domains/notice.example/check", "", "Sec-Fetch-Site", "same-origin"); resp.Code != http.StatusOK {
		t.Errorf("our own page: %d", resp.Code)
	}
	if resp := w.ask(http.MethodGet, "/", "", "Sec-Fetch-Site", "cross-site"); resp.Code != http.StatusOK {
		t.Errorf("a link from another site: %d", resp.Code)
	}
}

// TestF138GetChangesNothing asks for everything that can be got. That somebody has a copy of the database is written down, once, and by GET only:
// who asks with HEAD has none.
func TestF138GetChangesNothing(t *testing.T) {
	w := populated(t)
	for _, path := range []string{
		"/", "/domains/notice.example", "/domains/notice.example/check", "/domains/notice.example/accept?record=spf&why=x", "/register?domain=new.example&service=directmail",
		"/alerts", "/history", "/sweeps", "/resolvers", "/silences/1/expire", "/api/v1/domains/notice.example/check", "/api/v1/import", "/-/reload",
		"/api/v1/domains/notice.example/records/spf/accept", "/api/v1/status", "/api/v1/export", "/api/v1/backup",
	} {
		w.ask(http.MethodGet, path, "")
		w.ask(http.MethodHead, path, "")
	}
	if len(w.engine.calls) != 1 || !strings.HasPrefix(w.engine.calls[0], "note backup / ") {
		t.Errorf("the engine was asked %q", w.engine.calls)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	w := populated(t)
	for _, path := range []string{"/", "/nothing", "/static/style.css", "/api/v1/status", "/api/v1/nothing", "/-/healthy"} {
		h := w.ask(http.MethodGet, path, "").Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "script-src 'self';") || !strings.Contains(csp, "require-trusted-types-for 'script'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin"} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if cors := h.Get("Access-Control-Allow-Origin"); cors != "" {
			t.Errorf("%s lets %q read it", path, cors)
		}
	}
}

func TestF141HugeBodies(t *testing.T) {
	w := newWorld(t)
	huge := `{"domain":"` + strings.Repeat("a", 1<<20) + `"}`
	if resp := w.ask(http.MethodPost, "/api/v1/domains", huge); resp.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("more than 1 MB for a domain: %d", resp.Code)
	}
	if resp := w.ask(http.MethodPost, "/api/v1/import", huge); resp.Code != http.StatusUnprocessableEntity {
		t.Errorf("more than 1 MB for an import, which may be: %d", resp.Code)
	}
	if resp := w.ask(http.MethodPost, "/api/v1/import", strings.Repeat(" ", 16<<20)); resp.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("16 MB for an import: %d", resp.Code)
	}
	w.options.Alertmanager = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var tooLarge *http.MaxBytesError
		if n, err := io.Copy(io.Discard, r.Body); !errors.As(err, &tooLarge) {
			t.Errorf("the alert engine could read %d bytes: %v", n, err)
		}
	})
	w.ask(http.MethodPost, "/alertmanager/api/v2/alerts", strings.Repeat(" ", 18<<20))
}

// TestF140Slowloris checks what the server is told, and one limit for real.
func TestF140Slowloris(t *testing.T) {
	server := web.NewServer("127.0.0.1:0", populated(t).handler())
	if server.ReadHeaderTimeout != 5*time.Second || server.IdleTimeout == 0 || server.WriteTimeout == 0 || server.MaxHeaderBytes != 16<<10 {
		t.Errorf("limits %s, %s, %s, %d", server.ReadHeaderTimeout, server.IdleTimeout, server.WriteTimeout, server.MaxHeaderBytes)
	}
	addr := serve(t, server)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: "+strings.Repeat("a", 64<<10)+"\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("64 kB of headers: %q %v", line, err)
	}
}

// serve runs a server until the test ends, and gives its address.
func serve(t *testing.T, server *http.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended: %v", err)
		}
	})
	return l.Addr().String()
}

// TestACheckMayTakeLongerThanOtherAnswers lets one take longer than the server's
// time for writing.
func TestACheckMayTakeLongerThanOtherAnswers(t *testing.T) {
	w := populated(t)
	w.engine.checking = func(ctx context.Context) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	server := web.NewServer("", w.handler())
	server.WriteTimeout = 500 * time.Millisecond
	c := dial(t, serve(t, server))
	if _, err := c.Check(t.Context(), "notice.example"); err != nil {
		t.Errorf("a check that takes a second: %v", err)
	}
}

// dial makes a client whose connections end with the test.
func dial(t *testing.T, addr string) *client.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New("http://"+addr, client.Options{HTTP: &http.Client{Transport: transport}, By: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestACheckEndsWithItsCaller hangs up while a check runs.
func TestACheckEndsWithItsCaller(t *testing.T) {
	w := populated(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	w.engine.checking = func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}
	c := dial(t, serve(t, web.NewServer("", w.handler())))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := c.Check(ctx, "notice.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller got %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the check went on")
	}
}

func TestPanicsAreAnsweredWithoutTheirInside(t *testing.T) {
	w := populated(t)
	w.options.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret inside") })
	w.engine.checking = func(context.Context) error { panic("secret inside") }
	for path, method := range map[string]string{"/metrics": http.MethodGet, "/api/v1/domains/notice.example/check": http.MethodPost} {
		resp := w.ask(method, path, "")
		if resp.Code != http.StatusInternalServerError || strings.Contains(resp.Body.String(), "inside") || strings.Contains(resp.Body.String(), "goroutine") {
			t.Errorf("%s: %d %s", path, resp.Code, resp.Body)
		}
		if !strings.Contains(w.log.String(), "secret inside") || !strings.Contains(w.log.String(), "goroutine") {
			t.Errorf("%s: the log does not say what happened", path)
		}
	}
}

func TestAPanicAfterTheFirstByteBreaksTheConnection(t *testing.T) {
	w := populated(t)
	w.options.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("maildrift_records 1\n", 1000))
		panic("half way")
	})
	server := httptest.NewServer(w.handler())
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/metrics")
	if err != nil {
		return // broken before the headers came: just as well
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("half an answer of %d bytes was taken for whole", len(body))
	}
}

func TestF144PathsLeadNowhereElse(t *testing.T) {
	w := populated(t)
	for _, path := range []string{
		"/static/../server.go", "/static/%2e%2e/server.go", "/static/..%2fserver.go", "/static/%00", "/static/",
		"/static/..%5cserver.go", "/domains/..%2f..%2fetc%2fpasswd", "/static//etc/passwd",
	} {
		resp := w.ask(http.MethodGet, path, "")
		if resp.Code == http.StatusOK || strings.Contains(resp.Body.String(), "package web") {
			t.Errorf("%s: %d", path, resp.Code)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:9853": true, "127.9.9.9:0": true, "localhost:9853": true, "[::1]:9853": true, "[::ffff:127.0.0.1]:9853": true,
		":9853": false, "0.0.0.0:9853": false, "[::]:9853": false, "192.0.2.1:80": false, "watch.example.com:80": false, "localhost.example.com:80": false,
	} {
		if got, err := web.Loopback(addr); err != nil || got != want {
			t.Errorf("%q: %v, %v", addr, got, err)
		}
	}
	for _, addr := range []string{"127.0.0.1", ""} {
		if _, err := web.Loopback(addr); err == nil {
			t.Errorf("%q is taken", addr)
		}
	}
}

func TestOptionsThatLackSomething(t *testing.T) {
	w := newWorld(t)
	for what, break_ := range map[string]func(o *web.Options){
		"engine":  func(o *web.Options) { o.Engine = nil },
		"history": func(o *web.Options) { o.History = nil },
		"ready":   func(o *web.Options) { o.Ready = nil },
	} {
		o := w.options
		break_(&o)
		if _, err := web.New(o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("without %s: %v", what, err)
		}
	}
}

// TestF145OtherMethods asks in ways that nobody should.
func TestF145OtherMethods(t *testing.T) {
	w := populated(t)
	for _, row := range []struct {
		method, path string
		want         int
	}{
		{"OPTIONS", "/api/v1/domains", 405}, {"TRACE", "/", 405}, {"PATCH", "/api/v1/domains/notice.example", 405},
		{"DELETE", "/", 405}, {"BREW", "/api/v1/status", 405}, {"HEAD", "/api/v1/status", 200}, {"HEAD", "/", 200},
	} {
		resp := w.ask(row.method, row.path, "")
		if resp.Code != row.want || resp.Header().Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, resp.Code, row.want)
		}
	}
	if len(w.engine.calls) > 0 {
		t.Errorf("the engine was asked %q", w.engine.calls)
	}
}

// TestF146NothingForDebugging looks for what helps attackers more than operators.
func TestF146NothingForDebugging(t *testing.T) {
	w := populated(t)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/debug/requests", "/api/v1/config", "/-/quit", "/admin", "/.env", "/.git/HEAD"} {
		if resp := w.ask(http.MethodGet, path, ""); resp.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.Code)
		}
	}
}
