package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// exam is one case being looked into.
type exam struct {
	Case
	view view.View
	// zone is where the record belongs, servers who the zone is delegated to: as far as known, else guessed.
	zone    rrset.Name
	servers []rrset.Name
	panel   Host
}

// rules look for causes, the ones that explain most first: among causes of one
// certainty the order stays.
var rules = []func(*exam) []Diagnosis{
	(*exam).parked, (*exam).bogus, (*exam).unreachable, (*exam).unserved, (*exam).outside,
	(*exam).serverWithout, (*exam).parentName, (*exam).cached,
	(*exam).hidden, (*exam).wrongType, (*exam).wildcard,
	(*exam).splitRecords, (*exam).mended, (*exam).caseChanged, (*exam).placeholder, (*exam).truncated,
	(*exam).targetAppended, (*exam).variants, (*exam).spfMerge,
	(*exam).misplaced,
	(*exam).serversDiffer, (*exam).ownZone,
}

// Diagnose gives the causes that explain a case, best first; there is always one. It
// is final only when the view has answered all questions.
func Diagnose(c Case, v view.View) []Diagnosis {
	x := &exam{Case: c, view: v, zone: c.Zone, servers: c.Servers}
	if gone, final := x.gone(); gone != nil || !final {
		return gone
	}
	if org := organisation(c.Domain); !x.zone.IsAtOrBelow(org) || !c.Name.IsAtOrBelow(x.zone) {
		x.zone = org
	}
	if len(x.servers) == 0 {
		x.servers = x.look(x.zone, rrset.NS).Set.Hosts()
	}
	x.panel = DetectHost(x.servers)
	var out []Diagnosis
	for _, rule := range rules {
		out = append(out, rule(x)...)
	}
	if !slices.ContainsFunc(out, func(d Diagnosis) bool { return d.Certainty > Possible }) {
		out = append([]Diagnosis{x.unexplained()}, out...)
	}
	slices.SortStableFunc(out, func(a, b Diagnosis) int { return int(b.Certainty) - int(a.Certainty) })
	return out
}

func (x *exam) look(name rrset.Name, typ rrset.Type) view.Answer {
	if name == x.Name && typ == x.typ() {
		return x.Answer
	}
	return x.view.Look(view.Question{Name: name, Type: typ})
}

func (x *exam) typ() rrset.Type    { return x.Expectation.Kind.Type() }
func (x *exam) kind() mailrec.Kind { return x.Expectation.Kind }

// host is the record's name relative to the sending domain, "" for the domain itself.
func (x *exam) host() string {
	if x.Name == x.Domain {
		return ""
	}
	return strings.TrimSuffix(string(x.Name), "."+string(x.Domain))
}

// prefix is the sending domain relative to its zone, "" when it is the zone's apex.
func (x *exam) prefix() string {
	if x.Domain == x.zone || !x.Domain.IsAtOrBelow(x.zone) {
		return ""
	}
	return strings.TrimSuffix(string(x.Domain), "."+string(x.zone))
}

// diagnosis makes one whose remedy is to publish what was asked for.
func (x *exam) diagnosis(cause Cause, sure Certainty, sentence, fix string, evidence ...string) Diagnosis {
	return Diagnosis{Cause: cause, Certainty: sure, Sentence: sentence, Fix: fix, Evidence: evidence, Publish: x.lines(x.Publish...)}
}

func (d Diagnosis) by(rule string) Diagnosis {
	d.Rule = rule
	return d
}

// publishing replaces what to publish.
func (d Diagnosis) publishing(lines []Line) Diagnosis {
	d.Publish = lines
	return d
}

func (x *exam) lines(records ...Record) []Line {
	var out []Line
	for _, r := range records {
		out = append(out, Line{Record: r, Panel: x.panel.Name, Entry: x.panel.Entry(r, x.zone), MasterFile: MasterFile(r)})
	}
	return out
}

// unexplained is the diagnosis when no cause was found.
func (x *exam) unexplained() Diagnosis {
	if x.Answer.Status == view.Found && len(x.seen()) > 0 {
		return x.diagnosis(WrongValue, Likely,
			fmt.Sprintf("A %s record stands at %s, but it is not the wanted one.", x.kind(), x.Name),
			"Compare it letter by letter with the one below, and replace it"+x.where()+".", append(quoted(x.seen()), x.reason()...)...)
	}
	if x.Answer.Status == view.Failed {
		d := x.diagnosis(NotAnswered, Likely, fmt.Sprintf("Nobody that was asked about %s answered: whether the record is there is not known.", x.Name),
			"Look again later. If it stays so, look at the network here, and at the zone's name servers.", x.reason()...)
		return d.publishing(nil)
	}
	d := x.diagnosis(NotPublished, Likely,
		fmt.Sprintf("There is no such record: %s is neither at %s nor at any name where it might be by mistake.", article(x.kind()), x.Name),
		"Publish it"+x.where()+", and look whether it was saved."+x.memory(), x.nothingAround()...)
	if len(d.Publish) == 0 && x.kind() == mailrec.DMARC {
		// A policy that asks for nothing does no harm (RFC 9989 section 4.7), and receivers want one.
		d.Publish = x.lines(Record{Name: x.Name, Type: rrset.TXT, Value: "v=DMARC1; p=none"})
	}
	return d
}

func (x *exam) reason() []string {
	if x.Reason == "" {
		return nil
	}
	return []string{x.Reason}
}

// seen gives what stands at the record's name, of its kind.
func (x *exam) seen() []string { return x.Expectation.Select(x.Answer.Set).Lines() }

// where says in whose panel to work.
func (x *exam) where() string {
	if len(x.servers) == 0 {
		return " in the zone " + string(x.zone)
	}
	at := " in the zone " + string(x.zone) + " at " + x.panel.Name
	if x.panel.unknown() {
		at = " in the zone " + string(x.zone)
	}
	return at + " (name servers " + names(x.servers) + ")"
}

// memory says how long absence may be remembered (RFC 2308 section 5).
func (x *exam) memory() string {
	var ttl uint32
	for _, s := range append([]Source{{Answer: x.Answer}}, x.Sources...) {
		if s.Answer.Status.Absent() {
			ttl = max(ttl, s.Answer.TTL)
		}
	}
	if ttl == 0 {
		return ""
	}
	return fmt.Sprintf(" Resolvers that have asked for it may remember for up to %s that it is not there (RFC 2308 section 5).", seconds(ttl))
}

// nothingAround says what does not exist above the record either.
func (x *exam) nothingAround() []string {
	var out []string
	for n := x.Name.Parent(); n != x.Domain && n.IsAtOrBelow(x.Domain); n = n.Parent() {
		if x.look(n, rrset.TXT).Status == view.NXDomain {
			out = append(out, fmt.Sprintf("nothing exists at or below %s", n))
		}
	}
	return out
}
