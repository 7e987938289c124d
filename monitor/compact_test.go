package monitor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maildrift/monitor/mailrec"
)

// drawSpec makes up a spec of few words, so that many specs have some alike: good values, those of other kinds and bad ones.
func drawSpec(dice *rand.Rand, i int) Spec {
	values := []string{
		"v=spf1 -all", "v=spf1 include:_spf.service.test ~all", "v=spf1 wrong", "v=DMARC1; p=none", "v=DMARC1; p=often", "v=DKIM1; p=", "v=DKIM1; k=none; p=x",
		"10 mx.test", "mx.test", "mx.test.", "a b c", "service.test", "token=1", "", "192.0.2.1", "2001:db8::1", "include:_spf.service.test", "p=none", fmt.Sprintf("token=%d", i),
	}
	kinds := []mailrec.Kind{mailrec.Ownership, mailrec.SPF, mailrec.DKIM, mailrec.DMARC, mailrec.MX, mailrec.CNAME, mailrec.TXT, mailrec.A, mailrec.AAAA}
	s := Spec{Domain: fmt.Sprintf("d%04d.test", i)}
	if dice.IntN(4) == 0 {
		s.Service, s.Params = "directmail", map[string]string{"region": []string{"ap-southeast-1", "nowhere"}[dice.IntN(9)/8]}
	}
	for range 1 + dice.IntN(3) {
		x := ExpectSpec{Kind: kinds[dice.IntN(len(kinds))], Host: []string{"", "@", "s1._domainkey", "bounce"}[dice.IntN(4)], AllowInvalid: dice.IntN(6) == 0}
		x.Match = []string{"", "", "equal", "contains", "captured"}[dice.IntN(5)]
		for range dice.IntN(3) {
			x.Value = append(x.Value, values[dice.IntN(len(values))])
		}
		s.Expect = append(s.Expect, x)
	}
	return s
}

// Domains that are made together are those that are made one by one, and what is wrong with a spec is found as well: what was found to
// be valid of one kind says nothing of another.
func TestPropertyDomainsMadeTogetherAreThoseMadeAlone(t *testing.T) {
	presets, dice := testPresets(t), rand.New(rand.NewPCG(1, 2))
	specs := make([]Spec, 20*fewDomains)
	for i := range specs {
		specs[i] = drawSpec(dice, i)
	}
	together, problems := ResolveAll(specs, presets)
	good := 0
	for i := range specs {
		alone, err := specs[i].Resolve(presets)
		if fmt.Sprint(err) != fmt.Sprint(problems[i]) {
			t.Errorf("%+v is %v alone, and among others %v", specs[i], err, problems[i])
		}
		if diff := cmp.Diff(alone, together[i], cmpopts.IgnoreUnexported(Domain{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("alone and among others:\n%s", diff)
		}
		if err == nil {
			good++
		}
	}
	if good < len(specs)/10 || good > len(specs)*9/10 {
		t.Errorf("%d of %d specs are good", good, len(specs))
	}
}

// What many domains say is in memory once, what only one says is not remembered beyond it.
func TestTextsThatManyDomainsHaveAreThereOnce(t *testing.T) {
	presets := testPresets(t)
	on := newShelf(4 * fewDomains)
	places := map[*byte]bool{}
	for i := range 4 * fewDomains {
		name := fmt.Sprintf("d%04d.test", i)
		spec := Spec{Domain: name, Expect: []ExpectSpec{
			{Kind: mailrec.SPF, Value: StringList{strings.Clone("v=spf1 include:_spf.service.test ~all")}},
			{Kind: mailrec.DMARC, Value: StringList{"v=DMARC1; p=none; rua=mailto:dmarc@" + name}},
		}}
		d, err := spec.resolve(presets, on)
		if err != nil {
			t.Fatal(err)
		}
		spf, _ := d.Record("spf")
		for _, text := range []string{d.Spec.Expect[0].Value[0], spf.Want[0], spf.Publish[0].Value} {
			places[unsafe.StringData(text)] = true
		}
	}
	if len(places) > 2 { // where it was met first, and from then on
		t.Errorf("one text is in memory %d times", len(places))
	}
	for text := range maps.Keys(on.common.known) {
		if strings.Contains(text, "d0") {
			t.Errorf("%q is remembered", text)
		}
	}
}
