package mailrec

import (
	"testing"

	"maildrift/monitor/rrset"
)

func benchmarkCompare(b *testing.B, k Kind, was, now string) {
	e := Expectation{Kind: k, Match: Captured}
	base, set := answer(b, k.Type(), was), answer(b, k.Type(), now)
	b.ReportAllocs()
	for b.Loop() {
		e.Compare(base, set)
	}
}

func BenchmarkCompare(b *testing.B) {
	key := rsaKey(b, 2048)
	for _, bb := range []struct {
		kind     Kind
		was, now string
	}{
		{SPF, "v=spf1 include:spf1.dm.aliyun.com include:_spf.google.com ip4:192.0.2.0/24 -all", "v=spf1 include:_spf.google.com ip4:192.0.2.0/24 -all"},
		{DKIM, "v=DKIM1; k=rsa; p=" + key, "v=DKIM1; k=rsa; p=" + rsaKeyNumber(b, 2048, 2)},
		{DMARC, "v=DMARC1; p=reject; rua=mailto:a@x.example", "v=DMARC1; p=none; rua=mailto:a@x.example"},
		{MX, "10 a.example", "10 b.example"},
	} {
		b.Run(bb.kind.String()+"/unchanged", func(b *testing.B) { benchmarkCompare(b, bb.kind, bb.was, bb.was) })
		b.Run(bb.kind.String()+"/changed", func(b *testing.B) { benchmarkCompare(b, bb.kind, bb.was, bb.now) })
	}
}

// BenchmarkCheckAmongSiblings finds an SPF record among an apex's tokens.
func BenchmarkCheckAmongSiblings(b *testing.B) {
	set, err := rrset.Parse(rrset.TXT, "MS=ms1", "google-site-verification=abc", "brevo-code:123", "v=spf1 include:x.example -all")
	if err != nil {
		b.Fatal(err)
	}
	e := Expectation{Kind: SPF, Match: Captured}
	b.ReportAllocs()
	for b.Loop() {
		e.Check(set)
	}
}
