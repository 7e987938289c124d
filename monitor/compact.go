package monitor

import (
	"slices"
	"strings"
)

// compact lets what a domain says several times, such as a key in its parameters, its expectation and what is to be
// published, be in memory once, and what belongs to it be in few places: a fleet has a hundred thousand domains, and
// what each of them has beside it lives as long as the daemon. What the domain was made of stays as it is.
func (d *Domain) compact() {
	d.gather()
	parameters := make([]string, 0, len(d.Spec.Params))
	for _, value := range d.Spec.Params {
		parameters = append(parameters, value)
	}
	texts := make([]string, 0, 64)
	d.eachText(func(s *string) {
		if at := slices.Index(parameters, *s); at >= 0 {
			*s = parameters[at]
		} else {
			texts = append(texts, *s)
		}
	})
	all := together(texts)
	d.eachText(func(s *string) {
		if at := strings.Index(all, *s); at >= 0 {
			*s = all[at : at+len(*s)]
		}
	})
}

// gather copies the lists of a domain into lists of its own, those of a kind one behind the other.
func (d *Domain) gather() {
	values, lines := 0, 0
	for i := range d.Spec.Expect {
		values += len(d.Spec.Expect[i].Value)
	}
	for i := range d.Records {
		values, lines = values+len(d.Records[i].Want), lines+len(d.Records[i].Publish)
	}
	allValues, allLines := make([]string, 0, values), make([]PublishLine, 0, lines)
	d.Spec.Expect = copied(d.Spec.Expect)
	for i := range d.Spec.Expect {
		x := &d.Spec.Expect[i]
		allValues, x.Value = behind(allValues, x.Value)
	}
	d.Records = copied(d.Records)
	for i := range d.Records {
		r := &d.Records[i]
		if at := slices.IndexFunc(d.Spec.Expect, func(x ExpectSpec) bool { return slices.Equal(x.Value, r.Want) }); at >= 0 {
			r.Want = d.Spec.Expect[at].Value
		} else {
			allValues, r.Want = behind(allValues, r.Want)
		}
		allLines, r.Publish = behind(allLines, r.Publish)
	}
}

// behind appends a list to another, which has the room, and gives it as the part there.
func behind[S ~[]T, T any](all []T, list S) (more []T, there S) {
	if len(list) == 0 {
		return all, nil
	}
	from := len(all)
	all = append(all, list...)
	return all, all[from:len(all):len(all)]
}

// eachText gives the texts of a domain that are its own; what it is good for is said by its service for all.
func (d *Domain) eachText(f func(s *string)) {
	f((*string)(&d.Name))
	f(&d.Spec.Domain)
	for i := range d.Spec.Expect {
		x := &d.Spec.Expect[i]
		f(&x.Key)
		f(&x.Host)
		for k := range x.Value {
			f(&x.Value[k])
		}
	}
	for i := range d.Records {
		r := &d.Records[i]
		f(&r.Key)
		f((*string)(&r.Name))
		for k := range r.Want {
			f(&r.Want[k])
		}
		for k := range r.Publish {
			f((*string)(&r.Publish[k].Name))
			f(&r.Publish[k].Value)
		}
	}
}

// together gives a text in which all of the texts are.
func together(texts []string) string {
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) }) // the longer ones have the shorter in them
	size := 0
	for _, s := range texts {
		size += len(s)
	}
	var all strings.Builder
	all.Grow(size)
	for _, s := range texts {
		if !strings.Contains(all.String(), s) {
			all.WriteString(s)
		}
	}
	return strings.Clone(all.String())
}
