package report

import (
	"embed"
	"fmt"
	html "html/template"
	"io"
	"strings"
	text "text/template"

	"maildrift/monitor/diagnose"
)

// Format is how a report is written.
type Format string

// The formats.
const (
	Markdown Format = "markdown"
	HTML     Format = "html"
)

//go:embed templates
var files embed.FS

var functions = map[string]any{"stamp": stamp, "code": code, "fence": fence, "plain": plain, "answers": answers, "entry": entry}

var (
	asText = text.Must(text.New("report.md").Funcs(functions).ParseFS(files, "templates/report.md"))
	asHTML = html.Must(html.New("report.html").Funcs(functions).ParseFS(files, "templates/report.html"))
)

// Write writes the report.
func (r Report) Write(out io.Writer, f Format) error {
	switch f {
	case Markdown:
		return asText.Execute(out, r)
	case HTML:
		return asHTML.Execute(out, r)
	}
	return fmt.Errorf("unknown report format %q: use markdown or html", string(f))
}

// longestRun gives the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// fence puts lines into a code block that none of them can end (CommonMark section 4.5).
func fence(lines []string) string {
	block := strings.Join(lines, "\n")
	ticks := strings.Repeat("`", max(3, longestRun(block)+1))
	return ticks + "text\n" + block + "\n" + ticks
}

// code puts a text into a code span that it cannot end (CommonMark section 6.1).
func code(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "-"
	}
	if !strings.Contains(s, "`") {
		return "`" + s + "`"
	}
	ticks := strings.Repeat("`", longestRun(s)+1)
	return ticks + " " + s + " " + ticks
}

// escapes keeps text from being read as Markdown: emphasis, links, HTML, entities, and what GitHub makes
// links of by itself.
var escapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "#", `\#`, "|", `\|`,
	"~", `\~`, "!", `\!`, "$", `\$`, "@", `\@`, "://", `:\//`, "www.", `www\.`, "\n", " ", "\r", " ",
)

// plain escapes a sentence. At the beginning of a line, where it must not stand, it could still
// be a list or a heading.
func plain(s string) string { return escapes.Replace(s) }

// answers gives all answers as lines of text.
func answers(list []Answer) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.lines()...)
	}
	return out
}

// entry gives a record to publish as lines: plain, for BIND, and for the DNS host's panel.
func entry(l diagnose.Line) []string {
	out := []string{l.String(), "", "BIND: " + l.MasterFile}
	for i, f := range l.Entry {
		if i == 0 {
			out = append(out, "", l.Panel+":")
		}
		out = append(out, fmt.Sprintf("  %s: %s", f.Label, f.Value))
	}
	return out
}
