package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/monitor"
	"maildrift/monitor/diagnose"
	"maildrift/monitor/report"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

func newReport() *cobra.Command {
	var f checkFlags
	var format, output string
	c := &cobra.Command{
		Use:   "report DOMAIN",
		Short: "Write all that is seen of a domain's mail records into one file",
		Long: `Looks at a domain as 'maildrift check' does and writes the whole evidence into one
file to attach to a support ticket: what each source said in full and when, the delegation,
why records are not as they should be, and what to publish. It needs no daemon.

Exit code 0 if the report was written, whatever it says.`,
		Example: `  maildrift report notice.example.com --preset directmail > report.md
  maildrift report example.com --selector s1 --output report.html`,
		Args: exactArgs(1, "the domain to report on"),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("format") && slices.Contains([]string{".html", ".htm"}, filepath.Ext(output)) {
				format = string(report.HTML)
			}
			if format != string(report.Markdown) && format != string(report.HTML) {
				return usageError(fmt.Errorf("unknown format %q: use markdown or html", format))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.report(cmd.Context(), args[0], commandLine(cmd, args))
			if err != nil {
				return err
			}
			return writeReport(cmd.OutOrStdout(), output, r, report.Format(format))
		},
	}
	f.add(c)
	c.Flags().StringVar(&format, "format", string(report.Markdown), "output format: markdown or html")
	c.Flags().StringVar(&output, "output", "", "file to write; its ending chooses the format (default: standard output, markdown)")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"markdown", "html"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// writeReport writes to a file, or to out if none is named.
func writeReport(out io.Writer, path string, r report.Report, f report.Format) error {
	if path == "" || path == "-" {
		return r.Write(out, f)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(r.Write(file, f), file.Close())
}

// commandLine is what was typed, so that whoever reads the report can run it again. What
// the shell would take for something else is quoted.
func commandLine(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	for _, a := range args {
		words = append(words, shellWord(a))
	}
	for _, name := range []string{"preset", "param", "selector", "resolver", "authority", "authority-port", "allow-private", "timeout"} {
		flag := cmd.Flags().Lookup(name)
		if !flag.Changed {
			continue
		}
		value := flag.Value.String()
		if strings.HasPrefix(value, "[") && strings.HasSuffix(value, "]") {
			value = value[1 : len(value)-1] // lists
		}
		words = append(words, "--"+name+"="+shellWord(value))
	}
	return strings.Join(words, " ")
}

func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._=:/,@") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(rrset.Printable([]byte(s)), "'", `'\''`) + "'"
}

// report looks at a domain and puts together what was seen.
func (f *checkFlags) report(ctx context.Context, domain, command string) (report.Report, error) {
	evidence, results, err := f.look(ctx, []string{domain})
	if err != nil {
		return report.Report{}, err
	}
	r := report.Report{Domain: domain, At: time.Now(), Version: version, Command: command}
	if commit := revision(); commit != "" {
		r.Version += ", commit " + commit
	}
	for i, e := range evidence {
		r.Domain = string(e.Subject.Domain.Name)
		r.Records = append(r.Records, reportRecord(e, results[i]))
		z := reportZone(e.Zone)
		if z.Apex != "" && !slices.ContainsFunc(r.Zones, func(o report.Zone) bool { return o.Apex == z.Apex }) {
			r.Zones = append(r.Zones, z)
		}
		if v := results[i].Verdict; v != nil && r.Verdict == nil {
			for _, ruling := range v.Rulings {
				r.Verdict = append(r.Verdict, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", ruling.Receiver, ruling.Action, ruling.Code, ruling.Why)))
			}
		}
	}
	return r, nil
}

func reportZone(z resolve.Zone) report.Zone {
	out := report.Zone{Apex: printable(string(z.Apex)), DNSHost: diagnose.DetectHost(hostsOf(z.Servers)).Name, Detail: z.Detail}
	for _, s := range z.Servers {
		out.Servers = append(out.Servers, printable(s.ID))
	}
	return out
}

func printable(s string) string { return rrset.Printable([]byte(s)) }

func reportRecord(e monitor.Evidence, r checkResult) report.Record {
	record := e.Subject.Record
	out := report.Record{
		Key: r.Record, Purpose: record.Purpose, Name: r.Name, Type: r.Type, Kind: r.Kind.String(), Match: record.Match.String(),
		Status: r.Status, Reason: r.Reason, Rule: r.Rule, Notes: r.Notes, Decision: r.Numbers.String(),
	}
	if r.Status != "good" {
		out.Impact = r.Impact.String()
	}
	for _, w := range record.Want {
		out.Want = append(out.Want, printable(w))
	}
	for i, alternative := range record.Alternatives {
		out.Want = append(out.Want, fmt.Sprintf("or (%d): %s", i+1, printable(strings.Join(alternative, " | "))))
	}
	if r.Diagnosis != nil {
		out.Causes = r.Diagnosis.Causes
	}
	out.Commands = diagnose.Commands(record.Name, record.Kind.Type(), hostsOf(e.Zone.Servers))
	for _, h := range e.Heard {
		out.Answers = append(out.Answers, reportAnswer(h))
	}
	return out
}

func reportAnswer(h monitor.Heard) report.Answer {
	a := report.Answer{
		Source: printable(h.Source.ID), Role: "zone's own server", Address: h.Server.String(), Transport: h.Transport.String(),
		Rcode: rcode(h.Outcome), Stand: h.Stand.String(), TTL: h.TTL, Latency: h.Latency, Tries: h.Tries, At: h.At,
		Detail: h.Detail, Data: whole(h.Set), Flags: flagsOf(h.Observation),
	}
	if h.Source.Role == resolve.Recursive {
		a.Role = "resolver of " + string(h.Source.Operator)
	}
	for _, c := range h.Chain {
		a.Chain = append(a.Chain, printable(string(c)))
	}
	for _, e := range h.EDE {
		a.EDE = append(a.EDE, strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, printable(e.Text))))
	}
	return a
}

// rcode gives the response code, and what was empty or wrong about the reply.
func rcode(o resolve.Outcome) string {
	switch o {
	case resolve.Answered:
		return "NOERROR"
	case resolve.NoData:
		return "NOERROR (no data)"
	case resolve.NXDomain:
		return "NXDOMAIN"
	case resolve.ServFail:
		return "SERVFAIL"
	case resolve.Refused:
		return "REFUSED"
	case resolve.Elsewhere, resolve.Timeout, resolve.OtherRcode, resolve.Mismatched, resolve.Malformed, resolve.Truncated, resolve.Lame,
		resolve.Filtered, resolve.Stale, resolve.Network, resolve.Local:
	}
	return o.String()
}

func flagsOf(o resolve.Observation) string {
	var out []string
	for name, set := range map[string]bool{"AA": o.AA, "AD": o.AD, "DNSSEC bogus": o.Bogus} {
		if set {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	return strings.Join(out, " ")
}

// whole gives all data of a set; TXT as its strings, since where they are split may be the
// mistake.
func whole(set rrset.Set) []string {
	if set.Type != rrset.TXT {
		return set.Lines()
	}
	out := make([]string, len(set.Data))
	for i, data := range set.Data {
		var parts []string
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			parts = append(parts, `"`+printable(string(data[1:1+n]))+`"`)
			data = data[1+n:]
		}
		out[i] = strings.Join(parts, " ")
	}
	return out
}
