package monitor

import (
	"testing"

	"maildrift/monitor/mailrec"
)

// BenchmarkResolve makes domains of specs, as a start does with every one that was registered.
func BenchmarkResolve(b *testing.B) {
	presets := testPresets(b)
	key := (newFleet(b, 1)).domains[0].Spec.Params["dkim"]
	for _, bench := range []struct {
		name string
		spec Spec
	}{
		{"listed", Spec{Domain: "notice.shop.example", Expect: []ExpectSpec{
			{Kind: mailrec.Ownership, Value: StringList{"service-verification=0123456789abcdef0123456789abcdef"}},
			{Kind: mailrec.SPF, Value: StringList{"v=spf1 include:_spf.service.example include:_spf.mailbox.example ~all"}},
			{Kind: mailrec.DKIM, Host: "s1._domainkey", Value: StringList{key}},
			{Kind: mailrec.DMARC, Value: StringList{"v=DMARC1; p=reject; rua=mailto:dmarc@notice.shop.example"}},
			{Kind: mailrec.MX, Value: StringList{"10 mx.mailbox.example"}},
			{Kind: mailrec.CNAME, Host: "bounce", Value: StringList{"bounce.service.example"}},
		}}},
		{"service", Spec{Domain: "notice.shop.example", Service: "directmail", Params: map[string]string{"region": "ap-southeast-1", "dkim": key}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.spec.Resolve(presets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
