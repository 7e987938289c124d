package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/configs"
	"maildrift/monitor/config"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

// loadPresets reads the embedded mail-service presets.
func loadPresets() (preset.Set, error) {
	set, err := preset.Load(configs.Presets)
	if err != nil {
		return preset.Set{}, fmt.Errorf("built-in presets: %w", err)
	}
	return set, nil
}

// presetsOf gives the mail services that a configuration knows; without one those that are
// built in.
func presetsOf(file string) (preset.Set, error) {
	set, err := loadPresets()
	if err != nil || file == "" {
		return set, err
	}
	cfg, err := config.Load(file, os.LookupEnv, set)
	if err != nil {
		return preset.Set{}, usageError(err)
	}
	return cfg.Presets, nil
}

// configFlag adds --config for commands that do without.
func configFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "config", "", "know the mail services of a configuration file too")
}

func newPresets() *cobra.Command {
	return group("presets", "Show the mail services that maildrift knows", newPresetsList(), newPresetsShow())
}

func newPresetsList() *cobra.Command {
	var format, file string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the mail services",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := presetsOf(file)
			if err != nil {
				return err
			}
			if format != table {
				return terminal.Write(cmd.OutOrStdout(), format, set.List())
			}
			p := newPrinter(cmd.OutOrStdout())
			for _, s := range set.List() {
				p.printf("%s  %s\n", p.paint(bold, fmt.Sprintf("%-18s", s.ID)), s.Title)
			}
			return p.err
		},
	}
	configFlag(c, &file)
	formatFlag(c, &format)
	return c
}

// showPresetFlags say for whom a preset is shown.
type showPresetFlags struct {
	format, domain, config string
	params                 map[string]string
}

func newPresetsShow() *cobra.Command {
	var f showPresetFlags
	c := &cobra.Command{
		Use:   "show SERVICE",
		Short: "Show what a mail service asks for, ready to copy",
		Example: `  maildrift presets show directmail
  maildrift presets show directmail --domain notice.example.com --param region=ap-southeast-1`,
		Args: exactArgs(1, "the name of one mail service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.show(cmd.OutOrStdout(), args[0])
		},
	}
	c.Flags().StringVar(&f.domain, "domain", "notice.example.com", "domain to show the records for")
	c.Flags().StringToStringVar(&f.params, "param", nil, "parameter of the preset, NAME=VALUE; repeatable")
	configFlag(c, &f.config)
	formatFlag(c, &f.format)
	return c
}

func (f *showPresetFlags) show(out io.Writer, id string) error {
	set, err := presetsOf(f.config)
	if err != nil {
		return err
	}
	s, err := set.Get(id)
	if err != nil {
		return usageError(err)
	}
	name, err := rrset.ParseName(f.domain)
	if err != nil {
		return usageError(err)
	}
	expected, err := s.Expand(name, f.params)
	if err != nil && (len(f.params) > 0 || !missesRequired(s)) {
		return usageError(err)
	}
	if f.format != table {
		return terminal.Write(out, f.format, map[string]any{"preset": s, "domain": name, "records": expected})
	}
	return newPrinter(out).preset(s, name, expected)
}

// preset writes what a mail service asks for.
func (p *printer) preset(s preset.Preset, name rrset.Name, expected []preset.Expected) error {
	p.head(s.Title)
	p.printf("%s\n", s.Summary)
	if s.Docs != "" {
		p.printf("%s\n", s.Docs)
	}
	if len(s.Params) > 0 {
		p.printf("\nParameters:\n")
	}
	for _, q := range s.Params {
		p.printf("  %-16s %s\n", q.Name, paramLine(q))
	}
	if len(expected) > 0 {
		p.printf("\nTo publish for %s:\n", name)
	}
	for _, e := range expected {
		p.printf("  %s  %s\n", p.paint(bold, e.Key), e.Purpose)
		for _, l := range e.Publish {
			p.printf("    %s %s %s\n", l.Name.FQDN(), l.Type, l.Value)
		}
	}
	if len(expected) == 0 && missesRequired(s) {
		p.printf("\nTo see its records give the required parameters with --param.\n")
	}
	if len(s.Limits)+len(s.Advice) > 0 {
		p.printf("\nGood to know:\n")
	}
	for _, a := range append(s.Limits, s.Advice...) {
		p.printf("  - %s\n", a)
	}
	return p.err
}

func missesRequired(s preset.Preset) bool {
	return len(s.WithExamples(nil)) > 0
}

func paramLine(q preset.Param) string {
	parts := []string{q.Title}
	switch {
	case q.Required:
		parts = append(parts, "required")
	case len(q.RequiredWhen) > 0:
		parts = append(parts, "required with "+strings.Join(q.RequiredWhen, " or "))
	case q.Default != "":
		parts = append(parts, "default "+q.Default)
	}
	if len(q.Values) > 0 {
		parts = append(parts, "one of "+strings.Join(q.Values, ", "))
	} else if q.Example != "" {
		parts = append(parts, "for example "+q.Example)
	}
	return strings.Join(parts, "; ")
}
