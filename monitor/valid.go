package monitor

import (
	"hash/maphash"

	"maildrift/monitor/mailrec"
)

// validKnown is how many expectations are remembered to be valid.
const validKnown = 1 << 10

// valid remembers which expectations of a text were found to be valid lately, and how such a text is published, since many domains have
// the same. The zero value remembers nothing.
type valid struct {
	seed  maphash.Seed
	known []validText
}

// validText is all that the validity of an expectation hangs on that wants one text. Without a text it is none.
type validText struct {
	kind         mailrec.Kind
	match        mailrec.Match
	allowInvalid bool
	text         string
	// published is the text as a zone needs it; empty if nobody asked for that yet.
	published string
}

// learn lets it remember from now on.
func (v *valid) learn() { v.seed, v.known = maphash.MakeSeed(), make([]validText, validKnown) }

// slot gives where a text is remembered; nil if it is not to be.
func (v *valid) slot(text string) *validText {
	if len(v.known) == 0 || text == "" || len(text) > commonLongest {
		return nil
	}
	return &v.known[maphash.String(v.seed, text)%validKnown]
}

// check is Expectation.Validate.
func (v *valid) check(e mailrec.Expectation) error {
	if len(e.Want) != 1 || len(e.Alternatives) > 0 || e.MatchPreference || e.Usable {
		return e.Validate()
	}
	slot := v.slot(e.Want[0])
	if slot != nil && slot.text == e.Want[0] && slot.kind == e.Kind && slot.match == e.Match && slot.allowInvalid == e.AllowInvalid {
		return nil
	}
	if err := e.Validate(); err != nil {
		return err
	}
	if slot != nil {
		*slot = validText{kind: e.Kind, match: e.Match, allowInvalid: e.AllowInvalid, text: e.Want[0]}
	}
	return nil
}

// published gives a value that was checked as a zone needs it.
func (v *valid) published(kind mailrec.Kind, value string) string {
	slot := v.slot(value)
	if slot == nil || slot.text != value || slot.kind != kind {
		return asPublished(kind.Type(), value)
	}
	if slot.published == "" {
		slot.published = asPublished(kind.Type(), value)
	}
	return slot.published
}
