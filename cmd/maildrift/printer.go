package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/advice"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/web/wire"
)

// printer writes for people. It colours only on a terminal, and not when
// NO_COLOR is set (https://no-color.org). The first error sticks.
type printer struct {
	out    io.Writer
	colour bool
	// width is the terminal's; 0 for a pipe, in which nothing is cut.
	width int
	err   error
}

func newPrinter(out io.Writer) *printer {
	s := terminal.New(out, os.Getenv)
	return &printer{out: out, colour: s.Colour, width: s.Width}
}

// table writes rows aligned, fitted to the terminal.
func (p *printer) table(columns []terminal.Column, rows [][]terminal.Cell) {
	s := terminal.New(p.out, os.Getenv)
	s.Colour, s.Width = p.colour, p.width
	if p.err == nil {
		s.Table(columns, rows)
		p.err = s.Err
	}
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// The colours of a terminal.
const (
	bold   = terminal.Bold
	dim    = terminal.Dim
	red    = terminal.Red
	green  = terminal.Green
	yellow = terminal.Yellow
)

func (p *printer) paint(colour, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (p *printer) head(s string) { p.printf("%s\n", p.paint(bold, s)) }

// marks are what stands in front of a record, by its status.
var marks = map[string][2]string{
	"good": {green, "ok"}, "wrong": {red, "WRONG"}, "missing": {red, "MISSING"},
	"disagreeing": {yellow, "SPLIT"}, "unknown": {yellow, "?"},
}

// result writes one record of a check; width is that of the longest record's name.
func (p *printer) result(r checkResult, width int) {
	mark := marks[r.Status]
	p.printf("  %s  %s  %s %s\n", p.paint(mark[0], fmt.Sprintf("%-7s", mark[1])), pad(r.Record, width), r.Name, r.Type)
	for _, line := range r.Lines {
		p.field("says", shorten(line))
	}
	if r.Status != "good" {
		p.field("why", r.Reason)
		p.field("rule", r.Rule)
	}
	for _, n := range r.Notes {
		p.field("note", n)
	}
	if r.Tree != nil {
		p.field("lookups", fmt.Sprintf("%d of %d", r.Tree.Lookups, spf.MaxLookups))
	}
	if r.Policy != nil {
		p.field("policy", r.Policy.Text)
		if r.Policy.Before != "" {
			p.field("", "receivers that go by RFC 7489: "+r.Policy.Before)
		}
		for _, problem := range r.Policy.Reports {
			p.field("reports", problem)
		}
	}
	p.field("heard", heardLine(r.Numbers))
	if r.Status == "disagreeing" || r.Status == "unknown" {
		p.votes(r.Votes)
	}
	if r.Diagnosis != nil {
		p.diagnosis(r.Diagnosis)
		return
	}
	for _, line := range r.Publish {
		p.field("publish", line)
	}
}

func (p *printer) field(name, value string) {
	if value != "" {
		p.printf("           %s %s\n", p.paint(dim, fmt.Sprintf("%-8s", name)), value)
	}
}

// votes writes who said what, the same words once.
func (p *printer) votes(votes []monitor.SourceVote) {
	by := map[string][]string{}
	var order []string
	for _, v := range votes {
		said := v.Outcome.String()
		if v.Stand == judge.Unheard && v.Detail != "" {
			said += ": " + v.Detail
		} else if len(v.Lines) > 0 {
			said = shorten(strings.Join(v.Lines, " | "))
		}
		if !slices.Contains(order, said) {
			order = append(order, said)
		}
		by[said] = append(by[said], v.Source)
	}
	for _, said := range order {
		p.field("", strings.Join(by[said], ", ")+": "+said)
	}
}

// heardLine says how many were heard.
func heardLine(d judge.Decision) string {
	if d.Heard == 0 && d.ServersHeard > 0 {
		return fmt.Sprintf("the zone's own servers only (%d of %d); resolvers are asked once these have the record", d.ServersHeard, d.Servers)
	}
	out := fmt.Sprintf("%d of %d operators", d.Heard, d.Configured)
	if d.Wrong > 0 {
		out += fmt.Sprintf(", %d see it wrong", d.Wrong)
	}
	if d.Servers > 0 {
		out += fmt.Sprintf("; %d of %d of the zone's own servers", d.ServersHeard, d.Servers)
		if d.ServersWrong > 0 {
			out += fmt.Sprintf(", %d have it wrong", d.ServersWrong)
		}
	}
	return out
}

// shorten cuts what does not fit a line, keeping both ends.
func shorten(s string) string {
	const most = 140
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-25]) + " … " + string(r[len(r)-20:])
}

// clock gives a time for people.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// standing writes how a record or domain stands, coloured and of one width.
func (p *printer) standing(word string) string {
	return p.paint(standingColour(word), fmt.Sprintf("%-11s", word))
}

func standingColour(word string) string {
	switch word {
	case "holding":
		return green
	case "pending", "blind", "disagreeing", "overdue":
		return yellow
	}
	return red
}

// pad fills up to a width, or cuts.
func pad(s string, width int) string { return terminal.Pad(s, width) }

// toPublish writes what a newly registered domain must publish.
func (p *printer) toPublish(d wire.Domain) error {
	p.printf("%s is registered. Publish:\n", p.paint(bold, string(d.Name)))
	for _, r := range d.Records {
		for _, l := range r.Publish {
			p.printf("  %s %s %s\n", l.Name.FQDN(), l.Type, l.Value)
		}
		if len(r.Publish) == 0 {
			p.printf("  %s %s: whatever is there when it is verified\n", r.Name.FQDN(), r.Type)
		}
	}
	p.advice(d.Advice)
	p.printf("How it goes: maildrift domains show %s\n", d.Name)
	return p.err
}

// advice writes what a mail service advises about a domain.
func (p *printer) advice(list []advice.Advice) {
	if len(list) > 0 {
		p.printf("Advice of the mail service:\n")
	}
	for _, a := range list {
		p.printf("  %s %s\n", p.paint(yellow, a.ID), a.Text)
		p.printf("    %s\n", a.Do)
		for _, l := range a.Publish {
			p.printf("    %s %s %s\n", l.Name.FQDN(), l.Type, l.Value)
		}
		p.printf("    (%s)\n", a.Source)
	}
}

// domain writes all about a domain.
func (p *printer) domain(d wire.Domain) error {
	p.printf("%s: %s\n", p.paint(bold, string(d.Name)), countLine(d.Counts))
	where := "added at run time"
	if d.Origin != nil {
		where = fmt.Sprintf("%s:%d", d.Origin.File, d.Origin.Line)
	}
	p.printf("service %s, schedule %s, registered %s, %s\n", d.Service, d.Schedule, clock(d.Registered), where)
	for _, name := range sortedNames(d.Labels) {
		p.printf("label %s=%s\n", name, d.Labels[name])
	}
	if d.Note != "" {
		p.printf("note: %s\n", d.Note)
	}
	p.pauses(d)
	if len(d.Spec.Senders) > 0 {
		p.printf("sender addresses: %s\n", strings.Join(d.Spec.Senders, ", "))
	}
	width := 0
	for _, r := range d.Records {
		width = max(width, len(r.Key))
	}
	for _, r := range d.Records {
		p.record(r, width)
	}
	p.advice(d.Advice)
	return p.err
}

// record writes one record of a domain; width is that of the longest key.
func (p *printer) record(r wire.Record, width int) {
	p.printf("  %s %s  %s %s  since %s\n", p.standing(r.Standing.String()), pad(r.Key, width), r.Name, r.Type, clock(r.Since))
	if r.Baseline != nil {
		for _, l := range r.Baseline.Lines {
			p.field("verified", shorten(l))
		}
	}
	p.change(r)
	if r.Seen != nil {
		for _, l := range r.Seen.Lines {
			p.field("seen", shorten(l))
		}
	}
	if r.Standing.String() == "holding" {
		return
	}
	if r.Finding != nil {
		p.field("why", r.Finding.Reason)
	}
	p.field("seen by", spreadLine(r.Spread))
	if !r.Deadline.IsZero() {
		p.field("deadline", "caches run out of the verified record from "+clock(r.Deadline))
	}
	for _, l := range r.Publish {
		p.field("publish", fmt.Sprintf("%s %s %s", l.Name.FQDN(), l.Type, l.Value))
	}
}

// spreadLine says who sees a record as it should be.
func spreadLine(s wire.Spread) string {
	var parts []string
	if s.Operators > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d operators", s.OperatorsGood, s.Operators))
	}
	if s.Servers > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d of the zone's own servers", s.ServersGood, s.Servers))
	}
	if len(parts) == 0 {
		return "nobody yet: no answer counted"
	}
	return strings.Join(parts, " and ") + " see it as it should be"
}

// counted gives a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
