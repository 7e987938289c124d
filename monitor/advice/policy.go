package advice

import (
	"fmt"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// sendingFirst is about DMARC that stands before what it judges by: SPF at least must be
// there and verified.
func sendingFirst(s subject) *Advice {
	if _, wanted := s.dmarc(); !wanted {
		return nil
	}
	r, wanted := s.record(mailrec.SPF, s.name)
	if wanted && s.holds(r) {
		return nil
	}
	a := &Advice{
		ID:     "directmail-spf-before-dmarc",
		Text:   fmt.Sprintf("DMARC of %s needs SPF first: mail that passes neither SPF nor DKIM fails it.", s.name),
		Do:     "Publish SPF and DKIM, wait until they are verified, then publish DMARC, with p=none to begin with.",
		Source: "RFC 7489 section 6.6.2; " + faq,
	}
	if !wanted {
		a.Do = "Watch SPF too: it is not among the domain's records. " + a.Do
	}
	return a
}

// nextPolicy is about the way from p=none to p=reject. It speaks once all by which DMARC
// judges is verified.
func nextPolicy(s subject) *Advice {
	r, ok := s.dmarc()
	if !ok || !s.sendersHold() || !s.holds(r) {
		return nil
	}
	texts := s.published(r).Texts()
	if len(texts) != 1 {
		return nil
	}
	policy := string(texts[0])
	next := map[string]string{"none": "quarantine", "quarantine": "reject"}
	was := tagValue(policy, "p")
	to, ok := next[strings.ToLower(was)]
	if !ok {
		return nil
	}
	a := &Advice{
		ID:      "directmail-dmarc-next",
		Text:    fmt.Sprintf("DMARC of %s says p=%s, and SPF and DKIM are verified.", s.name, rrset.Printable([]byte(was))),
		Do:      fmt.Sprintf("When the aggregate reports of some weeks show no mail of yours that fails, go on to p=%s, and accept the change here.", to),
		Publish: []monitor.PublishLine{{Name: r.Name, Type: rrset.TXT, Value: withTag(policy, "p", to)}},
		Source:  "RFC 7489 section 6.3; " + faq,
	}
	if tagValue(policy, "rua") == "" {
		a.Do = "Ask for aggregate reports first: add rua=mailto: and an address that somebody reads. " + a.Do
	}
	return a
}

// dmarc gives the domain's own DMARC record.
func (s subject) dmarc() (monitor.Record, bool) {
	return s.record(mailrec.DMARC, s.name.Child("_dmarc"))
}

// sendersHold says whether SPF and every DKIM key of the domain are verified and as they were.
func (s subject) sendersHold() bool {
	found := false
	for _, r := range s.domain.Records {
		if r.Kind != mailrec.SPF && r.Kind != mailrec.DKIM {
			continue
		}
		if !s.holds(r) {
			return false
		}
		found = true
	}
	return found
}

// tagValue gives the value of a tag in a tag list (RFC 6376 section 3.2), "" if it has none.
func tagValue(text, tag string) string {
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(name), tag) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// withTag gives the tag list with another value for a tag that it has, all else as it is.
func withTag(text, tag, value string) string {
	parts := strings.Split(text, ";")
	for i, part := range parts {
		name, old, ok := strings.Cut(part, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), tag) {
			parts[i] = name + "=" + strings.Replace(old, strings.TrimSpace(old), value, 1)
		}
	}
	return strings.Join(parts, ";")
}
