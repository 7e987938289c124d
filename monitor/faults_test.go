package monitor

import (
	"fmt"
	"strings"
	"testing"

	"maildrift/monitor/mailrec"
)

func TestAllFaultsOfASpecAreSaid(t *testing.T) {
	presets := testPresets(t)
	tests := []struct {
		name string
		spec Spec
		want []string
	}{
		{"none", Spec{Domain: "shop.test", Service: "google-workspace"}, nil},
		{"nothing to watch", Spec{Domain: "shop.test"}, []string{"expect: nothing to watch: name a service, or list the records to expect"}},
		{
			"an unknown service behind a bad name", Spec{Domain: "https://shop.test/", Service: "directmial", Senders: []string{"a@shop.test"}},
			[]string{
				`domain: "https://shop.test/" is a URL, not a domain name: write the host part only`,
				`service: unknown mail service "directmial"; did you mean "directmail"?`,
			},
		},
		{
			"everything", Spec{
				Domain: "shop.test", Service: "directmail", Params: map[string]string{"reigon": "x"}, MailFrom: "a b",
				Labels:  map[string]string{"severity": "x", "1": "x", "team": "mail"},
				Senders: []string{"a@shop.test", "b@other.test", "a@shop.test"}, SendingAddresses: []string{"192.0.2.1", "nowhere", "here"},
				Expect: []ExpectSpec{{Kind: mailrec.DKIM}, {Kind: mailrec.SPF}, {Kind: mailrec.MX, Match: "eqal"}, {Kind: mailrec.SPF, Key: "spf"}},
			},
			[]string{
				"labels.1: a label name has letters", "labels.severity: maildrift sets this label itself", `senders[1]: "b@other.test" is not an address of shop.test`,
				`senders[2]: "a@shop.test" is listed twice`, `sending_addresses[1]: "nowhere"`, `sending_addresses[2]: "here"`, `mail_from: "a b" contains a blank`,
				`params: unknown parameter "reigon"`, "expect[0].host: a dkim record needs its host", "expect[2].match: ", `expect[3].key: "spf" is used twice`,
			},
		},
		{
			"what is left is nothing, because all was taken out", Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.DKIM}}},
			[]string{"expect[0].host: a dkim record needs its host, for example selector1._domainkey"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := fmt.Sprint(tt.spec)
			got := tt.spec.Faults(presets)
			for i := range max(len(got), len(tt.want)) {
				if i >= len(got) || i >= len(tt.want) || !strings.HasPrefix(got[i].Error(), tt.want[i]) {
					t.Fatalf("got %v\nwant %q", got, tt.want)
				}
			}
			if after := fmt.Sprint(tt.spec); after != before {
				t.Errorf("the spec was changed from %s to %s", before, after)
			}
		})
	}
}
