package diagnose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/diagnose"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// zone is a table of what is published: "name TYPE" to the lines; a name that something is
// published below exists.
type zone map[string][]string

func (z zone) Look(q view.Question) view.Answer {
	if lines, ok := z[q.String()]; ok {
		return found(q.Type, lines...)
	}
	for key := range z {
		name, _, _ := strings.Cut(key, " ")
		if rrset.Name(name).IsAtOrBelow(q.Name) {
			return view.Answer{Status: view.NoData, TTL: 300}
		}
	}
	return view.Answer{Status: view.NXDomain, TTL: 300}
}

func found(typ rrset.Type, lines ...string) view.Answer {
	read := typ
	if typ == 99 {
		read = rrset.TXT
	}
	set, err := rrset.Parse(read, lines...)
	if err != nil {
		panic(err)
	}
	set.Type = typ
	return view.Answer{Status: view.Found, Set: set, TTL: 600}
}

const (
	key     = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQChcLM4OSYwWfKMEF0fsXwjkMGSz9OslK8PId22bK1KJo0Rbs4XOPfZPZwXJBHiC49rDVSbbwNnWhYAo1oJmVDYNvZ1zIHnTvXo4l2UDtkEdZUxmF1dncn4GBjoEYkvkCvSPwgkEosvMwxcf9Cmo6RQZRMnDiaeDTfyp03kUua0OQIDAQAB"
	token   = "0c40d5f125af4e42892a"
	include = "include:spf1.dm.aliyun.com"
)

// wants makes the case of a record below notice.shop.example, in the zone shop.example.
func wants(kind mailrec.Kind, host string, match mailrec.Match, want ...string) diagnose.Case {
	c := diagnose.Case{Domain: "notice.shop.example", Zone: "shop.example", Servers: []rrset.Name{"ns1.host.example", "ns2.host.example"}}
	c.Name = c.Domain.Child(host)
	c.Expectation = mailrec.Expectation{Kind: kind, Match: match, Want: want}
	for _, w := range want {
		if match == mailrec.Contains && kind == mailrec.SPF {
			w = "v=spf1 " + w + " -all"
		}
		c.Publish = append(c.Publish, diagnose.Record{Name: c.Name, Type: kind.Type(), Value: w})
	}
	return c
}

func dkim() diagnose.Case {
	return wants(mailrec.DKIM, "s1._domainkey", mailrec.Equal, key)
}
func ownership() diagnose.Case {
	return wants(mailrec.Ownership, "aliyundm", mailrec.Equal, token)
}
func dmarc() diagnose.Case { return wants(mailrec.DMARC, "_dmarc", mailrec.Equal, "v=DMARC1;p=none") }
func spf() diagnose.Case   { return wants(mailrec.SPF, "", mailrec.Contains, include) }
func mx() diagnose.Case    { return wants(mailrec.MX, "", mailrec.Equal, "mx01.dm.aliyun.com") }
func cname() diagnose.Case {
	return wants(mailrec.CNAME, "dmtrace", mailrec.Equal, "tracedm.aliyuncs.com")
}

// behindAlias is a key that the mail service publishes behind a CNAME.
func behindAlias() diagnose.Case {
	c := wants(mailrec.DKIM, "s1._domainkey", mailrec.Captured)
	c.Publish = []diagnose.Record{{Name: c.Name, Type: rrset.CNAME, Value: "s1.mail.example"}}
	return c
}

// saying gives the case that the zone's servers say nothing but this.
func saying(c diagnose.Case, z zone) diagnose.Case {
	c.Answer = z.Look(view.Question{Name: c.Name, Type: c.Expectation.Kind.Type()})
	if len(c.Sources) == 0 {
		c.Sources = []diagnose.Source{{ID: "ns1.host.example/192.0.2.1", Authority: true, Answer: c.Answer}}
	}
	return c
}

func with(c diagnose.Case, change func(*diagnose.Case)) diagnose.Case {
	change(&c)
	return c
}

func from(c diagnose.Case, sources ...diagnose.Source) diagnose.Case {
	c.Sources = sources
	return c
}

func atApex(c diagnose.Case) diagnose.Case {
	c.Name = rrset.Name(strings.Replace(string(c.Name), "notice.", "", 1))
	c.Domain = c.Zone
	return c
}

var (
	noon   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	absent = view.Answer{Status: view.NXDomain, TTL: 1800}
	has    = found(rrset.TXT, key)
)

func TestCauses(t *testing.T) {
	const d = "notice.shop.example"
	tests := []struct {
		name string
		c    diagnose.Case
		z    zone
		want diagnose.Cause
		sure diagnose.Certainty
		says string // in sentence, fix, evidence or what to publish
	}{
		// Places.
		{"the panel appended the zone", ownership(), zone{"aliyundm." + d + ".shop.example TXT": {token}}, diagnose.ZoneAppended, diagnose.Certain, `type "aliyundm.notice" as host`},
		{"the panel appended the zone to a DKIM key", dkim(), zone{"s1._domainkey." + d + ".shop.example TXT": {key}}, diagnose.ZoneAppended, diagnose.Certain, "s1._domainkey." + d + ". IN TXT"},
		{"the panel appended the whole domain", dmarc(), zone{"_dmarc." + d + "." + d + " TXT": {"v=DMARC1; p=none"}}, diagnose.ZoneAppended, diagnose.Certain, `type "_dmarc.notice" as host`},
		{"the panel appended the zone at the apex", atApex(spf()), zone{"shop.example.shop.example TXT": {"v=spf1 " + include + " -all"}}, diagnose.ZoneAppended, diagnose.Certain, "shop.example"},
		{"at the apex instead of the subdomain", ownership(), zone{"aliyundm.shop.example TXT": {token}}, diagnose.PrefixForgotten, diagnose.Likely, `the prefix "notice" was left out`},
		{"a prefix twice", ownership(), zone{"aliyundm.notice." + d + " TXT": {token}}, diagnose.PrefixDoubled, diagnose.Certain, `the prefix "notice" is there twice`},
		{"a host twice", dmarc(), zone{"_dmarc._dmarc." + d + " TXT": {"v=DMARC1; p=none"}}, diagnose.HostDoubled, diagnose.Certain, "twice"},
		{"at the domain itself", dkim(), zone{d + " TXT": {key}}, diagnose.HostForgotten, diagnose.Likely, "was left out"},
		{"dmarc without its underscore", dmarc(), zone{"dmarc." + d + " TXT": {"v=DMARC1;p=none"}}, diagnose.UnderscoreDropped, diagnose.Certain, "underscore"},
		{"domainkey without its underscore", dkim(), zone{"s1.domainkey." + d + " TXT": {key}}, diagnose.UnderscoreDropped, diagnose.Certain, "underscore"},
		{"one of two underscores", wants(mailrec.TLSRPT, "_smtp._tls", mailrec.Present), zone{"_smtp.tls." + d + " TXT": {"v=TLSRPTv1; rua=mailto:a@shop.example"}}, diagnose.UnderscoreDropped, diagnose.Certain, "underscore"},
		{"both underscores", wants(mailrec.TLSRPT, "_smtp._tls", mailrec.Present), zone{"smtp.tls." + d + " TXT": {"v=TLSRPTv1; rua=mailto:a@shop.example"}}, diagnose.UnderscoreDropped, diagnose.Certain, "underscore"},
		{"_domainkey twice", dkim(), zone{"s1._domainkey._domainkey." + d + " TXT": {key}}, diagnose.DomainkeyDoubled, diagnose.Certain, "twice"},
		{"_domainkey missing", dkim(), zone{"s1." + d + " TXT": {key}}, diagnose.DomainkeyMissing, diagnose.Likely, "missing behind the selector"},
		{"selector missing", dkim(), zone{"_domainkey." + d + " TXT": {key}}, diagnose.SelectorMissing, diagnose.Certain, "selector is missing"},
		{"@ as a label", spf(), zone{`\064.` + d + " TXT": {"v=spf1 " + include + " -all"}, "@." + d + " TXT": {"v=spf1 " + include + " -all"}}, diagnose.LiteralAt, diagnose.Certain, "leave the host empty"},
		{"spf typed as host", spf(), zone{"spf." + d + " TXT": {"v=spf1 " + include + " -all"}}, diagnose.KindAsHost, diagnose.Likely, `"spf" was typed as host`},
		// Types.
		{"text as a CNAME", dkim(), zone{"s1._domainkey." + d + " CNAME": {"v=dkim1.p=mig.shop.example"}}, diagnose.WrongType, diagnose.Certain, "type CNAME instead of TXT"},
		{"a token as a CNAME", ownership(), zone{"aliyundm." + d + " CNAME": {token + ".shop.example"}}, diagnose.WrongType, diagnose.Certain, "type CNAME instead of TXT"},
		{"an alias as TXT", cname(), zone{"dmtrace." + d + " TXT": {"tracedm.aliyuncs.com"}}, diagnose.WrongType, diagnose.Certain, "type TXT instead of CNAME"},
		{"an exchange as TXT", mx(), zone{d + " TXT": {"10 mx01.dm.aliyun.com"}}, diagnose.WrongType, diagnose.Certain, "type TXT instead of MX"},
		{"an exchange as CNAME", mx(), zone{d + " CNAME": {"mx01.dm.aliyun.com"}}, diagnose.WrongType, diagnose.Certain, "type CNAME instead of MX"},
		{"SPF in the type SPF", spf(), zone{d + " TYPE99": {"v=spf1 " + include + " -all"}}, diagnose.WrongType, diagnose.Certain, "RFC 7208 section 3.1"},
		{"a CNAME hides the record", dmarc(), zone{"_dmarc." + d + " CNAME": {"www.other.example"}, "www.other.example A": {"192.0.2.1"}}, diagnose.CNAMEHides, diagnose.Certain, "whatever else is published at that name is not seen"},
		{"a CNAME leads nowhere", dkim(), zone{"s1._domainkey." + d + " CNAME": {"s1.gone.example"}}, diagnose.CNAMEBroken, diagnose.Certain, "does not exist"},
		{"the alias of a key leads elsewhere", behindAlias(), zone{"s1._domainkey." + d + " CNAME": {"s1.old.example"}}, diagnose.WrongAlias, diagnose.Certain, "instead of s1.mail.example"},
		{"the service has no key behind the alias", behindAlias(), zone{"s1._domainkey." + d + " CNAME": {"s1.mail.example"}}, diagnose.TargetEmpty, diagnose.Certain, "nothing in your zone mends it"},
		{"the alias of a key is missing", behindAlias(), zone{d + " A": {"192.0.2.1"}}, diagnose.NotPublished, diagnose.Likely, "s1._domainkey." + d + ". IN CNAME s1.mail.example."},
		// Content.
		{"two records instead of two strings", dkim(), zone{"s1._domainkey." + d + " TXT": {key[:120], key[120:]}}, diagnose.SplitRecords, diagnose.Certain, "receivers do not join records"},
		{"three records", dkim(), zone{"s1._domainkey." + d + " TXT": {key[:80], key[80:160], key[160:]}}, diagnose.SplitRecords, diagnose.Certain, "3 records"},
		{"quotes in the value", dmarc(), zone{"_dmarc." + d + " TXT": {`"v=DMARC1;p=none"`}}, diagnose.QuotesInside, diagnose.Certain, "quotation marks"},
		{"smart quotes", dmarc(), zone{"_dmarc." + d + " TXT": {"“v=DMARC1;p=none”"}}, diagnose.SmartQuotes, diagnose.Certain, "typographic"},
		{"an en dash before all", wants(mailrec.SPF, "", mailrec.Equal, "v=spf1 "+include+" -all"), zone{d + " TXT": {"v=spf1 " + include + " –all"}}, diagnose.SmartQuotes, diagnose.Certain, "dashes"},
		{"full-width characters", dmarc(), zone{"_dmarc." + d + " TXT": {"v＝DMARC1；p＝none"}}, diagnose.SmartQuotes, diagnose.Certain, "full-width"},
		{"quotes in the Windows character set", dmarc(), zone{"_dmarc." + d + " TXT": {"\x93v=DMARC1;p=none\x94"}}, diagnose.SmartQuotes, diagnose.Certain, "typographic"},
		{"backslashes", dmarc(), zone{"_dmarc." + d + " TXT": {`v=DMARC1\;p=none`}}, diagnose.Backslashes, diagnose.Certain, "backslashes"},
		{"backslashes and quotes", dmarc(), zone{"_dmarc." + d + " TXT": {`\"v=DMARC1\;p=none\"`}}, diagnose.Backslashes, diagnose.Certain, "quotation marks"},
		{"HTML entities", dmarc(), zone{"_dmarc." + d + " TXT": {"v&#61;DMARC1;p&#61;none<br>"}}, diagnose.HTMLEntities, diagnose.Certain, "HTML"},
		{"a zero-width space", dmarc(), zone{"_dmarc." + d + " TXT": {"\u200bv=DMARC1;p=none"}}, diagnose.Invisible, diagnose.Certain, "cannot be seen"},
		{"the whole line as value", dmarc(), zone{"_dmarc." + d + " TXT": {`_dmarc.notice.shop.example. IN TXT "v=DMARC1;p=none"`}}, diagnose.TextBefore, diagnose.Certain, "other text before"},
		{"a key in small letters", dkim(), zone{"s1._domainkey." + d + " TXT": {strings.ToLower(key)}}, diagnose.CaseChanged, diagnose.Certain, "another key"},
		{"cut off at 255 characters", with(dkim(), func(c *diagnose.Case) {
			c.Expectation = mailrec.Expectation{Kind: mailrec.DKIM, Match: mailrec.Captured, Usable: true}
			c.Publish = nil
		}), zone{"s1._domainkey." + d + " TXT": {("v=DKIM1; k=rsa; p=" + strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 12))[:255]}}, diagnose.Truncated, diagnose.Likely, "cut off after 255 characters"},
		{"cut off elsewhere", dkim(), zone{"s1._domainkey." + d + " TXT": {key[:200]}}, diagnose.Truncated, diagnose.Certain, "cut off after 200 characters"},
		{"a placeholder", dmarc(), zone{"_dmarc." + d + " TXT": {"v=DMARC1;p=<policy>"}}, diagnose.Placeholder, diagnose.Likely, "<policy>"},
		{"the line to publish as it stands", with(ownership(), func(c *diagnose.Case) {
			c.Publish[0].Value, c.Publish[0].Placeholder = "the token", true
		}), zone{"aliyundm." + d + " TXT": {"the token"}}, diagnose.Placeholder, diagnose.Likely, "console"},
		{"another region's exchange", with(mx(), func(c *diagnose.Case) {
			c.Variants = []diagnose.Variant{{Title: "region eu-central-1", Name: c.Name, Expectation: mailrec.Expectation{Kind: mailrec.MX, Want: []string{"mxdm-eu-central-1.aliyun.com"}}}}
		}), zone{d + " MX": {"10 mxdm-eu-central-1.aliyun.com"}}, diagnose.OtherVariant, diagnose.Likely, "region eu-central-1"},
		{"another region's selector", with(dkim(), func(c *diagnose.Case) {
			c.Variants = []diagnose.Variant{{Title: "selector s2", Name: "s2._domainkey." + d, Expectation: c.Expectation}}
		}), zone{"s2._domainkey." + d + " TXT": {key}}, diagnose.OtherVariant, diagnose.Likely, "selector s2"},
		{"the zone appended to an exchange", mx(), zone{d + " MX": {"10 mx01.dm.aliyun.com.shop.example"}}, diagnose.TargetAppended, diagnose.Certain, "a dot at its end"},
		{"the zone appended to an alias", cname(), zone{"dmtrace." + d + " CNAME": {"tracedm.aliyuncs.com.shop.example"}}, diagnose.TargetAppended, diagnose.Certain, "a dot at its end"},
		{"an SPF record of another service", spf(), zone{d + " TXT": {"v=spf1 include:spf.qiye.aliyun.com -all"}}, diagnose.SPFNotMerged, diagnose.Certain, `"v=spf1 include:spf.qiye.aliyun.com ` + include + ` -all"`},
		{"two SPF records", spf(), zone{d + " TXT": {"v=spf1 " + include + " -all", "v=spf1 include:spf.qiye.aliyun.com ~all"}}, diagnose.SPFSeveral, diagnose.Certain, include + ` include:spf.qiye.aliyun.com ~all"`},
		// The zone and its servers.
		{"the domain has expired", with(dkim(), func(c *diagnose.Case) { c.Zone = "example" }), zone{"other.example NS": {"ns1.host.example"}}, diagnose.DomainGone, diagnose.Certain, "has expired"},
		{"the domain is parked", with(dkim(), func(c *diagnose.Case) { c.Servers = []rrset.Name{"ns1.sedoparking.com"} }), zone{"shop.example A": {"192.0.2.1"}}, diagnose.DomainParked, diagnose.Likely, "on hold"},
		{"no server serves the zone", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Refuses: true, Answer: view.Answer{Status: view.Failed, Detail: "refused"}}), nil, diagnose.LameDelegation, diagnose.Certain, "do not serve it"},
		{"the servers have no address", with(dkim(), func(c *diagnose.Case) { c.Servers, c.NoServers = nil, "no address" }), zone{"shop.example A": {"192.0.2.1"}}, diagnose.LameDelegation, diagnose.Likely, "cannot be asked: no address"},
		{"no server answers", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Answer: view.Answer{Status: view.Failed, Detail: "timeout"}}), nil, diagnose.ServersSilent, diagnose.Likely, "timeout"},
		{"DNSSEC is broken", from(dkim(), diagnose.Source{ID: "google", Bogus: true, Answer: view.Answer{Status: view.Failed}}), nil, diagnose.DNSSECBogus, diagnose.Certain, "google: SERVFAIL"},
		{"one server lags", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Good: true, Answer: has}, diagnose.Source{ID: "ns2.host.example/192.0.2.2", Authority: true, Answer: absent}), zone{"s1._domainkey." + d + " TXT": {key}}, diagnose.ServerWithoutIt, diagnose.Certain, "The name server ns2.host.example does not have the record"},
		{"one server is lame", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Good: true, Answer: has}, diagnose.Source{ID: "ns2.host.example/192.0.2.2", Authority: true, Refuses: true, Answer: view.Answer{Status: view.Failed, Detail: "refused"}}), zone{"s1._domainkey." + d + " TXT": {key}}, diagnose.LameDelegation, diagnose.Likely, "ns2.host.example is named"},
		{"published at servers that nobody asks", with(dkim(), func(c *diagnose.Case) {
			c.Outside = []diagnose.Source{{ID: "ns1.new.example/192.0.2.9", Good: true, Answer: has}}
		}), zone{"shop.example NS": {"ns1.new.example"}}, diagnose.NotTheAuthority, diagnose.Certain, "published at ns1.new.example"},
		{"other servers in the zone than in the delegation", dkim(), zone{"shop.example NS": {"ns1.new.example"}}, diagnose.NameServersDiffer, diagnose.Possible, "ns1.new.example"},
		{"the subdomain is a zone", with(dkim(), func(c *diagnose.Case) { c.Zone = d }), zone{d + " NS": {"ns1.host.example", "ns2.host.example"}}, diagnose.SubdomainZone, diagnose.Possible, "put into the zone shop.example"},
		// Caches and names above.
		{"absence is remembered", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Good: true, Answer: has}, diagnose.Source{ID: "google", At: noon, Answer: absent}), zone{"s1._domainkey." + d + " TXT": {key}}, diagnose.NegativeCache, diagnose.Likely, "2026-05-01 12:30:00 UTC"},
		{"an old value is remembered", from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Good: true, Answer: has}, diagnose.Source{ID: "google", At: noon, Answer: found(rrset.TXT, "v=DKIM1; p=")}), zone{"s1._domainkey." + d + " TXT": {key}}, diagnose.OldValueCached, diagnose.Likely, "2026-05-01 12:10:00 UTC"},
		{"a wildcard answers", dmarc(), zone{"_dmarc." + d + " TXT": {"any"}, "maildrift-finds-nothing-here." + d + " TXT": {"any"}}, diagnose.WildcardAnswers, diagnose.Certain, "RFC 4592"},
		// What remains.
		{"not published at all", dkim(), zone{d + " A": {"192.0.2.1"}}, diagnose.NotPublished, diagnose.Likely, "nothing exists at or below _domainkey." + d},
		{"not published, and asked before", from(dkim(), diagnose.Source{ID: "google", Answer: absent}), zone{d + " A": {"192.0.2.1"}}, diagnose.NotPublished, diagnose.Likely, "may remember for up to 30m"},
		{"a policy to begin with", wants(mailrec.DMARC, "_dmarc", mailrec.Present), zone{d + " A": {"192.0.2.1"}}, diagnose.NotPublished, diagnose.Likely, `_dmarc.notice.shop.example. IN TXT "v=DMARC1; p=none"`},
		{"why the value is wrong", with(dmarc(), func(c *diagnose.Case) { c.Reason = "weaker than asked for" }), zone{"_dmarc." + d + " TXT": {"v=DMARC1;p=reject"}}, diagnose.WrongValue, diagnose.Likely, "weaker than asked for"},
		{"another value", dmarc(), zone{"_dmarc." + d + " TXT": {"v=DMARC1;p=reject"}}, diagnose.WrongValue, diagnose.Likely, "letter by letter"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := diagnose.Diagnose(saying(test.c, test.z), test.z)
			i := slices.IndexFunc(got, func(d diagnose.Diagnosis) bool { return d.Cause == test.want })
			if i < 0 || i > 0 && test.sure > diagnose.Possible {
				t.Fatalf("want %s first, got %s", test.want, summary(got))
			}
			text := fmt.Sprintf("%+v", got[i])
			for _, l := range got[i].Publish {
				text += "\n" + l.MasterFile
			}
			if got[i].Certainty != test.sure || !strings.Contains(text, test.says) {
				t.Errorf("%s, want %s saying %q:\n%s", got[i].Certainty, test.sure, test.says, text)
			}
		})
	}
}

func summary(ds []diagnose.Diagnosis) string {
	var out strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&out, "\n%s (%s): %s", d.Cause, d.Certainty, d.Sentence)
	}
	return out.String()
}

// A server that denies the name above a record that it has is only seen from outside.
func TestNameAboveIsDenied(t *testing.T) {
	const name = "s1._domainkey.notice.shop.example"
	c := from(dkim(), diagnose.Source{ID: "ns1.host.example/192.0.2.1", Authority: true, Good: true, Answer: has}, diagnose.Source{ID: "google", At: noon, Answer: absent})
	c.Answer = absent
	got := diagnose.Diagnose(c, view.Func(func(q view.Question) view.Answer {
		if q.Name == name {
			return has
		}
		return absent
	}))
	if got[0].Cause != diagnose.BrokenParentName || got[0].Rule != "RFC 8020 section 2" {
		t.Error(summary(got))
	}
}

func TestNothingIsSaidWhenNobodyAnswers(t *testing.T) {
	c := dkim()
	c.Answer = view.Answer{Status: view.Failed, Detail: "timeout"}
	got := diagnose.Diagnose(c, view.Func(func(view.Question) view.Answer { return view.Answer{Status: view.Failed} }))
	if got[0].Cause != diagnose.NotAnswered || len(got[0].Publish) != 0 || !strings.Contains(got[0].Sentence, "is not known") {
		t.Error(summary(got))
	}
}

func TestNoCauseIsMadeUp(t *testing.T) {
	const d = "notice.shop.example"
	everywhere := []string{"v=spf1 -all"}
	tests := map[string]struct {
		c diagnose.Case
		z zone
	}{
		"the organisation's own policy is no forgotten prefix":         {wants(mailrec.DMARC, "_dmarc", mailrec.Present), zone{"_dmarc.shop.example TXT": {"v=DMARC1; p=reject"}}},
		"another key of the domain is not this one":                    {dkim(), zone{"s2._domainkey." + d + " TXT": {key}}},
		"what a wildcard says is published nowhere":                    {wants(mailrec.SPF, "", mailrec.Equal, everywhere[0]), zone{d + " A": {"192.0.2.1"}, "spf." + d + " TXT": everywhere, "maildrift-finds-nothing-here." + d + " TXT": everywhere}},
		"what an SPF record includes is where it should be":            {wants(mailrec.SPF, "", mailrec.Equal, "v=spf1 include:_spf."+d+" ~all"), zone{d + " TXT": {"v=spf1 include:_spf." + d + " -all"}, "_spf." + d + " TXT": {"v=spf1 include:_spf." + d + " ~all"}}},
		"two unrelated texts are no split record":                      {dmarc(), zone{"_dmarc." + d + " TXT": {"some", "thing"}}},
		"an SPF record with errors is not mended by adding an include": {spf(), zone{d + " TXT": {"v=spf1 inlcude:x.example -all"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := diagnose.Diagnose(saying(test.c, test.z), test.z)
			if got[0].Cause != diagnose.NotPublished && got[0].Cause != diagnose.WrongValue {
				t.Error(summary(got))
			}
		})
	}
}

// Whoever asks the questions that come out of a book never asks for the record's own name and type:
// its absence must not get into caches.
func TestQuestionsComeOutOfTheBook(t *testing.T) {
	c := saying(dkim(), zone{})
	z := zone{"s1._domainkey.notice.shop.example.shop.example TXT": {key}}
	var book view.Book
	var asked []view.Question
	var got []diagnose.Diagnosis
	final := view.Settle(&book, func(v view.View) { got = diagnose.Diagnose(c, v) }, func(qs []view.Question) {
		for _, q := range qs {
			asked = append(asked, q)
			book.Put(q, z.Look(q))
		}
	})
	if !final || got[0].Cause != diagnose.ZoneAppended {
		t.Errorf("final %v, %s", final, summary(got))
	}
	if len(asked) > 20 || slices.Contains(asked, view.Question{Name: c.Name, Type: rrset.TXT}) {
		t.Errorf("%d questions: %v", len(asked), asked)
	}
}
