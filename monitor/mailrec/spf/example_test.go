package spf_test

import (
	"fmt"
	"net/netip"

	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

func Example() {
	published := map[rrset.Name]string{
		"example.com":      "v=spf1 include:_spf.example.net -all",
		"_spf.example.net": "v=spf1 ip4:192.0.2.0/24 ~all",
	}
	v := view.Func(func(q view.Question) view.Answer {
		text, ok := published[q.Name]
		if !ok || q.Type != rrset.TXT {
			return view.Answer{Status: view.NXDomain}
		}
		return view.Answer{Status: view.Found, Set: rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))}
	})
	o := spf.Check(v, spf.Request{IP: netip.MustParseAddr("192.0.2.7"), MailFrom: "alice@example.com", Helo: "mx.example.com"})
	fmt.Println(o.Result, o.Term, o.Lookups)
	tree := spf.Explore(v, "example.com")
	fmt.Println(tree.Lookups, tree.Networks)
	// Output:
	// pass include:_spf.example.net 1
	// 1 [192.0.2.0/24]
}
