package monitor

import (
	"fmt"
	"testing"

	"maildrift/monitor/mailrec"
)

// BenchmarkResolve makes domains of specs, as a start does with every one that was registered.
func BenchmarkResolve(b *testing.B) {
	presets := testPresets(b)
	for name, spec := range benchSpecs(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := spec(0).Resolve(presets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkResolveAll makes a thousand at a time; a start makes a hundred thousand.
func BenchmarkResolveAll(b *testing.B) {
	presets := testPresets(b)
	for name, spec := range benchSpecs(b) {
		b.Run(name, func(b *testing.B) {
			specs := make([]Spec, 1000)
			for i := range specs {
				specs[i] = spec(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := ResolveAll(specs, presets); problems[0] != nil {
					b.Fatal(problems[0])
				}
			}
		})
	}
}

// benchSpecs gives specs by their number: with records that are all listed, and with those of a service.
func benchSpecs(b *testing.B) map[string]func(i int) Spec {
	fleet := newFleet(b, 1)
	key := fleet.key(b)
	return map[string]func(i int) Spec{
		"listed": func(i int) Spec {
			name := fmt.Sprintf("notice.shop%06d.example", i)
			return Spec{Domain: name, Expect: []ExpectSpec{
				{Kind: mailrec.Ownership, Host: "@", Value: StringList{fmt.Sprintf("service-verification=%032x", i)}},
				{Kind: mailrec.SPF, Host: "@", Value: StringList{fmt.Sprintf("v=spf1 include:_spf.service%d.example include:_spf.mailbox.example ~all", i%8)}},
				{Kind: mailrec.DKIM, Host: "s1._domainkey", Value: StringList{key[:len(key)-20] + fmt.Sprintf("%06d", i) + key[len(key)-14:]}},
				{Kind: mailrec.DMARC, Host: "_dmarc", Value: StringList{"v=DMARC1; p=reject; rua=mailto:dmarc@" + name}},
				{Kind: mailrec.MX, Host: "@", Value: StringList{"10 mx.mailbox.example"}},
				{Kind: mailrec.CNAME, Host: "bounce", Value: StringList{"bounce.service.example"}},
			}}
		},
		"service": func(i int) Spec {
			return Spec{
				Domain: fmt.Sprintf("notice.shop%06d.example", i), Service: "directmail",
				Params: map[string]string{"region": "ap-southeast-1", "dkim": key[:len(key)-20] + fmt.Sprintf("%06d", i) + key[len(key)-14:]},
			}
		},
	}
}
