package web_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"maildrift/monitor"
	"maildrift/monitor/diagnose"
	"maildrift/monitor/health"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web"
	"maildrift/monitor/web/wire"
)

func TestMain(m *testing.M) {
	// A server waits half a second before it closes a connection that it refused to read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// now is the time at which all tests look.
var now = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// presetText is a small mail service.
const presetText = `
id: directmail
title: Direct Mail
summary: A mail service for tests.
docs: https://service.example/docs
params:
  - {name: region, title: region, default: cn, values: [cn, sg], example: cn}
records:
  - {key: spf, title: who may send, kind: spf, host: "@", match: contains, want: ["include:spf.service.example"]}
  - {key: mx, title: bounces, kind: mx, host: "@", match: equal, want: ["10 mx-{{region}}.service.example"]}
`

func presets(t testing.TB) preset.Set {
	t.Helper()
	set, err := preset.Load(fstest.MapFS{
		"directmail.yml": {Data: []byte(presetText)},
		"custom.yml":     {Data: []byte("id: custom\ntitle: Custom\nsummary: Everything is explicit.\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fakeEngine is an engine in memory that asks nobody.
type fakeEngine struct {
	t       testing.TB
	presets preset.Set

	mu    sync.Mutex
	snap  *monitor.Snapshot
	calls []string
	// changed is closed by the next change; nil while nobody waits.
	changed chan struct{}
	// fail, if set, is what every change answers.
	fail error
	// checking, if set, runs within CheckNow.
	checking func(ctx context.Context) error
}

var _ web.Engine = (*fakeEngine)(nil)
var _ web.Engine = (*monitor.Engine)(nil)

func newFakeEngine(t testing.TB) *fakeEngine {
	return &fakeEngine{t: t, presets: presets(t), snap: &monitor.Snapshot{
		At: now, Presets: presets(t),
		Sweeps: map[string]monitor.SweepSummary{"default": {
			Group: "default", Started: now.Add(-10 * time.Minute), Duration: 4 * time.Second,
			Domains: 3, Records: 6, Questions: 60, Shared: 12, Spared: 30, Withheld: 5, Failures: 1,
		}},
		NextSweep: map[string]time.Time{"default": now.Add(5 * time.Minute)},
		Estimates: map[string]pace.Estimate{"default": pace.Load{
			Interval: 15 * time.Minute, TTLs: map[uint32]int{3600: 1}, Parties: []pace.Party{{Name: "google", Questions: 30_000, Rate: 20}},
		}.Estimate()},
		Self: monitor.SelfState{
			LastGoodSweep: now.Add(-10 * time.Minute),
			Dissenters: map[resolve.Operator]monitor.Dissenter{
				"google": {Group: "default", Sweeps: 2, Reason: "it alone says that shop.example/spf is something else"},
				"quad9":  {Group: "default", Sweeps: 5, Since: now.Add(-2 * time.Hour), Agreed: 1, Reason: "it alone says that notice.example/spf is not there"},
			},
		},
		Sources: []*resolve.Source{
			{ID: "google", Operator: "google", Addrs: []netip.AddrPort{netip.MustParseAddrPort("8.8.8.8:53")}, Rate: 50},
			{ID: "quad9", Operator: "quad9", Transport: resolve.DoT, ServerName: "dns.quad9.net", Addrs: []netip.AddrPort{netip.MustParseAddrPort("9.9.9.9:853")}},
		},
	}}
}

func (e *fakeEngine) Snapshot() *monitor.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.snap
}

// register puts a domain into the snapshot; its records are pending. Keys may be
// such as the real registry refuses: whatever gets in must be shown unharmed.
func (e *fakeEngine) register(spec monitor.Spec, origin monitor.Origin) *monitor.Domain {
	tame, wild := spec, map[string]string{}
	tame.Expect = slices.Clone(spec.Expect)
	for i, x := range spec.Expect {
		if x.Key != "" {
			tame.Expect[i].Key = fmt.Sprintf("key-%d", i)
			wild[tame.Expect[i].Key] = x.Key
		}
	}
	d, err := tame.Resolve(e.presets)
	if err != nil {
		e.t.Fatal(err)
	}
	for i, r := range d.Records {
		d.Records[i].Key = cmp.Or(wild[r.Key], r.Key)
	}
	slices.SortFunc(d.Records, func(a, b monitor.Record) int { return cmp.Compare(a.Key, b.Key) })
	d.Spec = spec
	d.Origin, d.Registered = origin, now.Add(-24*time.Hour)
	e.change(func(s *monitor.Snapshot) { addDomain(s, d) })
	return d
}

// registerMany puts n domains of a mail service into the snapshot: d0000.example and so on.
func (e *fakeEngine) registerMany(n int) {
	one, err := monitor.Spec{Domain: "one.example", Service: "directmail"}.Resolve(e.presets)
	if err != nil {
		e.t.Fatal(err)
	}
	var all []*monitor.Domain
	for i := range n {
		d := *one
		d.Name = rrset.Name(fmt.Sprintf("d%04d.example", i))
		d.Spec.Domain, d.Spec.Note = string(d.Name), "one of many that are alike, with a note of some length"
		all = append(all, &d)
	}
	e.change(func(s *monitor.Snapshot) { addDomain(s, all...) })
}

func addDomain(s *monitor.Snapshot, added ...*monitor.Domain) {
	s.Domains = append(slices.Clone(s.Domains), added...)
	slices.SortFunc(s.Domains, func(a, b *monitor.Domain) int { return cmp.Compare(a.Name, b.Name) })
	var states []*monitor.RecordState
	for _, d := range added {
		for _, r := range d.Records {
			id := monitor.RecordID{Domain: d.Name, Key: r.Key}
			states = append(states, &monitor.RecordState{ID: id, Name: r.Name, Expectation: r.Expectation, State: judge.State{Since: d.Registered, Registered: d.Registered}})
		}
	}
	s.States = s.States.With(states...)
}

// Changed implements web.Engine.
func (e *fakeEngine) Changed() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

// change makes a new snapshot, as an engine does.
func (e *fakeEngine) change(how func(s *monitor.Snapshot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
	next := *e.snap
	next.Generation++
	how(&next)
	e.snap = &next
}

// state changes one record.
func (e *fakeEngine) state(domain rrset.Name, key string, how func(s *monitor.RecordState)) {
	e.change(func(s *monitor.Snapshot) {
		id := monitor.RecordID{Domain: domain, Key: key}
		next := *s.States.Get(id)
		how(&next)
		s.States = s.States.With(&next)
		if next.Incident != nil {
			s.Open = append(slices.Clone(s.Open), *next.Incident)
		}
	})
}

func (e *fakeEngine) called(format string, args ...any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
	return e.fail
}

func (e *fakeEngine) AddAll(_ context.Context, specs []monitor.Spec, by string) ([]*monitor.Domain, error) {
	if err := e.called("add %d by %s", len(specs), by); err != nil {
		return nil, err
	}
	var out []*monitor.Domain
	for _, spec := range specs {
		d, err := spec.Resolve(e.presets)
		if err != nil {
			return nil, err
		}
		if e.Snapshot().States.Get(monitor.RecordID{Domain: d.Name, Key: d.Records[0].Key}) != nil {
			return nil, fmt.Errorf("domain %s: %w", d.Name, monitor.ErrExists)
		}
		d.Registered = now
		out = append(out, d)
	}
	e.change(func(s *monitor.Snapshot) { addDomain(s, out...) })
	return out, nil
}

func (e *fakeEngine) find(name rrset.Name) (*monitor.Domain, error) {
	for _, d := range e.Snapshot().Domains {
		if d.Name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("domain %s: %w", name, monitor.ErrNotFound)
}

func (e *fakeEngine) SetSenders(_ context.Context, name rrset.Name, senders []string, by string) error {
	if err := e.called("senders of %s are %v by %s", name, senders, by); err != nil {
		return err
	}
	d, err := e.find(name)
	if err != nil {
		return err
	}
	next := *d
	next.Spec.Senders = senders
	e.change(func(s *monitor.Snapshot) {
		s.Domains = slices.Clone(s.Domains)
		s.Domains[slices.Index(s.Domains, d)] = &next
	})
	return nil
}

func (e *fakeEngine) Remove(_ context.Context, name rrset.Name, by string) error {
	if err := e.called("remove %s by %s", name, by); err != nil {
		return err
	}
	return e.remove(name, false)
}

func (e *fakeEngine) ForceRemove(_ context.Context, name rrset.Name, by string) error {
	if err := e.called("force-remove %s by %s", name, by); err != nil {
		return err
	}
	return e.remove(name, true)
}

func (e *fakeEngine) remove(name rrset.Name, force bool) error {
	d, err := e.find(name)
	if err != nil {
		return err
	}
	if d.Origin.ReadOnly() {
		return fmt.Errorf("domain %s is %w: it stands in %s:%d", name, monitor.ErrReadOnly, d.Origin.File, d.Origin.Line)
	}
	if len(d.Spec.Senders) > 0 && !force {
		return fmt.Errorf("domain %s %w: %s", name, monitor.ErrHasSenders, d.Spec.Senders)
	}
	e.change(func(s *monitor.Snapshot) {
		s.Domains = slices.DeleteFunc(slices.Clone(s.Domains), func(d *monitor.Domain) bool { return d.Name == name })
	})
	return nil
}

func (e *fakeEngine) CheckNow(ctx context.Context, name rrset.Name) error {
	if err := e.called("check %s", name); err != nil {
		return err
	}
	if e.checking != nil {
		return e.checking(ctx)
	}
	_, err := e.find(name)
	return err
}

func (e *fakeEngine) Accept(_ context.Context, id monitor.RecordID, by, why string) error {
	if err := e.called("accept %s by %s because %s", id, by, why); err != nil {
		return err
	}
	s := e.Snapshot().States.Get(id)
	switch {
	case s == nil:
		return fmt.Errorf("record %s: %w", id, monitor.ErrNotFound)
	case s.Verdict != judge.Drifted:
		return fmt.Errorf("record %s is %s: %w", id, s.Verdict, monitor.ErrNothingToAccept)
	}
	e.state(id.Domain, id.Key, func(s *monitor.RecordState) {
		s.Verdict, s.Baseline, s.Seen = judge.Holding, s.Seen, rrset.Set{}
		s.Incident, s.Finding = nil, mailrec.Finding{}
	})
	return nil
}

func (e *fakeEngine) Announce(_ context.Context, a monitor.Announcement) error {
	if err := e.called("announce %s %q gone=%v until %s by %s because %s", a.ID, a.Value, a.Gone, a.Until.UTC().Format(time.RFC3339), a.By, a.Why); err != nil {
		return err
	}
	s := e.Snapshot().States.Get(a.ID)
	if s == nil {
		return fmt.Errorf("record %s: %w", a.ID, monitor.ErrNotFound)
	}
	next, err := rrset.Parse(s.Expectation.Kind.Type(), a.Value...)
	if err != nil {
		return &monitor.FieldError{Path: "value", Err: err}
	}
	e.state(a.ID.Domain, a.ID.Key, func(s *monitor.RecordState) {
		s.Change = &monitor.Change{Next: next, Announced: now, Until: a.Until, By: a.By, Why: a.Why}
	})
	return nil
}

func (e *fakeEngine) Withdraw(_ context.Context, id monitor.RecordID, by, why string) error {
	if err := e.called("withdraw %s by %s because %s", id, by, why); err != nil {
		return err
	}
	if s := e.Snapshot().States.Get(id); s == nil || s.Change == nil {
		return fmt.Errorf("record %s: %w", id, monitor.ErrNothingAnnounced)
	}
	e.state(id.Domain, id.Key, func(s *monitor.RecordState) { s.Change = nil })
	return nil
}

func (e *fakeEngine) Rotate(_ context.Context, r monitor.Rotation) (monitor.Record, error) {
	err := e.called("rotate %s to %s %q by %s because %s", r.ID, r.Selector, r.Value, r.By, r.Why)
	return monitor.Record{Key: "dkim:" + r.Selector}, err
}

func (e *fakeEngine) Pause(_ context.Context, id monitor.RecordID, until time.Time, by, why string) error {
	if err := e.called("pause %s until %s by %s because %s", id, until.UTC().Format(time.RFC3339), by, why); err != nil {
		return err
	}
	return e.pauses(id.Domain, monitor.Pause{Record: id.Key, Since: now, Until: until, By: by, Why: why})
}

func (e *fakeEngine) Resume(_ context.Context, id monitor.RecordID, by, why string) error {
	if err := e.called("resume %s by %s because %s", id, by, why); err != nil {
		return err
	}
	if d, err := e.find(id.Domain); err == nil && len(d.Pauses) == 0 {
		return fmt.Errorf("%s is %w", id.Domain, monitor.ErrNotPaused)
	}
	return e.pauses(id.Domain)
}

func (e *fakeEngine) Note(_ context.Context, a monitor.Audit) error {
	return e.called("note %s %s/%s by %s because %s: %s", a.Action, a.Domain, a.Record, a.By, a.Why, a.Detail)
}

// pauses puts pauses in the place of a domain's.
func (e *fakeEngine) pauses(name rrset.Name, pauses ...monitor.Pause) error {
	d, err := e.find(name)
	if err != nil {
		return err
	}
	next := *d
	next.Pauses = pauses
	e.change(func(s *monitor.Snapshot) {
		s.Domains = slices.Clone(s.Domains)
		s.Domains[slices.Index(s.Domains, d)] = &next
	})
	return nil
}

// fakeHistory keeps in memory what a store keeps.
type fakeHistory struct {
	mu          sync.Mutex // guards transitions
	transitions []monitor.Transition
	intervals   []monitor.Interval
	sweeps      []monitor.SweepSummary
	audit       []monitor.Audit
	notices     []monitor.Notice
	backup      []byte
	// failAfter makes Backup fail after so many bytes; negative means never. fail fails all else.
	failAfter int
	fail      error
}

func newFakeHistory() *fakeHistory { return &fakeHistory{failAfter: -1, backup: []byte("database")} }

// selected gives the rows of a query.
func selected[T any](rows []T, q web.Query, at func(T) time.Time, id func(T) monitor.RecordID) []T {
	var out []T
	for _, row := range rows {
		switch t := at(row); {
		case !q.Since.IsZero() && t.Before(q.Since), !q.Until.IsZero() && !t.Before(q.Until):
		case q.Domain != "" && id(row).Domain != q.Domain, q.Record != "" && id(row).Key != q.Record:
		default:
			out = append(out, row)
		}
	}
	slices.SortStableFunc(out, func(a, b T) int { return at(a).Compare(at(b)) })
	if q.Newest {
		slices.Reverse(out)
	}
	return out[:min(len(out), q.Limit)]
}

func (h *fakeHistory) add(t monitor.Transition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.transitions = append(h.transitions, t)
}

func (h *fakeHistory) Transitions(_ context.Context, q web.Query) ([]monitor.Transition, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return selected(h.transitions, q, func(t monitor.Transition) time.Time { return t.At }, func(t monitor.Transition) monitor.RecordID { return t.ID }), h.fail
}

func (h *fakeHistory) Audit(_ context.Context, q web.Query) ([]monitor.Audit, error) {
	return selected(h.audit, q, func(a monitor.Audit) time.Time { return a.At }, func(a monitor.Audit) monitor.RecordID {
		return monitor.RecordID{Domain: a.Domain, Key: a.Record}
	}), h.fail
}

func (h *fakeHistory) Intervals(_ context.Context, q web.Query) ([]monitor.Interval, error) {
	return selected(h.intervals, q, func(i monitor.Interval) time.Time { return i.From }, func(i monitor.Interval) monitor.RecordID { return i.ID }), h.fail
}

func (h *fakeHistory) Notices(_ context.Context, q web.Query) ([]monitor.Notice, error) {
	return selected(h.notices, q, func(n monitor.Notice) time.Time { return n.At }, func(n monitor.Notice) monitor.RecordID {
		return monitor.RecordID{Domain: n.About[0].Domain, Key: n.About[0].Record}
	}), h.fail
}

func (h *fakeHistory) Sweeps(_ context.Context, q web.Query) ([]monitor.SweepSummary, error) {
	return selected(h.sweeps, q, func(s monitor.SweepSummary) time.Time { return s.Started }, func(monitor.SweepSummary) monitor.RecordID { return monitor.RecordID{} }), h.fail
}

func (h *fakeHistory) Backup(_ context.Context, w io.Writer) (int64, error) {
	if h.failAfter >= 0 {
		n, err := w.Write(h.backup[:h.failAfter])
		return int64(n), cmp.Or(err, errors.New("disk on fire"))
	}
	n, err := w.Write(h.backup)
	return int64(n), err
}

// world is a site over fakes, with three domains: all well, one in trouble, one hostile.
type world struct {
	t       testing.TB
	engine  *fakeEngine
	history *fakeHistory
	log     *safeBuffer
	options web.Options
	// fixed is the handler if it is to be the same for all requests; passed is how far the clock has gone.
	fixed  http.Handler
	passed time.Duration
	// compacting says that a compaction is under way.
	compacting bool
}

// safeBuffer takes the log from any goroutine.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newWorld makes a world without domains.
func newWorld(t testing.TB) *world {
	w := &world{t: t, engine: newFakeEngine(t), history: newFakeHistory(), log: &safeBuffer{}}
	w.options = web.Options{
		Health: func() []health.Source {
			return []health.Source{{ID: "google", Last: now, Heard: now, Hour: health.Slot{Start: now.Add(-time.Hour), Asked: 60, Evidence: 59, Lost: 1, Median: 20 * time.Millisecond, P99: time.Second}}}
		},
		Diagnose: func(_ context.Context, d *monitor.Domain, state func(string) *monitor.RecordState) ([]wire.RecordDiagnosis, error) {
			if state(d.Records[0].Key) == nil {
				return nil, errors.New("no state")
			}
			return []wire.RecordDiagnosis{{
				Record: d.Records[0].Key, Status: "missing", Reason: "<script>", Commands: []string{"dig +short \x1b"},
				Causes: []diagnose.Diagnosis{{Sentence: "published one level too deep", Fix: "move it", Evidence: []string{"seen at <b>"}, Publish: []diagnose.Line{{Record: diagnose.Record{Name: d.Name, Value: "v=spf1 -all"}}}}},
			}}, nil
		},
		Receivers: func() []wire.Receiver {
			return []wire.Receiver{{Receiver: "hook", Integration: "webhook[0]", LastSuccess: now.Add(-time.Minute), LastAttempt: now.Add(-time.Minute)}}
		},
		Compact: func(context.Context) (wire.Compaction, error) {
			if w.compacting {
				return wire.Compaction{}, fmt.Errorf("database: %w", web.ErrBusy)
			}
			return wire.Compaction{Before: 3000, After: 1000, Took: time.Second, Held: time.Millisecond}, w.history.fail
		},
		Engine: w.engine, History: w.history, Ready: func() error { return nil },
		Version: "1.2.3", Started: now.Add(-time.Hour), Now: func() time.Time { return now.Add(w.passed) },
		Logger: slog.New(slog.NewTextHandler(w.log, nil)),
		TryAlert: func(_ context.Context, receiver, severity string) ([]wire.Trial, error) {
			if receiver == "nobody" {
				return nil, &monitor.FieldError{Path: "receiver", Err: errors.New("no receiver has that name")}
			}
			return []wire.Trial{{Receiver: receiver + "/" + severity, Integration: "webhook[0]", Error: "answered 401", Took: time.Second}}, nil
		},
	}
	return w
}

// later moves the clock.
func (w *world) later(d time.Duration) { w.passed += d }

func (w *world) handler() http.Handler {
	w.t.Helper()
	if w.fixed != nil {
		return w.fixed
	}
	h, err := web.New(w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// ask makes a request as a local client does; headers are name and value in turn.
func (w *world) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://127.0.0.1:9853"+path, in)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	out := httptest.NewRecorder()
	w.handler().ServeHTTP(out, r)
	return out
}

// askHandler makes a plain local request of a handler.
func askHandler(h http.Handler, method, path string) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	h.ServeHTTP(out, httptest.NewRequest(method, "http://127.0.0.1:9853"+path, nil))
	return out
}

func txt(lines ...string) rrset.Set {
	var data [][]byte
	for _, l := range lines {
		data = append(data, rrset.TXTData([]byte(l)))
	}
	return rrset.NewSet(rrset.TXT, data...)
}

const evil = "<script>alert(1)</script>\x1b[31m\u202e\"'&\x00"

// populated makes a world in which something has happened.
func populated(t testing.TB) *world {
	w := newWorld(t)
	w.engine.register(monitor.Spec{Domain: "calm.example", Service: "directmail", Note: "all is well"}, monitor.Origin{File: "maildrift.yml", Line: 12})
	for _, key := range []string{"spf", "mx"} {
		w.engine.state("calm.example", key, func(s *monitor.RecordState) {
			s.Phase, s.Verdict, s.VerifiedAt, s.Since = judge.Verified, judge.Holding, now.Add(-2*time.Hour), now.Add(-2*time.Hour)
			s.Baseline = txt("v=spf1 include:spf.service.example -all")
		})
	}
	w.engine.register(monitor.Spec{Domain: "notice.example", Service: "directmail", Labels: map[string]string{"team": "growth"}}, monitor.Origin{})
	drift(w)
	hostile(w)
	return w
}

// drift lets the SPF record of notice.example change at its authority and at one of two
// operators.
func drift(w *world) {
	id := monitor.RecordID{Domain: "notice.example", Key: "spf"}
	was, is := txt("v=spf1 include:spf.service.example -all"), txt("v=spf1 -all")
	finding := mailrec.Finding{
		Class: mailrec.Differs, Reason: "the mail service may no longer send", Rule: "RFC 7208 section 5.2", Impact: mailrec.Rejected, Relation: mailrec.Broken,
		Changes: []mailrec.Change{{Op: "-", Term: "include:spf.service.example"}},
	}
	votes := []monitor.SourceVote{
		{Source: "ns1.notice.example/192.0.2.1", Authority: true, Stand: judge.Differs, Lines: is.Lines(), TTL: 300, At: now.Add(-time.Minute)},
		{Source: "google", Operator: "google", Stand: judge.Differs, Lines: is.Lines(), TTL: 120, At: now.Add(-time.Minute), Latency: 9 * time.Millisecond},
		{Source: "quad9", Operator: "quad9", Stand: judge.Good, Lines: was.Lines(), TTL: 200, At: now.Add(-time.Minute), Latency: 12 * time.Millisecond},
		{Source: "opendns", Operator: "opendns", Outcome: resolve.ServFail, Stand: judge.Unheard, At: now.Add(-time.Minute),
			EDE: []resolve.EDE{{Code: 6, Text: "DNSSEC bogus"}}},
	}
	decision := judge.Decision{Verdict: judge.Drifted, Stage: judge.AtAuthority, Authority: judge.AuthorityWrong, Configured: 3, Heard: 2, Wrong: 1, Servers: 1, ServersHeard: 1, ServersWrong: 1}
	w.engine.state(id.Domain, id.Key, func(s *monitor.RecordState) {
		s.Phase, s.Verdict, s.Stage = judge.Verified, judge.Drifted, judge.AtAuthority
		s.VerifiedAt, s.Since = now.Add(-20*time.Hour), now.Add(-5*time.Minute)
		s.Baseline, s.Seen, s.Finding = was, is, finding
		s.Deadline, s.LastDeadline = now.Add(2*time.Minute), now.Add(4*time.Minute)
		s.Incident = &monitor.Incident{
			ID: id, Name: monitor.AlertDrifted, Value: "1234abcd", Impact: mailrec.Rejected, Opened: now.Add(-5 * time.Minute),
			Facts: monitor.Facts{Kind: mailrec.SPF, Owner: "notice.example", Type: rrset.TXT, Was: was, Is: is, Finding: finding,
				Stage: judge.AtAuthority, Decision: decision, Votes: votes, Deadline: s.Deadline, LastDeadline: s.LastDeadline},
		}
	})
	w.engine.change(func(s *monitor.Snapshot) { s.Votes = s.Votes.With(id, votes) })
	w.history.transitions = append(w.history.transitions, monitor.Transition{
		Seq: 1, ID: id, New: was, Transition: judge.Transition{To: judge.Position{Phase: judge.Verified, Verdict: judge.Holding}, At: now.Add(-20 * time.Hour)},
	}, monitor.Transition{
		Seq: 2, ID: id, Old: was, New: is, Finding: finding, Decision: decision, Votes: votes,
		Transition: judge.Transition{
			From: judge.Position{Phase: judge.Verified, Verdict: judge.Holding},
			To:   judge.Position{Phase: judge.Verified, Verdict: judge.Drifted, Stage: judge.AtAuthority}, At: now.Add(-5 * time.Minute),
		},
	})
	w.history.intervals = append(w.history.intervals,
		monitor.Interval{ID: id, Source: "google", From: now.Add(-20 * time.Hour), Set: was, TTL: 300},
		monitor.Interval{ID: id, Source: "google", From: now.Add(-time.Minute), Set: is, TTL: 120})
	w.history.sweeps = append(w.history.sweeps, w.engine.Snapshot().Sweeps["default"])
}

// hostile registers a domain in which everything that strangers can write is an attack.
func hostile(w *world) {
	w.engine.register(monitor.Spec{
		Domain: "zz-hostile.example", Note: evil, Labels: map[string]string{"team": evil},
		Expect: []monitor.ExpectSpec{{Kind: mailrec.TXT, Key: "k" + evil, Match: "captured"}},
	}, monitor.Origin{})
	id := monitor.RecordID{Domain: "zz-hostile.example", Key: "k" + evil}
	w.engine.state(id.Domain, id.Key, func(s *monitor.RecordState) {
		s.Phase, s.Verdict, s.Since = judge.Verified, judge.Missing, now.Add(-time.Hour)
		s.Baseline = txt(evil)
		s.Finding = mailrec.Finding{Reason: evil, Rule: evil, Notes: []string{evil}, Changes: []mailrec.Change{{Op: evil, Term: evil, Was: evil, Now: evil}}}
		s.Incident = &monitor.Incident{ID: id, Name: monitor.AlertMissing, Impact: mailrec.Weakened, Opened: now.Add(-time.Hour), Facts: monitor.Facts{Finding: s.Finding}}
	})
	w.engine.change(func(s *monitor.Snapshot) {
		s.Votes = s.Votes.With(id, []monitor.SourceVote{{
			Source: "ns" + evil + "/192.0.2.9", Authority: true, Outcome: resolve.Refused, Detail: evil, EDE: []resolve.EDE{{Code: 22, Text: evil}},
		}})
	})
	w.history.transitions = append(w.history.transitions, monitor.Transition{Seq: 3, ID: id, By: evil, Why: evil, New: txt(evil), Transition: judge.Transition{At: now}})
}
