package monitor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/preset"
)

// placeholder is what a name is taken for that cannot be one, so that the rest can be looked at.
const placeholder = "placeholder.example"

// mostFaults is how many faults of one spec are said.
const mostFaults = 100

// Faults says all that is wrong with a spec, where Resolve says what it meets first; none if it is good. What is refused is taken out, and
// the rest is looked at again.
func (s Spec) Faults(presets preset.Set) []*FieldError {
	rest := dissected{Spec: s, places: map[string][]int{}}
	rest.Labels, rest.Params = maps.Clone(s.Labels), maps.Clone(s.Params)
	rest.Senders, rest.SendingAddresses, rest.Expect = slices.Clone(s.Senders), slices.Clone(s.SendingAddresses), slices.Clone(s.Expect)
	for list, n := range map[string]int{"senders": len(s.Senders), "sending_addresses": len(s.SendingAddresses), "expect": len(s.Expect)} {
		for i := range n {
			rest.places[list] = append(rest.places[list], i)
		}
	}
	var out []*FieldError
	for range mostFaults {
		_, err := rest.Resolve(presets)
		var fault *FieldError
		if !errors.As(err, &fault) {
			return out
		}
		known, more := rest.takeOut(fault)
		if known != nil {
			out = append(out, known)
		}
		if !more {
			break
		}
	}
	return out
}

// dissected is a spec without what is wrong with it.
type dissected struct {
	Spec
	// places are where what is in its lists stood in the whole one.
	places map[string][]int
	// less says that records may be missing that the whole one would have.
	less bool
}

// takeOut takes out what is refused. It gives the fault with its place in the whole spec, nil if it is none of that, and whether the rest can
// be looked at.
func (d *dissected) takeOut(f *FieldError) (known *FieldError, more bool) {
	field, rest, _ := strings.Cut(f.Path, ".")
	name, index, listed := strings.Cut(field, "[")
	if listed {
		return d.takeOutOf(name, index, f)
	}
	switch name {
	case "domain":
		d.Domain, d.Senders = placeholder, nil // whose addresses they are is not known
	case "labels":
		delete(d.Labels, rest)
	case "mail_from":
		d.MailFrom = ""
	case "service", "params":
		d.Service, d.Params, d.less = "", nil, true
	case "expect": // nothing is left to watch, which says something about the whole only if nothing was taken out
		if d.less {
			return nil, false
		}
		return f, false
	default:
		return f, false
	}
	return f, true
}

// takeOutOf takes something out of a list.
func (d *dissected) takeOutOf(list, index string, f *FieldError) (known *FieldError, more bool) {
	at, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if err != nil || at >= len(d.places[list]) {
		return f, false
	}
	field := list + "[" + index
	known = &FieldError{Path: fmt.Sprintf("%s[%d]%s", list, d.places[list][at], strings.TrimPrefix(f.Path, field)), Err: f.Err}
	d.places[list] = slices.Delete(d.places[list], at, at+1)
	switch list {
	case "senders":
		d.Senders = slices.Delete(d.Senders, at, at+1)
	case "sending_addresses":
		d.SendingAddresses = slices.Delete(d.SendingAddresses, at, at+1)
	case "expect":
		d.Expect, d.less = slices.Delete(d.Expect, at, at+1), true
	}
	return known, true
}
