package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor/access"
)

const (
	// sessionCookie holds the key of a session in a browser, which lasts for sessionLasts.
	sessionCookie = "maildrift_session"
	sessionLasts  = 12 * time.Hour
	// sessionsAtMost bounds how many there are; the oldest goes first.
	sessionsAtMost = 1000
	// failuresAtMost is how many wrong tokens an address may send within failuresWithin before it has to wait for the rest
	// of that time. What is remembered of addresses is bounded, too.
	failuresAtMost   = 20
	failuresWithin   = time.Minute
	failuresWatched  = 10_000
	usedOnce         = 24 * time.Hour
	tokenListTimeout = 10 * time.Second
)

// Tokens keeps tokens. *store.Store is one.
type Tokens interface {
	Tokens(ctx context.Context) ([]access.Token, error)
	AddToken(ctx context.Context, t access.Token) error
	UseToken(ctx context.Context, t access.Token) error
	RemoveToken(ctx context.Context, name string) error
}

// gate knows who may come in.
type gate struct {
	site *site

	mu       sync.Mutex
	byHash   map[string]access.Token
	sessions map[[sha256.Size]byte]session
	failures map[string]failure
}

// session is a browser that somebody signed in with.
type session struct {
	token string // hash
	ends  time.Time
}

// failure counts wrong tokens from an address since its first.
type failure struct {
	n     int
	first time.Time
}

func (s *site) newGate() (*gate, error) {
	g := &gate{site: s, sessions: map[[sha256.Size]byte]session{}, failures: map[string]failure{}}
	return g, g.load()
}

// load reads the tokens.
func (g *gate) load() error {
	byHash := map[string]access.Token{}
	if g.site.Tokens != nil {
		ctx, cancel := context.WithTimeout(context.Background(), tokenListTimeout)
		defer cancel()
		all, err := g.site.Tokens.Tokens(ctx)
		if err != nil {
			return err
		}
		for _, t := range all {
			byHash[t.Hash] = t
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.byHash = byHash
	return nil
}

// callerKey is under which the caller of a request is found in its context.
type callerKey struct{}

// callerOf gives who makes a request.
func callerOf(ctx context.Context) access.Caller {
	c, _ := ctx.Value(callerKey{}).(access.Caller)
	return c
}

// by gives the name of whoever does something, for the audit trail.
func by(ctx context.Context, said string) string { return callerOf(ctx).By(said, anonymous) }

// guard lets requests through whose caller may make them.
func (g *gate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A path may be written in several ways, and the router knows them all: what it could mean at worst counts.
		needed := max(access.Needed(r.Method, r.URL.Path), access.Needed(r.Method, r.URL.EscapedPath()))
		caller, err := g.identify(r)
		switch {
		case errors.Is(err, errTooMany):
			w.Header().Set("Retry-After", "60")
			g.site.refuse(w, r, http.StatusTooManyRequests, err.Error())
			return
		case err != nil && needed > access.Nobody:
			g.unauthorized(w, r, err.Error())
			return
		case caller.Scope >= needed:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
			return
		case caller.Scope == access.Nobody:
			g.unauthorized(w, r, "who are you? Send a token: Authorization: Bearer mdt_…")
			return
		}
		g.site.refuse(w, r, http.StatusForbidden, "the token "+caller.Name+" has the scope "+caller.Scope.String()+", and this needs "+needed.String())
	})
}

// unauthorized asks for a token: a browser on the page for that.
func (g *gate) unauthorized(w http.ResponseWriter, r *http.Request, why string) {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/") {
		http.Redirect(w, r, "/signin?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="maildrift"`)
	g.site.refuse(w, r, http.StatusUnauthorized, why)
}

var (
	errUnknown = errors.New("this token is not known here, was revoked, or has ended")
	errTooMany = errors.New("too many wrong tokens from this address: wait a minute")
)

// identify finds out who makes a request. An error is a token or session that is none.
func (g *gate) identify(r *http.Request) (access.Caller, error) {
	if kind, secret, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		t, err := g.verify(r, secret)
		if err != nil {
			return access.Caller{}, err
		}
		return access.Caller{Name: t.Name, Scope: t.Scope}, nil
	}
	if user, _, ok := r.BasicAuth(); ok && g.site.UsersChecked {
		return access.Caller{Name: user, Scope: access.Admin}, nil
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if t, ok := g.signedIn(c.Value); ok {
			return access.Caller{Name: t.Name, Scope: t.Scope}, nil
		}
	}
	if g.site.RequireToken {
		return access.Caller{}, nil
	}
	return access.Caller{Scope: access.Admin}, nil
}

// verify looks a token up, and counts those that are wrong.
func (g *gate) verify(r *http.Request, secret string) (access.Token, error) {
	now := g.site.Now()
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.failures[from]; ok && now.Sub(f.first) < failuresWithin && f.n >= failuresAtMost {
		return access.Token{}, errTooMany
	}
	hash, err := access.Hash(secret)
	if err == nil {
		// What is looked up is a hash of what was sent, so how long it takes says nothing about what is kept.
		if t, ok := g.byHash[hash]; ok && !t.Expired(now) {
			g.use(t, now)
			return t, nil
		}
		err = errUnknown
	}
	g.failed(from, now)
	return access.Token{}, err
}

// failed counts a wrong token. The caller holds mu.
func (g *gate) failed(from string, now time.Time) {
	f := g.failures[from]
	if now.Sub(f.first) >= failuresWithin {
		f = failure{first: now}
	}
	f.n++
	if len(g.failures) >= failuresWatched {
		clear(g.failures)
	}
	g.failures[from] = f
}

// use writes down that a token is used, once a day. The caller holds mu.
func (g *gate) use(t access.Token, now time.Time) {
	if now.Sub(t.Used) < usedOnce {
		return
	}
	t.Used = now.UTC().Truncate(usedOnce)
	g.byHash[t.Hash] = t
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), tokenListTimeout)
		defer cancel()
		if err := g.site.Tokens.UseToken(ctx, t); err != nil {
			g.site.Logger.Warn("that a token was used is not written down", "token", t.Name, "err", err)
		}
	}()
}

// signedIn gives the token of a session that lasts.
func (g *gate) signedIn(key string) (access.Token, bool) {
	now := g.site.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.sessions[sha256.Sum256([]byte(key))]
	t, known := g.byHash[s.token]
	return t, ok && known && now.Before(s.ends) && !t.Expired(now)
}

// begin begins a session and gives its key.
func (g *gate) begin(t access.Token) string {
	key := rand.Text() + rand.Text()
	now := g.site.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	oldest, first := now.Add(2*sessionLasts), [sha256.Size]byte{}
	for k, s := range g.sessions {
		switch {
		case !now.Before(s.ends):
			delete(g.sessions, k)
		case s.ends.Before(oldest):
			oldest, first = s.ends, k
		}
	}
	if len(g.sessions) >= sessionsAtMost {
		delete(g.sessions, first)
	}
	g.sessions[sha256.Sum256([]byte(key))] = session{token: t.Hash, ends: now.Add(sessionLasts)}
	return key
}

func (g *gate) finish(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, sha256.Sum256([]byte(key)))
}

// signInPage is the form by which a browser gets in.
type signInPage struct {
	page
	Next, Problem string
}

// signInPages let a browser in and out.
func (s *site) signInPages(templates *template.Template) {
	s.mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, templates, http.StatusOK, "signin.html", signInPage{page: s.page(r.Context(), "Sign in", ""), Next: r.URL.Query().Get("next")})
	})
	s.mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			s.showError(w, templates, huma.Error400BadRequest("the form cannot be read"))
			return
		}
		t, err := s.gate.verify(r, r.PostForm.Get("token"))
		if err != nil {
			status := http.StatusUnauthorized
			if errors.Is(err, errTooMany) {
				status = http.StatusTooManyRequests
			}
			s.show(w, templates, status, "signin.html", signInPage{page: s.page(r.Context(), "Sign in", ""), Next: r.PostForm.Get("next"), Problem: err.Error()})
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: sessionCookie, Value: s.gate.begin(t), Path: "/", MaxAge: int(sessionLasts.Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
		})
		http.Redirect(w, r, home(r.PostForm.Get("next")), http.StatusSeeOther)
	})
	s.mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(sessionCookie); err == nil {
			s.gate.finish(c.Value)
		}
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil})
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	})
}

// home gives an address on this site, whatever was asked for.
func home(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.Contains(next, "\\") {
		return "/"
	}
	return u.RequestURI()
}
