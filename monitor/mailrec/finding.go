package mailrec

import "maildrift/monitor/rrset"

// Change is one difference between two records' meanings.
type Change struct {
	// Op is '+' for a term that came, '-' for one that went, '~' for one that
	// says something else.
	Op string `json:"op"`
	// Term names what changed: an SPF term, a tag, an MX host.
	Term string `json:"term"`
	// Was and Now are its values; empty where there was or is none.
	Was string `json:"was,omitempty"`
	Now string `json:"now,omitempty"`
}

// Finding is what one answer means.
type Finding struct {
	Class Class `json:"class"`
	// Meaning identifies what was seen: answers with equal Meaning say the same
	// thing, however they are written. It is the zero Hash for Absent.
	Meaning rrset.Hash `json:"-"`
	// Seen are the records of this kind in the answer, as exact data.
	Seen rrset.Set `json:"-"`
	// Changes say in what the answer differs, in order of the record.
	Changes []Change `json:"changes,omitempty"`
	// Reason says in one sentence what is wrong, empty for Same. Notes say what is
	// worth knowing although nothing is wrong.
	Reason string   `json:"reason,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Rule is the RFC section that the finding rests on.
	Rule string `json:"rule,omitempty"`
	// Impact is what receivers would do, judged from this record alone.
	Impact Impact `json:"impact"`
	// Relation is the direction of the change; Identical for Same.
	Relation Relation `json:"relation"`
}

// fault is why receivers cannot use a record, or what a difference does to mail.
type fault struct {
	reason string
	rule   string
	impact Impact
	// deliberate marks a valid way to say that nothing is there: a revoked key, a
	// null MX. Captured takes it, since somebody may have meant it; Present does not.
	deliberate bool
	// relation is the direction of the change where impact does not tell it.
	relation Relation
}

// Error gives the reason.
func (f *fault) Error() string { return f.reason }

// differs makes a finding of class Differs.
func (f Finding) differs(why *fault, changes []Change) Finding {
	f.Class, f.Reason, f.Rule, f.Impact, f.Relation = Differs, why.reason, why.rule, why.impact, why.relates()
	f.Changes = changes
	return f
}

// absent makes a finding of class Absent.
func (f Finding) absent(why *fault) Finding {
	f.Class, f.Reason, f.Rule, f.Impact, f.Relation = Absent, why.reason, why.rule, why.impact, why.relates()
	f.Meaning = rrset.Hash{}
	return f
}
