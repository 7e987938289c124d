package alert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mostNodes bounds what is taken apart: aliases are followed, and may stand for more than anybody has written.
const mostNodes = 100_000

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// Path is the field: "receivers[1].webhook_configs[0]"; empty for the configuration as a whole.
	Path string
	// Text says what is wrong and how to repair it. It holds no secrets.
	Text string
}

// Faults says all that is wrong with a configuration that ParseConfigIn refuses; none if it does not. Alertmanager stops at the first
// mistake, so each receiver, route, rule and interval is shown to it by itself, in a configuration that is sound otherwise.
func Faults(dir string, text []byte) []Fault {
	whole := &Config{}
	err := whole.parse(dir, text)
	if err == nil {
		return nil
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) == nil {
		if top, errTop := topLevel(&doc); errTop == nil {
			c := &checker{dir: dir}
			if top = (mapping{c.plain(top.Node, 0)}); c.nodes <= mostNodes {
				c.sections(top)
			}
			if len(c.faults) > 0 {
				return c.faults
			}
		}
	}
	// It shows in the whole only.
	return whole.faultsOf(err, text, func(path string) string { return path })
}

// checker collects the faults of the parts of a configuration.
type checker struct {
	dir    string
	nodes  int
	faults []Fault
	// names and intervals are the receivers and time intervals that there are, as far as their names can be read.
	names, intervals []string
	// global is the section of that name; nil if there is none. brokenGlobal says that it has faults, so that what others lack may
	// stand there.
	global       *yaml.Node
	brokenGlobal bool
}

func (c *checker) sections(top mapping) {
	receivers := top.value("receivers")
	if receivers != nil && receivers.Kind != yaml.SequenceNode {
		c.add(Fault{"receivers", "want a list of receivers"}) // and whether others name the right ones nobody can say
		return
	}
	c.names = c.namesIn(receivers, "receivers")
	if receivers == nil {
		c.names = []string{"default"}
	}
	c.intervals = append(c.namesIn(top.value("time_intervals"), "time_intervals"), c.namesIn(top.value("mute_time_intervals"), "mute_time_intervals")...)
	if global := top.value("global"); global != nil {
		before := len(c.faults)
		c.look("global", "global", c.around("global", global))
		if c.brokenGlobal = len(c.faults) > before; !c.brokenGlobal {
			c.global = global
		}
	}
	if receivers != nil && top.value("route") == nil {
		if _, err := onlyReceiver(receivers); err != nil {
			c.add(Fault{"receivers", err.Error()})
		}
	}
	c.route(top.value("route"), "route")
	for i, r := range items(receivers) {
		c.receiver(r, fmt.Sprintf("receivers[%d]", i))
	}
	for _, key := range []string{"inhibit_rules", "time_intervals", "mute_time_intervals", "templates"} {
		for i, item := range items(top.value(key)) {
			c.look(fmt.Sprintf("%s[%d]", key, i), key+"[0]", c.around(key, listOf(item)))
		}
	}
}

// namesIn gives the names of what is in a list, and complains of one that is used twice.
func (c *checker) namesIn(list *yaml.Node, path string) []string {
	var out []string
	at := map[string]int{}
	for i, item := range items(list) {
		n := (mapping{item}).value("name")
		if n == nil || n.Kind != yaml.ScalarNode {
			continue
		}
		if first, twice := at[n.Value]; twice {
			c.add(Fault{fmt.Sprintf("%s[%d].name", path, i), fmt.Sprintf("%q is used twice, the first is %s[%d]: give each a name of its own", n.Value, path, first)})
			continue
		}
		at[n.Value] = i
		out = append(out, n.Value)
	}
	return out
}

// receiver looks at a receiver, and at each of its integrations by itself.
func (c *checker) receiver(r *yaml.Node, path string) {
	bare := &yaml.Node{Kind: r.Kind, Tag: r.Tag, Value: r.Value, Style: r.Style}
	type entry struct {
		key  string
		at   int
		node *yaml.Node
	}
	var entries []entry
	for i := 0; i+1 < len(r.Content) && r.Kind == yaml.MappingNode; i += 2 {
		key, value := r.Content[i], r.Content[i+1]
		if !strings.HasSuffix(key.Value, "_configs") || value.Kind != yaml.SequenceNode {
			bare.Content = append(bare.Content, key, value)
			continue
		}
		for at, node := range value.Content {
			entries = append(entries, entry{key.Value, at, node})
		}
	}
	if r.Kind == yaml.SequenceNode {
		bare.Content = r.Content
	}
	c.look(path, "receivers[0]", c.receiving(bare))
	name := "x"
	if n := (mapping{r}).value("name"); n != nil && n.Kind == yaml.ScalarNode {
		name = n.Value
	}
	for _, e := range entries {
		alone := mapOf("name", scalar(name), e.key, listOf(e.node))
		c.look(fmt.Sprintf("%s.%s[%d]", path, e.key, e.at), fmt.Sprintf("receivers[0].%s[0]", e.key), c.receiving(alone))
	}
}

// receiving is a configuration whose only fault can be in this receiver.
func (c *checker) receiving(r *yaml.Node) *yaml.Node {
	name := "x"
	if n := (mapping{r}).value("name"); n != nil && n.Kind == yaml.ScalarNode {
		name = n.Value
	}
	doc := mapOf("receivers", listOf(r), "route", mapOf("receiver", scalar(name)))
	if c.global != nil {
		doc.Content = append(doc.Content, scalar("global"), c.global)
	}
	return doc
}

// route looks at a route and all below it, each by itself.
func (c *checker) route(r *yaml.Node, path string) {
	if r == nil {
		return
	}
	bare := &yaml.Node{Kind: r.Kind, Tag: r.Tag, Value: r.Value, Style: r.Style, Content: slices.Clone(r.Content)}
	var below *yaml.Node
	for i := 0; i+1 < len(bare.Content) && r.Kind == yaml.MappingNode; i += 2 {
		if bare.Content[i].Value == "routes" && bare.Content[i+1].Kind == yaml.SequenceNode {
			below = bare.Content[i+1]
			bare.Content = slices.Delete(bare.Content, i, i+2)
			break
		}
	}
	top, in := bare, "route"
	if path != "route" {
		top, in = mapOf("receiver", scalar(c.anyName()), "routes", listOf(bare)), "route.routes[0]"
	}
	c.look(path, in, c.routing(top))
	for i, next := range items(below) {
		c.route(next, fmt.Sprintf("%s.routes[%d]", path, i))
	}
}

// routing is a configuration whose only fault can be in this route.
func (c *checker) routing(top *yaml.Node) *yaml.Node {
	receivers, intervals := listOf(), listOf()
	for _, name := range c.names {
		receivers.Content = append(receivers.Content, mapOf("name", scalar(name)))
	}
	for _, name := range c.intervals {
		intervals.Content = append(intervals.Content, mapOf("name", scalar(name), "time_intervals", listOf(mapOf("weekdays", listOf(scalar("monday"))))))
	}
	if len(c.names) == 0 {
		receivers = listOf(mapOf("name", scalar(c.anyName())))
	}
	return mapOf("route", top, "receivers", receivers, "time_intervals", intervals)
}

func (c *checker) anyName() string {
	if len(c.names) == 0 {
		return "x"
	}
	return c.names[0]
}

// around is a configuration whose only fault can be in this section.
func (c *checker) around(key string, section *yaml.Node) *yaml.Node {
	return mapOf(key, section, "receivers", listOf(mapOf("name", scalar("x"))), "route", mapOf("receiver", scalar("x")))
}

// look takes in what is wrong with a configuration that was made of a part. The part lies at one path in what the person has written,
// and at another in what was made.
func (c *checker) look(path, in string, doc *yaml.Node) {
	text, err := yaml.Marshal(doc)
	if err != nil {
		c.add(Fault{path, err.Error()})
		return
	}
	part := &Config{}
	if err = part.parse(c.dir, text); err == nil || c.brokenGlobal && strings.Contains(err.Error(), "no global") {
		return
	}
	for _, f := range part.faultsOf(err, text, func(p string) string {
		if rest, below := strings.CutPrefix(p, in); below {
			return path + rest
		}
		if in == p+"[0]" { // the list is meant
			return path[:strings.LastIndexByte(path, '[')]
		}
		return path
	}) {
		for _, more := range fieldOf {
			if strings.Contains(f.Text, more.about) && f.Path == path {
				f.Path += more.field
			}
		}
		c.add(f)
	}
}

func (c *checker) add(f Fault) {
	if !slices.Contains(c.faults, f) {
		c.faults = append(c.faults, f)
	}
}

// plain copies a node without aliases and anchors, each value on a line of its own.
func (c *checker) plain(n *yaml.Node, depth int) *yaml.Node {
	if c.nodes++; c.nodes > mostNodes || depth > 100 {
		c.nodes = mostNodes + 1
		return scalar("")
	}
	if n.Kind == yaml.AliasNode {
		return c.plain(n.Alias, depth+1)
	}
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value}
	if n.Kind == yaml.ScalarNode {
		out.Style = n.Style
	}
	for _, child := range n.Content {
		out.Content = append(out.Content, c.plain(child, depth+1))
	}
	return out
}

// fieldOf gives the fields of what Alertmanager says of a route without naming them.
var fieldOf = []struct{ about, field string }{
	{"undefined receiver", ".receiver"}, {"root route must specify a default receiver", ".receiver"}, {"group_interval cannot be zero", ".group_interval"},
	{"repeat_interval cannot be zero", ".repeat_interval"},
}

// typeError is how decoders of YAML name the line of what they cannot use.
var typeError = regexp.MustCompile(`^\s*(?:yaml: )?line (\d+): (.*)$`)

// faultsOf parts an error of Alertmanager's about a text, finds the fields that it is about, and gives them the paths that a person knows.
func (c *Config) faultsOf(err error, text []byte, known func(path string) string) []Fault {
	raw := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n")
	parts := strings.Split(raw, "\n")
	if !slices.ContainsFunc(parts, typeError.MatchString) {
		parts = []string{raw}
	}
	places := placesIn(text)
	var out []Fault
	for _, part := range parts {
		path := ""
		if m := typeError.FindStringSubmatch(part); m != nil {
			line, _ := strconv.Atoi(m[1])
			path, part = places[line], m[2]
		}
		out = append(out, Fault{known(path), strings.TrimPrefix(c.explain(fmt.Errorf("%s", part)).Error(), "alert configuration: ")})
	}
	return out
}

// placesIn gives the innermost field that begins in each line of a text.
func placesIn(text []byte) map[int]string {
	places := map[int]string{}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return places
	}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			places[n.Content[i].Line] = key
			walk(n.Content[i+1], key)
		}
		for i := 0; i < len(n.Content) && n.Kind == yaml.SequenceNode; i++ {
			item := fmt.Sprintf("%s[%d]", path, i)
			places[n.Content[i].Line] = item
			walk(n.Content[i], item)
		}
	}
	walk(doc.Content[0], "")
	return places
}

// items gives what is in a list; nothing for what is none.
func items(list *yaml.Node) []*yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	return list.Content
}

func scalar(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(value)
	return n
}

func listOf(content ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: content}
}

// mapOf makes a mapping of keys and nodes in turn.
func mapOf(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range pairs {
		switch p := p.(type) {
		case string:
			n.Content = append(n.Content, scalar(p))
		case *yaml.Node:
			n.Content = append(n.Content, p)
		}
	}
	return n
}
