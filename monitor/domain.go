package monitor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// DefaultSchedule is the schedule group of domains that name none.
const DefaultSchedule = "default"

// Spec is a sending domain as a person registers it: in the configuration, over
// the API, or in an import file. It is a value and never changes once it is in
// the registry; a change is a new Spec.
type Spec struct {
	// Domain is the sending domain, as written.
	Domain string `yaml:"domain" json:"domain" doc:"The sending domain, for example notice.example.com"`
	// Service is the mail service preset's ID; empty means "custom".
	Service string `yaml:"service" json:"service,omitempty" doc:"Mail service preset, for example directmail; custom if empty"`
	// Params are the preset's parameters.
	Params map[string]string `yaml:"params" json:"params,omitempty" doc:"Parameters of the preset"`
	// Expect are records besides the preset's. One with the key of a preset's record replaces it.
	Expect []ExpectSpec `yaml:"expect" json:"expect,omitempty" doc:"Records besides those of the preset"`
	// Schedule names the schedule group; empty means "default".
	Schedule string `yaml:"schedule" json:"schedule,omitempty" doc:"Schedule group; default if empty"`
	// SendingAddresses are those that mail is sent from, if it is not a service's business; MailFrom is the
	// envelope sender's domain, if it is another one. Their reverse names and records are looked at.
	SendingAddresses []string `yaml:"sending_addresses" json:"sending_addresses,omitempty" doc:"Addresses that mail is sent from, to look at their reverse names"`
	MailFrom         string   `yaml:"mail_from" json:"mail_from,omitempty" doc:"Domain of the envelope sender, if it is another one"`
	// Labels go to alerts, as the operator chose them.
	Labels map[string]string `yaml:"labels" json:"labels,omitempty" doc:"Labels added to alerts"`
	// Senders are the addresses that send with the domain, for services that do not delete a
	// domain which has any; nor is it then removed here.
	Senders []string `yaml:"senders" json:"senders,omitempty" doc:"Sender addresses at the mail service; while there are any the domain cannot be removed"`
	// Note is free text for people.
	Note string `yaml:"note" json:"note,omitempty" doc:"Free text for people"`
}

// ExpectSpec is one explicit expectation as a person writes it.
type ExpectSpec struct {
	// Key names the record within its domain; made from kind and host if empty.
	Key string `yaml:"key" json:"key,omitempty" doc:"Name of the record within the domain; made from kind and host if empty"`
	// Kind is what the record is for.
	Kind mailrec.Kind `yaml:"kind" json:"kind" doc:"ownership, spf, dkim, dmarc, mx, cname, ns, txt, a, aaaa, ptr, mta-sts, tls-rpt or bimi"`
	// Host is the owner name relative to the domain; "@" is the domain itself and a
	// trailing dot makes it absolute. Empty means the usual place of the kind.
	Host string `yaml:"host" json:"host,omitempty" doc:"Owner name relative to the domain; @ is the domain itself, a trailing dot makes it absolute"`
	// Match is how to compare; empty means equal if Value is given, else captured.
	Match string `yaml:"match" json:"match,omitempty" doc:"equal, contains, captured or present"`
	// Value holds the wanted records or terms.
	Value StringList `yaml:"value" json:"value,omitempty" doc:"Wanted records, one an entry"`
	// AllowInvalid captures a record even if receivers cannot use it.
	AllowInvalid bool `yaml:"allow_invalid" json:"allow_invalid,omitempty" doc:"Capture a record even if receivers cannot use it"`
}

// ParseExpect reads an expectation in one line: KIND[@HOST][=VALUE]. Without a value what is published is taken.
func ParseExpect(text string) (ExpectSpec, error) {
	what, value, hasValue := strings.Cut(text, "=")
	kind, host, _ := strings.Cut(what, "@")
	e := ExpectSpec{Host: host}
	if err := e.Kind.UnmarshalText([]byte(kind)); err != nil {
		return e, fmt.Errorf("%q: %w; write KIND[@HOST][=VALUE]", text, err)
	}
	if hasValue {
		e.Value = StringList{value}
	}
	return e, nil
}

// StringList is a list of strings that may be written as one string.
type StringList []string

// UnmarshalJSON reads a list, or one string.
func (l *StringList) UnmarshalJSON(b []byte) error {
	// Nearly all are one text as it is, and a start reads hundreds of thousands of them.
	if n := len(b) - 1; n > 0 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
		*l = StringList{string(b[1:n])}
		return nil
	}
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = StringList{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// Origin is where a domain was registered.
type Origin struct {
	// File and Line tell the place in the configuration; empty for domains that
	// came over the API.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// ReadOnly says whether the domain can only be changed in its file.
func (o Origin) ReadOnly() bool { return o.File != "" }

// Domain is a registered domain with all that it must publish. It is immutable;
// the registry replaces it as a whole.
type Domain struct {
	Name   rrset.Name
	Spec   Spec
	Origin Origin
	// Registered is when the domain was first seen by this maildrift.
	Registered time.Time
	// Records are sorted by key.
	Records []Record
	// Pauses are the times for which nothing new is told about it.
	Pauses []Pause
	// Shared is set for a record that others' records rest on and that nobody registered; nil
	// for registered domains.
	Shared *Shared
	// written is the domain as it was written down, before what came at run time; nil if nothing did.
	written *Domain
}

// Schedule gives the domain's schedule group.
func (d *Domain) Schedule() string {
	if d.Spec.Schedule == "" {
		return DefaultSchedule
	}
	return d.Spec.Schedule
}

// Service gives the ID of the domain's mail service.
func (d *Domain) Service() string {
	if d.Spec.Service == "" {
		return "custom"
	}
	return d.Spec.Service
}

// Record gives the record with that key.
func (d *Domain) Record(key string) (Record, bool) {
	if r := d.record(key); r != nil {
		return *r, true
	}
	return Record{}, false
}

// record gives the domain's own record with that key; nil if it has none. The domain may be nil.
func (d *Domain) record(key string) *Record {
	if d == nil {
		return nil
	}
	i := slices.IndexFunc(d.Records, func(r Record) bool { return r.Key == key })
	if i < 0 {
		return nil
	}
	return &d.Records[i]
}

// Record is one thing that a domain must publish.
type Record struct {
	// Key names it within the domain: "spf", "dkim:s1". It is stable over
	// changes of the expectation and becomes the alert's record label.
	Key string `json:"key"`
	// Name is where it lives.
	Name rrset.Name `json:"name"`
	// Expectation is what it must say.
	mailrec.Expectation
	// Purpose says in a few words what it is for.
	Purpose string `json:"purpose,omitempty"`
	// Withdrawn is after how long without the record the mail service withdraws the domain's verification; 0 if
	// it is not known to.
	Withdrawn time.Duration `json:"withdrawn_after_ns,omitempty"`
	// Publish is what to put into the zone, ready to copy.
	Publish []PublishLine `json:"publish,omitempty"`
}

// PublishLine is one record to publish.
type PublishLine struct {
	Name  rrset.Name `json:"name"`
	Type  rrset.Type `json:"type"`
	Value string     `json:"value"`
	// Placeholder says that Value holds a part in angle brackets that the mail
	// service's console shows.
	Placeholder bool `json:"placeholder,omitempty"`
}

// RecordID identifies a record in the registry.
type RecordID struct {
	Domain rrset.Name `json:"domain"`
	Key    string     `json:"record"`
}

// String gives it as "domain/key".
func (id RecordID) String() string { return string(id.Domain) + "/" + id.Key }

// Compare orders IDs by domain, then key.
func (id RecordID) Compare(o RecordID) int {
	return cmp.Or(cmp.Compare(id.Domain, o.Domain), cmp.Compare(id.Key, o.Key))
}

// sortedKeys gives the keys of a map in order, so that texts are stable.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
