package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/store"
)

func newCompact() *cobra.Command {
	return &cobra.Command{
		Use:   "compact FILE",
		Short: "Write a stopped daemon's database anew, without the room that deleted history has left",
		Long: `Writes a database anew, without the room that deleted history has left, and puts it in the place of the old one.
The daemon must be stopped. There must be room for a second copy beside it. A file of an earlier version of the schema is brought to this program's
first, and the old one kept beside it.`,
		Example: `  maildrift compact /var/lib/maildrift/maildrift.db`,
		Args:    exactArgs(1, "the database file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			progress := terminal.NewProgress(cmd.ErrOrStderr(), "compact", 0, terminal.Bytes, nil)
			defer progress.End()
			done, err := store.Compact(cmd.Context(), args[0], progress.Set)
			progress.End()
			if err != nil {
				return usageError(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, was %s\n", args[0], terminal.Bytes(done.After), terminal.Bytes(done.Before))
			return err
		},
	}
}
