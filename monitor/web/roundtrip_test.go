package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

// connect serves a world and gives a client of it.
func connect(t *testing.T, w *world) *client.Client {
	t.Helper()
	server := httptest.NewServer(w.handler())
	t.Cleanup(server.Close)
	return dial(t, strings.TrimPrefix(server.URL, "http://"))
}

// TestClientReadsWhatTheServerSays takes everything that can be read through client and
// server and compares it with what package wire made of the snapshot.
func TestClientReadsWhatTheServerSays(t *testing.T) {
	w := populated(t)
	c, ctx, snap := connect(t, w), t.Context(), w.engine.Snapshot()
	notice := snap.Domains[slices.IndexFunc(snap.Domains, func(d *monitor.Domain) bool { return d.Name == "notice.example" })]

	domain, err := c.Domain(ctx, "NOTICE.example")
	same(t, "domain", domain, err, wire.DomainOf(snap, notice))
	alerts, err := c.Alerts(ctx)
	same(t, "alerts", len(alerts), err, 2)
	same(t, "first alert", alerts[0], nil, wire.IncidentOf(snap.Open[0]))
	status, err := c.Status(ctx)
	same(t, "status", status.DomainsBy["drifted"], err, 1)
	resolvers, err := c.Resolvers(ctx)
	same(t, "resolvers", resolvers, err, []wire.Resolver{wire.ResolverOf(snap.Sources[0], snap.Self), wire.ResolverOf(snap.Sources[1], snap.Self)})
	presets, err := c.Presets(ctx)
	same(t, "presets", presets[1].ID, err, "directmail")
	shown, err := c.Preset(ctx, "directmail", "shop.example", map[string]string{"region": "sg"})
	same(t, "preset", shown.Records[1].Publish[0].Value, err, "10 mx-sg.service.example")
	sample, err := c.Preset(ctx, "custom", "", nil)
	same(t, "preset of a sample", string(sample.Domain), err, "notice.example.com")

	transitions, err := c.History(ctx, client.Span{Domain: "notice.example", Record: "spf", Since: "7d", Limit: 10})
	same(t, "history", transitions.Transitions, err, []wire.Transition{wire.TransitionOf(w.history.transitions[1]), wire.TransitionOf(w.history.transitions[0])})
	oldest, err := c.History(ctx, client.Span{Domain: "notice.example", Oldest: true, Until: "1h"})
	same(t, "oldest history", len(oldest.Transitions), err, 1)
	intervals, err := c.Intervals(ctx, client.Span{Domain: "notice.example"})
	same(t, "intervals", intervals.Intervals[0], err, wire.IntervalOf(w.history.intervals[1]))
	sweeps, err := c.Sweeps(ctx, client.Span{})
	same(t, "sweeps", sweeps.Sweeps, err, []monitor.SweepSummary{snap.Sweeps["default"]})

	w.history.notices = []monitor.Notice{{At: now.Add(-time.Hour), Receiver: "hook", Firing: 1, About: []monitor.NoticeAbout{{Alert: monitor.AlertDrifted, Domain: "notice.example", Record: "spf"}}}}
	notices, err := c.Notices(ctx, client.Span{Domain: "notice.example"})
	same(t, "notices", notices.Notices, err, []wire.Notice{wire.NoticeOf(w.history.notices[0])})
	timeline, err := c.Timeline(ctx, "notice.example", "spf", "1d", "")
	same(t, "timeline", []int{len(timeline.Lanes), len(timeline.Contents)}, err, []int{1, 2})
	health, err := c.ResolverHealth(ctx)
	same(t, "health", health.Sources[0].Hour.Asked, err, 60)
	receivers, err := c.Receivers(ctx)
	same(t, "receivers", receivers, err, w.options.Receivers())

	page, err := c.Page(ctx, client.Filter{Service: "directmail"}, "calm.example", 1)
	same(t, "page", string(page.Domains[0].Name), err, "notice.example")
	same(t, "healthy", 0, c.Healthy(ctx), 0)
	same(t, "ready", 0, c.Ready(ctx), 0)
}

func same[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

func TestClientChangesThings(t *testing.T) {
	w := populated(t)
	reloads := ""
	w.options.Reload = func(_ context.Context, by string) (string, error) { reloads += by; return "", nil }
	c, ctx := connect(t, w), t.Context()
	spec := monitor.Spec{Domain: "new.example", Service: "directmail", Note: "a <note> & more", Expect: []monitor.ExpectSpec{{Kind: mailrec.DMARC, Match: "present"}}}
	added, err := c.Add(ctx, spec)
	same(t, "add", added.Spec, err, spec)
	checked, err := c.Check(ctx, "new.example")
	same(t, "check", string(checked.Name), err, "new.example")
	accepted, err := c.Accept(ctx, "notice.example", "spf", "we left the service")
	same(t, "accept", accepted.Records[1].Standing, err, wire.Holding)
	imported, err := c.Import(ctx, strings.NewReader(`{"domain":"new.example","service":"directmail"}`), true)
	same(t, "import", names(imported.Kept), err, []string{"new.example"})
	var export bytes.Buffer
	same(t, "export", 0, c.Export(ctx, &export, true), 0)
	if strings.Count(export.String(), "\n") != 3 || strings.Contains(export.String(), "calm.example") {
		t.Errorf("exported\n%s", export.String())
	}
	var backup bytes.Buffer
	n, err := c.Backup(ctx, &backup)
	same(t, "backup", fmt.Sprintf("%d %s", n, &backup), err, "8 database")
	sending, err := c.SetSenders(ctx, "new.example", []string{"a@new.example"})
	same(t, "senders", sending.Spec.Senders, err, []string{"a@new.example"})
	if err := c.Remove(ctx, "new.example", false); err == nil || !strings.Contains(err.Error(), "a@new.example") {
		t.Errorf("removing a domain with sender addresses: %v", err)
	}
	same(t, "remove", 0, c.Remove(ctx, "new.example", true), 0)
	same(t, "reload", 0, c.Reload(ctx), 0)
	want := []string{
		"add 1 by alice", "check new.example", "accept notice.example/spf by alice because we left the service",
		"note backup / by alice because : 8 bytes",
		"senders of new.example are [a@new.example] by alice", "remove new.example by alice", "force-remove new.example by alice",
	}
	same(t, "calls", w.engine.calls, nil, want)
	same(t, "reloads", reloads, nil, "alice")
}

func TestClientPlansWork(t *testing.T) {
	w := populated(t)
	c, ctx := connect(t, w), t.Context()
	d, err := c.Expect(ctx, "notice.example", "spf", wire.Announcement{Value: []string{"v=spf1 -all"}, Until: "6h", Why: "moving"})
	same(t, "expect", d.Records[1].Change.Next.Lines, err, []string{"v=spf1 -all"})
	same(t, "until", d.Records[1].Change.Until, nil, now.Add(6*time.Hour))
	d, err = c.Withdraw(ctx, "notice.example", "spf", "put off")
	same(t, "withdraw", d.Records[1].Change == nil, err, true)
	if _, err = c.Withdraw(ctx, "notice.example", "spf", "again"); err == nil || !strings.Contains(err.Error(), "nothing announced") {
		t.Errorf("withdrawing nothing: %v", err)
	}
	if _, err = c.Expect(ctx, "notice.example", "spf", wire.Announcement{Gone: true, Until: "soon", Why: "moving"}); err == nil || !strings.Contains(err.Error(), `"soon" is not a time`) {
		t.Errorf("no time: %v", err)
	}
	if _, err = c.Rotate(ctx, "notice.example", "dkim:s1", wire.Rotation{Selector: "s2", Until: "2026-04-01", Why: "yearly"}); err != nil {
		t.Error(err)
	}
	d, err = c.Pause(ctx, "notice.example", wire.Pause{Record: "spf", Until: "2h", Why: "work"})
	same(t, "pause", d.Paused[0].Until, err, now.Add(2*time.Hour))
	d, err = c.Resume(ctx, "notice.example", "spf", "done")
	same(t, "resume", len(d.Paused), err, 0)
	want := []string{
		`announce notice.example/spf ["v=spf1 -all"] gone=false until 2026-03-14T18:00:00Z by alice because moving`,
		"withdraw notice.example/spf by alice because put off", "withdraw notice.example/spf by alice because again",
		`rotate notice.example/dkim:s1 to s2 "" by alice because yearly`,
		"pause notice.example/spf until 2026-03-14T14:00:00Z by alice because work", "resume notice.example/spf by alice because done",
	}
	same(t, "calls", w.engine.calls, nil, want)
}

func TestClientTestsAlerts(t *testing.T) {
	c, ctx := connect(t, newWorld(t)), t.Context()
	trials, err := c.TestAlert(ctx, "on-call", "critical")
	same(t, "trials", trials, err, []wire.Trial{{Receiver: "on-call/critical", Integration: "webhook[0]", Error: "answered 401", Took: time.Second}})
	if _, err := c.TestAlert(ctx, "nobody", ""); err == nil || !strings.Contains(err.Error(), "receiver: no receiver has that name") {
		t.Errorf("an unknown receiver: %v", err)
	}
}

func TestClientCompacts(t *testing.T) {
	w := newWorld(t)
	c, ctx := connect(t, w), t.Context()
	done, err := c.Compact(ctx)
	same(t, "compaction", done, err, wire.Compaction{Before: 3000, After: 1000, Took: time.Second, Held: time.Millisecond})
	same(t, "audit trail", w.engine.calls, nil, []string{"note compact / by alice because : 1000 bytes, were 3000"})
	w.compacting = true
	if _, err := c.Compact(ctx); err == nil || !strings.Contains(err.Error(), "under way already") {
		t.Errorf("while there is one: %v", err)
	}
}

func TestSilencesGoIntoTheAuditTrail(t *testing.T) {
	w := populated(t)
	w.options.Alertmanager = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/unknown") {
			http.Error(w, "no such silence", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"silenceID":"s-1"}`)
	})
	c, ctx := connect(t, w), t.Context()
	id, err := c.Silence(ctx, client.Silence{
		Matchers: []client.Matcher{{Name: "domain", Value: "notice.example", IsEqual: true}, {Name: "severity", Value: "warn.*", IsRegex: true, IsEqual: true}},
		EndsAt:   now.Add(time.Hour), Comment: "work",
	})
	same(t, "silence", id, err, "s-1")
	same(t, "end", 0, c.Unsilence(ctx, "s-1"), 0)
	if err := c.Unsilence(ctx, "unknown"); err == nil {
		t.Error("ended what is not there")
	}
	want := []string{
		`note silence notice.example/ by alice because work: domain="notice.example" severity=~"warn.*" until 2026-03-14T13:00:00Z`,
		"note unsilence / by alice because : s-1",
	}
	same(t, "calls", w.engine.calls, nil, want)
}

// TestKeysOfRecordsMayHoldAnything accepts a record whose key has a slash and other signs
// that mean something in a URL.
func TestKeysOfRecordsMayHoldAnything(t *testing.T) {
	for _, key := range []string{"a/b", "dkim:s1", "50%", "a?b#c", "ü", "a b"} {
		w := newWorld(t)
		w.engine.register(monitor.Spec{Domain: "a.example", Expect: []monitor.ExpectSpec{{Kind: mailrec.SPF, Key: key}}}, monitor.Origin{})
		w.engine.state("a.example", key, func(s *monitor.RecordState) {
			s.Phase, s.Verdict, s.Seen = judge.Verified, judge.Drifted, txt("v=spf1 -all")
		})
		if _, err := connect(t, w).Accept(t.Context(), "a.example", key, "because"); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestAllDomainsPageByPage(t *testing.T) {
	w := newWorld(t)
	w.engine.registerMany(2500)
	c := connect(t, w)
	n := 0
	for d, err := range c.Domains(t.Context(), client.Filter{Text: "example"}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("d%04d.example", n); string(d.Name) != want {
			t.Fatalf("domain %d is %s", n, d.Name)
		}
		n++
	}
	if n != 2500 {
		t.Errorf("%d domains", n)
	}
	for range c.Domains(t.Context(), client.Filter{}) {
		break // must not go on
	}
	for _, err := range c.Domains(t.Context(), client.Filter{Standing: "fine"}) {
		if err == nil {
			t.Error("an unknown standing was taken")
		}
	}
}

// TestClientErrorsReadWell holds what a person sees in the terminal.
func TestClientErrorsReadWell(t *testing.T) {
	w := populated(t)
	w.options.Reload = func(context.Context, string) (string, error) {
		return "", errors.New("maildrift.yml:3: listen: missing port\nmaildrift.yml:9: domains: \x1b[31m")
	}
	w.options.Ready = func() error { return errors.New("the database takes no writes") }
	c, ctx := connect(t, w), t.Context()
	var text strings.Builder
	say := func(what string, err error) {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		fmt.Fprintf(&text, "%s:\n%v\n\n", what, err)
	}
	_, err := c.Domain(ctx, "other.example")
	say("a domain nobody registered", err)
	if !errors.Is(err, monitor.ErrNotFound) {
		t.Error("it is not told from other errors")
	}
	_, err = c.Add(ctx, monitor.Spec{Domain: "new.example", Service: "directmial"})
	say("an unknown service", err)
	_, err = c.Add(ctx, monitor.Spec{Domain: "calm.example", Service: "directmail"})
	say("a domain that is registered", err)
	say("removing what stands in a file", c.Remove(ctx, "calm.example", false))
	_, err = c.Accept(ctx, "notice.example", "spf", "")
	say("accepting without a reason", err)
	_, err = c.Import(ctx, strings.NewReader("{\"domain\":\"a..b\"}\n{\"domain\":\"c.example\",\"servise\":\"x\"}\n"), false)
	say("an import with two errors", err)
	_, err = c.History(ctx, client.Span{Since: "yesterday"})
	say("a time that is none", err)
	say("a configuration that is refused", c.Reload(ctx))
	say("not ready", c.Ready(ctx))
	golden(t, "client-errors.txt", text.String())
}
