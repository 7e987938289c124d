package spf

import (
	"net/netip"
	"testing"
)

const benchZone = `$TTL 60
d.example. TXT "v=spf1 include:p.example include:q.example ip4:192.0.2.0/24 mx -all"
d.example. MX 10 m.example.
m.example. A 203.0.113.9
p.example. TXT "v=spf1 include:p1.example include:p2.example ~all"
p1.example. TXT "v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all"
p2.example. TXT "v=spf1 ip4:198.51.101.0/24 ip4:198.51.102.0/24 ~all"
q.example. TXT "v=spf1 a:m.example -all"
`

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("v=spf1 include:spf1.dm.aliyun.com include:_spf.google.com ip4:192.0.2.0/24 -all"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck evaluates a message that only the last term decides on: six lookups.
func BenchmarkCheck(b *testing.B) {
	z := parseZone(b, benchZone)
	r := Request{IP: netip.MustParseAddr("192.0.3.1"), MailFrom: "alice@d.example", Helo: "d.example"}
	b.ReportAllocs()
	for b.Loop() {
		if o := Check(z, r); o.Result != Fail {
			b.Fatal(o)
		}
	}
}

func BenchmarkExplore(b *testing.B) {
	z := parseZone(b, benchZone)
	b.ReportAllocs()
	for b.Loop() {
		if t := Explore(z, "d.example"); t.Problem != "" {
			b.Fatal(t.Problem)
		}
	}
}
