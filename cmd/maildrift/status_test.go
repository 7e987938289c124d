package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
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
		"a  none yet                                                             next in 5m0s  sees\n" +
		"b  1m0s ago  took 1s  60 questions, 12 saved, 1 unanswered              next in 5m0s  sees\n" +
		"c  1m0s ago  took 1s  60 questions, 12 saved, 30 spared, 1 unanswered   next in 5m0s  sees\n" +
		"d  1m0s ago  took 1s  60 questions, 12 saved, 5 withheld, 1 unanswered  next in 5m0s  sees\n" +
		"skipped: b: a sweep was skipped at 2026-03-13 12:00 UTC, since the one before still ran\n" +
		"skipped: c: 3 sweeps were skipped since the start, the last one at 2026-03-14 11:59 UTC, since those before still ran\n" +
		"too slow: c: a sweep cannot finish in its interval of 15m: 30000 questions asked of google at 20 a second take 25m, 1.7 times as long\n" +
		"  - allow 34 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for google, if they put up with it\n" +
		"  - sweep every 30m (schedules): then a sweep takes 25m\n" +
		"  - ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: 34 or more, resolvers.groups, schedules)\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
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
