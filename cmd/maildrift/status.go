package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

// incidentsShown is how many incidents status names.
const incidentsShown = 20

// overall is all that status shows.
type overall struct {
	wire.Status
	Open       []wire.Incident `json:"open"`
	Quarantine []wire.Resolver `json:"quarantine"`
	LeftAlone  []health.Source `json:"left_alone"`
	Failing    []wire.Receiver `json:"failing_receivers"`
}

func newStatus() *cobra.Command {
	var r remote
	var format string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how a running daemon and its fleet are",
		Long: `Shows how a running daemon and its fleet are: what is wrong now, how sweeps go, whether
they fit into their intervals and what would help if not, who cannot be told.

Exit code 0 if all is well, 1 if something is wrong, 3 if the daemon is not reached, not ready, or cannot see.`,
		Example: `  maildrift status
  maildrift status --format json | jq .domains_by`,
		Args: noArgs,
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			all, err := readOverall(cmd, c)
			if err != nil {
				return &exitError{code: exitUnknown, err: err}
			}
			if format != table {
				err = terminal.Write(cmd.OutOrStdout(), format, all)
			} else {
				err = newPrinter(cmd.OutOrStdout()).overall(all)
			}
			if err != nil {
				return err
			}
			return all.exit()
		}),
	}
	r.flags(c)
	formatFlag(c, &format)
	return c
}

func readOverall(cmd *cobra.Command, c *client.Client) (out overall, err error) {
	ctx := cmd.Context()
	if out.Status, err = c.Status(ctx); err != nil {
		return out, err
	}
	if out.Open, err = c.Alerts(ctx); err != nil {
		return out, err
	}
	resolvers, err := c.Resolvers(ctx)
	if err != nil {
		return out, err
	}
	out.Quarantine = slices.DeleteFunc(resolvers, func(r wire.Resolver) bool { return r.Quarantine == nil })
	known, err := c.ResolverHealth(ctx)
	if err != nil {
		return out, err
	}
	out.LeftAlone = slices.DeleteFunc(known.Sources, func(s health.Source) bool { return s.LeftAlone.IsZero() })
	for i := range out.LeftAlone {
		out.LeftAlone[i].Slots = nil // nobody reads a day in quarters of an hour here
	}
	receivers, err := c.Receivers(ctx)
	out.Failing = slices.DeleteFunc(receivers, func(r wire.Receiver) bool { return r.FailingSince.IsZero() })
	slices.SortStableFunc(out.Open, func(a, b wire.Incident) int {
		return cmp.Or(blindFirst(a)-blindFirst(b), int(b.Impact)-int(a.Impact))
	})
	return out, err
}

// blindFirst orders what keeps the monitor from seeing before all, since it makes all other words unsure.
func blindFirst(i wire.Incident) int {
	if i.Alert == monitor.AlertBlind {
		return 0
	}
	return 1
}

// exit gives the exit code that says how it is.
func (o overall) exit() error {
	blind := slices.ContainsFunc(o.Groups, func(g wire.Group) bool { return g.Blind != "" })
	switch {
	case !o.Ready || blind:
		return &exitError{code: exitUnknown}
	case len(o.Open) > 0 || len(o.Failing) > 0:
		return &exitError{code: exitProblems}
	}
	return nil
}

func (p *printer) overall(o overall) error {
	p.printf("%s %s, running for %s\n", p.paint(bold, "maildrift"), o.Version, o.Now.Sub(o.Started).Round(time.Second))
	if !o.Ready {
		p.printf("%s %s\n", p.paint(red, "not ready:"), o.NotReady)
	}
	if !o.GateSince.IsZero() {
		p.printf("%s since %s: too many records turned at once for that to be believed\n", p.paint(red, "changes are held back"), clock(o.GateSince))
	}
	p.printf("%s, %s: %s\n", counted(o.Domains, "domain"), counted(o.Records, "record"), p.standings(o.DomainsBy))
	p.openIncidents(o)
	p.paused(o)
	for _, r := range o.Failing {
		p.printf("%s %s (%s) since %s: %s\n", p.paint(red, "cannot be told:"), r.Receiver, r.Integration, clock(r.FailingSince), r.LastError)
	}
	p.unheard(o)
	p.groups(o)
	return p.err
}

// standings counts domains, the worst first.
func (p *printer) standings(by map[string]int) string {
	var parts []string
	all := wire.Standings()
	slices.Reverse(all)
	for _, s := range all {
		if n := by[s.String()]; n > 0 {
			parts = append(parts, p.paint(standingColour(s.String()), fmt.Sprintf("%d %s", n, s)))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// paused names the pauses, and what they keep quiet.
func (p *printer) paused(o overall) {
	for _, x := range o.Paused[:min(len(o.Paused), incidentsShown)] {
		what := string(x.Domain)
		if x.Record != "" {
			what += " " + x.Record
		}
		quiet := "nothing is wrong there"
		if len(x.Wrong) > 0 {
			quiet = p.paint(yellow, strings.Join(x.Wrong, ", ")+" wrong, and told to nobody until then")
		}
		p.printf("paused: %s until %s (%s): %s\n", what, clock(x.Until), strings.Trim(x.By+": "+x.Why, ": "), quiet)
	}
	if more := o.Pauses - min(len(o.Paused), incidentsShown); more > 0 {
		p.printf("and %d more pauses: maildrift status --format json\n", more)
	}
}

func (p *printer) openIncidents(o overall) {
	if len(o.Open) == 0 {
		if slices.ContainsFunc(o.Paused, func(x wire.PausedDomain) bool { return len(x.Wrong) > 0 }) {
			p.printf("nothing is wrong but for what is paused\n")
			return
		}
		p.printf("%s\n", p.paint(green, "nothing is wrong"))
		return
	}
	p.head("wrong now")
	var rows [][]terminal.Cell
	for _, i := range o.Open[:min(len(o.Open), incidentsShown)] {
		rows = append(rows, []terminal.Cell{
			impactOf(i), terminal.Text(string(i.Alert)), terminal.Text(aboutWhat(i)),
			terminal.Text("for " + o.Now.Sub(i.Opened).Round(time.Second).String()), terminal.Text(reasonOf(i)),
		})
	}
	p.table([]terminal.Column{{}, {}, {Flexible: true, Least: 20}, {}, {Flexible: true, Least: 20}}, rows)
	if more := len(o.Open) - incidentsShown; more > 0 {
		p.printf("and %d more: maildrift status --format json\n", more)
	}
}

// impactOf says in a word what an incident does to mail, or, if that is no matter of receivers, what it is.
func impactOf(i wire.Incident) terminal.Cell {
	switch i.Alert {
	case monitor.AlertBlind:
		return terminal.Cell{Text: "blind", Colour: red}
	case monitor.AlertQuarantined:
		return terminal.Cell{Text: "no vote", Colour: yellow}
	case monitor.AlertOverdue, monitor.AlertChangeNotMade:
		return terminal.Cell{Text: "waiting", Colour: yellow}
	case monitor.AlertDrifted, monitor.AlertMissing, monitor.AlertDisagreement, monitor.AlertCause, monitor.AlertAtRisk, monitor.AlertWatchdog:
	}
	switch i.Impact {
	case mailrec.Rejected, mailrec.Degraded:
		return terminal.Cell{Text: i.Impact.String(), Colour: red}
	case mailrec.Weakened:
		return terminal.Cell{Text: i.Impact.String(), Colour: yellow}
	case mailrec.None:
	}
	if i.Alert == monitor.AlertAtRisk {
		return terminal.Cell{Text: "at risk", Colour: yellow}
	}
	return terminal.Cell{Text: "harmless", Colour: yellow}
}

// aboutWhat names what an incident is about.
func aboutWhat(i wire.Incident) string {
	switch {
	case i.Root != nil:
		return i.Root.Cause
	case i.Domain == "" && i.Value != "":
		return i.Value
	case i.Domain == "":
		return "maildrift"
	}
	return strings.TrimSpace(string(i.Domain) + " " + i.Record)
}

// reasonOf says what is wrong.
func reasonOf(i wire.Incident) string {
	switch {
	case i.Reason != "":
		return i.Reason
	case i.Root != nil:
		return fmt.Sprintf("%s: %s of %s", i.Root.Detail, counted(i.Root.Records, "record"), counted(i.Root.Domains, "domain"))
	case i.Finding != nil && i.Finding.Reason != "":
		return i.Finding.Reason
	case len(i.Risks) > 0:
		return i.Risks[0].At + ": " + i.Risks[0].Text
	}
	return ""
}

// unheard names those whose answers do not count, and those who are not asked because they give none.
func (p *printer) unheard(o overall) {
	ids := map[resolve.Operator][]string{}
	for _, r := range o.Quarantine {
		ids[r.Operator] = append(ids[r.Operator], r.ID)
	}
	for _, r := range o.Quarantine {
		if ids[r.Operator][0] != r.ID {
			continue // it has been told with the operator's first
		}
		name := string(r.Operator)
		if all := strings.Join(ids[r.Operator], ", "); all != name {
			name += " (" + all + ")"
		}
		p.printf("%s %s since %s: %s\n", p.paint(yellow, "without a vote:"), name, clock(r.Quarantine.Since), r.Quarantine.Reason)
	}
	for _, s := range o.LeftAlone {
		p.printf("%s %s since %s (%s): %s; %s withheld from it so far, and it is tried again now and then\n", p.paint(yellow, "left alone:"),
			s.ID, clock(s.LeftAlone), pace.Span(o.Now.Sub(s.LeftAlone)), s.Why, counted(s.Withheld, "question"))
	}
}

func (p *printer) groups(o overall) {
	p.head("sweeps")
	var rows [][]terminal.Cell
	for _, g := range o.Groups {
		last, took, questions := "none yet", "", ""
		if s := g.LastSweep; s != nil {
			last = o.Now.Sub(s.Started).Round(time.Second).String() + " ago"
			if s.Started.Before(o.Started) {
				last += ", before the restart"
			}
			took = "took " + s.Duration.Round(time.Millisecond).String()
			questions = questionsOf(*s)
		}
		state := terminal.Cell{Text: "sees", Colour: green}
		switch {
		case g.Blind != "":
			state = terminal.Cell{Text: "blind: " + g.Blind, Colour: red}
		case g.LastSweep == nil:
			state = terminal.Cell{Text: "has not looked yet", Colour: dim}
		}
		next := "due"
		if d := g.NextSweep.Sub(o.Now).Round(time.Second); d > 0 {
			next = "next in " + d.String()
		}
		rows = append(rows, []terminal.Cell{terminal.Text(g.Name), terminal.Text(last), terminal.Text(took), terminal.Text(questions), terminal.Text(next), state})
	}
	p.table([]terminal.Column{{}, {}, {}, {Flexible: true, Least: 14}, {}, {Flexible: true, Least: 8}}, rows)
	for _, g := range o.Groups {
		p.sweeping(g, o.Now)
		p.skipped(g, o.Now)
		p.estimate(g)
	}
}

// questionsOf says what became of a sweep's questions.
func questionsOf(s monitor.SweepSummary) string {
	more := ""
	if s.Spared > 0 {
		more = fmt.Sprintf("%d spared, ", s.Spared)
	}
	if s.Withheld > 0 {
		more += fmt.Sprintf("%d withheld, ", s.Withheld)
	}
	return fmt.Sprintf("%d questions, %d saved, %s%d unanswered", s.Questions, s.Shared, more, s.Failures)
}

// skipped says of a group that sweeps did not take place, loudly if that may go on.
func (p *printer) skipped(g wire.Group, now time.Time) {
	if g.Skipped == nil {
		return
	}
	colour, next := dim, ""
	if g.Skipped.Lately {
		colour = yellow
		switch {
		case g.Sweeping != nil && !g.Skipped.Last.Before(g.Sweeping.Started):
			next = "; that one still runs, and the next begins when one is due after its end"
		case g.Sweeping == nil && g.NextSweep.After(now):
			next = "; it has ended, and the next is due in " + g.NextSweep.Sub(now).Round(time.Second).String()
		}
	}
	p.printf("%s %s: %s%s\n", p.paint(colour, "skipped:"), g.Name, g.Skipped, next)
}

// sweeping says of a group that is swept how far that has come, and of the next sweep if it will be skipped for it.
func (p *printer) sweeping(g wire.Group, now time.Time) {
	s := g.Sweeping
	if s == nil {
		return
	}
	late := ""
	if next := g.NextSweep.Sub(now); next > 0 && s.LeftSeconds > next.Seconds() {
		late = fmt.Sprintf("; the sweep that is due in %s will be skipped for it", next.Round(time.Second))
	}
	p.printf("%s %s %s%s\n", p.paint(bold, "sweeping:"), g.Name, s.Text(now), late)
}

// estimate says of a group whose sweeps do not fit into their interval that they do not, and what would help.
func (p *printer) estimate(g wire.Group) {
	if g.Estimate == nil || g.Estimate.Fits {
		return
	}
	p.printf("%s %s: %s\n", p.paint(yellow, "too slow:"), g.Name, g.Estimate.Summary)
	for _, help := range g.Estimate.Helps {
		p.printf("  - %s\n", help)
	}
}
