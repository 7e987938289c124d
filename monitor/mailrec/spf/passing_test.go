package spf

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// smallWorld has a domain whose record is given, and what its terms may name: addresses of
// 192.0.2.0/24 only.
func smallWorld(record string) view.View {
	texts := map[rrset.Name]string{
		"d.example": record, "i.example": "v=spf1 ip4:192.0.2.16/28 -all", "j.example": "v=spf1 -ip4:192.0.2.17 ip4:192.0.2.16/29 ~all",
	}
	addresses := map[rrset.Name]string{"d.example": "192.0.2.1", "m.example": "192.0.2.18", "x.d.example": "127.0.0.2"}
	return view.Func(func(q view.Question) view.Answer {
		var set rrset.Set
		if text, ok := texts[q.Name]; ok && q.Type == rrset.TXT {
			set = rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
		} else if address, ok := addresses[q.Name]; ok && q.Type == rrset.A {
			set, _ = rrset.Parse(rrset.A, address)
		} else if q.Type == rrset.MX {
			set, _ = rrset.Parse(rrset.MX, "1 m.example")
		}
		if set.Empty() {
			return view.Answer{Status: view.NoData}
		}
		return view.Answer{Status: view.Found, Set: set}
	})
}

// randomRecord makes a record of a few terms of those given.
func randomRecord(r *rand.Rand, qualifiers []string, terms []string) string {
	out := "v=spf1"
	for range r.IntN(5) {
		out += " " + qualifiers[r.IntN(len(qualifiers))] + terms[r.IntN(len(terms))]
	}
	return out + []string{" -all", " ~all", "", " redirect=j.example", " -all"}[r.IntN(5)]
}

// passes gives for each address of 192.0.2.0/26 and one outside whether it passes.
func passes(record string) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	v := smallWorld(record)
	for i := range 65 {
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
		if i == 64 {
			ip = netip.MustParseAddr("203.0.113.1")
		}
		out[ip] = Check(v, Request{IP: ip, MailFrom: "a@d.example"}).Result == Pass
	}
	return out
}

func anyLost(a, b string) bool {
	now := passes(b)
	for ip, passed := range passes(a) {
		if passed && !now[ip] {
			return true
		}
	}
	return false
}

// TestLostAgainstEvaluation holds Lost against what receivers do with each address: it never misses
// a loss, and where records have only networks that pass it tells no other.
func TestLostAgainstEvaluation(t *testing.T) {
	networks := strings.Fields("ip4:192.0.2.0/24 ip4:192.0.2.0/27 ip4:192.0.2.0/28 ip4:192.0.2.16/28 ip4:192.0.2.16/29 ip4:192.0.2.24/29 ip4:192.0.2.18 ip4:192.0.2.1")
	names := strings.Fields("a a/28 mx mx/29 a:m.example include:i.example include:j.example exists:x.d.example exists:%{i}.d.example")
	for _, tt := range []struct {
		name       string
		qualifiers []string
		terms      []string
		exact      bool
	}{
		{"networks", []string{""}, networks, true},
		{"denied networks", []string{"", "", "-", "~"}, networks, false},
		{"names and networks", []string{"", "", "", "?", "-"}, append(names, networks...), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7208, 1)) //nolint:gosec // reproducible, not secret
			const rounds = 600
			wrong := 0
			for range rounds {
				a, b := randomRecord(r, tt.qualifiers, tt.terms), randomRecord(r, tt.qualifiers, tt.terms)
				told, lost := len(mustParse(t, a).Lost(mustParse(t, b))) > 0, anyLost(a, b)
				if lost && !told {
					t.Fatalf("%q became %q: senders are lost and nothing is told", a, b)
				}
				if told && !lost {
					wrong++
				}
				if told && !lost && tt.exact && !strings.Contains(a+b, "redirect") {
					t.Fatalf("%q became %q: nobody is lost and %v is told", a, b, mustParse(t, a).Lost(mustParse(t, b)))
				}
			}
			t.Logf("%d of %d told without a loss in this world", wrong, rounds)
		})
	}
}

func mustParse(t *testing.T, text string) Record {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLost(t *testing.T) {
	for _, tt := range []struct {
		name, was, is string
		want          []Loss
	}{
		{"nothing", "a mx -all", "mx a ~all", nil},
		{"a term went", "a mx -all", "a -all", []Loss{{Term: "mx"}}},
		{"denied before", "a -all", "-ip4:192.0.2.1 a -all", []Loss{{"a", "-ip4:192.0.2.1"}}},
		{"other networks denied before", "ip4:192.0.2.2 -all", "-ip4:192.0.2.1 ip4:192.0.2.2 -all", nil},
		{"denied before all along", "-ip4:192.0.2.1 a -all", "-ip4:192.0.2.1 mx a -all", nil},
		{"denied behind", "a -all", "a -ip4:192.0.2.1 -all", nil},
		{"was dead", "-a a -all", "-a -all", nil},
		{"all is about strangers", "+all", "-all", nil},
		{"a redirect", "redirect=x.example", "a ~all", []Loss{{Term: "redirect=x.example"}}},
		{"a redirect became an include", "redirect=x.example", "include:x.example ~all", nil},
		{"halves", "ip6:2001:db8::/32", "ip6:2001:db8::/33 ip6:2001:db8:8000::/33", nil},
		{"one half", "ip6:2001:db8::/32", "ip6:2001:db8::/33", []Loss{{Term: "ip6:2001:db8::/32"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := mustParse(t, "v=spf1 "+tt.was).Lost(mustParse(t, "v=spf1 "+tt.is))
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestLostOfVeryLongRecords(t *testing.T) {
	long := mustParse(t, "v=spf1 a mx"+strings.Repeat(" ip4:192.0.2.1", maxCompared))
	if got := long.Lost(mustParse(t, "v=spf1 a ip4:192.0.2.1 -all")); fmt.Sprint(got) != "[{mx }]" {
		t.Errorf("got %v", got)
	}
}

func TestAnybody(t *testing.T) {
	for text, want := range map[string]bool{
		"+all": true, "-ip4:192.0.2.1 +all": true, "ip4:0.0.0.0/0 -all": true, "ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all": true,
		"-all": false, "ip4:0.0.0.0/1 -all": false, "-ip4:0.0.0.0/0 ip4:0.0.0.0/0": false, "a mx": false,
	} {
		if got := mustParse(t, "v=spf1 "+text).Anybody(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// BenchmarkLost compares two records as long as are compared term by term.
func BenchmarkLost(b *testing.B) {
	var was, is strings.Builder
	was.WriteString("v=spf1")
	is.WriteString("v=spf1")
	for i := range 480 {
		fmt.Fprintf(&was, " ip4:10.%d.%d.0/25", i/250, i%250)
		fmt.Fprintf(&is, " -ip4:10.%d.%d.0/26 ip4:10.%d.%d.64/26", i/250, i%250, i/250, i%250)
	}
	long, err := Parse(was.String())
	if err != nil {
		b.Fatal(err)
	}
	other, err := Parse(is.String())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		long.Lost(other)
		other.Lost(long)
	}
}
