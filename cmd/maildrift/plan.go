package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// usualConfig is where the configuration is unless somebody says otherwise.
const usualConfig = "/etc/maildrift/maildrift.yml"

// serversAZone is how many nameservers a zone is taken to have. Registries ask for two, and few zones of customers have more than
// they must.
const serversAZone = 2

// What a domain is taken to have if there are none to scale up from: ownership, SPF, DKIM, DMARC, MX and another
// selector, of which ownership and SPF are two answers to one question.
const (
	usualRecords   = 6
	usualQuestions = 5
)

// planFlags are what plan assumes.
type planFlags struct {
	remote
	config, format string
	domains        int
	nameservers    int
	ttl            time.Duration
}

func newPlan() *cobra.Command {
	var f planFlags
	c := &cobra.Command{
		Use:   "plan",
		Short: "Reckon whether sweeps fit into their intervals",
		Long: `Says in numbers, from the configuration and without asking anybody, what a sweep of each schedule asks of whom, how
long that takes at the configured rates, whether it is done before the next one is due, and if not what would help.

Resolvers are taken to be asked about everything in every sweep, or, where asking.pace is ttl or comes to it, when answers with
a TTL of --ttl have run out. What is asked again to confirm a change comes on top.

The zones' own nameservers are asked as well, in every sweep, and each bears only so much too. How many they are no configuration
says: the same two serve all zones that lie at one DNS host, and zones at fifty hosts have a hundred. --total-nameservers says
how many different ones the zones have all together ('dig NS' names those of a zone); they are then reckoned with like resolvers, and all
zones are taken to be spread evenly over them. Without it they do not count, and it is said how long they would take if they were
the same for all zones, which is the worst case.

Exit code 0 if all sweeps fit, 1 if one does not.`,
		Example: `  maildrift plan --config maildrift.yml
  maildrift plan --config maildrift.yml --domains 100000
  maildrift plan --config maildrift.yml --domains 100000 --total-nameservers 40   which serve all their zones
  maildrift plan --config maildrift.yml --url http://127.0.0.1:9853   with the domains that were added to the daemon`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c.Flags().StringVar(&f.config, "config", usualConfig, "configuration file")
	c.Flags().IntVar(&f.domains, "domains", 0, "reckon with so many domains of the kinds that there are")
	c.Flags().DurationVar(&f.ttl, "ttl", time.Hour, "TTL that the records are taken to have")
	c.Flags().IntVar(&f.nameservers, "total-nameservers", 0, "how many different nameservers all the zones have together, a number, not their names (default: not known, they do not count)")
	c.Flags().IntVar(&f.nameservers, "nameservers", 0, "the same as --total-nameservers")
	_ = c.Flags().MarkHidden("nameservers") // it was read as a list of names, or as how many each zone has; scripts may have it
	c.Flags().StringVar(&f.url, "url", "", "count the domains that were added to the daemon at this address too")
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "file with the token for a daemon that wants one (default: the token in $MAILDRIFT_TOKEN)")
	formatFlag(c, &f.format)
	return c
}

func (f *planFlags) run(cmd *cobra.Command) error {
	if f.domains < 0 || f.nameservers < 0 || f.ttl < 0 || f.ttl > 7*24*time.Hour {
		return usageError(errors.New("--domains, --total-nameservers and --ttl must not be negative, and a TTL is at most 168h"))
	}
	presets, err := loadPresets()
	if err != nil {
		return err
	}
	cfg, err := config.Load(f.config, os.LookupEnv, presets)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w; name the configuration with --config FILE", err)
		}
		return usageError(err)
	}
	domains := cfg.Domains
	if f.url != "" {
		added, err := f.added(cmd.Context(), cfg)
		if err != nil {
			return &exitError{code: exitUnknown, err: err}
		}
		domains = append(slices.Clone(domains), added...)
	}
	made := f.plan(cfg, domains, time.Now())
	if f.format != table {
		err = terminal.Write(cmd.OutOrStdout(), f.format, made)
	} else {
		err = newPrinter(cmd.OutOrStdout()).plan(made)
	}
	if err == nil && !made.Fits {
		err = &exitError{code: exitProblems}
	}
	return err
}

// added gives the domains that were added to a running daemon.
func (f *planFlags) added(ctx context.Context, cfg *config.Config) ([]*monitor.Domain, error) {
	c, err := f.client()
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	if err := c.Export(ctx, &lines, true); err != nil {
		return nil, err
	}
	var out []*monitor.Domain
	for dec := json.NewDecoder(&lines); dec.More(); {
		var spec monitor.Spec
		if err := dec.Decode(&spec); err != nil {
			return nil, fmt.Errorf("read the domains of %s: %w", f.url, err)
		}
		d, err := spec.Resolve(cfg.Presets)
		if err != nil {
			return nil, fmt.Errorf("domain %s of %s, with this configuration: %w", spec.Domain, f.url, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// plan is what plan says.
type plan struct {
	Fits   bool        `json:"fits"`
	TTL    uint32      `json:"assumed_ttl"`
	Groups []planGroup `json:"groups"`
	// Together are the operators that have more to do than they have time for where several groups sweep at once. It is empty if a
	// group alone is too much already.
	Together []planTogether `json:"too_much_together,omitempty"`
}

// planGroup is the plan of one schedule.
type planGroup struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule"`
	Interval time.Duration `json:"interval_ns"`
	Domains  int           `json:"domains"`
	Records  int           `json:"records"`
	// Includes are the records of others that they rest on, which are watched once.
	Includes int `json:"includes"`
	// Questions to each source, of which Saved fewer than records and what they include, and Canaries to each resolver.
	Questions int         `json:"questions"`
	Saved     int         `json:"saved"`
	Canaries  int         `json:"canaries"`
	Pace      pace.Policy `json:"pace"`
	Reason    string      `json:"reason"`
	Fits      bool        `json:"fits"`
	Summary   string      `json:"summary"`
	Helps     []string    `json:"helps,omitempty"`
	// Overlap says that sweeps come sooner than a change is confirmed; empty if they do not.
	Overlap     string        `json:"overlap,omitempty"`
	Takes       time.Duration `json:"takes_ns"`
	First       time.Duration `json:"first_takes_ns"`
	Intervals   float64       `json:"takes_intervals"`
	Asked       int           `json:"asked"`
	ToAuthority int           `json:"asked_of_authority"`
	Operators   []planDuty    `json:"operators"`
	// Nameservers says how long the zones' own servers take if they are as few as can be; zero if it was said how many there are.
	Nameservers time.Duration `json:"fewest_nameservers_take_ns,omitempty"`
	rate        float64
}

// planDuty is one operator's part.
type planDuty struct {
	Name      string        `json:"name"`
	Questions int           `json:"questions"`
	Asked     int           `json:"asked"`
	Rate      float64       `json:"rate"`
	Takes     time.Duration `json:"takes_ns"`
	Of        float64       `json:"of_interval"`
	Daily     int           `json:"a_day"`
}

// planTogether is an operator with too much to do.
type planTogether struct {
	Name  string  `json:"name"`
	Of    float64 `json:"of_its_time"`
	Daily int     `json:"a_day"`
}

// plan reckons. It looks at schedules from a moment on.
func (f *planFlags) plan(cfg *config.Config, domains []*monitor.Domain, from time.Time) plan {
	made := plan{Fits: true, TTL: uint32(f.ttl.Seconds()), Groups: []planGroup{}}
	factor := 1.0
	if f.domains > 0 && len(domains) > 0 {
		factor = float64(f.domains) / float64(len(domains))
	}
	var all []pace.Estimate
	for _, name := range sortedNames(cfg.Schedules) {
		c := takeCensus(domains, name).scaled(factor)
		if len(domains) == 0 && name == "default" {
			c = census{domains: f.domains, records: f.domains * usualRecords, questions: f.domains * usualQuestions}
		}
		if c.domains == 0 {
			continue
		}
		schedule := cfg.Schedules[name]
		load := f.load(cfg, schedule, c)
		load.Interval, load.Daily = pace.Rhythm(schedule.Next, from)
		e := load.Estimate()
		all = append(all, e)
		g := groupOf(schedule, c, e)
		g.rate, g.Canaries = cfg.Asking.Rate, len(cfg.Canaries)
		g.Overlap = cfg.Overlap(name, from)
		if cfg.Authority.Enabled {
			g.ToAuthority = c.asked() * serversAZone
			if f.nameservers == 0 {
				g.Nameservers = time.Duration(float64(c.asked()) / cfg.Asking.Rate * float64(time.Second))
			}
		}
		made.Groups = append(made.Groups, g)
		made.Fits = made.Fits && e.Fits()
	}
	if made.Fits {
		made.together(all)
	}
	return made
}

// together finds the operators that have time for each schedule, but not for all.
func (made *plan) together(all []pace.Estimate) {
	for _, d := range pace.Together(all...) {
		if d.Of > 1 {
			made.Together = append(made.Together, planTogether{d.Name, d.Of, d.Daily})
			made.Fits = false
		}
	}
}

// load gives what a schedule's sweeps ask of whom.
func (f *planFlags) load(cfg *config.Config, s config.Schedule, c census) pace.Load {
	l := pace.Load{
		Group: s.Name, Policy: cfg.Asking.Pace, Unvouched: !cfg.Authority.Enabled, TTLs: map[uint32]int{uint32(f.ttl.Seconds()): 1},
	}
	byOperator := map[string]*pace.Party{}
	for _, source := range cfg.Groups[s.Resolvers] {
		p := byOperator[string(source.Operator)]
		if p == nil {
			p = &pace.Party{Name: string(source.Operator)}
			byOperator[p.Name] = p
		}
		p.Questions += c.asked()
		p.Fixed += len(cfg.Canaries)
		p.Rate = max(p.Rate, rateOf(source, cfg))
	}
	for _, name := range sortedNames(byOperator) {
		l.Parties = append(l.Parties, *byOperator[name])
	}
	if cfg.Authority.Enabled && f.nameservers > 0 {
		each := float64(c.asked()) * float64(min(serversAZone, f.nameservers)) / float64(f.nameservers)
		l.Parties = append(l.Parties, pace.Party{Name: "each nameserver", Fixed: int(math.Ceil(each)), Rate: cfg.Asking.Rate})
	}
	return l
}

func rateOf(s *resolve.Source, cfg *config.Config) float64 { return cmp.Or(s.Rate, cfg.Asking.Rate) }

// groupOf gives the estimate of a group for showing.
func groupOf(s config.Schedule, c census, e pace.Estimate) planGroup {
	g := planGroup{
		Name: s.Name, Schedule: s.Text, Interval: e.Interval, Domains: c.domains, Records: c.records, Includes: c.includes,
		Questions: c.asked(), Saved: c.records + c.references - c.asked(), Pace: e.Pace, Reason: e.Reason(), Fits: e.Fits(), Summary: e.String(),
		Helps: e.Helps(), Takes: e.Takes, First: e.Full, Intervals: e.Over, Asked: e.Asked,
	}
	for _, d := range e.Duties {
		g.Operators = append(g.Operators, planDuty{d.Name, d.Questions + d.Fixed, d.Asked, d.Rate, d.Takes, d.Of, d.Daily})
	}
	return g
}

// census counts what is watched.
type census struct {
	domains, records int
	// questions are the distinct ones of the domains' own records.
	questions int
	// references are how often they name others' records, includes how many these are, besides those that are watched anyway.
	references, includes int
}

func (c census) asked() int { return c.questions + c.includes }

// takeCensus counts the domains of a schedule.
func takeCensus(domains []*monitor.Domain, schedule string) census {
	var c census
	own := map[resolve.Question]bool{}
	included := map[rrset.Name]bool{}
	for _, d := range domains {
		if d.Schedule() != schedule {
			continue
		}
		c.domains++
		c.records += len(d.Records)
		for _, r := range d.Records {
			own[resolve.Question{Name: r.Name, Type: r.Kind.Type()}] = true
			for _, name := range includes(r) {
				c.references++
				included[name] = true
			}
		}
	}
	c.questions = len(own)
	for name := range included {
		if !own[resolve.Question{Name: name, Type: rrset.TXT}] {
			c.includes++
		}
	}
	return c
}

// includes gives the records that an SPF record is known to lead to before it is looked at.
func includes(r monitor.Record) []rrset.Name {
	if r.Kind != mailrec.SPF {
		return nil
	}
	var out []rrset.Name
	for _, term := range strings.Fields(strings.ToLower(strings.Join(r.Want, " "))) {
		term = strings.TrimLeft(term, "+-~?")
		target, ok := strings.CutPrefix(term, "include:")
		if !ok {
			target, ok = strings.CutPrefix(term, "redirect=")
		}
		if name, err := rrset.ParseName(target); ok && err == nil && !strings.Contains(target, "%") {
			out = append(out, name)
		}
	}
	return out
}

// scaled gives the census of so many times the domains, which rest on the same records of others.
func (c census) scaled(factor float64) census {
	times := func(n int) int { return int(math.Round(float64(n) * factor)) }
	c.domains, c.records, c.questions, c.references = times(c.domains), times(c.records), times(c.questions), times(c.references)
	return c
}

// plan writes a plan for people.
func (p *printer) plan(made plan) error {
	if len(made.Groups) == 0 {
		p.printf("nothing is watched yet: try it with --domains, or --url of the daemon that has them\n")
	}
	for _, g := range made.Groups {
		p.planGroup(g, made.TTL)
	}
	for _, t := range made.Together {
		p.printf("%s when all schedules sweep at once they ask more of %s than it may be asked: %.1f %% of its rate, %d questions a day\n",
			p.paint(red, "too slow:"), t.Name, 100*t.Of, t.Daily)
	}
	return p.err
}

func (p *printer) planGroup(g planGroup, ttl uint32) {
	p.head(fmt.Sprintf("schedule %s (%s)", g.Name, g.Schedule))
	p.printf("%s, %s and %s of others that they include: %s to each source, %d saved because they are the same; %s to each resolver besides\n",
		counted(g.Domains, "domain"), counted(g.Records, "record"), counted(g.Includes, "record"), counted(g.Questions, "question"), g.Saved, counted(g.Canaries, "canary question"))
	p.printf("%s\n", g.Reason)
	if g.Pace == pace.TTL {
		p.printf("records are taken to have a TTL of %s; the first sweep, and one after a long silence, asks everything and takes %s\n",
			pace.Span(time.Duration(ttl)*time.Second), pace.Span(g.First))
	}
	var rows [][]terminal.Cell
	for _, d := range g.Operators {
		share := terminal.Cell{Text: fmt.Sprintf("%.1f %%", 100*d.Of), Colour: green}
		if d.Of > 1 {
			share.Colour = red
		}
		rows = append(rows, []terminal.Cell{
			terminal.Text(d.Name), terminal.Text(fmt.Sprint(d.Asked)), terminal.Text(fmt.Sprint(d.Rate)), terminal.Text(pace.Span(d.Takes)), share, terminal.Text(fmt.Sprint(d.Daily)),
		})
	}
	p.table([]terminal.Column{{Title: "operator", Flexible: true, Least: 8}, {Title: "a sweep"}, {Title: "a second"}, {Title: "takes"}, {Title: "of the interval"}, {Title: "a day"}}, rows)
	if g.Nameservers > 0 {
		p.printf("the zones' own servers are asked about %d questions besides; if these were the same for all zones, they would take %s at %v a second, which does not count below (--total-nameservers says how many different ones there are)\n",
			g.ToAuthority, pace.Span(g.Nameservers), g.rate)
	}
	if g.Overlap != "" {
		p.printf("%s %s\n", p.paint(yellow, "overlaps:"), g.Overlap)
	}
	if g.Fits {
		p.printf("%s %s\n", p.paint(green, "fits:"), g.Summary)
		return
	}
	p.printf("%s %s\n", p.paint(red, "too slow:"), g.Summary)
	for _, h := range g.Helps {
		p.printf("  - %s\n", h)
	}
}
