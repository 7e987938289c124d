package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// spfMerge finds SPF records that must become one: a domain may have only one (RFC 7208
// section 3.2), into which all who send for it must be put.
func (x *exam) spfMerge() []Diagnosis {
	if x.kind() != mailrec.SPF || x.Answer.Status != view.Found || x.fits(x.Answer.Set) {
		return nil
	}
	var texts []string
	for _, t := range x.Expectation.Select(x.Answer.Set).Texts() {
		texts = append(texts, string(t))
	}
	wants := append([][]string{x.Expectation.Want}, x.Expectation.Alternatives...)
	if x.Expectation.Match != mailrec.Contains {
		wants = [][]string{nil}
	}
	for _, want := range wants {
		merged := mergeSPF(texts, want)
		if len(texts) == 0 || !x.fits(ofTexts(merged)) {
			continue
		}
		lines := x.lines(Record{Name: x.Name, Type: rrset.TXT, Value: merged})
		evidence := quoted(printables(texts))
		if len(texts) > 1 {
			return []Diagnosis{x.diagnosis(SPFSeveral, Certain,
				fmt.Sprintf("There are %d SPF records at %s: receivers then use none of them.", len(texts), x.Name),
				"Delete them all and publish the one below, in which they are merged.", evidence...).by("RFC 7208 sections 3.2 and 4.5").publishing(lines)}
		}
		return []Diagnosis{x.diagnosis(SPFNotMerged, Certain,
			fmt.Sprintf("The SPF record at %s is another service's: it lacks %s.", x.Name, strings.Join(want, ", ")),
			"Put it into the record that is there, before all; a second SPF record would break both.", evidence...).by("RFC 7208 section 3.2").publishing(lines)}
	}
	return nil
}

func printables(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = rrset.Printable([]byte(t))
	}
	return out
}

// mergeSPF makes one record of several and adds terms: each term once, all at the end and as mild
// as the mildest, so that nobody who passed fails. Of redirects, which all makes void (RFC 7208
// section 6.1), the first stays if there is no all.
func mergeSPF(texts, want []string) string {
	out := []string{"v=spf1"}
	all, redirect := "", ""
	for _, text := range append(slices.Clone(texts), strings.Join(want, " ")) {
		for _, term := range strings.Fields(text) {
			low := strings.ToLower(term)
			switch {
			case low == "v=spf1":
			case strings.TrimLeft(low, "+-~?") == "all":
				all = milder(all, low)
			case strings.HasPrefix(low, "redirect="):
				if redirect == "" {
					redirect = term
				}
			case !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, term) }):
				out = append(out, term)
			}
		}
	}
	if all != "" {
		return strings.Join(append(out, all), " ")
	}
	if redirect != "" {
		out = append(out, redirect)
	}
	return strings.Join(out, " ")
}

// milder gives the term of two that fails fewer. That everybody passes (+all) is nobody's intent.
func milder(a, b string) string {
	const order = "-~?"
	rank := func(s string) int { return strings.IndexByte(order, s[0]) }
	if a == "" || rank(b) > rank(a) {
		return b
	}
	return a
}
