package alert

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

var (
	noon  = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	words = Words{BaseURL: "https://maildrift.example", Runbooks: "https://runbooks.example/maildrift"}
)

func txtSet(t *testing.T, lines ...string) rrset.Set {
	t.Helper()
	s, err := rrset.Parse(rrset.TXT, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lostInclude is an SPF record that lost its include, as the engine tells it.
func lostInclude(t *testing.T) monitor.Incident {
	t.Helper()
	was, is := txtSet(t, "v=spf1 include:spf1.dm.aliyun.com -all"), txtSet(t, "v=spf1 -all")
	e := mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}
	finding := e.Compare(was, is)
	votes := []monitor.SourceVote{{Source: "ns1.example.com/192.0.2.1", Authority: true, Stand: judge.Differs, Outcome: resolve.Answered}}
	for i, op := range []resolve.Operator{"google", "quad9", "he", "dnssb", "yandex", "quad101"} {
		stand := judge.Good
		if i < 2 {
			stand = judge.Differs
		}
		votes = append(votes, monitor.SourceVote{Source: string(op), Operator: op, Stand: stand})
	}
	return monitor.Incident{
		ID: monitor.RecordID{Domain: "notice.example.com", Key: "spf"}, Name: monitor.AlertDrifted, Value: "ab12cd34",
		Impact: finding.Impact, Opened: noon,
		Facts: monitor.Facts{
			Kind: mailrec.SPF, Owner: "notice.example.com", Type: rrset.TXT, Service: "directmail", Labels: map[string]string{"team": "growth"},
			Was: was, Is: is, Finding: finding, Stage: judge.AtAuthority, Votes: votes,
			Decision: judge.Decision{Configured: 7, Heard: 6, Wrong: 2, Servers: 2, ServersHeard: 1, ServersWrong: 1, Authority: judge.AuthorityWrong},
			Rulings:  []verdict.Ruling{{Receiver: "Gmail", Action: verdict.Refuse, Code: "550 5.7.26", Why: "the SPF record ends in -all and the mail does not pass it"}},
			Deadline: noon.Add(43 * time.Minute), LastDeadline: noon.Add(time.Hour),
			Caches:  []monitor.Cache{{Operator: "he", Until: noon.Add(43 * time.Minute)}, {Operator: "quad101", Until: noon.Add(55 * time.Minute)}},
			Reached: noon,
		},
	}
}

// incidents are one of each alert.
func incidents(t *testing.T) []monitor.Incident {
	t.Helper()
	drifted := lostInclude(t)
	missing := lostInclude(t)
	missing.Name, missing.Value, missing.Facts.Is, missing.Facts.Stage = monitor.AlertMissing, "", rrset.Set{}, judge.AtReceivers
	missing.Facts.Finding = mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}.Compare(missing.Facts.Was, rrset.Set{})
	missing.Impact = missing.Facts.Finding.Impact
	recovering := missing
	recovering.Facts.Stage = judge.Recovering
	ended := missing
	ended.Closed, ended.Why = noon.Add(2*time.Hour), "recovered"
	split := lostInclude(t)
	split.Name, split.Value, split.Facts.Stage = monitor.AlertDisagreement, "", judge.NoStage
	split.Facts.Decision.Authority = judge.AuthoritySplit
	overdue := lostInclude(t)
	overdue.Name, overdue.Value, overdue.Facts.Waiting = monitor.AlertOverdue, "", 48*time.Hour
	overdue.Facts.Explanation = &monitor.Explanation{
		Cause: "The record was published at notice.example.com.example.com instead.", Fix: `Type "notice" as host.`,
	}
	overdue.Facts.Was, overdue.Facts.Stage = rrset.Set{}, judge.NoStage
	overdue.Facts.Publish = []monitor.PublishLine{{Name: "notice.example.com", Type: rrset.TXT, Value: "v=spf1 include:spf1.dm.aliyun.com -all"}}
	shared := missing
	shared.ID = monitor.RecordID{Domain: "spf1.dm.aliyun.com", Key: monitor.SharedKey}
	shared.Facts.Owner, shared.Facts.Service, shared.Facts.Affects = "spf1.dm.aliyun.com", "", 10_000
	shared.Facts.Examples = []rrset.Name{"a.example.com", "b.example.com"}
	bogus := split
	bogus.Facts.Decision = judge.Decision{Configured: 7, Heard: 6, Bogus: 4, Servers: 2, ServersHeard: 2, Authority: judge.AuthorityGood}
	bogus.Facts.Is, bogus.Facts.Votes = rrset.Set{}, nil
	bogus.Facts.Finding = mailrec.Finding{Class: mailrec.Differs, Reason: "DNSSEC validation fails"}
	risk := monitor.Incident{
		ID: monitor.RecordID{Domain: "notice.example.com", Key: monitor.UpkeepKey}, Name: monitor.AlertAtRisk, Value: "critical", Impact: mailrec.Rejected, Opened: noon,
		Facts: monitor.Facts{Service: "directmail", Hygiene: []hygiene.Finding{
			{ID: "rrsig_expired", Severity: hygiene.Critical, At: "example.com SOA", Text: "the signature ended", Do: "Have the DNS host sign the zone anew."},
			{ID: "ns_lame", Severity: hygiene.Warning, At: "ns2.example.com/192.0.2.2", Text: "a server of the zone does not answer", Do: "Mend the server."},
		}},
	}
	blind := monitor.Incident{Name: monitor.AlertBlind, Opened: noon, Facts: monitor.Facts{Reason: "only 1 of 12 resolver operators answer the canary questions as they must"}}
	notMade := lostInclude(t)
	notMade.Name, notMade.Value = monitor.AlertChangeNotMade, ""
	notMade.Facts.Announced = &monitor.Announced{Next: txtSet(t, "v=spf1 include:_spf.new.example -all"), Until: noon, By: "ann", Why: "new newsletter service"}
	third := drifted
	third.Facts.Announced = notMade.Facts.Announced
	third.Facts.Flips, third.Facts.FlappingSince = 5, noon.Add(-40*time.Minute)
	inTime := ended
	inTime.Facts.Reached = time.Time{}
	running := missing
	running.Facts.Service, running.Facts.Revokes = "ses", noon.Add(14*time.Hour)
	running.Escalations = []monitor.Escalation{{Percent: 50, At: noon.Add(-22 * time.Hour)}, {Percent: 80, At: noon}}
	lone := monitor.Incident{Name: monitor.AlertQuarantined, Value: "opendns", Opened: noon, Facts: monitor.Facts{
		Reason: "it alone says that notice.example.com/spf is not there; 11 other operators have it as it was verified",
	}}
	out := []monitor.Incident{inTime, running, drifted, missing, recovering, ended, split, overdue, shared, bogus, risk, blind, notMade, third, lone}
	for _, x := range []struct {
		kind   rootcause.Kind
		reason rootcause.Reason
	}{
		{rootcause.Zone, rootcause.Undelegated}, {rootcause.Zone, rootcause.Moved}, {rootcause.Zone, rootcause.Emptied},
		{rootcause.Domain, ""}, {rootcause.DNSSEC, ""}, {rootcause.Target, ""}, {rootcause.Dead, ""}, {rootcause.Paused, ""},
	} {
		c := rootcause.Cause{Kind: x.kind, Name: "example.com"}
		out = append(out, monitor.Incident{
			ID: monitor.RecordID{Domain: "example.com", Key: monitor.CauseKey}, Name: monitor.AlertCause, Value: string(x.kind), Impact: mailrec.Rejected, Opened: noon,
			Facts: monitor.Facts{Deadline: noon.Add(43 * time.Minute), Root: &monitor.Root{
				Cause: c, Explanation: rootcause.Explanation{Reason: x.reason, Detail: rootcause.Explain(c, nil).Detail}, Records: 12, Domains: 3,
				Worst: []monitor.RecordID{{Domain: "a.example.com", Key: "dkim:s1"}, {Domain: "b.example.com", Key: "spf"}},
			}},
		})
	}
	return out
}

// TestWords shows every alert as its reader gets it. UPDATE_GOLDEN=1 writes the file.
func TestWords(t *testing.T) {
	var all strings.Builder
	alerts := []Alert{words.Watchdog(noon)}
	for _, i := range incidents(t) {
		alerts = append(alerts, words.Alerts(i, noon)...)
	}
	for _, a := range alerts {
		all.WriteString("== " + a.Labels["alertname"] + "\n")
		for _, k := range slices.Sorted(maps.Keys(a.Labels)) {
			if a.Labels[k] != "" {
				all.WriteString(k + "=" + a.Labels[k] + " ")
			}
		}
		all.WriteString("\n" + a.GeneratorURL + "\n" + a.Annotations["runbook_url"] + "\n" + a.Annotations["description"] + "\n")
	}
	const path = "testdata/words.golden"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != all.String() {
		t.Errorf("the words changed (%v); look at them and run with UPDATE_GOLDEN=1:\n%s", err, all.String())
	}
}

// What spreads must not change who the alert is, or people are called again.
func TestLabelsStayWhileAnIncidentLasts(t *testing.T) {
	i := lostInclude(t)
	before := words.Alert(i, noon).Labels
	i.Facts.Stage, i.Facts.Deadline = judge.AtReceivers, noon
	i.Facts.Decision = judge.Decision{Heard: 12, Wrong: 12}
	i.Facts.Finding.Impact, i.Facts.Finding.Reason = mailrec.None, "another"
	i.Closed = noon.Add(time.Hour)
	if after := words.Alert(i, noon).Labels; !maps.Equal(before, after) {
		t.Errorf("labels %v became %v", before, after)
	}
}

func TestSeverityFollowsImpact(t *testing.T) {
	for impact, want := range map[mailrec.Impact]string{mailrec.Rejected: Critical, mailrec.Degraded: Critical, mailrec.Weakened: Warning, mailrec.None: Warning} {
		i := lostInclude(t)
		i.Impact = impact
		if got := words.Alert(i, noon).Labels["severity"]; got != want {
			t.Errorf("impact %s is %s, want %s", impact, got, want)
		}
	}
}

func TestF131HostileBytesAreInert(t *testing.T) {
	i := lostInclude(t)
	i.Facts.Is = txtSet(t, "v=spf1 \x1b[31m\u202e\r\nX: y\x00 -all")
	i.Facts.Finding = mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}.Compare(i.Facts.Was, i.Facts.Is)
	for k, v := range words.Alert(i, noon).Annotations {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x202e || r == 0x7f }) {
			t.Errorf("annotation %s holds %q", k, v)
		}
	}
}

// A clock that is set back must neither lose an all-clear nor keep the engine from taking the others.
func TestAnEndBeforeItsStartIsTaken(t *testing.T) {
	i := lostInclude(t)
	i.Closed = i.Opened.Add(-time.Hour)
	out, err := words.Alert(i, noon).export(noon.Add(time.Hour))
	if err != nil || !out.ResolvedAt(noon.Add(time.Hour)) {
		t.Errorf("%+v, %v", out, err)
	}
}
