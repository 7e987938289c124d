package tables

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The marks in a document between which the tables are.
const (
	beginMark = "<!-- figures: made by `make bench-docs`, not by hand -->"
	endMark   = "<!-- end of figures -->"
)

// Replace puts the tables into a document, between its marks.
func Replace(document []byte, tables string) ([]byte, error) {
	head, rest, found := bytes.Cut(document, []byte(beginMark))
	_, tail, ended := bytes.Cut(rest, []byte(endMark))
	if !found || !ended {
		return nil, errors.New("the document has no place for tables, which is between " + beginMark + " and " + endMark)
	}
	return slices.Concat(head, []byte(beginMark+"\n\n"), []byte(tables), []byte("\n"+endMark), tail), nil
}

// Markdown gives the tables of everything that was measured. Kinds of which nothing was measured have none.
func (s Set) Markdown() string {
	var out strings.Builder
	for _, r := range s {
		if r.Kind == Setup {
			fmt.Fprintf(&out, "Measured on %.0f cores shared by client and server, with %s; runs: %d; figures are medians of the runs (least–greatest).\n", r.Values["cores"], r.Case, s.runs())
			break
		}
	}
	for _, part := range []struct {
		title string
		table table
	}{
		{"Asking", s.asking()},
		{"Asking over a bad way", s.impaired()},
		{"Sweeps", s.sweeps()},
		{"What an observation costs as the fleet grows", s.curve()},
		{"One dead resolver of twelve", s.dead()},
		{"Memory and disk", s.memory()},
		{"Memory from sweep to sweep", s.flatness()},
		{"Start and scrape", s.start()},
	} {
		if len(part.table.rows) > 0 {
			fmt.Fprintf(&out, "\n### %s\n\n%s", part.title, part.table)
		}
	}
	return out.String()
}

func (s Set) runs() int {
	seen := map[int]bool{}
	for _, r := range s {
		if r.Kind != Setup {
			seen[r.Run] = true
		}
	}
	return len(seen)
}

// table is a table of text; all columns but the first hold numbers.
type table struct {
	head []string
	rows [][]string
}

// String gives the table in Markdown.
func (t table) String() string {
	var out strings.Builder
	line := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	rule := slices.Repeat([]string{"--:"}, len(t.head))
	rule[0] = "---"
	line(rule)
	for _, r := range t.rows {
		line(r)
	}
	return out.String()
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// cases gives the cases of a kind in the order in which they were measured.
func (s Set) cases(k Kind) []string {
	var out []string
	for _, r := range s {
		if r.Kind == k && !slices.Contains(out, r.Case) {
			out = append(out, r.Case)
		}
	}
	return out
}

// sizes gives the sizes of the fleets of a kind and case, ascending.
func (s Set) sizes(k Kind, name string) []int {
	var out []int
	for _, r := range s {
		if r.Kind == k && r.Case == name {
			out = append(out, r.Domains)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func is(k Kind, name string) func(Result) bool {
	return func(r Result) bool { return r.Kind == k && r.Case == name }
}

// of narrows to a size, and to the sweeps from one to another; 0 is no bound.
func of(k Kind, name string, domains, first, last int) func(Result) bool {
	return func(r Result) bool {
		return r.Kind == k && r.Case == name && r.Domains == domains && r.Sweep >= first && (last == 0 || r.Sweep <= last)
	}
}

// value gives a value as it is, ratio one divided by another.
func value(name string) func(v map[string]float64) float64 {
	return func(v map[string]float64) float64 { return v[name] }
}

func ratio(name, by string) func(v map[string]float64) float64 {
	return func(v map[string]float64) float64 { return v[name] / v[by] }
}

// given is value, and known is ratio, where the value is not in all results.
func given(name string) func(v map[string]float64) float64 {
	return func(v map[string]float64) float64 {
		if it, ok := v[name]; ok {
			return it
		}
		return math.NaN()
	}
}

func known(name, by string) func(v map[string]float64) float64 {
	return func(v map[string]float64) float64 { return given(name)(v) / v[by] }
}

func cpuPer(by string) func(v map[string]float64) float64 {
	return func(v map[string]float64) float64 { return (v["user"] + v["system"]) / v[by] }
}
