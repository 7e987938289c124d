// Package terminal writes for people who read a terminal, and for programs that read a pipe: colour, width and progress
// only where somebody sees them, tables that fit, and the same data as JSON or YAML.
//
//	s := terminal.New(os.Stdout, os.Getenv)
//	s.Table(terminal.Columns{{}, {Flexible: true}}, rows)
package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"
)

// The colours, as the numbers of ANSI escape sequences (ECMA-48 section 8.3.117).
const (
	Bold   = "1"
	Dim    = "2"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// Screen is where output goes. It is not safe for concurrent use. The first error sticks.
type Screen struct {
	out io.Writer
	// Colour says whether colours are seen, Width how many columns there are; 0 is no limit.
	Colour bool
	Width  int
	Err    error
}

// New looks what out is. Colours are for terminals only, and not if NO_COLOR is set (https://no-color.org) or TERM is
// dumb; FORCE_COLOR brings them into pipes. The width is the terminal's, or that of COLUMNS.
func New(out io.Writer, env func(string) string) *Screen {
	s := &Screen{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a file descriptor is small
		s.Colour = env("TERM") != "dumb"
		if w, _, err := term.GetSize(int(f.Fd())); err == nil { //nolint:gosec // as above
			s.Width = w
		}
		if n := 0; env("COLUMNS") != "" {
			if _, err := fmt.Sscan(env("COLUMNS"), &n); err == nil && n > 0 {
				s.Width = n
			}
		}
	}
	s.Colour = (s.Colour || env("FORCE_COLOR") != "") && env("NO_COLOR") == ""
	return s
}

// Terminal says whether a writer is a terminal.
func Terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor is small
}

// Printf writes text.
func (s *Screen) Printf(format string, args ...any) {
	if s.Err == nil {
		_, s.Err = fmt.Fprintf(s.out, format, args...)
	}
}

// Paint colours a text if colours are seen.
func (s *Screen) Paint(colour, text string) string {
	if !s.Colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// Width gives how many columns a text takes: CJK characters take two, combining ones none.
func Width(text string) int { return runewidth.StringWidth(text) }

// Pad fills a text up to a width, or cuts it so that it fits.
func Pad(text string, width int) string {
	return runewidth.FillRight(Cut(text, width), width)
}

// Cut shortens a text to a width, and shows that by an ellipsis.
func Cut(text string, width int) string { return runewidth.Truncate(text, width, "…") }

// Cell is a text in a table with its colour; the empty one is none.
type Cell struct{ Text, Colour string }

// Text makes a cell without colour.
func Text(text string) Cell { return Cell{Text: text} }

// Column says how a column may be treated.
type Column struct {
	// Title stands above it; if no column has one there is no such line.
	Title string
	// Flexible columns are cut when the terminal is too narrow, the widest first, but not below Least.
	Flexible bool
	Least    int
}

// gap stands between columns.
const gap = "  "

// Table writes rows, each with a cell for each column, aligned. On a terminal it is made to fit its width; in a pipe
// nothing is ever cut.
func (s *Screen) Table(columns []Column, rows [][]Cell) {
	widths := make([]int, len(columns))
	titled := false
	for i, c := range columns {
		widths[i] = Width(c.Title)
		titled = titled || c.Title != ""
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], Width(cell.Text))
		}
	}
	if s.Width > 0 {
		fit(widths, columns, s.Width)
	}
	if titled {
		head := make([]Cell, len(columns))
		for i, c := range columns {
			head[i] = Cell{c.Title, Dim}
		}
		rows = append([][]Cell{head}, rows...)
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString(gap)
			}
			padded := Pad(cell.Text, widths[i])
			if i == len(row)-1 {
				padded = strings.TrimRight(padded, " ")
			}
			line.WriteString(s.Paint(cell.Colour, padded))
		}
		s.Printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// fit takes width from flexible columns, always from the widest, until the line fits or none can give any more.
func fit(widths []int, columns []Column, most int) {
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > most {
		widest := -1
		for i, c := range columns {
			if c.Flexible && widths[i] > max(c.Least, 4) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		total--
	}
}

// Formats are the forms in which Write writes.
func Formats() []string { return []string{"json", "yaml"} }

// Write writes a value for programs, as JSON or, with the same names in the same order, as YAML.
func Write(out io.Writer, format string, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	if format != "yaml" {
		_, err := out.Write(text.Bytes())
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text.Bytes(), &node); err != nil { // JSON is YAML
		return fmt.Errorf("write YAML: %w", err)
	}
	blocks(&node)
	y := yaml.NewEncoder(out)
	y.SetIndent(2)
	if err := y.Encode(&node); err != nil {
		return err
	}
	return y.Close()
}

// blocks writes lists and maps over several lines, and quotes only what has to be.
func blocks(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	if n.Tag == "!!str" && slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(n.Value)) {
		n.Style = yaml.DoubleQuotedStyle // YAML 1.1 takes these for booleans
	}
	for _, c := range n.Content {
		blocks(c)
	}
}
