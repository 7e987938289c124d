package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/judge"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

func newHistory() *cobra.Command {
	var r remote
	var format string
	span := client.Span{Limit: 1000}
	c := &cobra.Command{
		Use:   "history [DOMAIN]",
		Short: "Show what happened to a domain's records, newest first",
		Example: `  maildrift history notice.example.com
  maildrift history notice.example.com --record spf --since 7d --format json
  maildrift history --since 24h`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				span.Domain = args[0]
			}
			c, err := r.client()
			if err != nil {
				return err
			}
			h, err := c.History(cmd.Context(), span)
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, h)
			}
			p := newPrinter(cmd.OutOrStdout())
			domains, records := 0, 0
			for _, t := range h.Transitions {
				domains, records = max(domains, len(t.Domain)), max(records, len(t.Record))
			}
			for _, t := range h.Transitions {
				p.transition(t, domains, records)
			}
			if len(h.Transitions) == 0 {
				// Silence about a name that does not exist would read as "all quiet".
				if err := r.known(cmd.Context(), c, span); err != nil {
					return err
				}
				p.printf("nothing happened\n")
			}
			if !h.More.IsZero() {
				p.printf("… there is more: --until %s\n", h.More.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
			}
			return p.err
		},
	}
	c.Flags().StringVar(&span.Since, "since", "", "how long ago (7d, 12h), a date, or a time (RFC 3339)")
	c.Flags().StringVar(&span.Until, "until", "", "likewise; excluded")
	c.Flags().StringVar(&span.Record, "record", "", "only this record")
	c.Flags().IntVar(&span.Limit, "limit", 1000, "about this many; changes of one moment are never torn apart")
	formatFlag(c, &format)
	r.flags(c)
	return c
}

// known says whether what a span names is registered.
func (r *remote) known(ctx context.Context, c *client.Client, span client.Span) error {
	if span.Domain == "" {
		return nil
	}
	d, err := c.Domain(ctx, span.Domain)
	if err != nil || span.Record == "" {
		return err
	}
	var keys []string
	for _, rec := range d.Records {
		if rec.Key == span.Record {
			return nil
		}
		keys = append(keys, rec.Key)
	}
	return fmt.Errorf("%s has no record %q; it has %s", d.Name, span.Record, strings.Join(keys, ", "))
}

// transition writes one change, with the names padded to these widths.
func (p *printer) transition(t wire.Transition, domains, records int) {
	p.printf("%s  %s  %s  %s\n", clock(t.At), p.paint(bold, pad(string(t.Domain), domains)), pad(t.Record, records), p.whatHappened(t))
	if t.By != "" || t.Why != "" {
		p.field("by", strings.TrimSpace(t.By+": "+t.Why))
	}
	if t.Finding != nil {
		p.field("why", t.Finding.Reason)
	}
	if t.Old != nil {
		for _, l := range t.Old.Lines {
			p.field("old", shorten(l))
		}
	}
	if t.New != nil {
		for _, l := range t.New.Lines {
			p.field("new", shorten(l))
		}
	}
	if t.Decision.Configured > 0 {
		p.field("heard", heardLine(t.Decision))
	}
}

// whatHappened says a transition in words.
func (p *printer) whatHappened(t wire.Transition) string {
	switch {
	case t.From == t.To:
		return "no longer watched"
	case t.To.Phase == judge.Overdue:
		return p.paint(yellow, "overdue: not seen in time")
	case t.To.Phase == judge.Verified && t.From.Phase != judge.Verified:
		return p.paint(green, "verified")
	case t.To.Verdict == judge.Holding && t.Why != "":
		return p.paint(green, "accepted as the new baseline")
	case t.To.Verdict == judge.Holding:
		return p.paint(green, "holding again")
	case t.Value:
		return p.paint(red, "drifted to another value")
	case t.From.Verdict == t.To.Verdict:
		return fmt.Sprintf("%s, now %s", t.To.Verdict, stageWords[t.To.Stage])
	case t.To.Stage == judge.NoStage:
		return p.paint(red, t.To.Verdict.String())
	}
	return p.paint(red, t.To.Verdict.String()) + ", " + stageWords[t.To.Stage]
}

var stageWords = map[judge.Stage]string{
	judge.NoStage:     "not seen elsewhere",
	judge.AtAuthority: "changed at the zone's own servers",
	judge.AtReceivers: "seen by most operators",
	judge.Recovering:  "mended at the zone's own servers",
}
