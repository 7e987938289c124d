package advice

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// Where Alibaba Mail takes mail and what it asks to include, now and in the old form.
var (
	mailboxServers  = []rrset.Name{"mx1.qiye.aliyun.com", "mx2.qiye.aliyun.com", "mx3.qiye.aliyun.com", "mxn.mxhichina.com", "mxw.mxhichina.com"}
	mailboxIncludes = []string{"spf.qiye.aliyun.com", "spf.mxhichina.com"}
)

// usualInclude is Direct Mail's in its first region.
const usualInclude = "spf1.dm.aliyun.com"

// besideAlibabaMail is about Direct Mail and Alibaba Mail at one name: both want its
// SPF and MX records.
func besideAlibabaMail(s subject) *Advice {
	include, mailbox := s.mailbox()
	direct, sends := s.directInclude()
	if !mailbox || !sends {
		return nil
	}
	const apart = "Give Direct Mail a subdomain, for example notice.%s."
	a := &Advice{
		ID:     "directmail-beside-alibaba-mail",
		Text:   fmt.Sprintf("%s is a mail domain of Alibaba Mail and a sending domain of Direct Mail; receiving and sending may both suffer.", s.name),
		Do:     fmt.Sprintf(apart, s.name),
		Source: faq + "; " + mergeRule,
	}
	merged := s.mergedSPF(include, direct)
	if s.publishesOnly(merged) {
		return a
	}
	a.Do += " If both must use this name, publish one SPF record for both and delete every other TXT record there that begins with v=spf."
	a.Publish = []monitor.PublishLine{{Name: s.name, Type: rrset.TXT, Value: merged.String()}}
	if lookups := merged.Lookups(); lookups > spf.MaxLookups {
		a.Do += fmt.Sprintf(" The merged record has %d terms that look something up, and %d are allowed (RFC 7208 section 4.6.4): "+
			"take out what no longer sends.", lookups, spf.MaxLookups)
	}
	return a
}

// publishesOnly says whether an SPF record is the one that is published at the name.
func (s subject) publishesOnly(want spf.Record) bool {
	for _, r := range s.domain.Records {
		if r.Kind != mailrec.SPF || r.Name != s.name {
			continue
		}
		if texts := s.published(r).Texts(); len(texts) == 1 {
			got, err := spf.Parse(string(texts[0]))
			return err == nil && got.String() == want.String()
		}
	}
	return false
}

// mailbox says whether Alibaba Mail serves the name, by what is expected and what is
// seen there, and which include it has.
func (s subject) mailbox() (include string, ok bool) {
	if i := slices.IndexFunc(mailboxIncludes, s.includes); i >= 0 {
		return mailboxIncludes[i], true
	}
	for _, r := range s.domain.Records {
		if r.Kind != mailrec.MX || r.Name != s.name {
			continue
		}
		hosts := s.published(r)
		if want, err := rrset.Parse(rrset.MX, r.Want...); err == nil {
			hosts.Data = append(slices.Clone(hosts.Data), want.Data...)
			hosts.Type = rrset.MX
		}
		for _, x := range hosts.Exchanges() {
			if slices.Contains(mailboxServers, x.Host) {
				return mailboxIncludes[0], true
			}
		}
	}
	return "", false
}

// directInclude says whether Direct Mail sends with the name, and what it asks to include.
func (s subject) directInclude() (string, bool) {
	for _, text := range s.spfTexts() {
		for term := range strings.FieldsSeq(strings.ToLower(text)) {
			host := strings.TrimPrefix(strings.TrimLeft(term, "+?~-"), "include:")
			if host == usualInclude || strings.HasPrefix(host, "spfdm-") && strings.HasSuffix(host, ".aliyun.com") {
				return host, true
			}
		}
	}
	return usualInclude, s.domain.Service() == directMail
}

// includes says whether SPF of the name has or shall have an include.
func (s subject) includes(host string) bool {
	return slices.ContainsFunc(s.spfTexts(), func(text string) bool {
		return slices.ContainsFunc(strings.Fields(strings.ToLower(text)), func(term string) bool {
			return strings.TrimLeft(term, "+?~-") == "include:"+host
		})
	})
}

// spfTexts gives the terms that are expected in SPF records of the name, and the records
// that are published there.
func (s subject) spfTexts() []string {
	var out []string
	for _, r := range s.domain.Records {
		if r.Kind != mailrec.SPF || r.Name != s.name {
			continue
		}
		out = append(out, r.Want...)
		for _, text := range s.published(r).Texts() {
			out = append(out, string(text))
		}
	}
	return out
}

// mergedSPF makes the one record that serves both, with all that is published already.
func (s subject) mergedSPF(mailbox, direct string) spf.Record {
	var records []spf.Record
	for _, text := range s.spfTexts() {
		if r, err := spf.Parse(text); err == nil {
			records = append(records, r)
		}
	}
	for _, host := range []string{mailbox, direct} {
		records = append(records, spf.Record{Mechanisms: []spf.Term{{Qualifier: '+', Name: "include", Domain: host}}})
	}
	return spf.Merge(records...)
}
