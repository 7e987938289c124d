package web

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// maxBody bounds every request's body; the API's operations have limits of their own below
// it.
const maxBody = 17 << 20

// policy lets pages load their own style sheets, scripts and icon, ask the API and send their forms home, and nothing
// else. What stands in a page itself never runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types maildrift"

// guarded puts in front of everything what every request must pass.
func (s *site) guarded(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, http.StatusForbidden, "this request comes from another site; it may not change anything here")
	}))
	next = crossOrigin.Handler(s.gate.guard(s.boundBody(next)))
	return s.survivePanics(s.checkHost(secureHeaders(next)))
}

// checkHost refuses requests for hosts that nobody configured. A page of another
// site can make a browser call a loopback address under that site's name (DNS rebinding); it
// cannot make it call an address by number under its own origin.
func (s *site) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.allowsHost(r.Host) {
			s.refuse(w, r, http.StatusForbidden, "this host name is not served here; call it localhost or by its IP address, or set external_url in the configuration")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) allowsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(strings.ToLower(host), "[]"), ".")
	if host == "localhost" {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(s.AllowedHosts, func(allowed string) bool {
		return allowed == "*" || strings.EqualFold(allowed, host)
	})
}

func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			h.Set("Cache-Control", "no-store")
		}
		next.ServeHTTP(w, r)
	})
}

// boundBody bounds how much may be sent and how long that may take.
func (s *site) boundBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			s.deadline(http.NewResponseController(w).SetReadDeadline, bodyWithin)
		}
		next.ServeHTTP(w, r)
	})
}

// deadline sets a deadline that long from now. What cannot have one (a test's recorder)
// goes without.
func (s *site) deadline(set func(time.Time) error, within time.Duration) {
	if err := set(time.Now().Add(within)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.Logger.Warn("deadline of a request could not be set", "err", err)
	}
}

// survivePanics answers 500 without a word about the inside, which goes to the log. A
// response that had begun is broken off, so that nobody takes it for whole.
func (s *site) survivePanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &tracked{ResponseWriter: w}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http asks for
				panic(cause)
			}
			if r.Context().Err() == nil {
				s.Logger.Error("request panicked", "method", r.Method, "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
			}
			if seen.began {
				panic(http.ErrAbortHandler)
			}
			s.refuse(w, r, http.StatusInternalServerError, "maildrift made a mistake; its log says which")
		}()
		next.ServeHTTP(seen, r)
	})
}

// tracked knows whether a response has begun.
type tracked struct {
	http.ResponseWriter
	began bool
}

// WriteHeader begins the response.
func (t *tracked) WriteHeader(status int) {
	t.began = true
	t.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the body, and begins the response if need be.
func (t *tracked) Write(b []byte) (int, error) {
	t.began = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController set deadlines and flush.
func (t *tracked) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// refuse says no, in the form that the caller reads.
func (*site) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		writeProblem(w, status, why)
		return
	}
	writeText(w, status, why)
}
