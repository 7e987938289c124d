package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
	"maildrift/store"
)

func newCompact() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use:   "compact [FILE]",
		Short: "Write a database anew, without the room that deleted history has left",
		Long: `Writes a database anew, without the room that deleted history has left, and puts it in the place of the old one. There
must be room for a second copy beside it.

Without FILE the running daemon does that while it works; it does so by itself too, once more than half of a database of more
than 64 MB is free, at most once a day. With FILE the daemon must be stopped, and it goes faster. A file of an earlier version
of the schema is first brought to this program's schema; the old file is kept beside it.`,
		Example: `  maildrift compact
  maildrift compact /var/lib/maildrift/maildrift.db`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return r.do(compactDaemon)(cmd, args)
			}
			return compactFile(cmd, args[0])
		},
	}
	r.flags(c)
	return c
}

// compactDaemon has a running daemon do it.
func compactDaemon(cmd *cobra.Command, c *client.Client, _ []string) error {
	done, err := c.Compact(cmd.Context())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s; it took %s, of which nothing could be committed for %s\n",
		sizes(done.Before, done.After), done.Took.Round(time.Millisecond), done.Held.Round(time.Microsecond))
	return err
}

// compactFile does it with a file that no daemon uses.
func compactFile(cmd *cobra.Command, path string) error {
	progress := terminal.NewProgress(cmd.ErrOrStderr(), "compact", 0, terminal.Bytes, nil)
	defer progress.End()
	done, err := store.Compact(cmd.Context(), path, progress.Set)
	progress.End()
	if errors.Is(err, store.ErrLocked) {
		err = fmt.Errorf("%w, or leave out FILE to have the daemon do it", err)
	}
	if err != nil {
		return usageError(err)
	}
	if _, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", path, sizes(done.Before, done.After)); err != nil {
		return err
	}
	return noteCompaction(cmd.Context(), path, wire.Compaction{Before: done.Before, After: done.After})
}

// noteCompaction writes into the audit trail of a database that no daemon uses that it was compacted.
func noteCompaction(ctx context.Context, path string, done wire.Compaction) error {
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return fmt.Errorf("%s was compacted, but that is not in its audit trail: %w", path, err)
	}
	a := monitor.Audit{At: time.Now(), By: whoCalls(), Action: "compact", Why: "the daemon was stopped", Detail: done.String()}
	if err := errors.Join(s.Commit(ctx, monitor.Batch{Audit: []monitor.Audit{a}}), s.Close()); err != nil {
		return fmt.Errorf("%s was compacted, but that is not in its audit trail: %w", path, err)
	}
	return nil
}

// sizes says how large a database is and was, and why if that is no less.
func sizes(before, after int64) string {
	out := terminal.Bytes(after) + ", was " + terminal.Bytes(before)
	switch {
	case after > before:
		return out + fmt.Sprintf(": larger by %d bytes, since there was no room to give back; nothing is wrong with it", after-before)
	case after == before:
		return out + ": there was no room to give back"
	}
	return out
}
