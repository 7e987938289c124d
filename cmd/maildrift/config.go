package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/advice"
	"maildrift/monitor/config"
)

func newConfig() *cobra.Command {
	return group("config", "Check and show configurations", newConfigCheck(), newConfigExample(), newConfigReference())
}

func newConfigCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and all that it includes",
		Long: `Checks a configuration as serve would read it, Alertmanager's part included, and says
all that is wrong with file, line, field and what to do.

Exit code 0 if it is good, 2 if it is not.`,
		Example: `  maildrift config check /etc/maildrift/maildrift.yml`,
		Args:    exactArgs(1, "one configuration file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(args[0])
			if err != nil {
				return usageError(err)
			}
			return describeConfig(newPrinter(cmd.OutOrStdout()), cfg)
		},
	}
}

// describeConfig says in a few lines what a configuration amounts to.
func describeConfig(p *printer, cfg *config.Config) error {
	for _, w := range cfg.Warnings {
		p.printf("%s %s\n", p.paint(yellow, "warning:"), w)
	}
	records := 0
	for _, d := range cfg.Domains {
		records += len(d.Records)
	}
	p.printf("%s is good: %s, %s, %s\n", cfg.File, counted(len(cfg.Domains), "domain"), counted(records, "record"), counted(len(cfg.Sources), "resolver"))
	describeAdvice(p, cfg.Domains)
	now := time.Now()
	for _, name := range sortedNames(cfg.Schedules) {
		s := cfg.Schedules[name]
		p.printf("  schedule %s (%s): next at %s, then %s; asks %d resolvers\n", name, s.Text,
			clock(s.Next(now)), clock(s.Next(s.Next(now))), len(cfg.Groups[s.Resolvers]))
	}
	return p.err
}

// adviceShown is how much advice a check of the configuration tells in full.
const adviceShown = 20

// describeAdvice says what mail services advise about the domains of a configuration.
func describeAdvice(p *printer, domains []*monitor.Domain) {
	fleet, more := advice.NewFleet(domains), 0
	shown := 0
	for _, d := range domains {
		for _, a := range fleet.Advice(d, nil) {
			if shown++; shown > adviceShown {
				more++
				continue
			}
			p.printf("%s %s:%d: %s: %s %s\n", p.paint(yellow, "advice:"), d.Origin.File, d.Origin.Line, a.ID, a.Text, a.Do)
		}
	}
	if more > 0 {
		p.printf("%s and %d more; maildrift domains show DOMAIN tells them while the daemon runs\n", p.paint(yellow, "advice:"), more)
	}
}

func newConfigExample() *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print the documented example with every setting and its default",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), string(configs.Example))
			return err
		},
	}
}

// randomLabel gives a DNS label that nobody can have cached.
func randomLabel() string { return rand.Text()[:12] }
