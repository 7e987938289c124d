package preset

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor/rrset"
)

// Load reads all *.yml files below fsys, one preset a file. It is strict: unknown
// fields, unknown placeholders, and presets that do not expand with their own
// examples are errors, which name file and line.
func Load(fsys fs.FS) (Set, error) {
	s := Set{byID: map[string]Preset{}}
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading presets: %w", err)
		}
		if d.IsDir() || path.Ext(file) != ".yml" {
			return nil
		}
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return fmt.Errorf("reading preset: %w", err)
		}
		p, err := parse(file, text)
		if err != nil {
			return err
		}
		if s, err = s.with(p); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return Set{}, err
	}
	return s, nil
}

// With gives the set with one more preset, read from a file's text as strictly as Load
// does. One with the ID of another takes its place if it says "replace: true", and is
// an error if it does not.
func (s Set) With(file string, text []byte) (Set, error) {
	p, err := parse(file, text)
	if err != nil {
		return Set{}, err
	}
	return s.with(p)
}

func (s Set) with(p Preset) (Set, error) {
	had, exists := s.byID[p.ID]
	switch {
	case exists && !p.Replace:
		return Set{}, p.doc.errorAt(fmt.Errorf("there is a preset %q already (%s): choose another ID, or write \"replace: true\" to put this one in its place",
			p.ID, had.doc.file), "id")
	case !exists && p.Replace:
		return Set{}, p.doc.errorAt(fmt.Errorf("there is no preset %q to replace%s", p.ID, suggest(p.ID, s.ids())), "replace")
	}
	out := Set{byID: maps.Clone(s.byID)}
	out.byID[p.ID] = p
	return out, nil
}

// yamlLine finds the line in the YAML library's messages.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// parse reads one preset. Its ID is the name of its file.
func parse(file string, text []byte) (Preset, error) {
	var p Preset
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil {
		return p, decodeError(file, text, err)
	}
	doc := document{file: file}
	// The same text decodes: it has just done so.
	if err := yaml.Unmarshal(text, &doc.node); err != nil {
		return p, decodeError(file, text, err)
	}
	p.doc = doc
	var problems []error
	if id := strings.TrimSuffix(path.Base(file), ".yml"); p.ID != id {
		problems = append(problems, doc.errorAt(fmt.Errorf("the ID is %q but the file is named %q", p.ID, path.Base(file)), "id"))
	}
	problems = append(problems, p.validateParams(doc)...)
	if problems = append(problems, p.validateRecords(doc)...); len(problems) > 0 {
		return p, errors.Join(problems...)
	}
	return p, p.validateExpansion(doc)
}

// decodeError puts the file and the line in front of each thing that is wrong.
func decodeError(file string, text []byte, err error) error {
	messages := []string{err.Error()}
	var typeErr *yaml.TypeError
	if errors.As(err, &typeErr) && len(typeErr.Errors) > 0 {
		messages = typeErr.Errors
	}
	var problems []error
	for _, message := range messages {
		at := yamlLine.FindStringSubmatchIndex(message)
		if at == nil {
			problems = append(problems, fmt.Errorf("%s:%d: %s", file, lineOfQuoted(text, message), strings.TrimPrefix(message, "yaml: ")))
			continue
		}
		problems = append(problems, fmt.Errorf("%s:%s: %s", file, message[at[2]:at[3]], message[at[1]:]))
	}
	return errors.Join(problems...)
}

// quoted finds the value that an error is about.
var quoted = regexp.MustCompile(`"([^"]+)"`)

// lineOfQuoted gives the line of the first value that a message quotes, 1 if there is none: the YAML library does not say where it
// found a word that a type of ours has refused.
func lineOfQuoted(text []byte, message string) int {
	value := quoted.FindStringSubmatch(message)
	var doc yaml.Node
	if value == nil || yaml.Unmarshal(text, &doc) != nil {
		return 1
	}
	var find func(n *yaml.Node) int
	find = func(n *yaml.Node) int {
		if n.Kind == yaml.ScalarNode && n.Value == value[1] {
			return n.Line
		}
		for _, child := range n.Content {
			if line := find(child); line > 0 {
				return line
			}
		}
		return 0
	}
	return max(1, find(&doc))
}

// validateParams checks names, patterns, defaults and examples, and says what is wrong with each.
func (p Preset) validateParams(doc document) []error {
	var problems []error
	for i := range p.Params {
		if err := p.validateParam(i); err != nil {
			problems = append(problems, doc.errorAt(fmt.Errorf("parameter %s: %w", p.Params[i].Name, err), "params", i))
		}
	}
	return problems
}

func (p Preset) validateParam(i int) error {
	q := &p.Params[i]
	if err := q.compile(); err != nil {
		return err
	}
	switch {
	case q.Name == "" || q.Title == "":
		return errors.New("it needs a name and a title")
	case slices.Contains(p.paramNames()[:i], q.Name):
		return errors.New("it is defined twice")
	case q.Required && q.Default != "":
		return errors.New("it is required and has a default")
	case cmp.Or(q.Example, q.Default) == "":
		return errors.New("it needs an example")
	}
	if err := q.check(cmp.Or(q.Example, q.Default)); err != nil {
		return fmt.Errorf("its own example does not fit: %w", err)
	}
	if err := p.validateConditions(q.RequiredWhen); err != nil {
		return fmt.Errorf("required_when: %w", err)
	}
	return nil
}

// validateRecords checks each record by itself, and says what is wrong with each.
func (p Preset) validateRecords(doc document) []error {
	var problems []error
	for i, r := range p.Records {
		if err := p.validateRecord(r); err != nil {
			problems = append(problems, doc.errorAt(fmt.Errorf("record %s: %w", r.Key, err), "records", i))
		}
	}
	return problems
}

// validateExpansion expands every record for a sample domain, once with nothing but
// what is required, once with everything, once for each value of each parameter.
func (p Preset) validateExpansion(doc document) error {
	least, all := p.WithExamples(nil), map[string]string{}
	for _, q := range p.Params {
		all[q.Name] = cmp.Or(q.Example, q.Default)
		if strings.Contains(all[q.Name], "{{") {
			delete(all, q.Name)
		}
	}
	tries := []map[string]string{least, all}
	for _, q := range p.Params {
		for _, value := range q.Values {
			try := map[string]string{q.Name: value}
			for name, example := range all {
				if name != q.Name {
					try[name] = example
				}
			}
			tries = append(tries, try)
		}
	}
	for _, try := range tries {
		if _, err := p.Expand("news.example.com", try); err != nil {
			return doc.errorAt(fmt.Errorf("expanding it with %v: %w", try, err), "records")
		}
	}
	return nil
}

// validateRecord checks what no expansion would reach.
func (p Preset) validateRecord(r Record) error {
	if r.Key == "" || r.Title == "" || r.Host == "" {
		return errors.New("it needs a key, a title and a host")
	}
	if err := p.validateConditions(r.When); err != nil {
		return fmt.Errorf("when: %w", err)
	}
	if q, known := p.param(r.Each); r.Each != "" && (!known || !q.List) {
		return fmt.Errorf("each: %q is not a parameter that is a list", r.Each)
	}
	v := values{preset: p, domain: rrset.Name("example.com"), each: "x"}
	for _, templates := range append(slices.Clone(r.Alternatives), r.Want, r.Publish, []string{r.Key, r.Host}) {
		for _, template := range templates {
			if strings.Contains(template, "{{table.") {
				continue
			}
			if _, err := v.fill(template); err != nil {
				return err
			}
		}
	}
	return nil
}

// validateConditions checks that conditions speak of parameters and of values that they can have.
func (p Preset) validateConditions(conditions []string) error {
	for _, condition := range conditions {
		name, value, compares := strings.Cut(condition, "=")
		q, known := p.param(name)
		if !known {
			return fmt.Errorf("unknown parameter %q%s", name, suggest(name, p.paramNames()))
		}
		if compares && len(q.Values) > 0 && !slices.Contains(q.Values, value) {
			return fmt.Errorf("%s cannot be %q%s", name, value, suggest(value, q.Values))
		}
	}
	return nil
}
