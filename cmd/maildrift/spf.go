package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// spfFlags are the settings of an SPF evaluation.
type spfFlags struct {
	ip, mailFrom, helo string
	receiver           string
	resolvers          []string
	timeout            time.Duration
	format             string
}

func newSPF() *cobra.Command {
	var f spfFlags
	c := &cobra.Command{
		Use:   "spf DOMAIN",
		Short: "Evaluate a domain's SPF record as a receiver would",
		Long: `With --ip, does what a receiver does with a message from that address (RFC 7208):
follows includes and redirects, counts DNS lookups, and says which term decided.

Without --ip, reads the record and all that it refers to: who may send, how many
of the ten DNS lookups each branch costs, and what makes receivers give up.

Exit code 0 if it could be evaluated, whatever the result; without --ip, 1 if
receivers give up on the record and 3 if it could not be read; 2 for bad usage.`,
		Example: `  maildrift spf example.com
  maildrift spf example.com --ip 192.0.2.1 --mail-from alice@example.com --helo mx.example.com
  maildrift spf example.com --ip 2001:db8::1 --resolver 127.0.0.1:5300 --format json`,
		Args: exactArgs(1, "the domain whose record is evaluated"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args[0]) },
	}
	c.Flags().StringVar(&f.ip, "ip", "", "address of the sending client")
	c.Flags().StringVar(&f.mailFrom, "mail-from", "", "envelope sender (default: postmaster at the domain)")
	c.Flags().StringVar(&f.helo, "helo", "", "name that the client gives itself (default: the domain)")
	c.Flags().StringVar(&f.receiver, "receiver", "", "name of the receiving host, for explanations")
	resolverFlags(c, &f.resolvers)
	c.Flags().DurationVar(&f.timeout, "timeout", 2*time.Second, "how long one try may take")
	formatFlag(c, &f.format)
	return c
}

func (f *spfFlags) run(ctx context.Context, out io.Writer, domain string) error {
	sources, err := pickResolvers(f.resolvers)
	if err != nil {
		return usageError(err)
	}
	client := resolve.NewClient(resolve.Options{Timeout: f.timeout})
	defer client.Close()
	settle := func(sources []*resolve.Source, judge func(view.View)) error {
		var book view.Book
		view.Settle(&book, judge, func(qs []view.Question) { resolve.Fill(ctx, client, sources, &book, qs) })
		if ctx.Err() != nil {
			return &exitError{exitUnknown, errors.New("interrupted")}
		}
		return nil
	}
	if f.ip == "" {
		return f.explore(out, domain, func(judge func(view.View)) error { return settle(sources, judge) })
	}
	ip, err := netip.ParseAddr(f.ip)
	if err != nil {
		return usageError(fmt.Errorf("--ip %q is not an IP address", f.ip))
	}
	request := spf.Request{IP: ip, MailFrom: f.mailFrom, Domain: domain, Helo: f.helo, Receiver: f.receiver, Time: time.Now()}
	if request.MailFrom == "" {
		request.MailFrom = "postmaster@" + domain
	}
	if request.Helo == "" {
		request.Helo = domain
	}
	// Each resolver is a place where a receiver may stand; the first tells the details.
	asked := sources
	if len(f.resolvers) == 0 {
		asked = sources[:1] // of the built-in ones, others only stand in where it fails
	}
	outcomes := make([]spf.Outcome, len(asked))
	for i := range asked {
		from := sources[i : i+1]
		if len(f.resolvers) == 0 {
			from = sources
		}
		if err := settle(from, func(v view.View) { outcomes[i] = spf.Check(v, request) }); err != nil {
			return err
		}
	}
	return f.print(out, asked, outcomes)
}

// spfAnswer is an evaluation as JSON has it: that at the first resolver, and in short those at all
// when there are several.
type spfAnswer struct {
	spf.Outcome
	Resolvers []spfAt `json:"resolvers,omitempty"`
}

type spfAt struct {
	Resolver string     `json:"resolver"`
	Result   spf.Result `json:"result"`
	Problem  string     `json:"problem,omitempty"`
	Lookups  int        `json:"lookups"`
	Voids    int        `json:"voids"`
}

func (f *spfFlags) print(out io.Writer, asked []*resolve.Source, outcomes []spf.Outcome) error {
	answer := spfAnswer{Outcome: outcomes[0]}
	for i, o := range outcomes {
		if len(outcomes) > 1 {
			answer.Resolvers = append(answer.Resolvers, spfAt{asked[i].ID, o.Result, o.Problem, o.Lookups, o.Voids})
		}
	}
	if f.format != table {
		return terminal.Write(out, f.format, answer)
	}
	p := newPrinter(out)
	p.spfOutcome(answer.Outcome, f.ip)
	for _, at := range answer.Resolvers {
		p.printf("%s  at %s %s\n", p.paint(spfColours[at.Result], fmt.Sprintf("%-9s", at.Result)), at.Resolver, p.paint(dim, at.Problem))
	}
	return p.err
}

func (f *spfFlags) explore(out io.Writer, domain string, settle func(func(view.View)) error) error {
	if f.mailFrom != "" || f.helo != "" {
		return usageError(errors.New("--mail-from and --helo need --ip, the address of the sending client"))
	}
	name, err := rrset.ParseName(domain)
	if err != nil {
		return usageError(err)
	}
	var t spf.Tree
	if err := settle(func(v view.View) { t = spf.Explore(v, name) }); err != nil {
		return err
	}
	if f.format != table {
		err = terminal.Write(out, f.format, newSPFTree(t))
	} else {
		p := newPrinter(out)
		p.spfTree(t)
		err = p.err
	}
	switch {
	case err != nil:
	case t.Temporary:
		return &exitError{code: exitUnknown}
	case t.Problem != "":
		return &exitError{code: exitProblems}
	}
	return err
}

// spfColours are those of the results.
var spfColours = map[spf.Result]string{
	spf.Pass: green, spf.Fail: red, spf.PermError: red, spf.TempError: yellow, spf.SoftFail: yellow, spf.Neutral: yellow, spf.None: yellow,
}

// spfOutcome writes an evaluation.
func (p *printer) spfOutcome(o spf.Outcome, ip string) {
	p.printf("%s  %s may send for %s: %s\n", p.paint(spfColours[o.Result], string(o.Result)), ip, rrset.Printable([]byte(o.Domain)), because(o))
	p.printf("%d of %d DNS lookups, %d of %d that find nothing\n", o.Lookups, spf.MaxLookups, o.Voids, spf.MaxVoids)
	if o.Explanation != "" {
		p.printf("The domain's owner says: %s\n", rrset.Printable([]byte(o.Explanation)))
	}
	for _, s := range o.Trace {
		indent := strings.Repeat("  ", s.Depth)
		if s.Term == "" {
			p.printf("  %s%s  %s\n", indent, p.paint(bold, s.Domain), p.paint(dim, shorten(s.Record)))
			if s.Detail != "" {
				p.printf("  %s  %s\n", indent, s.Detail)
			}
			continue
		}
		number := "  "
		if s.Lookup > 0 {
			number = fmt.Sprintf("%2d", s.Lookup)
		}
		p.printf("  %s  %s %s  %s  %s\n", indent, p.paint(dim, number), rrset.Printable([]byte(s.Term)), s.Result, p.paint(dim, s.Detail))
	}
}

// because says in a few words what decided.
func because(o spf.Outcome) string {
	switch {
	case o.Problem != "":
		return o.Problem
	case o.Term == "":
		return "no term matches and the record has no all"
	}
	return rrset.Printable([]byte(o.Term)) + " decided"
}

// spfTree is a tree as JSON has it.
type spfTree struct {
	Domain    string         `json:"domain"`
	Lookups   int            `json:"lookups"`
	Voids     int            `json:"voids"`
	Problem   string         `json:"problem,omitempty"`
	Networks  []netip.Prefix `json:"networks"`
	AlsoPass  []string       `json:"also_pass"`
	Records   []spfTreeNode  `json:"records"`
	Temporary bool           `json:"temporary,omitempty"`
}

type spfTreeNode struct {
	Depth   int      `json:"depth"`
	Domain  string   `json:"domain"`
	Via     string   `json:"via,omitempty"`
	Record  string   `json:"record"`
	Own     int      `json:"own_lookups"`
	Total   int      `json:"lookups"`
	Problem string   `json:"problem,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

func newSPFTree(t spf.Tree) spfTree {
	out := spfTree{
		Domain: string(t.Root.Domain), Lookups: t.Lookups, Voids: t.Voids, Problem: t.Problem, Temporary: t.Temporary,
		Networks: append([]netip.Prefix{}, t.Networks...), AlsoPass: append([]string{}, t.Open...),
	}
	t.Root.Walk(func(n *spf.Node, depth int) bool {
		out.Records = append(out.Records, spfTreeNode{
			Depth: depth, Domain: string(n.Domain), Via: n.Via, Record: rrset.Printable([]byte(n.Text)),
			Own: n.Own, Total: n.Total, Problem: n.Problem, Notes: n.Record.Notes,
		})
		return true
	})
	return out
}

// spfTree writes a tree with the lookups that each branch costs.
func (p *printer) spfTree(t spf.Tree) {
	switch {
	case t.Problem != "" && t.Temporary:
		p.printf("%s  %s\n", p.paint(yellow, "could not be read"), t.Problem)
	case t.Problem != "":
		p.printf("%s  %s\n", p.paint(red, "receivers give up"), t.Problem)
	default:
		p.printf("%s  %d of %d DNS lookups\n", p.paint(green, "usable"), t.Lookups, spf.MaxLookups)
	}
	t.Root.Walk(func(n *spf.Node, depth int) bool {
		indent := strings.Repeat("  ", depth)
		p.printf("  %s%s  %s\n", indent, p.paint(bold, string(n.Domain)), p.paint(dim, fmt.Sprintf("lookups %d, own %d", n.Total, n.Own)))
		if n.Text != "" {
			p.printf("  %s  %s\n", indent, shorten(rrset.Printable([]byte(n.Text))))
		}
		for _, note := range append([]string{n.Problem}, n.Record.Notes...) {
			if note != "" {
				p.printf("  %s  %s\n", indent, p.paint(yellow, note))
			}
		}
		return true
	})
	const most = 20
	p.printf("May send: %d networks\n", len(t.Networks))
	for _, n := range t.Networks[:min(len(t.Networks), most)] {
		p.printf("  %s\n", n)
	}
	if more := len(t.Networks) - most; more > 0 {
		p.printf("  and %d more (--format json lists all)\n", more)
	}
	for _, o := range t.Open {
		p.printf("  and whoever passes %s\n", rrset.Printable([]byte(o)))
	}
}
