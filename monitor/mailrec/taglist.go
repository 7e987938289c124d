package mailrec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// tag is one tag=value of a tag list (RFC 6376 section 3.2).
type tag struct{ name, value string }

// tagList is a parsed tag list, in the order written.
type tagList struct {
	tags []tag
	// stray holds what stands between semicolons and is no tag=value.
	stray []string
}

// parseTags reads a tag list. White space around names and values means nothing,
// a semicolon at the end is allowed. Names are case-sensitive.
func parseTags(text string) tagList {
	list := tagList{tags: make([]tag, 0, 8)}
	specs := strings.Count(text, ";")
	for spec := range strings.SplitSeq(text, ";") {
		name, value, found := strings.Cut(spec, "=")
		name = trimBlank(name)
		last := specs == 0
		specs--
		switch {
		case last && trimBlank(spec) == "":
		case !found || !isTagName(name):
			list.stray = append(list.stray, trimBlank(spec))
		default:
			list.tags = append(list.tags, tag{name, trimBlank(value)})
		}
	}
	return list
}

// trimBlank removes the white space that may surround names and values.
func trimBlank(s string) string { return strings.Trim(s, " \t\r\n") }

// isTagName applies ALPHA *ALNUMPUNC.
func isTagName(s string) bool {
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// get gives a tag's value.
func (l tagList) get(name string) (string, bool) {
	for _, t := range l.tags {
		if t.name == name {
			return t.value, true
		}
	}
	return "", false
}

// twice gives the first name that appears more than once; then the whole list
// is invalid (RFC 6376 section 3.2).
func (l tagList) twice() string {
	const few = 32
	var seen map[string]bool // for lists that somebody made long; ordinary ones do without
	if len(l.tags) > few {
		seen = make(map[string]bool, len(l.tags))
	}
	for i, t := range l.tags {
		if seen[t.name] || seen == nil && slices.ContainsFunc(l.tags[:i], func(o tag) bool { return o.name == t.name }) {
			return t.name
		}
		if seen != nil {
			seen[t.name] = true
		}
	}
	return ""
}

// unknown gives the tags that are none of the known ones. Receivers ignore them.
func (l tagList) unknown(known ...string) []string {
	var out []string
	for _, t := range l.tags {
		if !slices.Contains(known, t.name) {
			out = append(out, fmt.Sprintf("the unknown tag %s is ignored", quoted(t.name+"="+t.value)))
		}
	}
	return out
}

// versionIs says whether text begins with the tag v with exactly this value, up to
// a semicolon or the end.
func versionIs(text []byte, value string) bool {
	rest := text
	for _, part := range [...]string{"v", "=", value} {
		var found bool
		if rest, found = bytes.CutPrefix(rest, []byte(part)); !found {
			return false
		}
		rest = bytes.TrimLeft(rest, " \t")
	}
	return len(rest) == 0 || rest[0] == ';'
}

// versionNearly says why a text was probably meant to begin with v=value; empty
// if it was not.
func versionNearly(text []byte, value string) string {
	head := strings.ToLower(string(text[:min(len(text), len(value)+64)]))
	plain := strings.TrimLeft(head, " \t\r\n\"'")
	begins := func(s, prefix string) bool {
		return strings.HasPrefix(strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\t", ""), strings.ToLower(prefix))
	}
	switch {
	case !begins(plain, "v="+value) && !begins(plain, value):
		return ""
	case strings.HasPrefix(plain, `v=`+strings.ToLower(value)+`\`):
		return "backslashes are part of it: the zone file was escaped twice"
	case plain != head && (head[0] == '"' || head[0] == '\''):
		return "quotation marks are part of it"
	case plain != head:
		return "it begins with white space"
	case !strings.Contains(string(text), value):
		return fmt.Sprintf("the version must be written %s", value)
	}
	return fmt.Sprintf(`it must begin with "v=%s;"`, value)
}

// tagValue is a tag in canonical spelling; given is false for a default.
type tagValue struct {
	name, value string
	given       bool
}

// canonicalTags spells tags that are sorted by name.
func canonicalTags(version string, tags []tagValue) string {
	var out strings.Builder
	out.WriteString("v=" + version)
	for _, t := range tags {
		if t.value != "" || t.given {
			out.WriteString("; " + t.name + "=" + t.value)
		}
	}
	return out.String()
}

// tagChanges compares tags of the same names in the same order.
func tagChanges(was, now []tagValue) []Change {
	var out []Change
	for i := range was {
		if was[i].value == now[i].value && (was[i].value != "" || was[i].given == now[i].given) {
			continue
		}
		c := Change{Op: "~", Term: was[i].name, Was: was[i].shown(), Now: now[i].shown()}
		switch {
		case c.Was == "":
			c.Op = "+"
		case c.Now == "":
			c.Op = "-"
		}
		out = append(out, c)
	}
	return out
}

// shown gives the value for people; a default is marked as such.
func (t tagValue) shown() string {
	switch {
	case !t.given && t.value != "":
		return t.value + " (default)"
	case t.given && t.value == "":
		return "(empty)"
	}
	return shown(t.value)
}

// valueOf gives the value of the tag with that name.
func valueOf(tags []tagValue, name string) string {
	for _, t := range tags {
		if t.name == name {
			return t.value
		}
	}
	return ""
}
