package spf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
)

// MaxLookups is how many terms may look something up (section 4.6.4), MaxVoids how many of
// them may find nothing, MaxNames how many names one mx or ptr may bring.
const (
	MaxLookups = 10
	MaxVoids   = 2
	MaxNames   = 10
)

// Record is a parsed record (section 12).
type Record struct {
	// Mechanisms are in order, up to and with the first all: what follows it is never
	// tested (section 5.1).
	Mechanisms []Term
	// Modifiers are sorted, since their order means nothing (section 6). Redirect is
	// left out when there is an all, which makes receivers ignore it (section 6.1).
	Modifiers []Term
	// Notes are oddities that receivers do not mind.
	Notes []string
}

// SyntaxError is why receivers answer permerror to a record.
type SyntaxError struct {
	// Term is the text of the wrong term, Number its place counted from 1, and Character
	// where it begins, counted from 1; all empty if the record as a whole is wrong.
	Term              string
	Number, Character int
	// Reason says what is wrong, Section the part of RFC 7208 that says so.
	Reason, Section string
}

// Error describes the error in one sentence, safe to show.
func (e *SyntaxError) Error() string {
	if e.Term == "" {
		return e.Reason
	}
	return fmt.Sprintf("term %d of the SPF record (character %d), %s, %s", e.Number, e.Character, quoted(e.Term), e.Reason)
}

// Is says whether a TXT record is an SPF record: the version is followed by a space or
// the end (section 4.5).
func Is(text []byte) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && bytes.EqualFold(text[:len(version)], []byte(version)) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// Parse reads a record. All of it must be right: receivers look for errors before
// they use any term (section 4.6). The error is a *SyntaxError.
func Parse(text string) (Record, error) {
	var r Record
	if !Is([]byte(text)) {
		return r, &SyntaxError{Reason: quoted(text) + ` does not begin with "v=spf1 "`, Section: "4.5"}
	}
	at, number, ended := len("v=spf1"), 0, false
	for field := range strings.SplitSeq(text[at:], " ") {
		if field != "" {
			number++
			t, wrong := parseTerm(field)
			if wrong != "" {
				return r, &SyntaxError{Term: field, Number: number, Character: at + 1, Reason: wrong, Section: "4.6"}
			}
			ended = r.add(t, ended)
		}
		at += len(field) + 1
	}
	if err := r.settle(ended); err != nil {
		return r, err
	}
	return r, nil
}

// add keeps a term if it counts; ended says that an all came before.
func (r *Record) add(t Term, ended bool) bool {
	switch {
	case t.IsModifier():
		r.Modifiers = append(r.Modifiers, t)
		if mechanisms[t.Name] != 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is read as an unknown modifier and ignored: a colon was probably meant", quoted(t.String())))
		}
	case ended:
		r.Notes = append(r.Notes, fmt.Sprintf("%s comes after all and is ignored", quoted(t.String())))
	default:
		r.Mechanisms = append(r.Mechanisms, t)
		return t.Name == "all"
	}
	return ended
}

// settle sorts the modifiers and applies section 6: redirect and exp may appear
// once, and redirect counts only without all.
func (r *Record) settle(ended bool) error {
	if r.All() == '+' {
		r.Notes = append(r.Notes, "+all lets anybody send in the domain's name")
	}
	slices.SortFunc(r.Modifiers, func(a, b Term) int { return strings.Compare(a.Key(), b.Key()) })
	for i, t := range r.Modifiers {
		if (t.Name == "redirect" || t.Name == "exp") && i > 0 && r.Modifiers[i-1].Name == t.Name {
			return &SyntaxError{Reason: fmt.Sprintf("the SPF record has %s twice", t.Name), Section: "6"}
		}
	}
	r.Modifiers = slices.DeleteFunc(r.Modifiers, func(t Term) bool {
		if t.Name != "redirect" || !ended {
			return false
		}
		r.Notes = append(r.Notes, fmt.Sprintf("%s is ignored because the record has all", quoted(t.String())))
		return true
	})
	return nil
}

// Terms gives all terms that count, mechanisms first.
func (r Record) Terms() []Term { return slices.Concat(r.Mechanisms, r.Modifiers) }

// String gives the one spelling of the record's meaning.
func (r Record) String() string {
	var out strings.Builder
	out.WriteString("v=spf1")
	for _, t := range r.Terms() {
		out.WriteByte(' ')
		out.WriteString(t.String())
	}
	return out.String()
}

// All gives the qualifier of the all mechanism. Without one the default is neutral
// (section 4.7), unless another domain's record decides.
func (r Record) All() byte {
	if n := len(r.Mechanisms); n > 0 && r.Mechanisms[n-1].Name == "all" {
		return r.Mechanisms[n-1].Qualifier
	}
	return '?'
}

// Modifier gives the value of a modifier; false if the record does not have it.
func (r Record) Modifier(name string) (string, bool) {
	i := slices.IndexFunc(r.Modifiers, func(t Term) bool { return t.Name == name })
	if i < 0 {
		return "", false
	}
	return r.Modifiers[i].Domain, true
}

// Lookups counts the record's own terms that look something up.
func (r Record) Lookups() int {
	n := 0
	for _, t := range r.Terms() {
		if t.LooksUp() {
			n++
		}
	}
	return n
}

// quoted makes data from the wire safe to read in a sentence.
func quoted(s string) string {
	const most = 80
	shown := rrset.Printable([]byte(s))
	if len(shown) > most {
		shown = strings.ToValidUTF8(shown[:most], "") + "…"
	}
	return `"` + shown + `"`
}
