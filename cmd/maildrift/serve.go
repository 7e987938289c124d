package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/config"
)

// serveFlags are the settings of serve that a configuration file may be
// overridden with.
type serveFlags struct {
	config      string
	dataDir     string
	listen      string
	allowRemote bool
	init        bool
}

func newServe() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Runs the daemon until SIGTERM or SIGINT. SIGHUP, like POST /-/reload, reads the
configuration again: all of it is taken, or with an error nothing of it.`,
		Example: `  maildrift serve --config /etc/maildrift/maildrift.yml
  maildrift serve --config configs/maildrift.yml --data-dir ./data`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.ErrOrStderr()) },
	}
	c.Flags().StringVar(&f.config, "config", usualConfig, "configuration file")
	c.Flags().StringVar(&f.dataDir, "data-dir", "", "data directory, instead of the configuration's data_dir")
	c.Flags().StringVar(&f.listen, "listen", "", "address to listen on, instead of the configuration's listen")
	c.Flags().BoolVar(&f.allowRemote, "allow-remote", false, "listen on addresses other than loopback without TLS, users or tokens, as behind a reverse proxy that authenticates")
	c.Flags().BoolVar(&f.init, "init", false, "start with an empty database although one is known to have existed")
	return c
}

func (f *serveFlags) run(ctx context.Context, stderr io.Writer) error {
	cfg, err := f.load()
	if err != nil {
		return usageError(err)
	}
	first := terminal.NewProgress(stderr, "first look", 0, terminal.Count("records"), nil)
	defer first.End()
	log := newLogger(first.Beside(stderr), cfg.Log)
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w)
	}
	d, err := newDaemon(ctx, cfg, f, log)
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	d.onReady = func() { notifySystemd(log, systemd.SdNotifyReady) }
	d.onStop = func() { notifySystemd(log, systemd.SdNotifyStopping) }
	if first.Shown() {
		looking, stop := context.WithCancel(ctx)
		defer stop()
		go followFirst(looking, d, first)
	}
	return d.run(ctx, hangup)
}

// followFirst shows how many records were looked at since the start, until all were: of a large fleet that takes minutes.
func followFirst(ctx context.Context, d *daemon, shown *terminal.Progress) {
	defer shown.End()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		snap := d.engine.Snapshot()
		heard, all := snap.Votes.Len(), snap.States.Len()
		if heard >= all {
			return
		}
		shown.Set(int64(heard), int64(all))
	}
}

// load reads the configuration and applies the flags to it.
func (f *serveFlags) load() (*config.Config, error) {
	cfg, err := loadConfig(f.config)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("%w; name the configuration with --config FILE", err)
		}
		return nil, err
	}
	if f.dataDir != "" {
		cfg.DataDir = f.dataDir
	}
	if f.listen != "" {
		cfg.Listen = f.listen
	}
	return cfg, nil
}

// newLogger makes the daemon's logger: one event a line, control characters quoted.
func newLogger(out io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// notifySystemd tells systemd how it goes, if it asked to be told.
func notifySystemd(log *slog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", "err", err)
	}
}
