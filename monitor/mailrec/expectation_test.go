package mailrec

import (
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

func TestValidateSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		e    Expectation
		says string
	}{
		{Expectation{Kind: SPF, Match: Equal}, "needs a value"},
		{Expectation{Kind: SPF, Match: Captured, Want: []string{"v=spf1 -all"}}, "takes no value"},
		{Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf1 mxx -all"}}, "not a known mechanism"},
		{Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf10 -all"}}, "followed by a space"},
		{Expectation{Kind: SPF, Match: Equal, Want: []string{"hello"}}, "not a record of kind spf"},
		{Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf1 -all", "v=spf1 mx -all"}}, "only one"},
		{Expectation{Kind: SPF, Match: Contains, Want: []string{"v=spf1 -all"}}, "no term"},
		{Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x"}}, "without a dot"},
		{Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf1 -all"}, Alternatives: [][]string{{"v=spf1 foo"}}}, "foo"},
		{Expectation{Kind: DKIM, Match: Equal, Want: []string{"v=DKIM1; p=AAAA"}}, "RSA public key"},
		{Expectation{Kind: DKIM, Match: Contains, Want: []string{"p=AAAA"}}, "use equal"},
		{Expectation{Kind: DMARC, Match: Equal, Want: []string{"v=dmarc1; p=none"}}, "DMARC1"},
		{Expectation{Kind: DMARC, Match: Contains, Want: []string{"p=rejct"}}, "not a valid tag"},
		{Expectation{Kind: DMARC, Match: Contains, Want: []string{"v=DMARC1"}}, "no tag"},
		{Expectation{Kind: MX, Match: Equal, Want: []string{"10 20 x"}}, "MX record"},
		{Expectation{Kind: MX, Match: Equal, Want: []string{"0 .", "10 mx.example"}}, "null MX"},
		{Expectation{Kind: CNAME, Match: Equal, Want: []string{"a.example", "b.example"}}, "only one"},
		{Expectation{Kind: A, Match: Equal, Want: []string{"2001:db8::1"}}, "not an address"},
		{Expectation{Kind: Ownership, Match: Equal, Want: []string{"v=spf1 -all"}}, "another kind"},
		{Expectation{Kind: Ownership, Match: Equal, Want: []string{" "}}, "empty"},
		{Expectation{Kind: TXT, Match: Equal, Want: []string{"v=spf1 -all"}}, "another kind"},
		{Expectation{Kind: NS, Match: Captured, MatchPreference: true}, "mx records"},
		{Expectation{Kind: SPF, Match: Present, AllowInvalid: true}, "allow_invalid"},
		{Expectation{Kind: DKIM, Match: Present, Usable: true}, "usable"},
		{Expectation{Kind: MTASTS, Match: Contains, Want: []string{"id=1"}}, "use equal"},
	}
	for _, tt := range tests {
		if err := tt.e.Validate(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %s %q: %v; want an error about %q", tt.e.Kind, tt.e.Match, tt.e.Want, err, tt.says)
		}
	}
}

func TestChangesShowOldAndNew(t *testing.T) {
	tests := []struct {
		kind     Kind
		was, now string
		want     []Change
	}{
		{SPF, "v=spf1 include:a.example -all", "v=spf1 include:b.example ~all", []Change{
			{"-", "include:a.example", "include:a.example", ""}, {"~", "all", "-all", "~all"}, {"+", "include:b.example", "", "include:b.example"},
		}},
		{DMARC, "v=DMARC1; p=reject; adkim=s", "v=DMARC1; p=none; rua=mailto:a@x.example", []Change{
			{"~", "adkim", "s", "r (default)"}, {"~", "p", "reject", "none"}, {"+", "rua", "", "mailto:a@x.example"},
		}},
		{MX, "10 a.example", "20 b.example", []Change{{"-", "a.example", "a.example", ""}, {"+", "b.example", "", "b.example"}}},
		{CNAME, "a.example", "b.example", []Change{{"~", "target", "a.example", "b.example"}}},
		{Ownership, "MS=1", "MS=2", []Change{{"~", "value", "MS=1", "MS=2"}}},
		{SPF, "v=spf1 -all", "v=spf1 -all\nv=spf1 mx -all", []Change{{"+", "spf record", "", "v=spf1 mx -all"}}},
	}
	for _, tt := range tests {
		e := Expectation{Kind: tt.kind, Match: Captured}
		base := answer(t, tt.kind.Type(), records(tt.was)...)
		got := e.Compare(base, answer(t, tt.kind.Type(), records(tt.now)...)).Changes
		if len(got) != len(tt.want) {
			t.Errorf("%q became %q: %+v", tt.was, tt.now, got)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%q became %q: change %d is %+v, want %+v", tt.was, tt.now, i, got[i], tt.want[i])
			}
		}
	}
}

// TestF29HostileTextIsShownSafely reads what nobody should publish.
func TestF29HostileTextIsShownSafely(t *testing.T) {
	hostile := []string{
		"v=spf1 \x1b[31m\u202e<script>\x00 -all", "v=DMARC1; p=\x07; \xff\xfe=1", "v=DKIM1; p=\x00\x1b", "p=\u202e",
		"v=STSv1; id=\n", "v=TLSRPTv1; rua=\r\n", "v=BIMI1; l=\x00", "MS=\x1b]0;x\x07", "v=spf1 " + strings.Repeat("\u202e", 30000), "",
	}
	for _, k := range Kinds() {
		if k.Type() != rrset.TXT {
			continue
		}
		for _, text := range hostile {
			set := rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
			e := Expectation{Kind: k, Match: Captured, AllowInvalid: true}
			for _, f := range []Finding{e.Check(set), Expectation{Kind: k, Match: Present}.Check(set), e.Compare(answer(t, rrset.TXT, "v=spf1 -all", "p=", "v=DMARC1; p=none", "x=1"), set)} {
				mustBeSound(t, f)
				if len(f.Reason) > 1000 {
					t.Errorf("%s: a reason of %d bytes", k, len(f.Reason))
				}
			}
		}
	}
}

// TestF30F31F32OrderCaseAndDuplicates says what never is a difference.
func TestF30F31F32OrderCaseAndDuplicates(t *testing.T) {
	e := Expectation{Kind: MX, Match: Equal, Want: []string{"10 a.example", "20 b.example"}}
	if f := e.Check(answer(t, rrset.MX, "20 B.example", "10 A.EXAMPLE", "10 a.example")); f.Class != Same {
		t.Errorf("%s: %s", f.Class, f.Reason)
	}
}

func TestAnswersOfAnotherTypeAreIgnored(t *testing.T) {
	for _, k := range Kinds() {
		f := Expectation{Kind: k, Match: Captured}.Check(rrset.NewSet(rrset.SOA, []byte{0}))
		if f.Class != Absent {
			t.Errorf("%s: an SOA record is %s", k, f.Class)
		}
	}
}
