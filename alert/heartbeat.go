package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	beatTimeout  = 10 * time.Second // one attempt, with its redirects
	beatAttempts = 3
	beatBackoff  = time.Second // before the second attempt, doubled before the third
	beatHops     = 3
	maxBeatBody  = 4 << 10
)

// Heartbeat tells a dead man's switch elsewhere (healthchecks.io, Cronitor, a
// Grafana OnCall heartbeat) that all is well here; when the beats stop, that
// one pages. Its methods may be called concurrently.
type Heartbeat struct {
	url     *url.URL // nil: no heartbeat is wanted
	invalid error    // of the URL, told at each Beat
	client  *http.Client
	log     *slog.Logger
	backoff time.Duration

	mu     sync.Mutex
	lastOK time.Time
	last   error
}

// NewHeartbeat makes the heartbeat for that URL, which is a secret and never
// logged beyond its host; an empty one makes Beat do nothing. Of client, which
// is not changed and may be nil, the transport is used. A nil logger is silence.
func NewHeartbeat(target string, client *http.Client, logger *slog.Logger) *Heartbeat {
	h := &Heartbeat{client: &http.Client{}, log: logger, backoff: beatBackoff}
	if client != nil {
		copied := *client
		h.client = &copied
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.client.CheckRedirect = sameHost
	if target == "" {
		return h
	}
	u, err := url.Parse(target)
	switch {
	case err != nil: // the error would quote the URL
		h.invalid = errors.New("heartbeat URL cannot be parsed: want https://HOST/PATH")
	case u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		h.invalid = errors.New("heartbeat URL: want https://HOST/PATH")
	default:
		h.url = u
	}
	return h
}

// sameHost follows no redirect that would carry the secret path, or the belief
// that somebody listens, to another place or off TLS.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > beatHops:
		return fmt.Errorf("more than %d redirects", beatHops)
	case req.URL.Host != first.Host:
		return fmt.Errorf("redirected to another host, %s", req.URL.Host)
	case req.URL.Scheme != first.Scheme && req.URL.Scheme != "https":
		return errors.New("redirected from https to http")
	}
	return nil
}

// Beat asks for the URL once, and after a failure that may pass (no connection,
// no answer within 10 s, 429, 5xx) up to twice more, 1 s and 2 s later. Any
// 2xx is a success. The error names the host at most. A failed beat needs no
// other handling than to be shown: its receiver is about to notice.
func (h *Heartbeat) Beat(ctx context.Context) error {
	if h.url == nil && h.invalid == nil {
		return nil
	}
	err := h.invalid
	if err == nil {
		err = h.persist(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last = err; err == nil {
		h.lastOK = time.Now()
		return nil
	}
	if ctx.Err() == nil {
		h.log.Warn("heartbeat failed", "host", h.host(), "err", err)
	}
	return err
}

// Last returns when a beat was last answered, zero if never since the start,
// and the error of the last Beat.
func (h *Heartbeat) Last() (answered time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lastOK, h.last
}

func (h *Heartbeat) host() string {
	if h.url == nil {
		return ""
	}
	return h.url.Host
}

// persist makes the attempts of one beat.
func (h *Heartbeat) persist(ctx context.Context) error {
	for n := 1; ; n++ {
		again, err := h.attempt(ctx)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("heartbeat to %s, attempt %d: %w", h.url.Host, n, err)
		if !again || n == beatAttempts {
			return err
		}
		// A fifth more or less, so that many daemons do not beat as one.
		pause := time.Duration(float64(h.backoff<<(n-1)) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // no secret
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

// attempt makes one request and says whether another may do better.
func (h *Heartbeat) attempt(ctx context.Context) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url.String(), http.NoBody)
	if err != nil {
		return false, errors.New("request cannot be made")
	}
	req.Close = true // minutes pass until the next one
	req.Header.Set("User-Agent", "maildrift")
	resp, err := h.client.Do(req)
	if err != nil {
		// Not the error itself: it quotes the URL.
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded), err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxBeatBody)) //nolint:errcheck // the status is the answer
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	passing := resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests
	return passing, fmt.Errorf("answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
}
