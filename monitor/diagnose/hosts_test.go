package diagnose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/diagnose"
	"maildrift/monitor/rrset"
)

func TestDetectHost(t *testing.T) {
	tests := map[string][]rrset.Name{
		"Cloudflare":         {"ada.ns.cloudflare.com", "bob.ns.cloudflare.com"},
		"Amazon Route 53":    {"ns-1.awsdns-01.com", "ns-2.awsdns-02.co.uk"},
		"Alibaba Cloud DNS":  {"dns9.hichina.com", "dns10.hichina.com"},
		"Tencent DNSPod":     {"f1g1ns1.dnspod.net"},
		"GoDaddy":            {"ns01.domaincontrol.com"},
		"Azure DNS":          {"ns1-01.azure-dns.com", "ns2-01.azure-dns.net"},
		"a host with cPanel": {"ns1.bluehost.com"},
		"":                   {"ada.ns.cloudflare.com", "ns01.domaincontrol.com"},
	}
	for want, servers := range tests {
		if got := diagnose.DetectHost(servers).Name; got != want {
			t.Errorf("%v: %q, want %q", servers, got, want)
		}
	}
	if got := diagnose.DetectHost(nil).Name; got != "" {
		t.Errorf("nobody: %q", got)
	}
}

func TestEntry(t *testing.T) {
	long := strings.Repeat("a", 300)
	tests := []struct {
		server rrset.Name
		r      diagnose.Record
		want   string
	}{
		{"ada.ns.cloudflare.com", diagnose.Record{Name: "_dmarc.sub.shop.example", Type: rrset.TXT, Value: "v=DMARC1;p=none"}, "Type=TXT Name=_dmarc.sub Content=v=DMARC1;p=none"},
		{"ada.ns.cloudflare.com", diagnose.Record{Name: "shop.example", Type: rrset.MX, Value: "mx01.dm.aliyun.com"}, "Type=MX Name=@ Priority=10 Content=mx01.dm.aliyun.com"},
		{"ns-1.awsdns-01.com", diagnose.Record{Name: "shop.example", Type: rrset.MX, Value: "5 mx.example."}, "Type=MX Record name=(leave empty) Value=5 mx.example Note="},
		{"ns-1.awsdns-01.com", diagnose.Record{Name: "a.shop.example", Type: rrset.TXT, Value: long}, `Value="` + long[:255] + `" "` + long[255:] + `"`},
		{"dns9.hichina.com", diagnose.Record{Name: "aliyundm.sub.shop.example", Type: rrset.TXT, Value: "0c40"}, "Type=TXT Hostname=aliyundm.sub Record Value=0c40"},
		{"ns1.gandi.net", diagnose.Record{Name: "t.shop.example", Type: rrset.CNAME, Value: "x.example"}, "Type=CNAME Name=t Value=x.example."},
		{"ns1.bluehost.com", diagnose.Record{Name: "t.shop.example", Type: rrset.CNAME, Value: "x.example."}, "Type=CNAME Name=t.shop.example. Record=x.example"},
	}
	for _, test := range tests {
		var fields []string
		for _, f := range diagnose.DetectHost([]rrset.Name{test.server}).Entry(test.r, "shop.example") {
			fields = append(fields, f.Label+"="+f.Value)
		}
		if got := strings.Join(fields, " "); !strings.Contains(got, test.want) {
			t.Errorf("%s: %s\nwant %s", test.server, got, test.want)
		}
	}
}

// What is printed for BIND reads back as the record that was meant.
func FuzzMasterFile(f *testing.F) {
	for _, s := range []string{"v=spf1 -all", `quote " and \ backslash`, "\x00\xff", strings.Repeat("k", 600), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rr, err := dns.NewRR(strings.Replace(diagnose.MasterFile(diagnose.Record{Name: "a.example", Type: rrset.TXT, Value: text}), " IN ", " 60 IN ", 1))
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, dns.Len(rr)+64)
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		const header = len("\x01a\x07example\x00") + 10
		if got := rrset.NewSet(rrset.TXT, buf[header:end]).Texts(); len(got) != 1 || string(got[0]) != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}

// Whatever stands in a zone, diagnosing ends, shows nothing that a terminal would obey, and does
// not panic.
func FuzzDiagnose(f *testing.F) {
	f.Add("“v=DMARC1;p=none”", "x")
	f.Add("\x1b[31m\x93v=spf1\\;", `a\;b`)
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, c := range []diagnose.Case{dkim(), dmarc(), spf(), ownership()} {
			z := zone{string(c.Name) + " TXT": {a, b}, string(c.Name.Parent()) + " TXT": {b}}
			for _, d := range diagnose.Diagnose(saying(c, z), z) {
				text := fmt.Sprint(d.Sentence, d.Fix, d.Evidence)
				if shown := rrset.Printable([]byte(text)); shown != text {
					t.Errorf("%q", text)
				}
			}
		}
	})
}

func ExampleCommands() {
	for _, c := range diagnose.Commands("_dmarc.shop.example", rrset.TXT, []rrset.Name{"ns1.$(reboot).example", "ns2.host.example"}) {
		fmt.Println(c)
	}
	// Output:
	// dig +norecurse @ns2.host.example _dmarc.shop.example TXT
	// nslookup -type=TXT _dmarc.shop.example. ns2.host.example
	// dig _dmarc.shop.example TXT
	// nslookup -type=TXT _dmarc.shop.example.
}
