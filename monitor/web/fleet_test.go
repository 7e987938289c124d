package web_test

import (
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// TestLargeFleetInABrowser looks at the pages of 100,000 domains, and of one with long names, keys and a long history.
func TestLargeFleetInABrowser(t *testing.T) {
	w := populated(t)
	w.engine.registerMany(100_000)
	long(w)
	server := httptest.NewServer(w.handler())
	defer server.Close()
	out, err := exec.CommandContext(t.Context(), "node", "testdata/browser/look.mjs", server.URL, t.ArtifactDir()).CombinedOutput()
	if err != nil {
		t.Errorf("%v; .ci/servers installs what this test needs\n%s", err, out)
	}
}

// long registers a domain with all that takes much room: names, keys of 4096 bits, many sources, five years.
func long(w *world) {
	label := strings.Repeat("long-label-", 5)
	name := "long.example"
	spec := monitor.Spec{
		Domain: name, Labels: map[string]string{"team": strings.Repeat("growth", 20)}, Note: strings.Repeat("a note without any room to break it", 5),
		Expect: []monitor.ExpectSpec{
			{Kind: 0, Host: label + "." + label + "._domainkey", Key: "dkim:" + label, Match: "captured"},
		},
	}
	_ = spec.Expect[0].Kind.UnmarshalText([]byte("dkim"))
	d := w.engine.register(spec, monitor.Origin{})
	key := txt("v=DKIM1; k=rsa; p=" + strings.Repeat("MIICIjANBgkqhkiG9w0BAQEFAAOCAg8A", 22))
	other := txt("v=DKIM1; k=rsa; p=" + strings.Repeat("MIICIjANBgkqhkiG9w0BAQEFAAOCAg8A", 21) + strings.Repeat("B", 32))
	w.engine.state(d.Name, d.Records[0].Key, func(s *monitor.RecordState) {
		s.Phase, s.Verdict, s.Baseline, s.Seen = judge.Verified, judge.Drifted, key, other
		s.Since = now.Add(-time.Hour)
		s.Finding = s.Expectation.Compare(key, other)
	})
	id := monitor.RecordID{Domain: d.Name, Key: d.Records[0].Key}
	var votes []monitor.SourceVote
	for i := range 18 {
		votes = append(votes, monitor.SourceVote{
			Source: fmt.Sprintf("a-resolver-with-a-long-name-%02d", i), Operator: resolve.Operator(fmt.Sprint("operator", i)), Authority: i < 4,
			Outcome: resolve.Answered, Stand: []judge.Stand{judge.Good, judge.Differs, judge.Absent, judge.Unheard}[i%4], Lines: key.Lines(), TTL: 86400, At: now,
			Chain: []rrset.Name{rrset.Name(label + ".service.example")},
		})
	}
	w.engine.change(func(s *monitor.Snapshot) { s.Votes = s.Votes.With(id, votes) })
	for week := range 260 {
		for _, v := range votes {
			w.history.intervals = append(w.history.intervals, monitor.Interval{
				ID: id, Source: v.Source, Authority: v.Authority, From: now.AddDate(0, 0, -7*week), Outcome: resolve.Answered, Set: []rrset.Set{key, other}[week%2],
			})
		}
	}
}
