package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

func TestStatusAndWatch(t *testing.T) {
	s := newBench(t)
	well := s.cmd("status")
	if well.code != 1 && well.code != 0 { // the demo's other domain is still pending, which is no incident
		t.Fatalf("%+v", well)
	}
	for _, want := range []string{"running for", "2 domains", "1 holding", "nothing is wrong", "default", "questions"} {
		if !strings.Contains(well.out, want) {
			t.Errorf("status does not say %q:\n%s", want, well.out)
		}
	}
	if strings.Contains(well.out, "\x1b") {
		t.Errorf("colours in a pipe: %q", well.out)
	}
	done := s.cmd("watch", string(demoApex))
	if done.code != 0 || !strings.Contains(done.out, "dmarc") || !strings.Contains(done.out, "6 of 6 operators") {
		t.Errorf("a domain that holds: %+v", done)
	}
	s.must(s.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, "v=DMARC1; p=none; rua=mailto:dmarc@shop.example"))
	s.await("dmarc drifts", "dmarc", func(st *monitor.RecordState) bool { return st != nil && st.Verdict == judge.Drifted })
	var told struct{ Open []wire.Incident }
	bad := s.cmd("status", "--format", "json")
	if err := json.Unmarshal([]byte(bad.out), &told); err != nil || bad.code != 1 || len(told.Open) != 1 || told.Open[0].Record != "dmarc" {
		t.Errorf("%+v, %v", bad, err)
	}
	var same map[string]any
	if err := yaml.Unmarshal([]byte(s.cmd("status", "--format", "yaml").out), &same); err != nil || same["incidents"] != 1 {
		t.Errorf("as YAML: %v, %v", same["incidents"], err)
	}
	if text := s.cmd("status").out; !strings.Contains(text, "RecordDrifted") || !strings.Contains(text, string(demoApex)+" dmarc") {
		t.Errorf("status does not name what is wrong:\n%s", text)
	}
	if late := s.cmd("watch", string(demoApex), "--timeout", "1s"); late.code != 1 || !strings.Contains(late.out, "drifted") || !strings.Contains(late.err, "not all records hold after 1s") {
		t.Errorf("a domain that does not hold: %+v", late)
	}
	if nobody := s.cmd("watch", "other.example"); nobody.code == 0 || !strings.Contains(nobody.err, "not registered") {
		t.Errorf("a domain nobody registered: %+v", nobody)
	}
	if gone := command(t, "status", "--url", "http://127.0.0.1:1"); gone.code != 3 {
		t.Errorf("without a daemon: %+v", gone)
	}
	mended := make(chan said, 1)
	go func() { mended <- s.cmd("watch", string(demoApex), "--timeout", "60s") }()
	s.must(s.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"))
	if got := <-mended; got.code != 0 {
		t.Errorf("while it is mended: %+v", got)
	}
}

func TestSweepsInStatus(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	load := pace.Load{Interval: 15 * time.Minute, Parties: []pace.Party{{Name: "google", Questions: 30_000, Rate: 20}}}
	slow := wire.EstimateOf(load.Estimate())
	load.Interval = time.Hour
	fits := wire.EstimateOf(load.Estimate())
	sweep := monitor.SweepSummary{Started: now.Add(-time.Minute), Duration: time.Second, Questions: 60, Shared: 12, Failures: 1}
	spared := sweep
	spared.Spared = 30
	once := wire.SkippedOf(monitor.Skips{Times: 1, Last: now.Add(-24 * time.Hour)}, &sweep)
	lately := wire.SkippedOf(monitor.Skips{Times: 3, Last: now.Add(-30 * time.Second)}, &spared)
	withheld := sweep
	withheld.Withheld = 5
	next := now.Add(5 * time.Minute)
	o := overall{Status: wire.Status{Now: now, Groups: []wire.Group{
		{Name: "a", NextSweep: next}, {Name: "b", NextSweep: next, LastSweep: &sweep, Estimate: fits, Skipped: once}, {Name: "c", NextSweep: next, LastSweep: &spared, Estimate: slow, Skipped: lately},
		{Name: "d", NextSweep: next, LastSweep: &withheld},
	}}}
	var out strings.Builder
	p := &printer{out: &out}
	p.groups(o)
	want := "" +
		"sweeps\n" +
		"a  none yet                                                             next in 5m0s  has not looked yet\n" +
		"b  1m0s ago  took 1s  60 questions, 12 saved, 1 unanswered              next in 5m0s  sees\n" +
		"c  1m0s ago  took 1s  60 questions, 12 saved, 30 spared, 1 unanswered   next in 5m0s  sees\n" +
		"d  1m0s ago  took 1s  60 questions, 12 saved, 5 withheld, 1 unanswered  next in 5m0s  sees\n" +
		"skipped: b: a sweep was skipped at 2026-03-13 12:00 UTC, since the one before still ran\n" +
		"skipped: c: 3 sweeps were skipped since the start, the last one at 2026-03-14 11:59 UTC, since those before still ran; it has ended, and the next is due in 5m0s\n" +
		"too slow: c: a sweep cannot finish in its interval of 15m: 30000 questions asked of google at 20 a second take 25m, 1.7 times as long\n" +
		"  - allow 34 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for google, if they put up with it\n" +
		"  - sweep every 30m (schedules): then a sweep takes 25m\n" +
		"  - ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: 34 or more, resolvers.groups, schedules)\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// TestStatusIsSaid shows what people read. UPDATE_GOLDEN=1 writes the file.
func TestStatusIsSaid(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	group := func(change func(g *wire.Group)) overall {
		g := wire.Group{Name: "default", NextSweep: now.Add(3 * time.Minute)}
		change(&g)
		return overall{Status: wire.Status{Version: "1.2.3", Started: ago(30 * time.Minute), Now: now, Ready: true, Domains: 1000, Records: 6000,
			DomainsBy: map[string]int{"pending": 250, "holding": 750}, Groups: []wire.Group{g},
		}}
	}
	running := func(p monitor.Progress) *wire.Sweeping { return wire.SweepingOf(p, now) }
	before := &monitor.SweepSummary{Started: ago(45 * time.Minute), Duration: 4 * time.Minute, Questions: 70_000, Shared: 14_000}
	got := overalls{
		{"the first sweep of all", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(12 * time.Minute), Domains: 1000, Done: 750, Stages: 4, Over: 3, Takes: 14 * time.Minute})
		})},
		{"one that has just begun", group(func(g *wire.Group) { g.Sweeping = running(monitor.Progress{Started: ago(0)}) })},
		{"after a restart", group(func(g *wire.Group) {
			g.LastSweep = before
			g.Sweeping = running(monitor.Progress{Started: ago(11 * time.Minute), Domains: 1000, Stages: 4, Takes: 30 * time.Minute})
		})},
		{"one that confirms changes, longer than estimated", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(time.Minute), Domains: 1000, Done: 500, Stages: 4, Over: 2, Waiting: 2, Takes: 30 * time.Second})
		})},
		{"a small one that confirms changes", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(20 * time.Second), Domains: 3, Stages: 1, Waiting: 1, Takes: 90 * time.Millisecond})
		})},
		{"one that is slower than estimated, so that others are skipped", group(func(g *wire.Group) {
			g.LastSweep = before
			g.Sweeping = running(monitor.Progress{Started: ago(20 * time.Minute), Domains: 1000, Done: 500, Stages: 4, Over: 2, Takes: 12 * time.Minute})
			g.Skipped = wire.SkippedOf(monitor.Skips{Times: 1, Last: ago(5 * time.Minute)}, g.LastSweep)
		})},
		{"one that cannot see", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(20 * time.Second), Domains: 1000, Stages: 4, Unsure: 4, Takes: 12 * time.Minute})
		})},
		{"one that is a little slower than estimated", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(4 * time.Second), Domains: 3, Stages: 1, Takes: 90 * time.Millisecond})
		})},
		{"one whose stages are over", group(func(g *wire.Group) {
			g.Sweeping = running(monitor.Progress{Started: ago(time.Minute), Domains: 1000, Done: 1000, Stages: 4, Over: 4, Takes: time.Minute})
		})},
		{"resolvers that are not heard, and all kinds of trouble", troubledDaemon(now)},
	}.said(t)
	golden := filepath.Join("testdata", "status.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("the status is said otherwise (%v); look at it and run with UPDATE_GOLDEN=1:\n%s", err, got)
	}
}

// TestStatusNamesWhoIsNotHeard as the daemon's API says it.
func TestStatusNamesWhoIsNotHeard(t *testing.T) {
	answers := map[string]string{
		"/api/v1/status":           `{"ready":true,"started":"2026-03-14T10:00:00Z","now":"2026-03-14T12:00:00Z","groups":[]}`,
		"/api/v1/alerts":           `{"incidents":[]}`,
		"/api/v1/receivers":        `{"receivers":[]}`,
		"/api/v1/resolvers":        `{"resolvers":[{"id":"good","operator":"good"},{"id":"odd","operator":"odd","quarantine":{"since":"2026-03-14T11:00:00Z","reason":"alone","agreed":0}}]}`,
		"/api/v1/resolvers/health": `{"sources":[{"id":"good","slots":[]},{"id":"quad9","left_alone":"2026-03-14T11:30:00Z","left_alone_why":"it answers nothing","left_alone_withheld":77,"slots":[{"asked":1}]}]}`,
	}
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answers[r.URL.Path]) }))
	defer daemon.Close()
	said := command(t, "status", "--url", daemon.URL)
	said.expect(t, exitGood, "without a vote: odd since 2026-03-14 11:00:00 UTC: alone\n", "")
	said.expect(t, exitGood, "left alone: quad9 since 2026-03-14 11:30:00 UTC (30m): it answers nothing; 77 questions withheld from it so far", "")
	if strings.Contains(said.out, "good") {
		t.Errorf("one that is well is named:\n%s", said.out)
	}
	var told struct {
		LeftAlone []health.Source `json:"left_alone"`
	}
	if err := json.Unmarshal([]byte(command(t, "status", "--format", "json", "--url", daemon.URL).out), &told); err != nil || len(told.LeftAlone) != 1 || told.LeftAlone[0].Withheld != 77 {
		t.Errorf("%+v, %v", told, err)
	}
}

// overalls are states of a daemon with what is particular about them.
type overalls []struct {
	title string
	overall
}

func (all overalls) said(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, o := range all {
		out.WriteString("=== " + o.title + "\n")
		if err := (&printer{out: &out}).overall(o.overall); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// troubledDaemon is a daemon for which much goes wrong.
func troubledDaemon(now time.Time) overall {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	resolver := func(id, operator string) wire.Resolver {
		return wire.Resolver{ID: id, Operator: resolve.Operator(operator), Quarantine: &wire.Quarantine{Since: ago(time.Hour), Reason: "alone with what it says of 3 records"}}
	}
	o := overall{
		Status: wire.Status{Version: "1.2.3", Started: ago(48 * time.Hour), Now: now, Ready: true, Domains: 5, Records: 30, DomainsBy: map[string]int{"holding": 4, "drifted": 1}},
		Open: []wire.Incident{
			{Alert: monitor.AlertBlind, Opened: ago(time.Minute), Reason: "too few resolvers pass the canaries"},
			{Alert: monitor.AlertCause, Impact: mailrec.Rejected, Domain: "shop.example", Opened: ago(time.Hour), Root: &wire.Root{Cause: "zone/shop.example", Detail: "it is no longer delegated", Records: 6, Domains: 1}},
			{Alert: monitor.AlertMissing, Impact: mailrec.Degraded, Domain: "a.example", Record: "spf", Opened: ago(time.Hour), Finding: &mailrec.Finding{Reason: "there is no SPF record"}},
			{Alert: monitor.AlertDrifted, Impact: mailrec.Weakened, Domain: "b.example", Record: "dmarc", Opened: ago(time.Hour), Finding: &mailrec.Finding{Reason: "the policy is weaker"}},
			{Alert: monitor.AlertDisagreement, Domain: "c.example", Record: "mx", Opened: ago(time.Hour), Finding: &mailrec.Finding{Reason: "another order"}},
			{Alert: monitor.AlertAtRisk, Domain: "d.example", Record: "upkeep", Opened: ago(time.Hour), Risks: []wire.Risk{{At: "d.example DS", Text: "the signature ends in two days"}}},
			{Alert: monitor.AlertOverdue, Domain: "e.example", Record: "dkim:s1", Opened: ago(time.Hour), Finding: &mailrec.Finding{Reason: "there is no such record"}},
			{Alert: monitor.AlertQuarantined, Value: "oddisp", Opened: ago(time.Hour), Reason: "alone with what it says of 3 records"},
		},
		Quarantine: []wire.Resolver{resolver("odd4", "oddisp"), resolver("odd6", "oddisp"), resolver("strange", "strange")},
		LeftAlone: []health.Source{
			{ID: "quad9", LeftAlone: ago(80 * time.Minute), Why: "it answers nothing", Withheld: 1234},
			{ID: "picky", LeftAlone: ago(time.Minute), Why: "it refuses everything", Withheld: 1},
		},
	}
	return o
}

func TestPropagationIsDrawn(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	d := wire.Domain{
		Summary: wire.Summary{Name: "notice.example", Counts: map[string]int{"pending": 1, "holding": 1}},
		Records: []wire.Record{
			{Key: "mx", Name: "notice.example", Standing: wire.Holding, Spread: wire.Spread{Operators: 12, OperatorsGood: 12}},
			{
				Key: "spf", Name: "notice.example", Standing: wire.Pending, Spread: wire.Spread{Operators: 12, OperatorsGood: 5}, OverdueAt: now.Add(47 * time.Hour),
				Votes: []monitor.SourceVote{
					{Source: "google", Stand: judge.Good}, {Source: "quad9", Stand: judge.Absent, TTL: 300, At: now.Add(-time.Minute)},
					{Source: "ns1.example", Authority: true, Stand: judge.Differs, TTL: 300, At: now, Lines: []string{"v=spf1 -all"}},
				},
			},
		},
	}
	var out strings.Builder
	p := &printer{out: &out, width: 60}
	p.propagation(d, now)
	want := "" +
		"notice.example: 1 pending, 1 holding\n" +
		"holding     [############]  12/12  mx  notice.example\n" +
		"pending     [#####.......]   5/12  spf  notice.example\n" +
		"           told     if it is not there in 47h0m0s\n" +
		"            quad9        absent   cached for 4m0s\n" +
		"            ns1.example  differs                   v=spf1 -…\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if n := height(out.String(), 40); n != 11 {
		t.Errorf("on 40 columns it takes %d lines", n)
	}
}
