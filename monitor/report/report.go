package report

import (
	"fmt"
	"strings"
	"time"

	"maildrift/monitor/diagnose"
)

// Report is what was seen of a domain at one time.
type Report struct {
	Domain string
	// At is when asking ended; Version the program's; Command what was run, so that it can be
	// run again.
	At      time.Time
	Version string
	Command string
	Zones   []Zone
	// Verdict is what receivers make of the domain's mail, one line each.
	Verdict []string
	Records []Record
}

// Zone is a zone that records live in.
type Zone struct {
	Apex string
	// Servers are those of the delegation, as "host/address".
	Servers []string
	// DNSHost is who runs them, if known; Detail says why there are none.
	DNSHost, Detail string
}

// Record is one record: what it must say, what it says, and why.
type Record struct {
	Key, Purpose     string
	Name, Type, Kind string
	// Match is how what is there is compared with Want.
	Match string
	Want  []string
	// Status is in one word how it stands; Reason, Rule and Impact say more.
	Status, Reason, Rule, Impact string
	Notes                        []string
	// Decision holds the numbers that the status rests on.
	Decision string
	Answers  []Answer
	Causes   []diagnose.Diagnosis
	Commands []string
}

// Answer is what one source said.
type Answer struct {
	Source string
	// Role is "zone's own server" or the operator of a resolver.
	Role, Address, Transport string
	// Rcode is the response code, or what was there instead of a response.
	Rcode string
	// Stand is what the answer means for the record.
	Stand   string
	TTL     uint32
	Flags   string
	Latency time.Duration
	Tries   int
	At      time.Time
	// Chain are the CNAMEs that were followed, EDE what the source explained.
	Chain  []string
	EDE    []string
	Detail string
	// Data are the records as the source gave them; TXT as quoted strings.
	Data []string
}

// lines gives an answer as text.
func (a Answer) lines() []string {
	head := fmt.Sprintf("%s (%s)  %s %s  %s  %s", a.Source, a.Role, a.Address, a.Transport, a.Rcode, a.Stand)
	out := []string{strings.TrimSpace(head)}
	add := func(name, value string) {
		if value != "" {
			out = append(out, fmt.Sprintf("    %-8s %s", name, value))
		}
	}
	for _, c := range a.Chain {
		add("CNAME", c)
	}
	for _, d := range a.Data {
		add("data", d)
	}
	add("asked", a.Asked())
	for _, e := range a.EDE {
		add("EDE", e)
	}
	add("detail", a.Detail)
	return out
}

// Asked says when and how the answer came.
func (a Answer) Asked() string {
	out := fmt.Sprintf("%s, TTL %d s, %s", stamp(a.At), a.TTL, a.Latency.Round(100*time.Microsecond))
	if a.Flags != "" {
		out += ", " + a.Flags
	}
	if a.Tries > 1 {
		out += fmt.Sprintf(", %d tries", a.Tries)
	}
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
