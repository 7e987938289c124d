package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"maildrift/alert"
	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/web/wire"
)

// alertWords finds the words as a configuration wants them.
func alertWords(cfg *config.Config) alert.Words {
	language, err := alert.ParseLanguage(cfg.Alerting.Language)
	if err != nil {
		language = alert.English // the configuration is checked for it
	}
	return alert.Words{BaseURL: cfg.ExternalURL, Runbooks: cfg.Alerting.Runbooks, Language: language}
}

// tryAlert sends a test.
func (d *daemon) tryAlert(ctx context.Context, receiver, severity string) ([]wire.Trial, error) {
	d.mu.Lock()
	sample := alertWords(d.cfg).Sample(severity, time.Now())
	d.mu.Unlock()
	trials, err := d.alerts.Try(ctx, receiver, sample)
	if errors.Is(err, alert.ErrNoReceiver) {
		return nil, &monitor.FieldError{Path: "receiver", Err: err}
	}
	var out []wire.Trial
	for _, t := range trials {
		w := wire.Trial{Receiver: t.Receiver, Integration: t.Integration, OK: t.Err == nil, Took: t.Took}
		if t.Err != nil {
			w.Error = t.Err.Error()
		}
		out = append(out, w)
	}
	return out, err
}

func newAlert() *cobra.Command {
	r := new(remote)
	c := group("alert", "Test that alerts reach people", newAlertTest(r))
	r.flags(c)
	return c
}

func newAlertTest(r *remote) *cobra.Command {
	var severity, file, format string
	c := &cobra.Command{
		Use:   "test [RECEIVER]",
		Short: "Send a marked sample alert and say what each receiver answers",
		Long: `Sends a sample alert that says that it is a test, and then its end, and says what each integration answers.
Without RECEIVER it goes where the routes lead an alert of that severity. Templates, credentials and timeouts are
those of every alert; silences do not hold it back.

With --config the receivers of a file are tried, without a daemon: before it is put in force.

Exit code 0 if all took it, 1 if some did not or there are none.`,
		Example: `  maildrift alert test
  maildrift alert test on-call --severity critical
  maildrift alert test --config maildrift.yml`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if severity != alert.Critical && severity != alert.Warning {
				return usageError(errors.New("--severity is critical or warning"))
			}
			receiver := ""
			if len(args) == 1 {
				receiver = args[0]
			}
			trials, err := runTrial(cmd.Context(), r, file, receiver, severity)
			if err != nil {
				return err
			}
			return newPrinter(cmd.OutOrStdout()).trials(trials, format)
		},
	}
	c.Flags().StringVar(&severity, "severity", alert.Warning, "severity of the sample, critical or warning")
	c.Flags().StringVar(&file, "config", "", "try the receivers of this configuration, without a daemon")
	formatFlag(c, &format)
	return c
}

// runTrial asks the daemon, or tries the receivers of a file by itself.
func runTrial(ctx context.Context, r *remote, file, receiver, severity string) ([]wire.Trial, error) {
	if file == "" {
		c, err := r.client()
		if err != nil {
			return nil, err
		}
		return c.TestAlert(ctx, receiver, severity)
	}
	cfg, err := (&serveFlags{config: file}).load()
	if err != nil {
		return nil, usageError(err)
	}
	d := &daemon{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if d.alerts, err = newTeller(d, "", nil); err != nil {
		return nil, usageError(err)
	}
	trials, err := d.tryAlert(ctx, receiver, severity)
	return trials, errors.Join(err, d.alerts.Close())
}

// trials writes what receivers answered.
func (p *printer) trials(trials []wire.Trial, format string) error {
	failed := len(trials) == 0
	for _, t := range trials {
		failed = failed || !t.OK
	}
	if format != table {
		if err := terminal.Write(p.out, format, append([]wire.Trial{}, trials...)); err != nil {
			return err
		}
	} else {
		for _, t := range trials {
			mark := p.paint(green, "ok    ")
			if !t.OK {
				mark = p.paint(red, "FAILED")
			}
			p.printf("%s  %s %s  %s\n", mark, t.Receiver, t.Integration, t.Took.Round(time.Millisecond))
			p.field("why", t.Error)
		}
		if len(trials) == 0 {
			p.printf("nobody: no receiver with an integration is where the routes lead this alert\n")
		}
	}
	if p.err == nil && failed {
		return &exitError{code: exitProblems}
	}
	return p.err
}
