package mailrec

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

func TestRelationWords(t *testing.T) {
	for r, word := range relationNames {
		b, err := json.Marshal(Relation(r))
		if err != nil || string(b) != fmt.Sprintf("%q", word) {
			t.Errorf("%s: %s %v", word, b, err)
		}
		var back Relation
		if err := json.Unmarshal(b, &back); err != nil || back != Relation(r) {
			t.Errorf("%s reads as %s: %v", b, back, err)
		}
	}
	if err := new(Relation).UnmarshalText([]byte("worse")); err == nil {
		t.Error("an unknown word is read")
	}
}

// randomPolicy makes a DMARC record of valid tags, with p or a report address.
func randomPolicy(r *rand.Rand) map[string]string {
	p := map[string]string{}
	for name, values := range map[string][]string{
		"sp": policies, "np": policies, "pct": {"0", "50", "100"}, "t": {"y", "n"}, "adkim": {"r", "s"}, "aspf": {"r", "s"},
	} {
		if r.IntN(3) == 0 {
			p[name] = values[r.IntN(len(values))]
		}
	}
	p["p"] = policies[r.IntN(len(policies))]
	return p
}

// treated is how strictly receivers treat mail that is aligned by nothing, only relaxed by DKIM, or only
// relaxed by SPF: in percent of a step of policy, by name and by the RFC that they follow.
func treated(p map[string]string) []int {
	or := func(names ...string) int {
		for _, name := range names {
			if v := p[name]; v != "" {
				return strength(v)
			}
		}
		return 0
	}
	percent := 100
	if p["pct"] != "" {
		_, _ = fmt.Sscan(p["pct"], &percent)
	}
	old := func(level int) int { return percent*level + (100-percent)*max(level-1, 0) } // RFC 7489 section 6.6.4
	modern := func(level int) int {                                                     // RFC 9989 section 4.7
		if p["t"] == "y" {
			level = max(level-1, 0)
		}
		return 100 * level
	}
	var out []int
	for _, fails := range []bool{true, p["adkim"] == "s", p["aspf"] == "s"} {
		for _, level := range []int{
			old(or("p")), old(or("sp", "p")), modern(or("p")), modern(or("sp", "p")), modern(or("np", "sp", "p")),
		} {
			if !fails {
				level = -1 // passes
			}
			out = append(out, level)
		}
	}
	return out
}

// TestPoliciesAgainstTreatment holds relations of DMARC records against what is done to mail.
func TestPoliciesAgainstTreatment(t *testing.T) {
	r := rand.New(rand.NewPCG(9989, 1)) //nolint:gosec // reproducible, not secret
	for range 5000 {
		a, b := randomPolicy(r), randomPolicy(r)
		was, is := treated(a), treated(b)
		weaker, stricter := false, false
		for i := range was {
			weaker = weaker || is[i] < was[i]
			stricter = stricter || is[i] > was[i]
		}
		got, f := Relate(DMARC, policySet(a), policySet(b))
		switch {
		case weaker && got < Loosened, !weaker && stricter && got != Tightened, !weaker && !stricter && got > Cosmetic:
			t.Errorf("%v became %v: %s (%s); weaker: %v, stricter: %v\n%v\n%v", a, b, got, f.Reason, weaker, stricter, was, is)
		}
	}
}

func policySet(p map[string]string) rrset.Set {
	var out strings.Builder
	out.WriteString("v=DMARC1")
	for name, value := range p {
		out.WriteString("; " + name + "=" + value)
	}
	return rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(out.String())))
}
