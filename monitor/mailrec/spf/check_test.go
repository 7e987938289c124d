package spf

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// many makes lines by number.
func many(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format+"\n", i)
	}
	return out.String()
}

// TestCheck has the rules that the outside suite leaves open, one by one.
func TestCheck(t *testing.T) {
	const head = "$TTL 60\n"
	for _, tt := range []struct {
		name, zone   string
		ip, from     string
		want         Result
		lookups      int
		voids        int
		term, domain string
	}{
		{
			name: "the order of terms decides", zone: `d.example. TXT "v=spf1 -ip4:192.0.2.1 +ip4:192.0.2.0/24 -all"`,
			ip: "192.0.2.1", want: Fail, term: "-ip4:192.0.2.1", domain: "d.example",
		},
		{
			name: "no term and no all is neutral (4.7)", zone: `d.example. TXT "v=spf1 ip4:192.0.2.9"`,
			ip: "192.0.2.1", want: Neutral, domain: "d.example",
		},
		{
			name: "an include passes on only pass (5.2)", zone: "d.example. TXT \"v=spf1 include:i.example ?all\"\ni.example. TXT \"v=spf1 -all\"",
			ip: "192.0.2.1", want: Neutral, lookups: 1, term: "?all", domain: "d.example",
		},
		{
			name: "an include whose record is gone is permerror (5.2)", zone: `d.example. TXT "v=spf1 include:i.example -all"`,
			ip: "192.0.2.1", want: PermError, lookups: 1, term: "include:i.example", domain: "d.example",
		},
		{
			name: "an include that is not reached does not matter", zone: `d.example. TXT "v=spf1 ip4:192.0.2.1 include:i.example -all"`,
			ip: "192.0.2.1", want: Pass, term: "ip4:192.0.2.1", domain: "d.example",
		},
		{
			name: "redirect takes the other's result (6.1)", zone: "d.example. TXT \"v=spf1 redirect=r.example\"\nr.example. TXT \"v=spf1 ~all\"",
			ip: "192.0.2.1", want: SoftFail, lookups: 1, term: "~all", domain: "r.example",
		},
		{
			name: "redirect to nothing is permerror (6.1)", zone: `d.example. TXT "v=spf1 redirect=r.example"`,
			ip: "192.0.2.1", want: PermError, lookups: 1, domain: "d.example",
		},
		{
			name: "redirect does not count when all is there", zone: `d.example. TXT "v=spf1 ?all redirect=r.example"`,
			ip: "192.0.2.1", want: Neutral, term: "?all", domain: "d.example",
		},
		{
			name: "ten lookups are allowed (4.6.4)", zone: `d.example. TXT "v=spf1 ` + strings.Repeat("a ", 10) + "-all\"\nd.example. A 192.0.2.9",
			ip: "192.0.2.1", want: Fail, lookups: 10, term: "-all", domain: "d.example",
		},
		{
			name: "the eleventh is permerror", zone: `d.example. TXT "v=spf1 ` + strings.Repeat("a ", 11) + "-all\"\nd.example. A 192.0.2.9",
			ip: "192.0.2.1", want: PermError, lookups: 11, term: "a", domain: "d.example",
		},
		{
			name: "lookups of includes add up, redirect counts", zone: "d.example. TXT \"v=spf1 include:i.example redirect=r.example\"\ni.example. TXT \"v=spf1 a a a -all\"\ni.example. A 192.0.2.9\nr.example. TXT \"v=spf1 mx -all\"\nr.example. MX 1 i.example.",
			ip: "192.0.2.1", want: Fail, lookups: 6, term: "-all", domain: "r.example",
		},
		{
			name: "ip4, ip6 and all cost nothing", zone: `d.example. TXT "v=spf1 ` + strings.Repeat("ip4:192.0.2.7 ip6:2001:db8::1 ", 20) + `-all"`,
			ip: "192.0.2.1", want: Fail, term: "-all", domain: "d.example",
		},
		{
			name: "two void lookups are allowed", zone: `d.example. TXT "v=spf1 a:x.d.example a:y.d.example -all"`,
			ip: "192.0.2.1", want: Fail, lookups: 2, voids: 2, term: "-all", domain: "d.example",
		},
		{
			name: "three are not, whether NODATA or NXDOMAIN", zone: `d.example. TXT "v=spf1 a mx:d.example exists:z.d.example -all"`,
			ip: "192.0.2.1", want: PermError, lookups: 3, voids: 3, term: "exists:z.d.example", domain: "d.example",
		},
		{
			name: "more than ten exchanges are permerror", zone: "d.example. TXT \"v=spf1 mx -all\"\n" + many(11, "d.example. MX 1 m%d.example."),
			ip: "192.0.2.1", want: PermError, lookups: 1, term: "mx", domain: "d.example",
		},
		{
			name: "only ten pointer names are looked at (5.5)",
			zone: "d.example. TXT \"v=spf1 ptr:zz.example -all\"\n" + many(10, "1.2.0.192.in-addr.arpa. PTR a%d.example.") + "1.2.0.192.in-addr.arpa. PTR zz.example.\nzz.example. A 192.0.2.1",
			ip:   "192.0.2.1", want: Fail, lookups: 1, term: "-all", domain: "d.example",
		},
		{
			name: "a null MX has no address", zone: "d.example. TXT \"v=spf1 mx ?all\"\nd.example. MX 0 .",
			ip: "192.0.2.1", want: Neutral, lookups: 1, term: "?all", domain: "d.example",
		},
		{
			name: "exists wants an IPv4 address for any client (5.7)", zone: "d.example. TXT \"v=spf1 exists:x.example -all\"\nx.example. A 127.0.0.2",
			ip: "2001:db8::1", want: Pass, lookups: 1, term: "exists:x.example", domain: "d.example",
		},
		{
			name: "a mapped address is an IPv4 address (4.6.2)", zone: `d.example. TXT "v=spf1 ip4:192.0.2.1 -all"`,
			ip: "::ffff:192.0.2.1", want: Pass, term: "ip4:192.0.2.1", domain: "d.example",
		},
		{
			name: "a syntax error after a term that matches is still one (4.6)", zone: `d.example. TXT "v=spf1 ip4:192.0.2.1 inlcude:x.example -all"`,
			ip: "192.0.2.1", want: PermError, domain: "d.example",
		},
		{
			name: "strings are joined without a blank (3.3)", zone: `d.example. TXT "v=spf1 ip4:192.0" ".2.1 -all"`,
			ip: "192.0.2.1", want: Pass, term: "ip4:192.0.2.1", domain: "d.example",
		},
		{
			name: "two records are permerror (4.5)", zone: "d.example. TXT \"v=spf1 +all\"\nd.example. TXT \"v=spf1 -all\"",
			ip: "192.0.2.1", want: PermError, domain: "d.example",
		},
		{
			name: "a record behind a CNAME counts", zone: "d.example. CNAME e.example.\ne.example. TXT \"v=spf1 a -all\"\ne.example. A 192.0.2.1",
			ip: "192.0.2.1", want: Pass, lookups: 1, term: "a", domain: "d.example",
		},
		{
			name: "an empty sender is postmaster at the HELO name (2.4)", zone: `d.example. TXT "v=spf1 exists:%{l}.x.example -all"` + "\npostmaster.x.example. A 127.0.0.2",
			ip: "192.0.2.1", from: "-", want: Pass, lookups: 1, term: "exists:%{l}.x.example", domain: "d.example",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{IP: netip.MustParseAddr(tt.ip), MailFrom: "alice@d.example", Helo: "d.example"}
			if tt.from == "-" {
				r.MailFrom = ""
			}
			o := Check(parseZone(t, head+tt.zone+"\n"), r)
			if o.Result != tt.want || o.Lookups != tt.lookups || o.Voids != tt.voids || o.Term != tt.term || o.Domain != tt.domain || !o.Final {
				t.Errorf("got %s by %q of %s after %d lookups and %d voids (%s)\nwant %s by %q of %s after %d and %d\n%+v",
					o.Result, o.Term, o.Domain, o.Lookups, o.Voids, o.Problem, tt.want, tt.term, tt.domain, tt.lookups, tt.voids, o.Trace)
			}
			if (o.Result == PermError || o.Result == TempError || o.Result == None) != (o.Problem != "") {
				t.Errorf("%s with the problem %q", o.Result, o.Problem)
			}
		})
	}
}

// The examples of RFC 7208 section 7.4.
func TestMacros(t *testing.T) {
	v4 := macros{
		ip: netip.MustParseAddr("192.0.2.3"), sender: "strong-bad@email.example.com", domain: "email.example.com",
		helo: "mx.example.org", receiver: "rcv.example", now: time.Unix(1_800_000_000, 0), validated: func() string { return "mx.example.org" },
	}
	v6 := v4
	v6.ip = netip.MustParseAddr("2001:db8::cb01")
	for in, want := range map[string]string{
		"%{s}": "strong-bad@email.example.com", "%{o}": "email.example.com", "%{d}": "email.example.com", "%{d4}": "email.example.com",
		"%{d3}": "email.example.com", "%{d2}": "example.com", "%{d1}": "com", "%{dr}": "com.example.email", "%{d2r}": "example.email",
		"%{l}": "strong-bad", "%{l-}": "strong.bad", "%{lr}": "strong-bad", "%{lr-}": "bad.strong", "%{l1r-}": "strong",
		"%{ir}.%{v}._spf.%{d2}": "3.2.0.192.in-addr._spf.example.com", "%{lr-}.lp._spf.%{d2}": "bad.strong.lp._spf.example.com",
		"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}":   "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
		"%{d2}.trusted-domains.example.net": "example.com.trusted-domains.example.net",
		"%%%_%-":                            "% %20", "%{S}": "strong-bad%40email.example.com", "%{c} %{r} %{t} %{h} %{p}": "192.0.2.3 rcv.example 1800000000 mx.example.org mx.example.org",
		"%{d0001}": "com", "%{d99999999999999999999}": "email.example.com",
	} {
		if got := v4.expand(in); got != want {
			t.Errorf("%s became %q, want %q", in, got, want)
		}
	}
	const want = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
	if got := v6.expand("%{ir}.%{v}._spf.%{d2}"); !strings.EqualFold(got, want) {
		t.Errorf("got %q", got)
	}
	if got := rrset.ReverseName(v6.ip); got != "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" {
		t.Errorf("got %q", got)
	}
}

func TestABookFillsUntilTheOutcomeIsFinal(t *testing.T) {
	world := parseZone(t, `$TTL 60
d.example. TXT "v=spf1 include:i.example -all"
i.example. TXT "v=spf1 mx -all"
i.example. MX 1 a.example.
i.example. MX 2 b.example.
a.example. A 192.0.2.1
b.example. A 192.0.2.2
`)
	r := Request{IP: netip.MustParseAddr("192.0.2.2"), MailFrom: "x@d.example", Helo: "d.example"}
	var book view.Book
	rounds := 0
	var o Outcome
	view.Settle(&book, func(v view.View) { o = Check(v, r) }, func(qs []view.Question) {
		rounds++
		if o.Final || o.Result != "" {
			t.Errorf("%s and final %v while %v is not known", o.Result, o.Final, qs)
		}
		for _, q := range qs {
			book.Put(q, world.Look(q))
		}
	})
	if !o.Final || o.Result != Pass || rounds != 4 {
		t.Errorf("%s (final %v) after %d rounds, want pass after 4: both exchanges go together", o.Result, o.Final, rounds)
	}
}

// A hostile tree of ten includes, each of ten includes, costs ten questions, not 10^10.
func TestHostileTreesAreCheap(t *testing.T) {
	asked := 0
	v := view.Func(func(q view.Question) view.Answer {
		asked++
		var terms []string
		for i := range 10 {
			terms = append(terms, fmt.Sprintf("include:i%d.%s", i, q.Name))
		}
		set, err := rrset.Parse(rrset.TXT, "v=spf1 "+strings.Join(terms, " ")+" -all")
		if err != nil {
			t.Fatal(err)
		}
		return view.Answer{Status: view.Found, Set: set}
	})
	o := Check(v, Request{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: "x@d.example", Helo: "d.example"})
	if o.Result != PermError || asked > 11 {
		t.Errorf("%s after %d questions", o.Result, asked)
	}
	asked = 0
	tree := Explore(v, "d.example")
	if tree.Problem == "" || asked > exploreAtMost {
		t.Errorf("%q after %d questions", tree.Problem, asked)
	}
}

func TestMacrosDoNotExplode(t *testing.T) {
	z := parseZone(t, "$TTL 60\nd.example. TXT \"v=spf1 -all exp=e.example\"\n")
	set, err := rrset.Parse(rrset.TXT, strings.Repeat("%{S}", 15_000))
	if err != nil {
		t.Fatal(err)
	}
	z[view.Question{Name: "e.example", Type: rrset.TXT}] = view.Answer{Status: view.Found, Set: set}
	o := Check(z, Request{IP: netip.MustParseAddr("192.0.2.1"), MailFrom: strings.Repeat("a", 60_000) + "@d.example", Helo: "d.example"})
	if o.Result != Fail || len(o.Explanation) > maxExpanded {
		t.Errorf("%s with %d bytes of explanation", o.Result, len(o.Explanation))
	}
}
