package preset

import (
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// Record is one record of a preset. Host, Want, Alternatives and Publish are templates:
// {{name}} stands for a parameter, {{domain}} for the sending domain, {{dashes}} for it
// with dashes for dots, {{table.param.entry}} for a table's entry, and {{each}} for
// one of the values of the parameter in Each.
type Record struct {
	// Key names the record within its domain: "spf", "dkim:{{each}}".
	Key string `yaml:"key" json:"key"`
	// Title says what the record is for.
	Title string       `yaml:"title" json:"title"`
	Kind  mailrec.Kind `yaml:"kind" json:"kind"`
	// Host is relative to the domain; "@" is the domain itself.
	Host  string        `yaml:"host" json:"host"`
	Match mailrec.Match `yaml:"match" json:"match"`
	// Want are the wanted values. If one of them needs a parameter that is not given, what is
	// published when the record is verified is captured, and the lines to publish show a placeholder.
	Want []string `yaml:"want" json:"want,omitempty"`
	// Alternatives are as good as Want. One that needs a parameter that is not given, or that
	// says the same as Want, is left out.
	Alternatives [][]string `yaml:"alternatives" json:"alternatives,omitempty"`
	// Usable says that a captured record must be one that receivers can use (see
	// mailrec.Expectation).
	Usable bool `yaml:"usable" json:"usable,omitempty"`
	// Publish is what to put into the zone where Want is not (terms to be contained) or
	// where the parameter for it is not given.
	Publish []string `yaml:"publish" json:"publish,omitempty"`
	// TTL is what to publish it with, in seconds; 0 means no advice.
	TTL uint32 `yaml:"ttl" json:"ttl,omitempty"`
	// When are conditions of which one must hold: "param" (it was given), or
	// "param=value". Without conditions the record is always wanted.
	When []string `yaml:"when" json:"when,omitempty"`
	// Each names a list parameter; the record exists once for each of its values.
	Each string `yaml:"each" json:"each,omitempty"`
	// Notes say what is special about how the record is judged.
	Notes []string `yaml:"notes" json:"notes,omitempty"`
}

// Expected is a record that a domain must publish.
type Expected struct {
	// Key is unique in the domain: "spf", "mx", "dkim:s1", "cname:s1._domainkey".
	Key         string
	Name        rrset.Name
	Expectation mailrec.Expectation
	// Publish is what to put into the zone, ready to copy. It is empty for what a service
	// publishes behind a CNAME.
	Publish []PublishLine
	// Purpose says what the record is for.
	Purpose string
}

// PublishLine is one record to put into a zone.
type PublishLine struct {
	// Host is what DNS panels ask for: the name relative to the registered domain, "@" for that
	// domain itself. Name is the whole name.
	Host  string
	Name  rrset.Name
	Type  rrset.Type
	Value string
	// TTL is in seconds; 0 means no advice.
	TTL uint32
	// Placeholder says that Value holds a part in angle brackets that the mail
	// service's console shows.
	Placeholder bool
}
