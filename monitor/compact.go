package monitor

import (
	"slices"
	"strings"
)

// shelf is where domains lie together that are made together, a fleet's for example, since what is made beside them and
// dropped again would keep its memory too (see gather.go). The zero value has each domain lie by itself. It is not for
// concurrent use.
type shelf struct {
	together bool

	domains piece[Domain]
	expect  piece[ExpectSpec]
	records piece[Record]
	values  piece[string]
	lines   piece[PublishLine]
	text    text

	// parameters and texts are those of the domain that is being put there, places where the texts are found.
	parameters []string
	texts      []*string
	places     []int
}

// put lets what a domain says several times, such as a key in its parameters, its expectation and what is to be
// published, be in memory once, and what belongs to it be in few places: a fleet has a hundred thousand domains, and
// what each of them has beside it lives as long as the daemon. What the domain was made of stays as it is.
func (s *shelf) put(d Domain) *Domain {
	s.gather(&d)
	s.parameters, s.texts = s.parameters[:0], s.texts[:0]
	for _, value := range d.Spec.Params {
		s.parameters = append(s.parameters, value)
	}
	d.eachText(func(text *string) {
		if at := slices.Index(s.parameters, *text); at >= 0 {
			*text = s.parameters[at]
		} else {
			s.texts = append(s.texts, text)
		}
	})
	s.write(s.texts)
	return s.domains.one(s.together, d)
}

// gather copies the lists of a domain into lists of its own, those of a kind one behind the other.
func (s *shelf) gather(d *Domain) {
	values, lines := 0, 0
	for i := range d.Spec.Expect {
		values += len(d.Spec.Expect[i].Value)
	}
	for i := range d.Records {
		values, lines = values+len(d.Records[i].Want), lines+len(d.Records[i].Publish)
	}
	allValues, allLines := make([]string, 0, values), make([]PublishLine, 0, lines)
	if s.together {
		allValues, allLines = s.values.room(values), s.lines.room(lines)
	}
	d.Spec.Expect = s.expect.copy(s.together, d.Spec.Expect)
	for i := range d.Spec.Expect {
		x := &d.Spec.Expect[i]
		allValues, x.Value = behind(allValues, x.Value)
	}
	d.Records = s.records.copy(s.together, d.Records)
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

// write replaces texts by parts of one text in which all of them are.
func (s *shelf) write(texts []*string) {
	slices.SortFunc(texts, func(a, b *string) int { return len(*b) - len(*a) }) // the longer ones have the shorter in them
	size := 0
	for _, text := range texts {
		size += len(*text)
	}
	s.text.grow(s.together, size)
	from := s.text.Len()
	s.places = s.places[:0]
	for i, text := range texts {
		if i > 0 && *text == *texts[i-1] {
			s.places = append(s.places, s.places[i-1])
			continue
		}
		at := strings.Index(s.text.String()[from:], *text)
		if at < 0 {
			at = s.text.Len() - from
			s.text.WriteString(*text)
		}
		s.places = append(s.places, at)
	}
	all := s.text.String()[from:]
	if !s.together {
		all = strings.Clone(all)
	}
	for i, text := range texts {
		*text = all[s.places[i] : s.places[i]+len(*text)]
	}
	clear(texts) // they must not keep the domain
}
