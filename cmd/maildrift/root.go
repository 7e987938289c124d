package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The groups of commands in the help text.
const (
	groupDaily  = "daily"
	groupWork   = "work"
	groupAdmin  = "admin"
	defaultAddr = "http://127.0.0.1:9853"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "maildrift",
		Short: "Watch the DNS records that mail sending domains live on",
		Long: `maildrift watches the DNS records that mail sending domains live on (ownership,
SPF, DKIM, DMARC, MX), and calls someone before receivers start to reject mail.

It waits until new records are seen everywhere, remembers what was verified,
and from then on asks many public resolvers and the zone's own nameservers on
schedule. What a verified record says must not change or vanish: if it does, an
alert says what changed, who sees it, what receivers do, and what to put back.`,
		Example: `  maildrift demo                          see it work, on this machine only
  maildrift check example.com             one look at a domain, no daemon needed
  maildrift serve --config maildrift.yml  the daemon`,
		SuggestionsMinimumDistance: 2,

		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("maildrift {{.Version}}\n")
	root.AddGroup(&cobra.Group{ID: groupDaily, Title: "Commands:"}, &cobra.Group{ID: groupWork, Title: "Planned work:"},
		&cobra.Group{ID: groupAdmin, Title: "Running the daemon:"})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath()))
	})
	root.SetHelpCommandGroupID(groupAdmin)
	root.SetCompletionCommandGroupID(groupAdmin)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupDaily, newCheck(), newReport(), newSPF(), newLint(), newStatus(), newWatch(), newDomains(), newHistory(), newPresets(), newResolvers(), newDemo())
	add(groupWork, newPlanned()...)
	add(groupAdmin, newServe(), newConfig(), newAlert(), newBackup(), newCompact(), newPlan(), newReplay(), newToken(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and what it was built from",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			commit := ""
			if r := revision(); r != "" {
				commit = ", commit " + r
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "maildrift %s (%s, %s/%s%s)\n",
				version, runtime.Version(), runtime.GOOS, runtime.GOARCH, commit)
			return err
		},
	}
}

// revision gives the commit that the build recorded, if it did.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" })
	if i < 0 {
		return ""
	}
	return info.Settings[i].Value
}

// noArgs refuses arguments with the usage exit code.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, ", "))
		}
		return usageError(err)
	}
	return usageError(fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args))
}

// needArgs asks for at least n arguments, named in the error.
func needArgs(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError(fmt.Errorf("%s needs %s\nSee '%s --help'", cmd.CommandPath(), names, cmd.CommandPath()))
		}
		return nil
	}
}

// exactArgs asks for exactly n arguments, named in the error.
func exactArgs(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError(fmt.Errorf("%s needs %s\nSee '%s --help'", cmd.CommandPath(), names, cmd.CommandPath()))
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if err := cmd.Help(); err != nil {
			return err
		}
		return usageError(errors.New("name one of the commands above"))
	}}
	c.AddCommand(commands...)
	return c
}
