package mailrec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/rrset"
)

// STSPolicy is the policy file of MTA-STS (RFC 8461 section 3.2).
type STSPolicy struct {
	// Mode is enforce, testing or none.
	Mode string
	// MX are the patterns that exchanges must match: a host, or *.domain.
	MX []string
	// MaxAge is how many seconds senders keep the policy.
	MaxAge int
	// Notes are oddities that senders do not mind.
	Notes []string
}

// maxSTSAge is the longest that a policy may be kept: about a year.
const maxSTSAge = 31_557_600

// maxSTSPolicy is how much text of a policy is read, in bytes: many times what one needs.
const maxSTSPolicy = 64 << 10

// ParseSTSPolicy reads a policy file. Lines may end in LF or CRLF.
func ParseSTSPolicy(text string) (STSPolicy, error) {
	if len(text) > maxSTSPolicy {
		return STSPolicy{}, fmt.Errorf("the policy has %d octets, more than %d", len(text), maxSTSPolicy)
	}
	var p STSPolicy
	seen := map[string]string{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		key, value, found := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !found {
			return p, fmt.Errorf("line %d, %s, is not KEY: VALUE", number, quoted(line))
		}
		if key == "mx" {
			p.MX = append(p.MX, strings.ToLower(value))
			continue
		}
		if _, twice := seen[key]; twice {
			p.Notes = append(p.Notes, fmt.Sprintf("%s appears twice: the first counts", quoted(key)))
			continue
		}
		seen[key] = value
	}
	return p, p.settle(seen)
}

// settle checks the fields; the order in which RFC 8461 lists them does not matter.
func (p *STSPolicy) settle(fields map[string]string) error {
	if v := fields["version"]; v != "STSv1" {
		return fmt.Errorf("version must be STSv1, not %s", quoted(v))
	}
	p.Mode = fields["mode"]
	if !slices.Contains([]string{"enforce", "testing", "none"}, p.Mode) {
		return fmt.Errorf("mode must be enforce, testing or none, not %s", quoted(p.Mode))
	}
	age, err := strconv.Atoi(fields["max_age"])
	if err != nil || age < 0 || age > maxSTSAge || len(fields["max_age"]) > 10 {
		return fmt.Errorf("max_age must be a number of seconds up to %d, not %s", maxSTSAge, quoted(fields["max_age"]))
	}
	p.MaxAge = age
	if len(p.MX) == 0 && p.Mode != "none" {
		return errors.New("no mx: it must name the hosts that take the domain's mail")
	}
	for _, pattern := range p.MX {
		if _, err := rrset.ParseName(strings.TrimPrefix(pattern, "*.")); err != nil {
			return fmt.Errorf("mx: %w", err)
		}
	}
	for key := range fields {
		if !slices.Contains([]string{"version", "mode", "max_age"}, key) {
			p.Notes = append(p.Notes, fmt.Sprintf("the unknown field %s is ignored", quoted(key)))
		}
	}
	slices.Sort(p.Notes)
	return nil
}

// STSPolicyID gives the id of an MTA-STS record (RFC 8461 section 3.1); empty if it is none.
func STSPolicyID(record string) string {
	if !(mtaSTS{}).is([]byte(record)) {
		return ""
	}
	id, _ := parseTags(record).get("id")
	return id
}

// Allows says whether an exchange matches the policy (RFC 8461 section 4.1): a pattern's * stands
// for exactly one label.
func (p STSPolicy) Allows(host rrset.Name) bool {
	return slices.ContainsFunc(p.MX, func(pattern string) bool {
		pattern = strings.TrimSuffix(pattern, ".")
		if parent, wild := strings.CutPrefix(pattern, "*."); wild {
			return string(host.Parent()) == parent && host.Labels() > 1
		}
		return string(host) == pattern
	})
}

// policy judges the file.
func (l *linter) policy(text string) {
	if strings.TrimSpace(text) == "" {
		l.state = NotOne
		l.say(Error, "RFC 8461 section 3.2", "the policy is empty")
		return
	}
	p, err := ParseSTSPolicy(text)
	if err != nil {
		l.state = Invalid
		l.say(Error, "RFC 8461 section 3.2", "the policy is invalid: %s", err)
		return
	}
	for _, note := range p.Notes {
		l.say(Warning, "RFC 8461 section 3.2", "%s", note)
	}
	const week = 7 * 24 * 3600
	switch {
	case p.Mode == "none":
		l.say(Warning, "RFC 8461 section 5", "mode none: senders are told not to protect mail to the domain")
	case p.Mode == "testing":
		l.say(Warning, "RFC 8461 section 5", "mode testing: senders report failures and deliver all the same")
	case p.MaxAge < week:
		l.say(Warning, "RFC 8461 section 3.2", "max_age is less than a week: an attacker has only to keep a sender from the policy for that long")
	}
}
