package preset

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Preset is what one mail service wants to be published. It is read-only.
type Preset struct {
	// ID is how the configuration names it, for example "directmail".
	ID string `yaml:"id" json:"id"`
	// Replace lets a preset take the place of another of its ID, see Set.With.
	Replace bool `yaml:"replace" json:"replace,omitempty"`
	// Title and Summary are for people.
	Title   string `yaml:"title" json:"title"`
	Summary string `yaml:"summary" json:"summary"`
	// Docs is where the service documents its records; empty for custom.
	Docs string `yaml:"docs" json:"docs,omitempty"`
	// Deadline is after how long a missing record makes the service withdraw its
	// verification; 0 if the service does not say.
	Deadline time.Duration `yaml:"deadline" json:"deadline_ns,omitempty"`
	// Params are what a domain has to or may say.
	Params []Param `yaml:"params" json:"params,omitempty"`
	// Tables look up values by a parameter: {{table.region.spf}} is the entry spf in
	// the row that the parameter region names.
	Tables map[string]map[string]map[string]string `yaml:"tables" json:"tables,omitempty"`
	// Records are what to publish.
	Records []Record `yaml:"records" json:"records,omitempty"`
	// Limits and Advice are sentences for people.
	Limits []string `yaml:"limits" json:"limits,omitempty"`
	Advice []string `yaml:"advice" json:"advice,omitempty"`

	// doc is where it was read.
	doc document
}

// Param is one parameter of a preset.
type Param struct {
	Name  string `yaml:"name" json:"name"`
	Title string `yaml:"title" json:"title"`
	// Required parameters have no default. A default may name other parameters, as a
	// record's templates do.
	Required bool `yaml:"required" json:"required,omitempty"`
	// RequiredWhen are conditions, as a record's When, of which one makes it required.
	RequiredWhen []string `yaml:"required_when" json:"required_when,omitempty"`
	Default      string   `yaml:"default" json:"default,omitempty"`
	// Pattern is a regular expression for the whole value; Values lists all values there are. Empty
	// means that anything goes.
	Pattern string   `yaml:"pattern" json:"pattern,omitempty"`
	Values  []string `yaml:"values" json:"values,omitempty"`
	// List says that the parameter holds several values, separated by commas.
	List bool `yaml:"list" json:"list,omitempty"`
	// Example is shown in errors.
	Example string `yaml:"example" json:"example,omitempty"`

	// fits is Pattern compiled, when the preset is loaded; nil without one.
	fits *regexp.Regexp
}

// Set is all presets that were loaded.
type Set struct{ byID map[string]Preset }

// Get gives the preset with that ID.
func (s Set) Get(id string) (Preset, error) {
	if p, ok := s.byID[id]; ok {
		return p, nil
	}
	return Preset{}, fmt.Errorf("unknown mail service %q%s", id, suggest(id, s.ids()))
}

// List gives all presets, sorted by ID.
func (s Set) List() []Preset {
	out := make([]Preset, 0, len(s.byID))
	for _, id := range s.ids() {
		out = append(out, s.byID[id])
	}
	return out
}

func (s Set) ids() []string {
	ids := make([]string, 0, len(s.byID))
	for id := range s.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// param gives the parameter with that name.
func (p Preset) param(name string) (Param, bool) {
	i := slices.IndexFunc(p.Params, func(q Param) bool { return q.Name == name })
	if i < 0 {
		return Param{}, false
	}
	return p.Params[i], true
}

func (p Preset) paramNames() []string {
	out := make([]string, 0, len(p.Params))
	for _, q := range p.Params {
		out = append(out, q.Name)
	}
	return out
}

// suggest ends an error about a wrong word: with the nearest right one, or with all.
func suggest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), k); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) == 0:
		return ""
	}
	return "; there are " + strings.Join(known, ", ")
}

// editDistance counts letters to insert, delete, replace or swap with their neighbour.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
