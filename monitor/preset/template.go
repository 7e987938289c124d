package preset

import (
	"fmt"
	"strings"

	"maildrift/monitor/rrset"
)

// values are what placeholders stand for in one expansion.
type values struct {
	preset Preset
	domain rrset.Name
	// given holds the parameters that somebody gave, filled those and the defaults.
	given, filled map[string]string
	// each is the value of the list parameter that the record is made for.
	each string
}

// filledIn is a template with its placeholders replaced.
type filledIn struct {
	text string
	// missing names the parameters that have no value; the text has <title> there.
	missing []string
}

// fill replaces the placeholders of a template.
func (v values) fill(template string) (filledIn, error) {
	var out strings.Builder
	var missing []string
	rest := template
	for {
		before, after, found := strings.Cut(rest, "{{")
		out.WriteString(before)
		if !found {
			return filledIn{out.String(), missing}, nil
		}
		name, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return filledIn{}, fmt.Errorf("template %q has {{ without }}", template)
		}
		text, ok, err := v.lookUp(name)
		if err != nil {
			return filledIn{}, fmt.Errorf("template %q: %w", template, err)
		}
		if !ok {
			q, _ := v.preset.param(name)
			text = "<" + q.Title + ">"
			missing = append(missing, name)
		}
		out.WriteString(text)
		rest = tail
	}
}

// lookUp gives what a placeholder stands for; ok is false for a parameter without
// a value.
func (v values) lookUp(name string) (text string, ok bool, err error) {
	switch name {
	case "domain":
		return string(v.domain), true, nil
	case "dashes":
		return strings.ReplaceAll(string(v.domain), ".", "-"), true, nil
	case "each":
		if v.each == "" {
			return "", false, fmt.Errorf("{{each}} needs a record with each")
		}
		return v.each, true, nil
	}
	if path, isTable := strings.CutPrefix(name, "table."); isTable {
		return v.lookUpTable(path)
	}
	if _, known := v.preset.param(name); !known {
		return "", false, fmt.Errorf("{{%s}} is no parameter%s", name, suggest(name, v.preset.paramNames()))
	}
	text, ok = v.filled[name]
	return text, ok, nil
}

// lookUpTable gives the entry of "param.entry".
func (v values) lookUpTable(path string) (string, bool, error) {
	param, entry, _ := strings.Cut(path, ".")
	row, ok := v.preset.Tables[param][v.filled[param]]
	if !ok {
		return "", false, fmt.Errorf("there is no table row for %s %q", param, v.filled[param])
	}
	text, ok := row[entry]
	if !ok {
		return "", false, fmt.Errorf("the table row for %s %q has no entry %q", param, v.filled[param], entry)
	}
	return text, true, nil
}

// fillAll fills all templates; complete is false if a value was missing.
func (v values) fillAll(templates []string) (texts []string, complete bool, err error) {
	complete = true
	for _, template := range templates {
		f, err := v.fill(template)
		if err != nil {
			return nil, false, err
		}
		texts = append(texts, f.text)
		complete = complete && len(f.missing) == 0
	}
	return texts, complete, nil
}
