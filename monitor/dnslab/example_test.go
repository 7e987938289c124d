package dnslab_test

import (
	"fmt"

	"github.com/miekg/dns"

	"maildrift/monitor/dnslab"
	"maildrift/monitor/rrset"
)

// A lab with a zone and a resolver that fails once.
func Example() {
	lab, err := dnslab.New(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lab.Close()
	if err := lab.Set("shop.example", "shop.example", rrset.TXT, 300, "v=spf1 -all"); err != nil {
		fmt.Println(err)
	}
	r, err := lab.Resolver("one")
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Fault(dnslab.Match{Type: rrset.TXT, Times: 1}, dnslab.Rcode(dns.RcodeServerFailure, dns.ExtendedErrorCodeNetworkError))

	for range 2 {
		q := new(dns.Msg).SetQuestion("shop.example.", dns.TypeTXT)
		m, err := dns.Exchange(q, r.Addr().String())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(dns.RcodeToString[m.Rcode], m.Answer)
	}
	for _, q := range lab.Queries(nil) {
		fmt.Println(q)
	}
	// Output:
	// SERVFAIL []
	// NOERROR [shop.example.	300	IN	TXT	"v=spf1 -all"]
	// one shop.example TXT udp
	// ns1.lab shop.example TXT inside
	// one shop.example TXT udp
}
