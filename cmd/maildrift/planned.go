package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

// newPlanned gives the commands for planned work.
func newPlanned() []*cobra.Command {
	var out []*cobra.Command
	for _, make := range []func(*remote) *cobra.Command{newExpect, newRotate, newAccept, newPause, newResume, newSilence, newAudit} {
		r := new(remote)
		c := make(r)
		r.flags(c)
		out = append(out, c)
	}
	return out
}

// needWhy refuses an empty reason.
func needWhy(why string) error {
	if strings.TrimSpace(why) == "" {
		return usageError(errors.New("say --why: it is kept in the audit trail"))
	}
	return nil
}

func newExpect(r *remote) *cobra.Command {
	var a wire.Announcement
	var cancel bool
	c := &cobra.Command{
		Use:   "expect DOMAIN RECORD [VALUE]...",
		Short: "Announce a change: old and new value both hold until the window ends",
		Long: `Announces that a verified record is about to change. Until the window ends the old and the new value
both hold; a third one pages at once. When it ends, the new value is what must stay; if the change was not made,
that is told (ChangeNotMade) and both go on to hold until it is made, announced anew, or cancelled.

Several VALUEs are several records of the same name (MX hosts). With --gone the record is to vanish, and is no
longer watched then.`,
		Example: `  maildrift expect example.com spf "v=spf1 include:_spf.new.example -all" --until 6h --why "new newsletter service"
  maildrift expect example.com mx "10 mx1.new.example" "20 mx2.new.example" --until 2026-12-01T06:00:00Z --why move
  maildrift expect example.com ownership --gone --until 2d --why "service no longer used"
  maildrift expect example.com spf --cancel --why "put off"`,
		Args: needArgs(2, "a domain and the name of one of its records (see 'maildrift domains show DOMAIN')"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := needWhy(a.Why); err != nil {
				return err
			}
			if cancel {
				if _, err := c.Withdraw(cmd.Context(), args[0], args[1], a.Why); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: only what was verified holds\n", args[1], args[0])
				return err
			}
			if a.Value = args[2:]; len(a.Value) == 0 && !a.Gone {
				return usageError(errors.New("name the new value, or say --gone or --cancel"))
			}
			if a.Until == "" {
				return usageError(errors.New("say --until: in how long (6h, 2d), a date, or a time (RFC 3339)"))
			}
			d, err := c.Expect(cmd.Context(), args[0], args[1], a)
			if err != nil {
				return err
			}
			return newPrinter(cmd.OutOrStdout()).announced(d, args[1])
		}),
	}
	c.Flags().StringVar(&a.Until, "until", "", "end of the window: in how long (6h, 2d), a date, or a time (RFC 3339)")
	c.Flags().BoolVar(&a.Gone, "gone", false, "the record will vanish")
	c.Flags().BoolVar(&a.Force, "force", false, "take a value that receivers cannot use")
	c.Flags().BoolVar(&cancel, "cancel", false, "take back what was announced")
	c.Flags().StringVar(&a.Why, "why", "", "why (required)")
	return c
}

// announced says what was announced about a record.
func (p *printer) announced(d wire.Domain, key string) error {
	for _, r := range d.Records {
		if r.Key != key || r.Change == nil {
			continue
		}
		p.printf("%s of %s may change until %s:\n", key, d.Name, clock(r.Change.Until))
		p.change(r)
	}
	return p.err
}

// change writes an announced change of a record.
func (p *printer) change(r wire.Record) {
	c := r.Change
	if c == nil {
		return
	}
	what := map[string]string{
		"waiting": "announced", "made": "announced", "late": "late", "settling": "former",
	}[c.State]
	switch {
	case c.Successor != "":
		p.field(what, "is replaced by "+c.Successor)
	case c.Next == nil:
		p.field(what, "is to vanish")
	default:
		for _, l := range c.Next.Lines {
			p.field(what, shorten(l))
		}
	}
	waiting, made := "; not seen yet", "; the zone has it"
	if c.Successor != "" {
		waiting, made = "; the old key may go once the new one is verified", "; the old key is gone"
	}
	p.field("", map[string]string{
		"waiting":  "both hold until " + clock(c.Until) + waiting,
		"made":     "both hold until " + clock(c.Until) + made,
		"late":     "was to be made by " + clock(c.Until) + " and is not; it still may be",
		"settling": "may be in caches until " + clock(c.Until),
	}[c.State])
	p.field("", strings.TrimSuffix(strings.TrimSpace(c.By+": "+c.Why), ":"))
}

func newRotate(r *remote) *cobra.Command {
	var rot wire.Rotation
	c := &cobra.Command{
		Use:   "rotate DOMAIN RECORD SELECTOR [VALUE]",
		Short: "Change a DKIM key in order: new selector, overlap, old one retired",
		Long: `Begins a change of DKIM keys. The new selector's record is looked for at once, and watched from when it is
verified; from then on the old one may vanish or be revoked. When the window ends the old one is retired. If
the new key is not there by then, that is told, and the old one is watched as before.

RECORD is that of the old key. Without VALUE what is published under the new selector is taken.`,
		Example: `  maildrift rotate example.com dkim:s1 s2 --until 7d --why "yearly rotation"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 3 || len(args) > 4 {
				return usageError(errors.New("name a domain, the record of its old key, the new selector and, if known, its record"))
			}
			return nil
		},
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := needWhy(rot.Why); err != nil {
				return err
			}
			if rot.Selector = args[2]; len(args) == 4 {
				rot.Value = args[3]
			}
			if rot.Until == "" {
				return usageError(errors.New("say --until, when the old key is no longer needed: in how long (7d), a date, or a time (RFC 3339)"))
			}
			d, err := c.Rotate(cmd.Context(), args[0], args[1], rot)
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout())
			if err := p.announced(d, args[1]); err != nil {
				return err
			}
			for _, rec := range d.Records {
				for _, l := range rec.Publish {
					if strings.HasPrefix(string(rec.Name), strings.TrimSuffix(rot.Selector, "._domainkey")+".") {
						p.printf("Publish:\n  %s %s %s\n", l.Name.FQDN(), l.Type, l.Value)
					}
				}
			}
			return p.err
		}),
	}
	c.Flags().StringVar(&rot.Until, "until", "", "when the old key is no longer needed: in how long (7d), a date, or a time (RFC 3339)")
	c.Flags().StringVar(&rot.Why, "why", "", "why (required)")
	return c
}

func newAccept(r *remote) *cobra.Command {
	c := newDomainsAccept(r)
	c.Example = strings.ReplaceAll(c.Example, "maildrift domains accept", "maildrift accept")
	return c
}

func newPause(r *remote) *cobra.Command {
	var p wire.Pause
	c := &cobra.Command{
		Use:   "pause DOMAIN [RECORD]",
		Short: "Tell nothing new about a domain or a record for a time",
		Long: `Keeps quiet about a domain, or one of its records. It is looked at and written down as ever; what is told
already stays told, and its all-clear comes. What is wrong when the pause ends is told then.`,
		Example: `  maildrift pause example.com --for 4h --why "moving the zone"
  maildrift resume example.com`,
		Args: cobra.RangeArgs(1, 2),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := needWhy(p.Why); err != nil {
				return err
			}
			if p.Until == "" {
				return usageError(errors.New("say --for how long (4h, 2d), or until when: a date or a time (RFC 3339)"))
			}
			if len(args) == 2 {
				p.Record = args[1]
			}
			d, err := c.Pause(cmd.Context(), args[0], p)
			if err != nil {
				return err
			}
			out := newPrinter(cmd.OutOrStdout())
			out.pauses(d)
			return out.err
		}),
	}
	c.Flags().StringVar(&p.Until, "for", "", "how long (4h, 2d), or until when: a date, or a time (RFC 3339); 30 days at most")
	c.Flags().StringVar(&p.Until, "until", "", "the same")
	c.Flags().StringVar(&p.Why, "why", "", "why (required)")
	return c
}

// pauses writes the pauses that last.
func (p *printer) pauses(d wire.Domain) {
	for _, pause := range d.Paused {
		what := string(d.Name)
		if pause.Record != "" {
			what = pause.Record + " of " + what
		}
		p.printf("%s: %s until %s (%s: %s)\n", what, p.paint(yellow, "paused"), clock(pause.Until), pause.By, pause.Why)
	}
}

func newResume(r *remote) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:     "resume DOMAIN [RECORD]",
		Short:   "End a pause; what is wrong is told at once",
		Example: `  maildrift resume example.com`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			record := ""
			if len(args) == 2 {
				record = args[1]
			}
			if _, err := c.Resume(cmd.Context(), args[0], record, why); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is no longer paused\n", strings.Join(args, " "))
			return err
		}),
	}
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}

func newAudit(r *remote) *cobra.Command {
	span := client.Span{Limit: 1000}
	var format string
	c := &cobra.Command{
		Use:   "audit [DOMAIN]",
		Short: "Show what people did: who, when, what, why; newest first",
		Example: `  maildrift audit --since 7d
  maildrift audit example.com --record spf --format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if len(args) == 1 {
				span.Domain = args[0]
			}
			list, err := c.Audit(cmd.Context(), span)
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, list)
			}
			p := newPrinter(cmd.OutOrStdout())
			for _, a := range list.Audit {
				p.printf("%s  %-10s %-9s %s\n", clock(a.At), a.By, a.Action, strings.TrimSpace(string(a.Domain)+" "+a.Record))
				p.field("why", a.Why)
				for l := range strings.Lines(a.Detail) {
					p.field("what", shorten(strings.TrimSpace(l)))
				}
			}
			if len(list.Audit) == 0 {
				p.printf("nothing was done\n")
			}
			if !list.More.IsZero() {
				p.printf("… there is more: --until %s\n", list.More.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
			}
			return p.err
		}),
	}
	c.Flags().StringVar(&span.Since, "since", "", "how long ago (7d, 12h), a date, or a time (RFC 3339)")
	c.Flags().StringVar(&span.Until, "until", "", "likewise; excluded")
	c.Flags().StringVar(&span.Record, "record", "", "only this record; needs DOMAIN")
	c.Flags().IntVar(&span.Limit, "limit", 1000, "about this many")
	formatFlag(c, &format)
	return c
}
