package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/diagnose"
	"maildrift/monitor/dnslab"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// misplacedShop is a lab in which notice.shop.example has published everything wrong.
func misplacedShop(t *testing.T) (*dnslab.Lab, []string) {
	t.Helper()
	lab, _, flags := labWithShop(t)
	set := func(name rrset.Name, typ rrset.Type, lines ...string) {
		if err := lab.Set("shop.example", name, typ, 60, lines...); err != nil {
			t.Fatal(err)
		}
	}
	set("notice.shop.example", rrset.TXT, "v=spf1 include:_spf.mail.example -all")
	set("notice.shop.example", rrset.MX, "10 mxdm-eu-central-1.aliyun.com")
	set("_dmarc.notice.shop.example", rrset.TXT, "“v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com”")
	set("aliyun-cn-hangzhou._domainkey.notice.shop.example.shop.example", rrset.TXT, demoKey)
	lab.Zone("shop.example").SetNegativeTTL(1800)
	return lab, append([]string{"notice.shop.example", "--preset", "directmail", "--param", "dkim=" + demoKey}, flags...)
}

func TestCheckSaysWhyARecordIsNotThere(t *testing.T) {
	lab, flags := misplacedShop(t)
	lab.ForgetQueries()
	s := command(t, append([]string{"check"}, flags...)...)
	for _, want := range []string{
		"The record was published at aliyun-cn-hangzhou._domainkey.notice.shop.example.shop.example",
		`type "aliyun-cn-hangzhou._domainkey.notice" as host`,
		"dig +norecurse @ns1.lab aliyun-cn-hangzhou._domainkey.notice.shop.example TXT",
		`notice.shop.example. IN TXT "v=spf1 include:_spf.mail.example include:spf1.dm.aliyun.com -all"`,
		"typographic quotes",
		"the record for region eu-central-1 of the same mail service",
	} {
		s.expect(t, exitProblems, want, "")
	}
	// No resolver has learned that a name does not exist.
	for _, q := range lab.Queries(nil) {
		if !strings.HasPrefix(q.Server, "ns") && q.Name.IsAtOrBelow("shop.example") && q.Type != rrset.NS {
			t.Errorf("a resolver was asked: %v", q)
		}
	}

	s = command(t, append([]string{"check", "--format", "json"}, flags...)...)
	var results []checkResult
	if err := json.Unmarshal([]byte(s.out), &results); err != nil {
		t.Fatal(err)
	}
	want := map[string]diagnose.Cause{
		"spf": diagnose.SPFNotMerged, "dmarc": diagnose.SmartQuotes, "mx": diagnose.OtherVariant, "dkim:aliyun-cn-hangzhou": diagnose.ZoneAppended,
	}
	for _, r := range results {
		if r.Diagnosis == nil || r.Diagnosis.Causes[0].Cause != want[r.Record] || len(r.Diagnosis.Commands) != 4 {
			t.Errorf("%s: %+v, want %s", r.Record, r.Diagnosis, want[r.Record])
		}
	}
}

// Without the zone's own servers, resolvers tell as much.
func TestDiagnosisFromResolversOnly(t *testing.T) {
	_, flags := misplacedShop(t)
	command(t, append([]string{"check", "--authority=false"}, flags...)...).expect(t, exitProblems, "published at aliyun-cn-hangzhou._domainkey.notice.shop.example.shop.example", "")
}

func TestDiagnosisOfZones(t *testing.T) {
	lab, _, flags := labWithShop(t)
	check := func(domain string) said {
		return command(t, append([]string{"check", domain, "--selector", "s1"}, flags...)...)
	}
	check("expired.example").expect(t, exitProblems, "The domain expired.example does not exist in the DNS", "")

	// One of two servers stands still while the record is published.
	lab.Authorities()[1].Freeze(true)
	if err := lab.Set("shop.example", "_dmarc.shop.example", rrset.TXT, 60, "v=DMARC1; p=none"); err != nil {
		t.Fatal(err)
	}
	lab.Delete("shop.example", "s1._domainkey.shop.example", rrset.TXT)
	check("shop.example").expect(t, exitProblems, "The name server ns1.lab does not have the record, while ns2.lab has it", "")
}

// The record is at servers that the zone names, but not its delegation.
func TestDiagnosisAtServersThatNobodyAsks(t *testing.T) {
	lab, _, flags := labWithShop(t)
	ns3, err := lab.Authority("ns3.lab")
	if err != nil {
		t.Fatal(err)
	}
	parent, err := lab.Authority("ns4.lab")
	if err != nil {
		t.Fatal(err)
	}
	lab.Zone(rrset.Root).ServeFrom(parent)
	lab.Zone("shop.example").ServeFrom(lab.Authorities()[0], lab.Authorities()[1])
	for _, a := range lab.Authorities()[:2] {
		a.Fault(dnslab.Match{Type: rrset.NS}, dnslab.Alter(func(query, reply *dns.Msg) {
			if query.Question[0].Name == "shop.example." {
				reply.Answer = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "shop.example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}, Ns: "ns3.lab."}}
			}
		}))
	}
	record, err := rrset.Parse(rrset.TXT, "v=DMARC1; p=none")
	if err != nil {
		t.Fatal(err)
	}
	ns3.Fault(dnslab.Match{Below: "_dmarc.shop.example", Type: rrset.TXT}, dnslab.Forge(60, record), dnslab.Alter(authoritative))
	lab.Delete("shop.example", "_dmarc.shop.example", rrset.TXT)
	s := command(t, append([]string{"check", "shop.example"}, flags...)...)
	s.expect(t, exitProblems, "The record was published at ns3.lab, but shop.example is delegated to ns1.lab, ns2.lab", "")
}

func authoritative(_, reply *dns.Msg) { reply.Authoritative, reply.Rcode = true, dns.RcodeSuccess }

// A key behind a CNAME is mended by publishing the CNAME.
func TestDiagnosisOfAKeyBehindAnAlias(t *testing.T) {
	_, _, flags := labWithShop(t)
	s := command(t, append([]string{"check", "shop.example", "--preset", "mailchimp", "--format", "json"}, flags...)...)
	var results []checkResult
	if err := json.Unmarshal([]byte(s.out), &results); err != nil {
		t.Fatalf("%v\n%s%s", err, s.out, s.err)
	}
	aliases := 0
	for _, r := range results {
		if r.Kind != mailrec.DKIM {
			continue
		}
		if r.Diagnosis == nil || len(r.Diagnosis.Causes) == 0 || len(r.Diagnosis.Causes[0].Publish) != 1 || r.Diagnosis.Causes[0].Publish[0].Type != rrset.CNAME {
			t.Errorf("%s: %+v", r.Record, r.Diagnosis)
			continue
		}
		aliases++
	}
	if aliases == 0 {
		t.Errorf("no key was behind a CNAME: %s", s.out)
	}
}
