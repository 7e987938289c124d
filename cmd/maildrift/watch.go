package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

// watchEvery is how often the domain is asked for when nothing is heard of it: its caches' times run on.
const watchEvery = 2 * time.Second

func newWatch() *cobra.Command {
	var r remote
	var within time.Duration
	var forever bool
	c := &cobra.Command{
		Use:   "watch DOMAIN",
		Short: "Watch a domain's records propagate, live",
		Long: `Shows who sees each record of a domain, and for how long caches hold what they have, until all records hold. On a
terminal the picture is drawn anew in its place; in a pipe each change is a line.

Exit code 0 when all records hold, 1 when they do not before --timeout, 3 if it could not be told.`,
		Example: `  maildrift watch notice.example.com
  maildrift watch notice.example.com --timeout 4h && echo verified
  maildrift watch notice.example.com --forever`,
		Args: exactArgs(1, "one domain"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			ctx := cmd.Context()
			if within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, within)
				defer cancel()
			}
			w := &watch{client: c, domain: args[0], forever: forever, out: cmd.OutOrStdout(), printer: newPrinter(cmd.OutOrStdout()), live: terminal.Terminal(cmd.OutOrStdout())}
			err := w.run(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				return &exitError{code: exitProblems, err: fmt.Errorf("not all records hold after %s", within)}
			}
			return err
		}),
	}
	r.flags(c)
	c.Flags().DurationVar(&within, "timeout", 0, "give up after so long; 0 is never")
	c.Flags().BoolVar(&forever, "forever", false, "go on when all records hold")
	return c
}

// watch follows one domain.
type watch struct {
	*printer
	client  *client.Client
	domain  string
	forever bool
	out     io.Writer
	// live says that the picture is drawn anew in its place; lines is how high the last one is, told what a pipe was
	// told last of each record.
	live  bool
	lines int
	told  map[string]string
}

// run shows the domain until all is well, or ctx ends.
func (w *watch) run(ctx context.Context) error {
	listening, stop := context.WithCancel(ctx)
	heard := make(chan struct{}, 1)
	listener := make(chan struct{})
	go func() { // a daemon that cannot stream is asked now and then
		defer close(listener)
		for _, err := range w.client.Events(listening, "", 0) {
			if err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	defer func() { stop(); <-listener }()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		d, err := w.client.Domain(ctx, w.domain)
		if err != nil {
			return err
		}
		w.show(d, time.Now())
		if holding(d) && !w.forever || w.err != nil {
			return w.err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil // Ctrl-C
			}
			return ctx.Err()
		case <-heard:
		case <-tick.C:
		}
	}
}

func holding(d wire.Domain) bool {
	return !slices.ContainsFunc(d.Records, func(r wire.Record) bool { return r.Standing != wire.Holding })
}

func (w *watch) show(d wire.Domain, now time.Time) {
	if !w.live {
		w.tell(d, now)
		return
	}
	var text strings.Builder
	p := &printer{out: &text, colour: w.colour, width: w.width}
	p.propagation(d, now)
	if w.lines > 0 {
		// To the first line of the picture before, and away with it (ECMA-48 sections 8.3.22 and 8.3.39).
		w.printf("\x1b[%dA\x1b[J", w.lines)
	}
	w.printf("%s", text.String())
	w.lines = height(text.String(), w.width)
}

// escapes are what does not take room on a terminal.
var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// height is how many lines a text takes on a terminal that wide.
func height(text string, width int) int {
	lines := 0
	for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
		lines++
		if w := terminal.Width(strings.TrimSuffix(line, "\n")); width > 0 && w > width {
			lines += (w - 1) / width
		}
	}
	return lines
}

// tell writes a line for each record that is not as it was.
func (w *watch) tell(d wire.Domain, now time.Time) {
	if w.told == nil {
		w.told = map[string]string{}
	}
	for _, r := range d.Records {
		line := fmt.Sprintf("%s  %s", r.Standing, spreadLine(r.Spread))
		if w.told[r.Key] != line {
			w.told[r.Key] = line
			w.printf("%s  %s  %s\n", now.UTC().Format("2006-01-02 15:04:05 UTC"), pad(r.Key, 20), line)
		}
	}
}

// propagation draws who sees what, a column for each source.
func (p *printer) propagation(d wire.Domain, now time.Time) {
	p.printf("%s: %s\n", p.paint(bold, string(d.Name)), countLine(d.Counts))
	for _, r := range d.Records {
		standing := r.Standing.String()
		p.printf("%s %s %s\n", p.standing(standing), p.bar(r.Spread), p.cut(r.Key+"  "+string(r.Name), 12+22))
		if !r.Deadline.IsZero() {
			p.field("caches", "run out of the good record from "+clock(r.Deadline))
		}
		if r.Standing == wire.Holding {
			continue
		}
		if !r.OverdueAt.IsZero() {
			p.field("told", "if it is not there in "+r.OverdueAt.Sub(now).Round(time.Minute).String())
		}
		p.sources(r.Votes, now)
	}
}

// cut shortens a text to what is left of a line after so many columns.
func (p *printer) cut(text string, used int) string {
	if p.width == 0 {
		return text
	}
	return terminal.Cut(text, max(p.width-used, 10))
}

// bar draws the share of operators that see the good record.
func (p *printer) bar(s wire.Spread) string {
	const wide = 12
	if s.Operators == 0 {
		return fmt.Sprintf("[%s]   0/0 ", strings.Repeat(".", wide))
	}
	full := wide * s.OperatorsGood / s.Operators
	text := fmt.Sprintf("[%s%s] %3d/%-3d", strings.Repeat("#", full), strings.Repeat(".", wide-full), s.OperatorsGood, s.Operators)
	if full == wide {
		return p.paint(green, text)
	}
	return p.paint(yellow, text)
}

// sources names those that see a record otherwise, and when they can see it anew.
func (p *printer) sources(votes []monitor.SourceVote, now time.Time) {
	var rows [][]terminal.Cell
	for _, v := range votes {
		colour, word := red, v.Stand.String()
		switch v.Stand {
		case judge.Good:
			continue
		case judge.Unheard, judge.Abstains:
			colour, word = yellow, v.Outcome.String()
		case judge.Differs, judge.Absent, judge.Bogus:
		}
		cached := ""
		if left := v.At.Add(time.Duration(v.TTL) * time.Second).Sub(now); !v.Authority && v.TTL > 0 {
			cached = "cache over"
			if left > 0 {
				cached = "cached for " + left.Round(time.Second).String()
			}
		}
		rows = append(rows, []terminal.Cell{terminal.Text("          "), terminal.Text(v.Source), {Text: word, Colour: colour}, terminal.Text(cached), terminal.Text(strings.Join(v.Lines, " | "))})
	}
	p.table([]terminal.Column{{}, {Flexible: true, Least: 16}, {}, {}, {Flexible: true, Least: 8}}, rows)
}
