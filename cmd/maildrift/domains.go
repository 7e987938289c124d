package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
)

func newDomains() *cobra.Command {
	var r remote
	c := group("domains", "Register domains with a running daemon, and see how they are",
		newDomainsAdd(&r), newDomainsList(&r), newDomainsShow(&r), newDomainsRemove(&r), newDomainsSenders(&r),
		newDomainsImport(&r), newDomainsExport(&r), newDomainsCheck(&r), newDomainsAccept(&r),
		newExpect(&r), newRotate(&r), newPause(&r), newResume(&r))
	r.flags(c)
	return c
}

// addFlags describe a domain on the command line.
type addFlags struct {
	service, schedule, note string
	params, labels          map[string]string
	expect, senders         []string
	format                  string
}

func newDomainsAdd(r *remote) *cobra.Command {
	var f addFlags
	c := &cobra.Command{
		Use:   "add DOMAIN",
		Short: "Register a domain",
		Long: `Registers a domain with the daemon, which begins to look for its records at once. Prints what
must be published, and what the mail service advises.

--expect adds a record besides the service's: KIND[@HOST][=VALUE]. Without a value, what
is published when the record is verified is what must stay.`,
		Example: `  maildrift domains add notice.example.com --service directmail --param region=cn-hangzhou
  maildrift domains add example.com --expect spf --expect dkim@s1._domainkey --expect 'mx=10 mx.example.net'`,
		Args: exactArgs(1, "one domain"),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := f.spec(args[0])
			if err != nil {
				return usageError(err)
			}
			c, err := r.client()
			if err != nil {
				return err
			}
			d, err := c.Add(cmd.Context(), spec)
			if err != nil {
				return err
			}
			if f.format != table {
				return terminal.Write(cmd.OutOrStdout(), f.format, d)
			}
			return newPrinter(cmd.OutOrStdout()).toPublish(d)
		},
	}
	c.Flags().StringVar(&f.service, "service", "", "mail service (see 'maildrift presets list')")
	c.Flags().StringToStringVar(&f.params, "param", nil, "parameter of the service's preset, NAME=VALUE; repeatable")
	c.Flags().StringArrayVar(&f.expect, "expect", nil, "a record besides, KIND[@HOST][=VALUE]; repeatable")
	c.Flags().StringVar(&f.schedule, "schedule", "", "schedule group (default \"default\")")
	c.Flags().StringToStringVar(&f.labels, "label", nil, "label for alerts, NAME=VALUE; repeatable")
	c.Flags().StringVar(&f.note, "note", "", "note for people")
	c.Flags().StringSliceVar(&f.senders, "sender", nil, "sender address at the mail service, which keeps the domain from being removed; repeatable")
	formatFlag(c, &f.format)
	return c
}

func (f *addFlags) spec(domain string) (monitor.Spec, error) {
	spec := monitor.Spec{Domain: domain, Service: f.service, Params: f.params, Labels: f.labels, Schedule: f.schedule, Note: f.note, Senders: f.senders}
	for _, text := range f.expect {
		e, err := monitor.ParseExpect(text)
		if err != nil {
			return spec, fmt.Errorf("--expect: %w", err)
		}
		spec.Expect = append(spec.Expect, e)
	}
	return spec, nil
}

func newDomainsList(r *remote) *cobra.Command {
	var filter client.Filter
	var format string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the domains and how they stand",
		Example: `  maildrift domains list
  maildrift domains list --standing missing --format json`,
		Args: noArgs,
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list := []wire.Summary{}
			for d, err := range c.Domains(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				list = append(list, d)
			}
			warnBlind(cmd, c)
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, list)
			}
			p := newPrinter(cmd.OutOrStdout())
			var rows [][]terminal.Cell
			for _, d := range list {
				standing := d.Standing.String()
				rows = append(rows, []terminal.Cell{
					{Text: standing, Colour: standingColour(standing)}, terminal.Text(string(d.Name)), terminal.Text(d.Service), terminal.Text(countLine(d.Counts)),
				})
			}
			p.table([]terminal.Column{{}, {Flexible: true, Least: 20}, {Flexible: true, Least: 8}, {Flexible: true, Least: 10}}, rows)
			return p.err
		}),
	}
	c.Flags().StringVar(&filter.Text, "search", "", "only domains with this in name, service, label or note")
	c.Flags().StringVar(&filter.Standing, "standing", "", "only domains whose worst record stands so: missing, drifted, pending …")
	c.Flags().StringVar(&filter.Service, "service", "", "only domains of this mail service")
	c.Flags().StringVar(&filter.Label, "label", "", "only domains with this label: name=value, or a name alone")
	c.Flags().StringVar(&filter.Schedule, "schedule", "", "only domains of this schedule group")
	formatFlag(c, &format)
	return c
}

func newDomainsShow(r *remote) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:     "show DOMAIN",
		Short:   "Show a domain's records: what they must say, what they say, who sees it",
		Example: `  maildrift domains show notice.example.com`,
		Args:    exactArgs(1, "one domain"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.Domain(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			warnBlind(cmd, c)
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, d)
			}
			return newPrinter(cmd.OutOrStdout()).domain(d)
		}),
	}
	formatFlag(c, &format)
	return c
}

func newDomainsRemove(r *remote) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "remove DOMAIN...",
		Short: "Stop watching domains that were added at run time",
		Long: `Stops watching domains that were added at run time. A domain that still has sender addresses
is kept, as its mail service would keep it, unless --force is given.`,
		Example: `  maildrift domains remove old.example.com`,
		Args:    needArgs(1, "at least one domain"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			for _, name := range args {
				if err := c.Remove(cmd.Context(), name, force); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is no longer watched\n", name); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&force, "force", false, "even if the domain still has sender addresses")
	return c
}

func newDomainsSenders(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "senders DOMAIN [ADDRESS]...",
		Short: "Say which sender addresses a domain has at its mail service",
		Long: `Replaces the sender addresses of a domain that was added at run time; without addresses the
list becomes empty. While there are any, the domain cannot be removed.`,
		Example: `  maildrift domains senders notice.example.com orders@notice.example.com
  maildrift domains senders notice.example.com`,
		Args: needArgs(1, "a domain, and its sender addresses"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.SetSenders(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			if len(d.Spec.Senders) == 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has no sender addresses\n", d.Name)
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has the sender addresses %s\n", d.Name, strings.Join(d.Spec.Senders, ", "))
			return err
		}),
	}
}

func newDomainsImport(r *remote) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Register many domains: all of them, or with an error none",
		Long: `Reads domains from a file, or from standard input: a JSON array, or one JSON object a
line, as 'domains export' writes them.`,
		Example: `  maildrift domains import fleet.jsonl
  maildrift domains export | maildrift domains import --url http://127.0.0.1:9854`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, size := cmd.InOrStdin(), int64(0)
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageError(err)
				}
				defer f.Close()
				if info, err := f.Stat(); err == nil {
					size = info.Size()
				}
				in = f
			}
			progress := terminal.NewProgress(cmd.ErrOrStderr(), "import", size, terminal.Bytes, nil)
			defer progress.End()
			in = io.TeeReader(in, progress)
			c, err := r.client()
			if err != nil {
				return err
			}
			done, err := c.Import(cmd.Context(), in, keep)
			progress.End()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d domains added, %d were registered already\n", len(done.Added), len(done.Kept))
			return err
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave domains that are registered already as they are, instead of refusing")
	return c
}

func newDomainsExport(r *remote) *cobra.Command {
	var addedOnly bool
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write all domains as JSON lines, for import",
		Example: `  maildrift domains export > fleet.jsonl`,
		Args:    noArgs,
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			return c.Export(cmd.Context(), cmd.OutOrStdout(), addedOnly)
		}),
	}
	c.Flags().BoolVar(&addedOnly, "added-only", false, "leave out those that stand in configuration files")
	return c
}

func newDomainsCheck(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "check DOMAIN",
		Short: "Have the daemon look at a domain now",
		Long: `Has the daemon look at a domain now, confirmations included, which takes as long as
confirm.wait and the slowest source.

Exit code 0 if all is well, 1 if something is wrong, 3 if it could not be told.`,
		Example: `  maildrift domains check notice.example.com`,
		Args:    exactArgs(1, "one domain"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			fmt.Fprintf(cmd.ErrOrStderr(), "asking about %s, and again to confirm what seems to have changed …\n", args[0])
			d, err := c.Check(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			blind := warnBlind(cmd, c)
			if err := newPrinter(cmd.OutOrStdout()).domain(d); err != nil {
				return err
			}
			switch standing := d.Standing.String(); {
			case len(blind) > 0 || standing == "blind":
				return &exitError{code: exitUnknown}
			case standing != "holding":
				return &exitError{code: exitProblems}
			}
			return nil
		}),
	}
}

func newDomainsAccept(r *remote) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:   "accept DOMAIN RECORD",
		Short: "Take what a drifted record says now as right from now on",
		Long: `Takes what a drifted record says now as its new baseline, and ends its alert. Who did
it and why is kept in the history.`,
		Example: `  maildrift domains accept example.com spf --why "new newsletter service, ticket 4711"`,
		Args:    exactArgs(2, "a domain and the name of one of its records"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(why) == "" {
				return usageError(fmt.Errorf("say --why: it is kept in the history"))
			}
			c, err := r.client()
			if err != nil {
				return err
			}
			if _, err := c.Accept(cmd.Context(), args[0], args[1], why); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s of %s: what it says now is the baseline\n", args[1], args[0])
			return err
		},
	}
	c.Flags().StringVar(&why, "why", "", "why it is right (required)")
	return c
}

func newBackup() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy a running daemon's database to a file",
		Long: `Writes a consistent copy of the database while the daemon runs. To restore it, stop the
daemon and put the file in the place of maildrift.db in its data directory. FILE must not exist.`,
		Example: `  maildrift backup maildrift-$(date +%F).db`,
		Args:    exactArgs(1, "the file to write"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			progress := terminal.NewProgress(cmd.ErrOrStderr(), "backup", 0, terminal.Bytes, nil)
			defer progress.End()
			size, err := writeNew(args[0], func(w io.Writer) (int64, error) { return c.Backup(cmd.Context(), io.MultiWriter(w, progress)) })
			progress.End()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes\n", args[0], size)
			return err
		}),
	}
	r.flags(c)
	return c
}

// writeNew writes a file that does not exist yet, whole or not at all.
func writeNew(path string, write func(io.Writer) (int64, error)) (size int64, err error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, usageError(fmt.Errorf("%s exists already: name a new file", path))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".maildrift-*")
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if size, err = write(f); err != nil {
		return 0, err
	}
	if err = f.Sync(); err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	if err = os.Link(f.Name(), path); err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	return size, os.Remove(f.Name())
}
