package mailrec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/rrset"
)

// exchanges is the collection of MX records.
type exchanges struct{}

func (exchanges) kind() Kind { return MX }

func (exchanges) items(e Expectation, set rrset.Set) []string {
	var out []string
	for _, x := range set.Exchanges() {
		if e.MatchPreference {
			out = append(out, strconv.Itoa(int(x.Preference))+" "+string(x.Host))
			continue
		}
		out = append(out, string(x.Host))
	}
	return sortedSet(out)
}

// fault knows the null MX (RFC 7505 section 3) and hosts that are addresses (RFC
// 5321 section 5.1).
func (exchanges) fault(set rrset.Set) *fault {
	all := set.Exchanges()
	null := slices.ContainsFunc(all, func(x rrset.Exchange) bool { return x.Host == rrset.Root })
	usable := slices.ContainsFunc(all, func(x rrset.Exchange) bool { return x.Host != rrset.Root && !isAddressLike(x.Host) })
	switch {
	case null && len(all) == 1:
		return &fault{
			reason: "the null MX says that the domain accepts no mail: receivers may refuse mail from it",
			rule:   "RFC 7505 section 3", impact: Rejected, deliberate: true,
		}
	case null:
		return &fault{reason: "a null MX stands among other MX records", rule: "RFC 7505 section 3", impact: Degraded}
	case !usable:
		return &fault{reason: "the MX records name addresses where they must name hosts", rule: "RFC 5321 section 5.1", impact: Degraded}
	}
	return nil
}

// isAddressLike says whether a name is an IPv4 address in disguise: no top-level
// domain is a number.
func isAddressLike(n rrset.Name) bool {
	last := string(n)[strings.LastIndexByte(string(n), '.')+1:]
	return strings.Trim(last, "0123456789") == ""
}

func (exchanges) gone(was rrset.Set) *fault {
	if why := (exchanges{}).fault(was); why != nil && why.deliberate {
		return &fault{reason: "there is no MX record, which said that the domain accepts no mail", rule: "RFC 7505 section 3", impact: Weakened}
	}
	return &fault{
		reason: "there is no MX record: mail and bounces go to the domain's own address, if it has one",
		rule:   "RFC 5321 section 5.1", impact: Degraded,
	}
}

func (exchanges) turned(was rrset.Set, lost, came []string) *fault {
	rule := "RFC 5321 section 5.1"
	if why := (exchanges{}).fault(was); why != nil && why.deliberate {
		return &fault{reason: "the domain accepted no mail and now it does: mail goes to " + listed(came), rule: "RFC 7505 section 3", impact: Weakened}
	}
	switch {
	case len(lost) > 0 && len(lost) == len(came) && slices.Equal(hostsOf(lost), hostsOf(came)):
		return &fault{reason: "the preferences of the MX records changed", rule: rule, impact: Weakened}
	case len(came) == 0:
		return &fault{reason: "mail no longer goes to " + listed(lost), rule: rule, impact: Degraded}
	case len(lost) == 0:
		return &fault{reason: "mail also goes to " + listed(came), rule: rule, impact: Degraded, relation: Loosened}
	}
	return &fault{reason: fmt.Sprintf("mail goes to %s and no longer to %s", listed(came), listed(lost)), rule: rule, impact: Degraded}
}

// hostsOf strips preferences from items.
func hostsOf(items []string) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		out = append(out, item[strings.LastIndexByte(item, ' ')+1:])
	}
	return sortedSet(out)
}

// changes shows a host whose preference changed as one change.
func (exchanges) changes(lost, came []string) []Change {
	var out []Change
	came = slices.Clone(came)
	for _, was := range lost {
		pref, host, withPreference := strings.Cut(was, " ")
		i := slices.IndexFunc(came, func(now string) bool { return withPreference && strings.HasSuffix(now, " "+host) })
		if i < 0 {
			out = append(out, plainChanges([]string{was}, nil)...)
			continue
		}
		now, _, _ := strings.Cut(came[i], " ")
		out = append(out, Change{Op: "~", Term: shown(host), Was: pref, Now: now})
		came = slices.Delete(came, i, i+1)
	}
	return append(out, plainChanges(nil, came)...)
}

func (exchanges) remarks(e Expectation, was, now rrset.Set) []string {
	if e.MatchPreference || was.Equal(now) {
		return nil
	}
	return []string{fmt.Sprintf("preferences changed: %s, was %s",
		quoted(strings.Join(now.Lines(), ", ")), quoted(strings.Join(was.Lines(), ", ")))}
}
