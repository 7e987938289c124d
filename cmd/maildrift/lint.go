package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

func newLint() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "lint [KIND [TEXT...]]",
		Short: "Judge a record's text before it is published",
		Long: `Says whether receivers can use a record, and what about it should be changed, without asking
any DNS. Kinds are ` + strings.Join(mailrec.LintKinds(), ", ") + `.

The text may stand as it will be published or as zone files have it, in quoted
strings. Several texts are several records at one name. Without a text, records of
the kind are read from standard input, one a line (for mta-sts-policy the whole
file). Without a kind, standard input holds JSON lines, {"kind":"dmarc","record":"…"},
and a JSON line comes out for each; a list in "record" is several records.

State is valid, invalid, revoked (says deliberately that nothing is there), or absent (no
record of the kind). Exit code 0 if all are valid, 1 if not, 2 for bad usage.`,
		Example: `  maildrift lint spf "v=spf1 include:_spf.example.com -all"
  maildrift lint mx "10 mx.example.com" "20 backup.example.com"
  maildrift lint mta-sts-policy < mta-sts.txt
  maildrift lint --format json < records.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return lint(cmd.InOrStdin(), cmd.OutOrStdout(), format, args)
		},
		ValidArgs: mailrec.LintKinds(),
	}
	formatFlag(c, &format)
	return c
}

func lint(in io.Reader, out io.Writer, format string, args []string) error {
	p := newPrinter(out)
	switch len(args) {
	case 0:
		return lintJSON(in, out)
	case 1:
		return lintLines(in, p, format, args[0])
	}
	report, err := mailrec.Lint(args[0], args[1:]...)
	if err != nil {
		return usageError(err)
	}
	p.lint(format, args[0], report)
	return lintExit(report.Valid, p.err)
}

func lintExit(valid bool, err error) error {
	if err == nil && !valid {
		return &exitError{code: exitProblems}
	}
	return err
}

// lintLines judges records of one kind, one a line.
func lintLines(in io.Reader, p *printer, format, kind string) error {
	if _, err := mailrec.Lint(kind); err != nil {
		return usageError(err)
	}
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	records := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	if kind == "mta-sts-policy" {
		records = []string{string(text)}
	}
	all := true
	for _, record := range records {
		report, err := mailrec.Lint(kind, strings.TrimRight(record, "\r"))
		if err != nil {
			return usageError(err)
		}
		p.lint(format, kind, report)
		all = all && report.Valid
	}
	return lintExit(all, p.err)
}

// lintQuestion is a line of input.
type lintQuestion struct {
	Kind   string     `json:"kind"`
	Record lintRecord `json:"record"`
}

// lintRecord is one text or several.
type lintRecord []string

// UnmarshalJSON reads a string, a list of strings, or null for no record.
func (r *lintRecord) UnmarshalJSON(b []byte) error {
	var one *string
	if json.Unmarshal(b, &one) == nil {
		if one != nil {
			*r = lintRecord{*one}
		}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(r))
}

// lintAnswer is a line of output.
type lintAnswer struct {
	Kind string `json:"kind"`
	mailrec.LintReport
}

// lintJSON answers JSON lines with JSON lines, in order. A line that cannot be read gets an
// error in its place.
func lintJSON(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	all, unread := true, 0
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var q lintQuestion
		err := json.Unmarshal(lines.Bytes(), &q)
		var report mailrec.LintReport
		if err == nil {
			report, err = mailrec.Lint(q.Kind, q.Record...)
		}
		if err != nil {
			unread++
			if err := enc.Encode(map[string]any{"line": number, "error": err.Error()}); err != nil {
				return err
			}
			continue
		}
		all = all && report.Valid
		if err := enc.Encode(lintAnswer{q.Kind, report}); err != nil {
			return err
		}
	}
	switch {
	case lines.Err() != nil:
		return fmt.Errorf("read standard input: %w", lines.Err())
	case unread == 1:
		return usageError(errors.New("one line could not be read"))
	case unread > 1:
		return usageError(fmt.Errorf("%d lines could not be read", unread))
	}
	return lintExit(all, nil)
}

// lintColours are those of severities.
var lintColours = map[mailrec.Severity]string{mailrec.Error: red, mailrec.Warning: yellow, mailrec.Note: dim}

func (p *printer) lint(format, kind string, r mailrec.LintReport) {
	switch format {
	case "yaml":
		p.printf("---\n")
		if p.err == nil {
			p.err = terminal.Write(p.out, format, lintAnswer{kind, r})
		}
		return
	case "json":
		b, err := json.Marshal(lintAnswer{kind, r})
		if p.err == nil {
			p.err = err
		}
		p.printf("%s\n", b)
		return
	}
	colour := red
	if r.Valid {
		colour = green
	}
	p.printf("%s\n", p.paint(colour, r.State.String()))
	for _, f := range r.Findings {
		p.printf("  %s  %s%s\n", p.paint(lintColours[f.Severity], fmt.Sprintf("%-7s", f.Severity)), f.Text, inBrackets(f.Rule))
		if f.Instead != "" {
			p.printf("           write   %s\n", rrset.Printable([]byte(f.Instead)))
		}
	}
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
