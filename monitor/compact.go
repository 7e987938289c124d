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

	common common
	valid  valid

	// made are the records of the domain that is being made.
	made []Record

	// words are the texts of the domain that is being put there, each once, and places where they are found. Order and starts are those
	// that are written, and where.
	words  []wording
	places []placed
	order  []*wording
	starts []int
}

// wording is a text of a domain.
type wording struct {
	was string
	// is what takes its place, once that is known.
	is   string
	done bool
}

// placed is where a text is found, and which one that is.
type placed struct {
	at   *string
	word int
}

// newShelf gives one for so many domains.
func newShelf(n int) *shelf {
	on := &shelf{}
	if on.together = n >= fewDomains; on.together {
		on.common.learn()
		on.valid.learn()
	}
	return on
}

// put lets what a domain says several times, such as a key in its parameters, its expectation and what is to be
// published, be in memory once, and what belongs to it be in few places: a fleet has a hundred thousand domains, and
// what each of them has beside it lives as long as the daemon. What the domain was made of stays as it is.
func (s *shelf) put(made Domain) *Domain {
	d := s.domains.one(s.together, made)
	s.gather(d)
	s.words, s.places = s.words[:0], s.places[:0]
	for _, value := range d.Spec.Params {
		s.words = append(s.words, wording{value, value, true})
	}
	s.read(d)
	s.write()
	for _, p := range s.places {
		*p.at = s.words[p.word].is
	}
	clear(s.words) // they must not keep the domain
	clear(s.places)
	clear(s.made)
	return d
}

// word gives the number of a text among those of the domain.
func (s *shelf) word(text string) int {
	for i := range s.words {
		if s.words[i].was == text {
			return i
		}
	}
	is, done := s.common.get(text)
	s.words = append(s.words, wording{text, is, done})
	return len(s.words) - 1
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
	allValues, allLines := s.values.place(s.together, values), s.lines.place(s.together, lines)
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

// read finds the texts of a domain that are its own; what it is good for is said by its service for all.
func (s *shelf) read(d *Domain) {
	name := s.find((*string)(&d.Name), -1)
	s.find(&d.Spec.Domain, name)
	for i := range d.Spec.Expect {
		x := &d.Spec.Expect[i]
		s.find(&x.Key, -1)
		s.find(&x.Host, -1)
		for k := range x.Value {
			s.find(&x.Value[k], -1)
		}
	}
	for i := range d.Records {
		r := &d.Records[i]
		s.find(&r.Key, -1)
		owner, want := s.find((*string)(&r.Name), name), -1
		for k := range r.Want {
			want = s.find(&r.Want[k], -1)
		}
		for k := range r.Publish {
			s.find((*string)(&r.Publish[k].Name), owner)
			s.find(&r.Publish[k].Value, want)
		}
	}
}

// find notes a place with a text, and gives that text's number. It may well be the one with the number that is given, unless that is
// negative.
func (s *shelf) find(at *string, likely int) int {
	word := likely
	if likely < 0 || s.words[likely].was != *at {
		word = s.word(*at)
	}
	s.places = append(s.places, placed{at, word})
	return word
}

// write lets the texts that have no place yet be parts of one text in which all of them are.
func (s *shelf) write() {
	s.order = s.order[:0]
	size := 0
	for i := range s.words {
		if w := &s.words[i]; !w.done {
			s.order, size = append(s.order, w), size+len(w.was)
		}
	}
	slices.SortStableFunc(s.order, func(a, b *wording) int { return len(b.was) - len(a.was) }) // the longer ones have the shorter in them
	s.text.grow(s.together, size)
	from := s.text.Len()
	s.starts = s.starts[:0]
	for _, w := range s.order {
		at := strings.Index(s.text.String()[from:], w.was)
		if at < 0 {
			at = s.text.Len() - from
			s.text.WriteString(w.was)
		}
		s.starts = append(s.starts, at)
	}
	all := s.text.String()[from:]
	if !s.together {
		all = strings.Clone(all)
	}
	for i, w := range s.order {
		w.is = all[s.starts[i] : s.starts[i]+len(w.was)]
	}
	clear(s.order)
}
