package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep a document may nest, aliases followed.
const maxDepth = 64

// maxAliased bounds how many nodes aliases may stand for, counted each time: a short file could otherwise stand for
// billions. What is written out is bounded by the size of its file.
const maxAliased = 1_000_000

// Problem is one thing wrong with a configuration, with its place.
type Problem struct {
	File string
	Line int
	// Path is the field: "domains[3].service".
	Path string
	Text string
}

// Error gives "FILE:LINE: path: what is wrong".
func (p Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	if p.Path == "" {
		return place + ": " + p.Text
	}
	return place + ": " + p.Path + ": " + p.Text
}

// decoder reads YAML nodes into structs strictly and collects all that is wrong.
type decoder struct {
	file     string
	env      func(string) (string, bool)
	lines    map[string]int
	problems []error
	// aliased counts the nodes that aliases stood for, within says how many aliases lead to the one that is read.
	aliased, within int
	// unread are the fields, by file, whose value is of no use, and above those that have one of them below: what is missing for
	// that is not to be complained of again.
	unread, above map[[2]string]bool
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
	nodeType        = reflect.TypeFor[yaml.Node]()
)

func (d *decoder) problem(line int, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{d.file, line, path, fmt.Sprintf(format, args...)})
}

// useless adds a problem with the value of a field, which is not taken.
func (d *decoder) useless(line int, path, format string, args ...any) {
	if d.unread == nil {
		d.unread, d.above = map[[2]string]bool{}, map[[2]string]bool{}
	}
	d.unread[[2]string{d.file, path}] = true
	for p := path; p != ""; p = parent(p) {
		d.above[[2]string{d.file, p}] = true
	}
	d.problem(line, path, format, args...)
}

// usable says whether all values at a field and below it could be taken.
func (d *decoder) usable(path string) bool { return !d.above[[2]string{d.file, path}] }

// belongs says whether a field is one whose value is of no use, or below one.
func (d *decoder) belongs(path string) bool {
	for p := path; p != ""; p = parent(p) {
		if d.unread[[2]string{d.file, p}] {
			return true
		}
	}
	return false
}

// parent gives the field that a field is in; empty for one of the document.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// at adds a problem to a field that has been read. If its value could not be taken, that has been said.
func (d *decoder) at(path, format string, args ...any) {
	if d.unread[[2]string{d.file, path}] {
		return
	}
	line, ok := d.lines[path]
	for p := path; !ok && p != ""; {
		p = parent(p)
		line, ok = d.lines[p]
	}
	d.problem(line, path, format, args...)
}

func (d *decoder) err() error { return errors.Join(d.problems...) }

// decode reads a node into a value.
func (d *decoder) decode(n *yaml.Node, path string, v reflect.Value, depth int) {
	if depth > maxDepth {
		d.problem(n.Line, path, "nested too deep: %d levels at most", maxDepth)
		return
	}
	if d.within > 0 {
		if d.aliased++; d.aliased > maxAliased {
			if d.aliased == maxAliased+1 {
				d.problem(n.Line, path, "too large: aliases stand for more than %d values; write out what they stand for", maxAliased)
			}
			return
		}
	}
	if n.Kind == yaml.AliasNode {
		d.within++
		d.decode(n.Alias, path, v, depth+1)
		d.within--
		return
	}
	d.lines[path] = n.Line
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(*n))
		return
	}
	if n.Tag == "!!null" {
		return // "key:" with nothing behind it is the default
	}
	if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
		d.text(n, path, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, path, v, depth)
	case reflect.Map:
		d.table(n, path, v, depth)
	case reflect.Slice:
		d.list(n, path, v, depth)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, path, v.Elem(), depth+1)
	default:
		d.scalar(n, path, v)
	}
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", n.Value)
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return "something else"
}

// pairs gives the keys and values of a mapping and complains of keys used twice.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.useless(n.Line, path, "want a mapping of keys to values, got %s", kindName(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			d.problem(k.Line, path, "a key must be a word, got %s", kindName(k))
			continue
		}
		if first, twice := seen[k.Value]; twice {
			d.problem(k.Line, join(path, k.Value), "given twice; the first is in line %d", first)
			continue
		}
		seen[k.Value] = k.Line
		f(k.Value, k, n.Content[i+1])
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value, depth int) {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	d.pairs(n, path, func(key string, k, value *yaml.Node) {
		field, ok := fields[key]
		if !ok {
			d.problem(k.Line, join(path, key), "unknown key%s", suggest(key, keys(fields)))
			return
		}
		d.decode(value, join(path, key), field, depth+1)
	})
}

func (d *decoder) table(n *yaml.Node, path string, v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key string, _, value *yaml.Node) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, join(path, key), elem, depth+1)
		v.SetMapIndex(reflect.ValueOf(key), elem)
	})
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value, depth int) {
	items := n.Content
	if n.Kind == yaml.ScalarNode && v.Type().Elem().Kind() == reflect.String {
		items = []*yaml.Node{n} // one value may stand without its list
	} else if n.Kind != yaml.SequenceNode {
		d.useless(n.Line, path, "want a list, got %s", kindName(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		p := fmt.Sprintf("%s[%d]", path, i)
		if n.Kind == yaml.ScalarNode {
			p = path
		}
		d.decode(item, p, v.Index(i), depth+1)
	}
}

// value gives a scalar's text with environment variables filled in.
func (d *decoder) value(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.useless(n.Line, path, "want one value, got %s", kindName(n))
		return "", false
	}
	out, err := expand(n.Value, d.env)
	if err != nil {
		d.useless(n.Line, path, "%v", err)
		return "", false
	}
	return out, true
}

func (d *decoder) text(n *yaml.Node, path string, v reflect.Value) {
	s, ok := d.value(n, path)
	if !ok {
		return
	}
	u, _ := v.Addr().Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText([]byte(s)); err != nil {
		if _, ok := v.Interface().(slog.Level); ok {
			err = fmt.Errorf("want debug, info, warn or error, got %q", s)
		}
		d.useless(n.Line, path, "%v", err)
	}
}

func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value) {
	s, ok := d.value(n, path)
	if !ok {
		return
	}
	if v.Type() == durationType {
		t, err := model.ParseDuration(s)
		if err != nil {
			d.useless(n.Line, path, "%q is not a duration: write for example 30s, 15m, 48h or 400d", s)
			return
		}
		v.SetInt(int64(t))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			d.useless(n.Line, path, "want true or false, got %q", s)
			return
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			d.useless(n.Line, path, "want a whole number, got %q", s)
			return
		}
		v.SetInt(i)
	case reflect.Uint16:
		i, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			d.useless(n.Line, path, "want a number from 0 to 65535, got %q", s)
			return
		}
		v.SetUint(i)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			d.useless(n.Line, path, "want a number, got %q", s)
			return
		}
		v.SetFloat(f)
	default:
		panic("config: no way to decode a " + v.Type().String())
	}
}

// expand fills in ${NAME} from the environment; $${ stands for ${ itself.
func expand(s string, env func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			out.WriteString(s)
			return out.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", fmt.Errorf("${ without }; write $${ for the characters themselves")
		}
		name := s[i+2 : i+end]
		value, ok := env(name)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		out.WriteString(s[:i] + value)
		s = s[i+end+1:]
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// suggest ends an error about a wrong word.
func suggest(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if n := distance(strings.ToLower(word), k); n < least {
			best, least = k, n
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) == 0:
		return ""
	}
	return "; known are " + strings.Join(known, ", ")
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}
