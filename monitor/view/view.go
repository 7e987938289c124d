// Package view is the DNS as one place sees it: a view answers questions, and what
// judges mail records asks it without knowing whether the answers come from a
// live resolver, from one operator's answers in a sweep, or from a table in a test.
//
// Judgements that cannot know beforehand what they will need to ask (an SPF
// include tree, a DMARC tree walk) are run over a [Book] again and again: it
// answers what is known, notes what is not, and whoever drives it asks that and
// runs the judgement anew. So judgements stay pure, and all questions of a sweep
// go out together.
package view

import (
	"fmt"
	"slices"

	"maildrift/monitor/rrset"
)

// Status says how a question ended.
type Status uint8

// The statuses.
const (
	// Unasked is a question that nobody has asked yet: whatever is judged on it is not final.
	Unasked Status = iota
	// Found is NOERROR with records of the asked type, reached over CNAMEs if there are any.
	Found
	// NoData is NOERROR without the asked type (RFC 2308 section 2.2).
	NoData
	// NXDomain is RCODE 3 for the name at the chain's end (RFC 2308 section 2.1).
	NXDomain
	// Failed is a timeout, SERVFAIL or any other failure. It is never evidence of absence.
	Failed
)

var statusNames = [...]string{Unasked: "unasked", Found: "found", NoData: "nodata", NXDomain: "nxdomain", Failed: "failed"}

// String gives the name used in JSON and texts.
func (s Status) String() string { return statusNames[s] }

// MarshalText writes the name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Status) UnmarshalText(b []byte) error {
	i := slices.Index(statusNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown status %q", b)
	}
	*s = Status(i)
	return nil
}

// Absent says whether the status is evidence that there is no such record.
func (s Status) Absent() bool { return s == NoData || s == NXDomain }

// Question is a name and a type; the class is always IN.
type Question struct {
	Name rrset.Name `json:"name"`
	Type rrset.Type `json:"type"`
}

// String gives the question as dig takes it.
func (q Question) String() string { return string(q.Name) + " " + q.Type.String() }

// Answer is what a question came to.
type Answer struct {
	Status Status
	// Set are the records at the end of the chain; empty unless Found.
	Set rrset.Set
	// Chain are the CNAME targets that were followed, in order.
	Chain []rrset.Name
	// TTL in seconds, the negative one for absence.
	TTL uint32
	// Detail says more about a failure, safe to show.
	Detail string
}

// View answers questions. Implementations that ask the network may block.
type View interface {
	Look(q Question) Answer
}

// Func is a View made of a function.
type Func func(Question) Answer

// Look calls f.
func (f Func) Look(q Question) Answer { return f(q) }

// Book is a View of answers that were written into it. What is not in it is
// Unasked, and noted. The zero Book is empty and ready for use. It is not safe for
// concurrent use.
type Book struct {
	answers map[Question]Answer
	missing map[Question]bool
}

// Put writes an answer, in place of an earlier one.
func (b *Book) Put(q Question, a Answer) {
	if b.answers == nil {
		b.answers = map[Question]Answer{}
	}
	b.answers[q] = a
	delete(b.missing, q)
}

// Look answers from the book, and notes the question if it cannot.
func (b *Book) Look(q Question) Answer {
	if a, ok := b.answers[q]; ok {
		return a
	}
	if b.missing == nil {
		b.missing = map[Question]bool{}
	}
	b.missing[q] = true
	return Answer{}
}

// Complete says whether no answer in the book is a failure.
func (b *Book) Complete() bool {
	for _, a := range b.answers {
		if a.Status == Failed {
			return false
		}
	}
	return true
}

// Missing gives the questions that could not be answered since the last call, in order
// of their names, and forgets them.
func (b *Book) Missing() []Question {
	out := make([]Question, 0, len(b.missing))
	for q := range b.missing {
		out = append(out, q)
	}
	slices.SortFunc(out, Question.Compare)
	clear(b.missing)
	return out
}

// Compare orders questions by name, then type.
func (q Question) Compare(o Question) int {
	switch {
	case q.Name < o.Name || q.Name == o.Name && q.Type < o.Type:
		return -1
	case q == o:
		return 0
	}
	return 1
}

// maxRounds bounds how often Settle runs a judgement: more rounds than an SPF
// check may make lookups, each round of which asks at least one question.
const maxRounds = 64

// Settle runs a judgement over the book until it misses no answer, and asks what it
// misses in between. ask puts an answer to each question into the book; what it
// leaves out counts as Failed. It says whether the last run missed nothing.
func Settle(b *Book, judge func(View), ask func([]Question)) bool {
	for range maxRounds {
		judge(b)
		missing := b.Missing()
		if len(missing) == 0 {
			return true
		}
		ask(missing)
		for _, q := range missing {
			if _, ok := b.answers[q]; !ok {
				b.Put(q, Answer{Status: Failed, Detail: "not asked"})
			}
		}
	}
	return false
}
