package spf

import (
	"net/netip"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"v=spf1 -all", "v=spf1 include:_spf.example.com a/24//64 mx:b.example ip4:192.0.2.0/24 ip6:2001:db8::/32 ~all",
		"v=spf1 exists:%{ir}.%{v}.%{d2}.example ptr redirect=%{D}.example exp=x.example foo=%{s}", "v=spf1 a:foo:bar/baz.example.com/3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			if !strings.Contains(rrset.Printable([]byte(err.Error())), err.Error()) {
				t.Errorf("the error shows raw bytes: %q", err)
			}
			return
		}
		again, err := Parse(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q prints as %q, which reads as %q (%v)", s, r, again, err)
		}
		if lost := r.Lost(again); len(lost) > 0 {
			t.Fatalf("%q lost %+v to itself", s, lost)
		}
	})
}

// FuzzCheck evaluates hostile records, which may refer to each other, for bounded work.
func FuzzCheck(f *testing.F) {
	f.Add("v=spf1 include:b.example mx -all", "v=spf1 a redirect=a.example", "alice", uint32(0xc0000201))
	f.Add("v=spf1 exists:%{p}.%{l-}.b.example -all exp=b.example", "%{c} %{S} %{t}", "a-b-c", uint32(1))
	f.Add("v=spf1 ptr:%{p} a:%{d9r+}.b.example ~include:%{o}", "v=spf1 mx mx mx mx", "", uint32(7))
	f.Fuzz(func(t *testing.T, a, b, local string, ip uint32) {
		asked := 0
		v := view.Func(func(q view.Question) view.Answer {
			asked++
			return hostile(q, a, b)
		})
		addr := netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)})
		r := Request{IP: addr, MailFrom: local + "@a.example", Helo: "b.example"}
		o := Check(v, r)
		// A record, ten terms of a question and ten addresses each, the validated names, an explanation.
		if most := 1 + MaxLookups*(2+MaxNames) + 1 + MaxNames + 1; asked > most {
			t.Fatalf("%d questions for %s", asked, o.Result)
		}
		if o.Lookups > MaxLookups+1 || o.Voids > MaxVoids+1 || o.Result == "" || !o.Final {
			t.Fatalf("%+v", o)
		}
		if o2 := Check(v, r); o2.Result != o.Result || o2.Explanation != o.Explanation {
			t.Fatalf("%s, then %s", o.Result, o2.Result)
		}
		asked = 0
		if Explore(v, "a.example"); asked > exploreAtMost*1000 {
			t.Fatalf("%d questions to explore", asked)
		}
	})
}

// hostile answers every question with something.
func hostile(q view.Question, a, b string) view.Answer {
	var set rrset.Set
	switch q.Type {
	case rrset.TXT:
		text := a
		if strings.HasPrefix(string(q.Name), "b") {
			text = b
		}
		set = rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
	case rrset.MX:
		set, _ = rrset.Parse(rrset.MX, "1 a.example", "2 b.example", "3 c.example")
	case rrset.PTR:
		set, _ = rrset.Parse(rrset.PTR, "a.example", "b.example")
	case rrset.A:
		set, _ = rrset.Parse(rrset.A, "192.0.2.1")
	case rrset.AAAA, rrset.NS, rrset.CNAME, rrset.SOA, rrset.TLSA, rrset.CAA, rrset.DS, rrset.RRSIG, rrset.DNSKEY:
		return view.Answer{Status: view.NoData}
	}
	return view.Answer{Status: view.Found, Set: set}
}
