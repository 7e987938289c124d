package alert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

const (
	// remoteBatch is the most alerts in one request, as Prometheus has it.
	remoteBatch = 256
	// remoteEnds is for how many resend intervals a firing alert lasts at an Alertmanager that hears no more of it, as
	// Prometheus has it: when we die, so do our alerts, and the heartbeat is missed.
	remoteEnds = 4
	// remoteResolved is for how long the end of an alert is sent again, as Prometheus has it, so that an Alertmanager
	// that was restarted in between hears of it; one that was not reached hears of it once it is.
	remoteResolved = 15 * time.Minute
	// remoteForgets bounds how long the end of an alert waits for an Alertmanager that is not there.
	remoteForgets = 7 * 24 * time.Hour
	// remoteRetry is the pause after a failure, doubled up to the resend interval.
	remoteRetry = time.Second
	// remoteOutlasts is for how long an alert that holds others back outlasts them. An Alertmanager hears of all ends in
	// one request, but its groups and its inhibitions do not in the same moment.
	remoteOutlasts = 5 * time.Second
	// remoteLead is how much earlier it is told of them, each time: one that was restarted looks at once at groups that
	// began long ago.
	remoteLead = 500 * time.Millisecond
	// remoteName stands where a receiver's name does.
	remoteName = "alertmanager"
)

// Endpoint is an Alertmanager elsewhere.
type Endpoint struct {
	// URL is its base: http://HOST:PORT, with the path prefix if it has one.
	URL string
	// HTTP says how it is reached: credentials, TLS, a proxy.
	HTTP commoncfg.HTTPClientConfig
	// Timeout bounds one request; 0 means 10 s.
	Timeout time.Duration
}

// RemoteOptions of a Remote.
type RemoteOptions struct {
	// Resend is how often firing alerts are sent again; 0 means a minute.
	Resend time.Duration
	// FailingAfter is after how long the others are told of an Alertmanager that takes nothing; 0 means DefaultFailingAfter.
	FailingAfter time.Duration
	Logger       *slog.Logger
}

// Remote tells Alertmanagers elsewhere instead of being one. Each of them is told every alert, by itself: one that is
// down, slow or new delays nobody and misses nothing that still matters when it is back. What is kept for them is the
// state of all alerts, in memory; whoever Puts them does so anew after a restart. All methods may be called
// concurrently.
type Remote struct {
	o         RemoteOptions
	log       *slog.Logger
	endpoints []*endpoint

	mu     sync.Mutex
	alerts map[model.Fingerprint]remoteAlert
}

// remoteAlert is the last known state of an alert.
type remoteAlert struct {
	Alert
	labels model.LabelSet
	// changed counts changes of whether it fires: an endpoint that has an older one has to be told at once.
	changed uint64
}

// knows says whether the end of an alert is no news: it was told before, it is that of an earlier episode, or it is so
// long ago that Alertmanagers have ended the alert by themselves.
func (had remoteAlert) knows(a Alert, known bool, now time.Time) bool {
	switch {
	case !known:
		return now.Sub(a.EndsAt) > remoteResolved
	case had.ResolvedAt(now):
		return !a.EndsAt.After(had.EndsAt)
	}
	return a.StartsAt.Before(had.StartsAt) && !a.EndsAt.After(had.StartsAt)
}

// endpoint is one Alertmanager and what it has been told.
type endpoint struct {
	name   string
	url    string
	client *http.Client
	limit  time.Duration
	wake   chan struct{}

	// told is the change of each alert that it has. Only its own goroutine looks at it, and forget under Remote.mu.
	mu    sync.Mutex
	told  map[model.Fingerprint]uint64
	fares Delivery
}

// NewRemote makes a Remote. It fails for an endpoint that cannot be asked at all; its errors hold no secrets.
func NewRemote(endpoints []Endpoint, o RemoteOptions) (*Remote, error) {
	o.Resend, o.FailingAfter = cmp.Or(o.Resend, time.Minute), cmp.Or(o.FailingAfter, DefaultFailingAfter)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Remote{o: o, log: o.Logger, alerts: map[model.Fingerprint]remoteAlert{}}
	for i, e := range endpoints {
		u, err := url.Parse(e.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("alertmanagers[%d].url: want http://HOST:PORT or https://…, with the path prefix if there is one", i)
		}
		name := u.Host + strings.TrimRight(u.Path, "/")
		if slices.ContainsFunc(r.endpoints, func(o *endpoint) bool { return o.name == name }) {
			return nil, fmt.Errorf("alertmanagers[%d].url: %s is listed twice", i, name)
		}
		client, err := commoncfg.NewClientFromConfig(e.HTTP, "alertmanager")
		if err != nil {
			return nil, fmt.Errorf("alertmanagers[%d]: %s", i, withoutURLs(err.Error()))
		}
		r.endpoints = append(r.endpoints, &endpoint{
			name: name, url: u.JoinPath("api/v2/alerts").String(), client: client, limit: cmp.Or(e.Timeout, 10*time.Second),
			wake: make(chan struct{}, 1), told: map[model.Fingerprint]uint64{},
			fares: Delivery{Receiver: remoteName, Integration: name},
		})
	}
	if len(r.endpoints) == 0 {
		return nil, errors.New("no alertmanagers are named")
	}
	return r, nil
}

// Put tells the state of alerts, as Engine.Put does. It returns at once: what is Put is sent by Run.
func (r *Remote) Put(ctx context.Context, alerts ...Alert) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var errs []error
	news := false
	for _, a := range standInsFirst(alerts) {
		x, err := a.export(now)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fp := x.Fingerprint()
		had, known := r.alerts[fp]
		if a.ResolvedAt(now) && had.knows(a, known, now) {
			continue
		}
		next := remoteAlert{Alert: a, labels: x.Labels, changed: had.changed}
		next.StartsAt = x.StartsAt
		if !known || a.ResolvedAt(now) != had.ResolvedAt(now) || !a.ResolvedAt(now) && !next.StartsAt.Equal(had.StartsAt) {
			next.changed++
			news = true
		}
		r.alerts[fp] = next
	}
	if news {
		for _, e := range r.endpoints {
			select {
			case e.wake <- struct{}{}:
			default:
			}
		}
	}
	return errors.Join(errs...)
}

// Run sends until ctx ends.
func (r *Remote) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, e := range r.endpoints {
		all.Go(func() { r.serve(ctx, e) })
	}
	all.Go(func() { r.watchDeliveries(ctx) })
	all.Wait()
	return nil
}

// watchDeliveries tells of Alertmanagers that take nothing, until ctx ends. The others hear of it, and the one itself
// once it is over.
func (r *Remote) watchDeliveries(ctx context.Context) {
	tick := time.NewTicker(failingTick)
	defer tick.Stop()
	told := map[string]Alert{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, d := range r.Deliveries() {
			a, open := told[d.Integration]
			switch failing := d.FailingFor(time.Now()) >= r.o.FailingAfter; {
			case failing && !open:
				told[d.Integration] = failingAlert(d)
				a = told[d.Integration]
			case !failing && open:
				delete(told, d.Integration)
				a.EndsAt = time.Now()
			default:
				continue
			}
			if err := r.Put(ctx, a); err != nil && ctx.Err() == nil {
				r.log.Error("failing Alertmanagers cannot be told of", "err", err)
			}
		}
	}
}

// Close lets go of idle connections.
func (r *Remote) Close() error {
	for _, e := range r.endpoints {
		e.client.CloseIdleConnections()
	}
	return nil
}

// serve keeps one Alertmanager told.
func (r *Remote) serve(ctx context.Context, e *endpoint) {
	pause := remoteRetry
	for ctx.Err() == nil {
		wait := r.o.Resend
		if err := r.tell(ctx, e); err != nil && ctx.Err() == nil {
			r.log.Error("Alertmanager does not take alerts", "alertmanager", e.name, "err", err)
			wait, pause = min(pause, r.o.Resend), min(2*pause, r.o.Resend)
		} else {
			pause = remoteRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-e.wake:
		}
		timer.Stop()
	}
}

// tell sends an Alertmanager all that fires, and the ends that it may not have heard of.
func (r *Remote) tell(ctx context.Context, e *endpoint) error {
	now := time.Now()
	alerts, changes := r.due(e, now)
	// Those that hold others back come first, and have a moment to be heard.
	lead := slices.IndexFunc(alerts, func(p postable) bool { return !p.leads })
	if lead < 0 {
		lead = len(alerts)
	}
	err := e.postAll(ctx, alerts[:lead], changes)
	if err == nil && lead > 0 && lead < len(alerts) {
		select {
		case <-ctx.Done():
		case <-time.After(remoteLead):
		}
	}
	if err == nil {
		err = e.postAll(ctx, alerts[lead:], changes)
	}
	if ctx.Err() == nil {
		e.note(err, now)
	}
	r.forget(now)
	return err
}

// postAll sends alerts in batches, and notes what was taken.
func (e *endpoint) postAll(ctx context.Context, alerts []postable, changes map[model.Fingerprint]uint64) error {
	for batch := range slices.Chunk(alerts, remoteBatch) {
		if err := e.post(ctx, batch); err != nil {
			return err
		}
		e.mu.Lock()
		for _, a := range batch {
			e.told[a.fingerprint] = changes[a.fingerprint]
		}
		e.mu.Unlock()
	}
	return nil
}

// postable is an alert as Alertmanager's API takes it.
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`

	fingerprint model.Fingerprint
	// leads says that it fires and holds others back.
	leads bool
}

// due gives what an Alertmanager is to be sent now, causes and escalations first, then ends.
func (r *Remote) due(e *endpoint, now time.Time) ([]postable, map[model.Fingerprint]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	changes := make(map[model.Fingerprint]uint64, len(r.alerts))
	var firing, ends []postable
	for fp, a := range r.alerts {
		p := postable{
			Labels: stringMap(a.labels), Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt, GeneratorURL: a.GeneratorURL, fingerprint: fp,
		}
		changes[fp] = a.changed
		switch {
		case !a.ResolvedAt(now):
			p.EndsAt = now.Add(remoteEnds * r.o.Resend)
			p.leads = a.standsFor() != nil
			firing = append(firing, p)
		case e.told[fp] != a.changed || now.Sub(a.EndsAt) <= remoteResolved:
			if a.Labels[model.AlertNameLabel] == CauseName || a.Labels[EscalationLabel] != "" {
				p.EndsAt = p.EndsAt.Add(remoteOutlasts)
			}
			ends = append(ends, p)
		}
	}
	slices.SortFunc(firing, func(a, b postable) int {
		return cmp.Or(boolOrder(a.Labels[model.AlertNameLabel] == CauseName, b.Labels[model.AlertNameLabel] == CauseName),
			strings.Compare(b.Labels[EscalationLabel], a.Labels[EscalationLabel]), a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.fingerprint, b.fingerprint))
	})
	slices.SortFunc(ends, func(a, b postable) int {
		return cmp.Or(a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.fingerprint, b.fingerprint))
	})
	leads := 0
	for leads < len(firing) && firing[leads].leads {
		leads++
	}
	// Ends are no reason to let what is held back come with what holds it back: there are some after every recovery.
	return slices.Concat(firing[:leads], ends, firing[leads:]), changes
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// forget lets go of ends that all have been told, or that are too old to matter.
func (r *Remote) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for fp, a := range r.alerts {
		if !a.ResolvedAt(now) || now.Sub(a.EndsAt) <= remoteResolved {
			continue
		}
		all := true
		for _, e := range r.endpoints {
			e.mu.Lock()
			all = all && e.told[fp] == a.changed
			e.mu.Unlock()
		}
		if all || now.Sub(a.EndsAt) > remoteForgets {
			delete(r.alerts, fp)
			for _, e := range r.endpoints {
				e.mu.Lock()
				delete(e.told, fp)
				e.mu.Unlock()
			}
		}
	}
}

// post sends one batch.
func (e *endpoint) post(ctx context.Context, batch []postable) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.limit, fmt.Errorf("no answer within %s", e.limit))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("request cannot be made")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "maildrift")
	resp, err := e.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return errors.New(withoutURLs(err.Error()))
	}
	defer resp.Body.Close()
	says, _ := io.ReadAll(io.LimitReader(resp.Body, maxBeatBody)) // the status is the answer
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return fmt.Errorf("answered %d %s: %.200q", resp.StatusCode, http.StatusText(resp.StatusCode), withoutURLs(string(says)))
}

func (e *endpoint) note(err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fares.LastAttempt = now
	if err == nil {
		e.fares.LastSuccess, e.fares.FailingSince, e.fares.LastError = now, time.Time{}, ""
		return
	}
	if e.fares.FailingSince.IsZero() {
		e.fares.FailingSince = now
	}
	e.fares.LastError = err.Error()
}

// Deliveries returns how each Alertmanager fares.
func (r *Remote) Deliveries() []Delivery {
	var out []Delivery
	for _, e := range r.endpoints {
		e.mu.Lock()
		out = append(out, e.fares)
		e.mu.Unlock()
	}
	return out
}

// Undeliverable says why no Alertmanager takes alerts, and has not for some minutes; nil if one does.
func (r *Remote) Undeliverable() error {
	var why error
	for _, d := range r.Deliveries() {
		if d.FailingFor(time.Now()) < passing {
			return nil
		}
		why = fmt.Errorf("no Alertmanager takes alerts: %s: %s", d.Integration, d.LastError)
	}
	return why
}

// Handler answers that Alertmanager is elsewhere.
func (r *Remote) Handler() http.Handler {
	var names []string
	for _, e := range r.endpoints {
		names = append(names, e.name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "alerts are sent to Alertmanagers elsewhere: ask "+strings.Join(names, ", "), http.StatusNotFound)
	})
}

// Try sends an alert to each Alertmanager and says what each answers. The receiver must be empty or that of all of
// them: which receivers get it is decided there.
func (r *Remote) Try(ctx context.Context, receiver string, a Alert) ([]Trial, error) {
	if receiver != "" && receiver != remoteName {
		return nil, fmt.Errorf("%w %q: alerts go to Alertmanagers elsewhere, which decide on receivers; leave it out", ErrNoReceiver, receiver)
	}
	x, err := a.export(time.Now())
	if err != nil {
		return nil, err
	}
	var out []Trial
	for _, e := range r.endpoints {
		began := time.Now()
		p := postable{Labels: stringMap(x.Labels), Annotations: a.Annotations, StartsAt: x.StartsAt, EndsAt: x.StartsAt.Add(r.o.Resend), GeneratorURL: a.GeneratorURL}
		out = append(out, Trial{Receiver: remoteName, Integration: e.name, Err: e.post(ctx, []postable{p}), Took: time.Since(began)})
	}
	return out, nil
}
