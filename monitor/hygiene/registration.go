package hygiene

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// Registration is what the registry says of a domain, over RDAP.
type Registration struct {
	Domain rrset.Name
	// Expires is when it ends; zero if the registry does not say.
	Expires time.Time
	// Status are the words of RFC 8056, in lower case.
	Status []string
	// Problem says why nothing is known.
	Problem string
}

// ParseRDAP reads the answer about a domain (RFC 9083 section 5.3).
func ParseRDAP(domain rrset.Name, body []byte) (Registration, error) {
	var doc struct {
		ObjectClassName string   `json:"objectClassName"`
		Status          []string `json:"status"`
		Events          []struct {
			EventAction string    `json:"eventAction"`
			EventDate   time.Time `json:"eventDate"`
		} `json:"events"`
	}
	r := Registration{Domain: domain}
	if err := json.Unmarshal(body, &doc); err != nil {
		return r, fmt.Errorf("read the RDAP answer: %w", err)
	}
	if !strings.EqualFold(doc.ObjectClassName, "domain") {
		return r, errors.New("the RDAP answer is not about a domain")
	}
	for _, s := range doc.Status {
		r.Status = append(r.Status, strings.ToLower(s))
	}
	for _, e := range doc.Events {
		if e.EventAction == "expiration" {
			r.Expires = e.EventDate
		}
	}
	return r, nil
}

// registration tells what will take the domain away.
func (j *judgement) registration(r Registration) {
	at := string(r.Domain)
	if r.Problem != "" {
		j.say("registration_unknown", Note, mailrec.None, at, "RFC 9082", "", "the registry could not be asked: %s", r.Problem)
		return
	}
	for _, word := range []string{"client hold", "server hold", "redemption period", "pending delete"} {
		if slices.Contains(r.Status, word) {
			j.say("registration_on_hold", Critical, mailrec.Rejected, at, "RFC 8056 section 2", "Ask the registrar at once.", "the domain has the status %q: it is not in the DNS, or will not be for long", word)
		}
	}
	if !slices.Contains(r.Status, "client transfer prohibited") && !slices.Contains(r.Status, "server transfer prohibited") {
		j.say("registration_unlocked", Note, mailrec.None, at, "RFC 8056 section 2", "Have the registrar lock it against transfers.", "the domain is not locked: whoever gets hold of its transfer code can take it away")
	}
	if r.Expires.IsZero() {
		return
	}
	left := int(r.Expires.Sub(j.subject.Now).Hours() / 24)
	say := func(s Severity, impact mailrec.Impact, text string) {
		j.say("registration_ends", s, impact, at, "RFC 9083 section 4.5", "Renew it, and have it renewed by itself.", "%s", text)
	}
	day := r.Expires.UTC().Format("2006-01-02")
	switch {
	case !r.Expires.After(j.subject.Now):
		say(Critical, mailrec.Rejected, "the registration ended on "+day+": all records go with it")
	case left < 7:
		say(Critical, mailrec.None, "the registration ends in "+days(left)+", on "+day+": all records go with it")
	case left < 30:
		say(Warning, mailrec.None, "the registration ends in "+days(left)+", on "+day+": all records go with it")
	}
}
