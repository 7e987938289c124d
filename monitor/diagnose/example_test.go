package diagnose_test

import (
	"fmt"

	"maildrift/monitor/diagnose"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// A DNS panel has appended the zone to the name that was typed into it.
func ExampleDiagnose() {
	published := zone{"_dmarc.shop.example.shop.example TXT": {"v=DMARC1; p=none"}}
	c := diagnose.Case{
		Domain: "shop.example", Name: "_dmarc.shop.example",
		Expectation: mailrec.Expectation{Kind: mailrec.DMARC, Match: mailrec.Present},
		Publish:     []diagnose.Record{{Name: "_dmarc.shop.example", Type: rrset.TXT, Value: "v=DMARC1; p=none"}},
		Zone:        "shop.example", Servers: []rrset.Name{"ada.ns.cloudflare.com", "bob.ns.cloudflare.com"},
		Answer: view.Answer{Status: view.NXDomain},
	}
	best := diagnose.Diagnose(c, published)[0]
	fmt.Println(best.Cause, best.Certainty)
	fmt.Println(best.Fix)
	for _, f := range best.Publish[0].Entry {
		fmt.Printf("%s: %s\n", f.Label, f.Value)
	}
	// Output:
	// zone-appended certain
	// Publish it at _dmarc.shop.example: in a panel that appends shop.example, type "_dmarc" as host. Then delete the one at _dmarc.shop.example.shop.example.
	// Type: TXT
	// Name: _dmarc
	// Content: v=DMARC1; p=none
}
