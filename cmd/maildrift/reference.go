package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/config"
)

func newConfigReference() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "reference [FIELD]",
		Short: "Print every field with its type, its default and what it means",
		Long: `Prints every field that a configuration may have, with its type, its default and what it means; with FIELD only those
that it consists of. NAME stands for a key that you choose, [] for each entry of a list.`,
		Example: `  maildrift config reference asking
  maildrift config reference resolvers.list
  maildrift config reference --format json | jq -r .[].path`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fields := config.Reference()
			if len(args) == 1 {
				fields = slices.DeleteFunc(fields, func(f config.Field) bool { return !within(f.Path, args[0]) })
			}
			if len(fields) == 0 {
				return usageError(fmt.Errorf("there is no field %q; without one all are printed", args[0]))
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, fields)
			}
			return newPrinter(cmd.OutOrStdout()).reference(fields)
		},
	}
	formatFlag(c, &format)
	return c
}

// within says whether a field is the named one or a part of it.
func within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], ".["))
}

// reference writes what fields mean.
func (p *printer) reference(fields []config.Field) error {
	for _, f := range fields {
		p.printf("%s  %s", p.paint(bold, f.Path), f.Type)
		if f.Default != "" {
			p.printf("; default %s", f.Default)
		}
		p.printf("\n  %s\n", f.Doc)
	}
	return p.err
}
