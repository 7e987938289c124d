package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/web/client"
)

func newSilence(r *remote) *cobra.Command {
	return group("silence", "Keep alerts from being sent for a time; see and end silences",
		newSilenceAdd(r), newSilenceList(r), newSilenceExpire(r))
}

// silenceFlags say what to silence, and for how long.
type silenceFlags struct {
	lasts, from, why string
	matchers         []string
}

func newSilenceAdd(r *remote) *cobra.Command {
	var f silenceFlags
	c := &cobra.Command{
		Use:   "add [DOMAIN [RECORD]]",
		Short: "Silence a domain's alerts, those of one record, or what matches",
		Long: `Keeps alerts from being sent. A silence that begins while an alert fires is about that alert: if the record
then turns into something else (it was gone, now a stranger's value is there), that is sent all the same.
All-clears of what was sent before are sent. What still fires when the silence ends is sent then.

Silences are Alertmanager's own: amtool sees them too. To keep quiet about work before anything is wrong, 'maildrift
pause' and 'maildrift expect' say more.`,
		Example: `  maildrift silence add example.com --for 2h --why "zone is being moved"
  maildrift silence add example.com spf --for 1d --why "ticket 4711"
  maildrift silence add --match severity=warning --match team=shop --for 8h --why "freeze"`,
		Args: cobra.MaximumNArgs(2),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := needWhy(f.why); err != nil {
				return err
			}
			s, err := f.silence(args, time.Now())
			if err != nil {
				return usageError(err)
			}
			id, err := c.Silence(cmd.Context(), s)
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout())
			p.printf("%s  until %s\n", p.paint(bold, id), clock(s.EndsAt))
			now, err := c.AlertsMatching(cmd.Context(), s.Matchers)
			if err != nil {
				return err
			}
			p.printf("silences %s that %s now\n", counted(len(now), "alert"), map[bool]string{true: "fires", false: "fire"}[len(now) == 1])
			for _, a := range now {
				p.printf("  %s  %s\n", a.Labels["alertname"], a.Annotations["summary"])
			}
			return p.err
		}),
	}
	c.Flags().StringVar(&f.lasts, "for", "", "how long (2h, 1d; 30 days at most), or until when: a time (RFC 3339)")
	c.Flags().StringVar(&f.from, "from", "", "when it begins: in how long, or a time (RFC 3339); default now")
	c.Flags().StringVar(&f.why, "why", "", "why (required)")
	c.Flags().StringArrayVar(&f.matchers, "match", nil, "a matcher as Alertmanager writes it, name=value, name=~regex; repeatable")
	return c
}

// silence makes the silence that the arguments and flags ask for.
func (f *silenceFlags) silence(args []string, now time.Time) (client.Silence, error) {
	s := client.Silence{Comment: f.why}
	for i, name := range []string{"domain", "record"} {
		if i < len(args) {
			s.Matchers = append(s.Matchers, client.Matcher{Name: name, Value: strings.TrimSuffix(args[i], "."), IsEqual: true})
		}
	}
	for _, text := range f.matchers {
		m, err := compat.Matcher(text, "--match")
		if err != nil {
			return s, fmt.Errorf("--match %q: %w", text, err)
		}
		s.Matchers = append(s.Matchers, client.Matcher{
			Name: m.Name, Value: m.Value,
			IsRegex: m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp, IsEqual: m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp,
		})
	}
	if len(s.Matchers) == 0 {
		return s, errors.New("name a domain, or what to --match")
	}
	var err error
	if s.StartsAt, err = ahead(f.from, now, now); err != nil {
		return s, fmt.Errorf("--from: %w", err)
	}
	if f.lasts == "" {
		return s, errors.New("say --for how long: 2h, 1d")
	}
	if s.EndsAt, err = ahead(f.lasts, s.StartsAt, now); err != nil {
		return s, fmt.Errorf("--for: %w", err)
	}
	return s, nil
}

// ahead reads a time to come: how long after a time, or a time of its own.
func ahead(text string, after, unset time.Time) (time.Time, error) {
	if text == "" {
		return unset, nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return after.Add(time.Duration(d)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a duration such as 2h nor a time such as 2026-01-31T12:00:00Z", text)
	}
	return t, nil
}

func newSilenceList(r *remote) *cobra.Command {
	var all bool
	var format string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List silences, and what each keeps from being sent now",
		Example: `  maildrift silence list`,
		Args:    noArgs,
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Silences(cmd.Context(), all)
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, list)
			}
			muted, err := c.AlertsMatching(cmd.Context(), nil)
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout())
			for _, s := range list {
				p.silence(s, muted)
			}
			if len(list) == 0 {
				p.printf("no silences\n")
			}
			return p.err
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "those that have ended too")
	formatFlag(c, &format)
	return c
}

// silence writes one silence, and how many alerts it mutes.
func (p *printer) silence(s client.Silence, alerts []client.AlertState) {
	var matchers []string
	for _, m := range s.Matchers {
		matchers = append(matchers, m.String())
	}
	mutes := 0
	for _, a := range alerts {
		for _, id := range a.Status.SilencedBy {
			if id == s.ID {
				mutes++
			}
		}
	}
	p.printf("%s  %-7s  %s to %s  %s\n", p.paint(bold, s.ID), s.Status.State, clock(s.StartsAt), clock(s.EndsAt), strings.Join(matchers, " "))
	p.field("by", s.CreatedBy+": "+s.Comment)
	p.field("mutes", counted(mutes, "alert")+" now")
}

func newSilenceExpire(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "expire ID...",
		Short:   "End silences now; what still fires is sent",
		Example: `  maildrift silence expire 7c12a9d4-6f0d-4b7e-9d1e-0a0c5a2b1f3d`,
		Args:    needArgs(1, "the ID of a silence (see 'maildrift silence list')"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			for _, id := range args {
				if err := c.Unsilence(cmd.Context(), id); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has ended\n", id); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}
