package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	tokens "maildrift/monitor/access"
	"maildrift/monitor/web"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
	"maildrift/store"
)

func newToken() *cobra.Command {
	r := &remote{}
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens with which others come in",
		Long: `A token lets a program or a browser in where the daemon wants one (web.require_token, or TLS beyond loopback). Its
scope says what it may do: read looks; operate also registers domains, checks, accepts, announces, pauses and silences;
admin does all. Commands send the token in $MAILDRIFT_TOKEN, or in the file that --token-file names.`,
		Args: noArgs,
	}
	r.flags(c)
	c.AddCommand(newTokenCreate(r), newTokenList(r), newTokenRevoke(r))
	return c
}

func newTokenCreate(r *remote) *cobra.Command {
	var scope, expires, dir, format string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and show it, this once",
		Example: `  maildrift token create grafana --scope read
  maildrift token create ci --scope operate --expires 90d
  maildrift token create first --scope admin --data-dir /var/lib/maildrift   # while the daemon is stopped`,
		Args: exactArgs(1, "the name of the token"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := wire.TokenRequest{Name: args[0], Expires: expires}
			if err := request.Scope.UnmarshalText([]byte(scope)); err != nil {
				return usageError(fmt.Errorf("--scope: %w", err))
			}
			made, err := createToken(cmd.Context(), r, dir, request)
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, made)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), made.Secret); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "This is the token %s with the scope %s. It is not kept anywhere and cannot be shown again.\n", made.Name, made.Scope)
			return nil
		},
	}
	c.Flags().StringVar(&scope, "scope", "read", "what it may do: read, operate or admin")
	c.Flags().StringVar(&expires, "expires", "", "when it ends: a date, or in how long (90d); never if not given")
	c.Flags().StringVar(&dir, "data-dir", "", "write it into the database there; for the first token, while the daemon is stopped")
	formatFlag(c, &format)
	return c
}

// createToken asks the daemon for a token, or writes it into a database that no daemon uses.
func createToken(ctx context.Context, r *remote, dir string, request wire.TokenRequest) (wire.NewToken, error) {
	c, err := r.client()
	if err != nil {
		return wire.NewToken{}, err
	}
	if dir == "" {
		return c.CreateToken(ctx, request)
	}
	now := time.Now()
	expires, err := web.ParseAhead(request.Expires, now)
	if err != nil {
		return wire.NewToken{}, usageError(fmt.Errorf("--expires: %w", err))
	}
	secret, t, err := tokens.NewToken(request.Name, request.Scope, "data-dir", now, expires)
	if err != nil {
		return wire.NewToken{}, usageError(err)
	}
	s, err := store.Open(ctx, filepath.Join(dir, "maildrift.db"), store.Options{})
	if err != nil {
		return wire.NewToken{}, usageError(err)
	}
	err = errors.Join(s.AddToken(ctx, t), s.Close())
	return wire.NewToken{Token: wire.TokenOf(t), Secret: secret}, err
}

func newTokenList(r *remote) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens",
		Args:  noArgs,
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, append([]wire.Token{}, list...))
			}
			p := newPrinter(cmd.OutOrStdout())
			var rows [][]terminal.Cell
			for _, t := range list {
				ends, used := "never ends", "never used"
				if !t.Expires.IsZero() {
					ends = "ends " + t.Expires.Format(time.DateOnly)
				}
				if !t.Used.IsZero() {
					used = "used " + t.Used.Format(time.DateOnly)
				}
				rows = append(rows, []terminal.Cell{
					terminal.Text(t.Name), terminal.Text(t.Scope.String()), terminal.Text(ends), terminal.Text(used), terminal.Text("made by " + t.By + " on " + t.Created.Format(time.DateOnly)),
				})
			}
			p.table([]terminal.Column{{Flexible: true, Least: 12}, {}, {}, {}, {Flexible: true, Least: 10}}, rows)
			return p.err
		}),
	}
	formatFlag(c, &format)
	return c
}

func newTokenRevoke(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Revoke a token, and end the sessions that were begun with it",
		Example: "  maildrift token revoke ci",
		Args:    exactArgs(1, "the name of the token"),
		RunE: r.do(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "The token %s is revoked.\n", args[0])
			return nil
		}),
	}
}
