package dnslab

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// BenchmarkAsk is one question at a time over UDP, in a lab of 10,000 zones.
func BenchmarkAsk(b *testing.B) {
	l, err := New(1)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for i := range 10000 {
		apex := rrset.Name(fmt.Sprintf("d%d.example", i))
		if err := l.Set(apex, apex, rrset.TXT, 60, "v=spf1 -all"); err != nil {
			b.Fatal(err)
		}
	}
	r, err := l.Resolver("one")
	if err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]*Server{"authority": l.Authorities()[0].Server, "resolver": r.Server} {
		b.Run(name, func(b *testing.B) {
			conn, err := dns.Dial("udp", s.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			c := new(dns.Client)
			for i := 0; b.Loop(); i++ {
				q := new(dns.Msg).SetQuestion(fmt.Sprintf("d%d.example.", i%10000), dns.TypeTXT)
				if m, _, err := c.ExchangeWithConn(q, conn); err != nil || len(m.Answer) != 1 {
					b.Fatalf("%v, %v", m, err)
				}
			}
		})
	}
	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			l.Authorities()[0].Freeze(true)
		}
	})
}
