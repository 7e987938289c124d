package monitor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// watched puts a domain with verified records into a snapshot: kind, name and text of each. A text of "" is missing.
func watched(t *testing.T, s *Snapshot, shared bool, domain rrset.Name, records ...[4]string) *Domain {
	t.Helper()
	d := &Domain{Name: domain}
	for _, r := range records {
		var kind mailrec.Kind
		if err := kind.UnmarshalText([]byte(r[1])); err != nil {
			t.Fatal(err)
		}
		rec := Record{Key: r[0], Name: rrset.Name(r[2]), Expectation: mailrec.Expectation{Kind: kind}}
		state := &RecordState{ID: RecordID{domain, r[0]}, Name: rec.Name, Expectation: rec.Expectation}
		state.Phase, state.Verdict = judge.Verified, judge.Holding
		if r[3] == "" {
			state.Verdict = judge.Missing
		} else {
			set, err := rrset.Parse(kind.Type(), r[3])
			if err != nil {
				t.Fatal(err)
			}
			state.Baseline = set
		}
		d.Records = append(d.Records, rec)
		s.States = s.States.With(state)
	}
	if shared {
		d.Shared = &Shared{Count: 1}
		s.Shared = append(s.Shared, d)
	} else {
		s.Domains = append(s.Domains, d)
	}
	return d
}

func TestExplainFollowsWhatIsWatched(t *testing.T) {
	s := &Snapshot{}
	d := watched(t, s, false, "a.example",
		[4]string{"dkim:s1", "dkim", "s1._domainkey.a.example", "v=DKIM1; k=ed25519; t=y; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
		[4]string{"dkim:s2", "dkim", "s2._domainkey.a.example", ""},
		[4]string{"dmarc", "dmarc", "_dmarc.a.example", "v=DMARC1; p=reject; aspf=s"},
		[4]string{"ownership", "ownership", "a.example", "token=1"},
		[4]string{"spf", "spf", "a.example", "v=spf1 include:_spf.b.example include:gone.example mx include:other.example -all"})
	watched(t, s, true, "_spf.b.example", [4]string{SharedKey, "spf", "_spf.b.example", "v=spf1 include:_n.b.example a ?all"})
	watched(t, s, true, "gone.example", [4]string{SharedKey, "spf", "gone.example", ""})
	s.Votes = s.Votes.With(RecordID{"a.example", "dkim:s1"}, []SourceVote{
		{Source: "liar", Stand: judge.Differs, Chain: []rrset.Name{"evil.example"}},
		{Source: "google", Stand: judge.Good, Chain: []rrset.Name{"k1.b.example"}},
	})

	got := s.Explain(d)
	tree := got.SPF["spf"]
	if tree.Lookups != 6 || tree.Final || tree.Problem != "gone.example has no SPF record" {
		t.Errorf("SPF: %d lookups, final %v, problem %q; want 6, unknown parts, and what is gone", tree.Lookups, tree.Final, tree.Problem)
	}
	if n := len(tree.Root.Children); n != 3 || len(tree.Root.Children[0].Children) != 1 {
		t.Errorf("SPF tree has %d branches, %+v", n, tree.Root.Children)
	}
	want := []KeyPath{
		{Record: "dkim:s1", Name: "s1._domainkey.a.example", Chain: []rrset.Name{"k1.b.example"}, Found: true, Key: mailrec.PublishedKey{About: "Ed25519", Testing: true}},
		{Record: "dkim:s2", Name: "s2._domainkey.a.example"},
	}
	if diff := cmp.Diff(want, got.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	policy := &PolicyPath{Record: "dmarc", Name: "_dmarc.a.example", Found: true, Policy: mailrec.PublishedPolicy{Policy: "reject", StrictSPF: true}}
	if diff := cmp.Diff(policy, got.DMARC); diff != "" {
		t.Errorf("DMARC (-want +got):\n%s", diff)
	}

	state := s.States.Get(RecordID{"a.example", "dmarc"})
	state.Verdict, state.Inherited = judge.Missing, "quarantine"
	s.States = s.States.With(state)
	if p := s.Explain(d).DMARC; p.Found || p.Policy.Policy != "quarantine" {
		t.Errorf("without a record of its own: %+v, want the inherited policy", p)
	}
}
