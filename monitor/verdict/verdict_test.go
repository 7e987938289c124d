package verdict

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maildrift/monitor/mailrec"
)

// good is a domain that does everything that bulk senders must.
var good = Facts{SPF: Pass, SPFAligned: true, DKIM: Pass, DKIMAligned: true, HardFail: true, Policy: Reject}

// with changes good.
func with(change func(*Facts)) Facts {
	f := good
	change(&f)
	return f
}

// brief is a verdict in a line: a letter a receiver, in their order.
func brief(v Verdict) string {
	var out strings.Builder
	for _, r := range v.Rulings {
		out.WriteByte("ajdR"[r.Action])
	}
	return out.String()
}

// TestDecisionTable goes over {SPF ok, DKIM ok, aligned, policy}: what Gmail, Yahoo, Microsoft
// and NetEase do (a accept, j junk, d defer, R refuse), and what losing what is lost means.
func TestDecisionTable(t *testing.T) {
	for _, tt := range []struct {
		spf, dkim, aligned bool
		policy             Policy
		dmarc              bool
		want               string
		impact             mailrec.Impact
	}{
		{true, true, true, Reject, true, "aaaa", mailrec.None},
		{true, true, true, Quarantine, true, "aaaa", mailrec.Weakened},
		{true, true, true, Monitor, true, "aaaa", mailrec.Weakened},
		{true, true, true, NoPolicy, true, "RRRa", mailrec.Degraded},
		{true, true, false, Reject, false, "RRRR", mailrec.Rejected},
		{true, true, false, Quarantine, false, "dRRj", mailrec.Degraded},
		{true, true, false, Monitor, false, "dRRa", mailrec.Degraded},
		{true, true, false, NoPolicy, false, "RRRa", mailrec.Degraded},
		{true, false, true, Reject, true, "RRRa", mailrec.Degraded},
		{true, false, true, Quarantine, true, "RRRa", mailrec.Degraded},
		{true, false, true, Monitor, true, "RRRa", mailrec.Degraded},
		{true, false, true, NoPolicy, true, "RRRa", mailrec.Degraded},
		{true, false, false, Reject, false, "RRRR", mailrec.Rejected},
		{true, false, false, Quarantine, false, "RRRj", mailrec.Degraded},
		{true, false, false, Monitor, false, "RRRa", mailrec.Degraded},
		{true, false, false, NoPolicy, false, "RRRa", mailrec.Degraded},
		{false, true, true, Reject, true, "RRRa", mailrec.Degraded},
		{false, true, true, Quarantine, true, "RRRa", mailrec.Degraded},
		{false, true, true, Monitor, true, "RRRa", mailrec.Degraded},
		{false, true, true, NoPolicy, true, "RRRa", mailrec.Degraded},
		{false, true, false, Reject, false, "RRRR", mailrec.Rejected},
		{false, true, false, Quarantine, false, "RRRj", mailrec.Degraded},
		{false, true, false, Monitor, false, "RRRa", mailrec.Degraded},
		{false, true, false, NoPolicy, false, "RRRa", mailrec.Degraded},
		{false, false, true, Reject, false, "RRRR", mailrec.Rejected},
		{false, false, true, Quarantine, false, "RRRR", mailrec.Rejected},
		{false, false, true, Monitor, false, "RRRR", mailrec.Rejected},
		{false, false, true, NoPolicy, false, "RRRR", mailrec.Rejected},
		{false, false, false, Reject, false, "RRRR", mailrec.Rejected},
		{false, false, false, Quarantine, false, "RRRR", mailrec.Rejected},
		{false, false, false, Monitor, false, "RRRR", mailrec.Rejected},
		{false, false, false, NoPolicy, false, "RRRR", mailrec.Rejected},
	} {
		t.Run(fmt.Sprintf("spf %v dkim %v aligned %v %s", tt.spf, tt.dkim, tt.aligned, tt.policy), func(t *testing.T) {
			f := Facts{SPF: PermError, DKIM: PermError, SPFAligned: tt.aligned, DKIMAligned: tt.aligned, HardFail: true, Policy: tt.policy}
			if tt.spf {
				f.SPF = Pass
			}
			if tt.dkim {
				f.DKIM = Pass
			}
			v := Judge(f)
			if v.Passes != tt.dmarc || brief(v) != tt.want {
				t.Errorf("DMARC %v, receivers %s; want %v, %s", v.Passes, brief(v), tt.dmarc, tt.want)
			}
			if got := Judge(good).Impact(v); got != tt.impact {
				t.Errorf("impact %s, want %s", got, tt.impact)
			}
		})
	}
}

func TestStatesOfTheRecords(t *testing.T) {
	for _, tt := range []struct {
		name   string
		facts  Facts
		want   string
		gmail  string
		impact mailrec.Impact
	}{
		{"the include is gone before -all", with(func(f *Facts) { f.SPF = Fail }), "RRRR", "550 5.7.26", mailrec.Rejected},
		{"the include is gone before ~all", with(func(f *Facts) { f.SPF, f.HardFail = Neutral, false }), "RRRa", "550 5.7.27", mailrec.Degraded},
		{"-all became ~all", with(func(f *Facts) { f.HardFail = false }), "aaaa", "", mailrec.Weakened},
		{"the key is gone", with(func(f *Facts) { f.DKIM = None }), "RRRa", "550 5.7.30", mailrec.Degraded},
		{"the key is gone and SPF is for another domain", with(func(f *Facts) { f.DKIM, f.SPFAligned = None, false }), "RRRR", "550 5.7.26", mailrec.Rejected},
		{"lookups fail at validating resolvers", with(func(f *Facts) { f.SPF, f.DKIM, f.PolicyUnknown, f.Policy = TempError, TempError, true, NoPolicy }), "dddd", "451 4.7.26", mailrec.Degraded},
		{"one lookup fails", with(func(f *Facts) { f.SPF = TempError }), "aaaa", "", mailrec.None},
		{"no DKIM is used", with(func(f *Facts) { f.DKIM = Untried }), "aaaa", "", mailrec.None},
		{"nothing is used", Facts{Policy: Reject}, "aaaa", "", mailrec.Weakened},
		{"bounces have nowhere to go", with(func(f *Facts) { f.NoReturn = true }), "aaaa", "", mailrec.Weakened},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := Judge(tt.facts)
			if brief(v) != tt.want || v.Rulings[0].Code != tt.gmail {
				t.Errorf("receivers %s, Gmail %q; want %s, %q", brief(v), v.Rulings[0].Code, tt.want, tt.gmail)
			}
			if got := Judge(good).Impact(v); got != tt.impact {
				t.Errorf("impact %s, want %s", got, tt.impact)
			}
		})
	}
}

// Laws: nothing happens when nothing changes; a fact that gets better never makes a ruling
// worse; whoever refuses says why.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Facts{
			SPF: Auth(rapid.IntRange(0, int(TempError)).Draw(t, "spf")), DKIM: Auth(rapid.IntRange(0, int(TempError)).Draw(t, "dkim")),
			SPFAligned: rapid.Bool().Draw(t, "spf aligned"), DKIMAligned: rapid.Bool().Draw(t, "dkim aligned"),
			HardFail: rapid.Bool().Draw(t, "-all"), Policy: Policy(rapid.IntRange(0, int(Reject)).Draw(t, "policy")),
			PolicyUnknown: rapid.Bool().Draw(t, "unknown"),
		}
		v := Judge(f)
		if got := v.Impact(v); got != mailrec.None {
			t.Fatalf("no change has impact %s", got)
		}
		better := f
		better.SPF, better.SPFAligned = Pass, true
		for i, r := range Judge(better).Rulings {
			if r.Action > v.Rulings[i].Action {
				t.Fatalf("%+v is %s at %s, but with SPF in order it is %s", f, v.Rulings[i].Action, r.Receiver, r.Action)
			}
		}
		for _, r := range v.Rulings {
			if (r.Action == Accept) != (r.Why == "") {
				t.Fatalf("%+v", r)
			}
		}
		b, err := json.Marshal(v)
		var back Verdict
		if err != nil || json.Unmarshal(b, &back) != nil || back.Facts != v.Facts || brief(back) != brief(v) {
			t.Fatalf("%s came back as %+v", b, back)
		}
	})
}
