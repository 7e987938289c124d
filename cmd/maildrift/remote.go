package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/monitor/web/client"
)

// remote is the flag that names a running daemon.
type remote struct{ url, tokenFile string }

func (r *remote) flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&r.url, "url", "", "the daemon's address (default $MAILDRIFT_URL, else "+defaultAddr+")")
	c.PersistentFlags().StringVar(&r.tokenFile, "token-file", "", "file with the token for a daemon that wants one (default: the token in $MAILDRIFT_TOKEN)")
}

// whoCalls is who runs this command, for the audit trail.
func whoCalls() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "cli"
}

// client makes a client that says who calls.
func (r *remote) client() (*client.Client, error) {
	token := os.Getenv("MAILDRIFT_TOKEN")
	if r.tokenFile != "" {
		text, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, usageError(fmt.Errorf("token: %w", err))
		}
		token = strings.TrimSpace(string(text))
	}
	c, err := client.New(cmp.Or(r.url, os.Getenv("MAILDRIFT_URL"), defaultAddr), client.Options{By: whoCalls(), Token: token})
	if err != nil {
		return nil, usageError(err)
	}
	return c, nil
}

// do makes a command's work of what is to be done with a client.
func (r *remote) do(work func(cmd *cobra.Command, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := r.client()
		if err != nil {
			return err
		}
		return work(cmd, c, args)
	}
}

// warnBlind says on standard error that the daemon cannot see, so that nobody
// takes old standings for present ones. It gives the reasons.
func warnBlind(cmd *cobra.Command, c *client.Client) []string {
	status, err := c.Status(cmd.Context())
	if err != nil {
		return nil // what was asked for has been answered; this is only a courtesy
	}
	var why []string
	for _, g := range status.Groups {
		if g.Blind != "" {
			why = append(why, g.Blind)
			fmt.Fprintf(cmd.ErrOrStderr(), "maildrift cannot see (schedule %s): %s; what is shown may be old\n", g.Name, g.Blind)
		}
	}
	return why
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// countLine gives counts as "5 holding, 1 missing", what is wrong first.
func countLine(counts map[string]int) string {
	var parts []string
	for _, standing := range []string{"missing", "drifted", "disagreeing", "overdue", "blind", "pending", "holding"} {
		if n := counts[standing]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, standing))
		}
	}
	return strings.Join(parts, ", ")
}
