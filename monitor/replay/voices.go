package replay

import (
	"maps"
	"slices"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// voices are the answers that stand: the last one of each source.
type voices struct {
	expectation mailrec.Expectation
	answers     map[string]monitor.Interval
	// baseline is what answers are held against once verified; read remembers what contents mean under it.
	baseline rrset.Set
	verified bool
	read     map[rrset.Hash]mailrec.Finding
}

func newVoices(e mailrec.Expectation) *voices {
	return &voices{expectation: e, answers: map[string]monitor.Interval{}, read: map[rrset.Hash]mailrec.Finding{}}
}

// against holds the answers to another baseline from now on.
func (v *voices) against(baseline rrset.Set, verified bool) {
	if v.verified != verified || !v.baseline.Equal(baseline) {
		v.baseline, v.verified = baseline, verified
		clear(v.read)
	}
}

func (v *voices) finding(set rrset.Set) mailrec.Finding {
	hash := set.Hash()
	f, ok := v.read[hash]
	if !ok {
		if v.verified {
			f = v.expectation.Compare(v.baseline, set)
		} else {
			f = v.expectation.Check(set)
		}
		v.read[hash] = f
	}
	return f
}

// vote gives what an answer counts for, as it did when it was heard.
func (v *voices) vote(voter string, iv monitor.Interval) judge.Vote {
	vote := judge.Vote{Voter: voter}
	switch {
	case iv.Mark == monitor.MarkBogus:
		vote.Stand = judge.Bogus
		return vote
	case iv.Outcome == resolve.Elsewhere:
		vote.Stand = judge.Abstains
		return vote
	case iv.Mark == monitor.MarkDistrusted || !iv.Outcome.Evidence():
		return vote
	}
	f := v.finding(iv.Set)
	vote.Stand, vote.Meaning = stands[f.Class], f.Meaning
	vote.Echo = iv.Mark == monitor.MarkEcho
	switch {
	case iv.Mark == monitor.MarkAnnounced:
		vote.Stand = judge.Good
	case iv.Mark == monitor.MarkOverspent && f.Class == mailrec.Same:
		vote.Stand = judge.Differs
		vote.Meaning[0] ^= 0xff // as the engine tells it from the same record within budget
	}
	return vote
}

var stands = map[mailrec.Class]judge.Stand{ //nolint:gochecknoglobals // a constant table
	mailrec.Same: judge.Good, mailrec.Differs: judge.Differs, mailrec.Absent: judge.Absent,
}

// tally counts the answers that stand, as the engine does those of a round.
func (v *voices) tally(c Course) judge.Tally {
	t := judge.Tally{AuthorityWanted: c.AskAuthority}
	operators := map[resolve.Operator]judge.Vote{}
	for _, source := range c.Resolvers {
		vote, ok := operators[source.Operator]
		if !ok {
			vote.Voter = string(source.Operator)
		}
		if iv, heard := v.answers[source.ID]; heard {
			vote = vote.Merge(v.vote(vote.Voter, iv))
		}
		operators[source.Operator] = vote
	}
	for _, op := range slices.Sorted(maps.Keys(operators)) {
		t.Operators = append(t.Operators, operators[op])
	}
	t.Configured = len(operators)
	if c.AskAuthority {
		for _, id := range v.servers() {
			t.Authority = append(t.Authority, v.vote(id, v.answers[id]))
		}
	}
	return t
}

// servers gives the zone's own servers that are asked.
func (v *voices) servers() []string {
	var out []string
	for id, iv := range v.answers {
		if iv.Authority && iv.Mark != monitor.MarkUnasked {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// decide gives the decision on what stands, and the meaning that unverified answers agree on.
func (v *voices) decide(c Course) (judge.Decision, rrset.Hash) {
	tally, ref := v.tally(c), rrset.Hash{}
	if !v.verified {
		tally, ref = tally.Against()
	}
	return judge.Decide(tally, c.Rules), ref
}

// good gives the exact data of a good answer of some meaning, authority before resolvers.
func (v *voices) good(meaning rrset.Hash, c Course) rrset.Set {
	ids := v.servers()
	for _, r := range c.Resolvers {
		ids = append(ids, r.ID)
	}
	for _, id := range ids {
		if iv, ok := v.answers[id]; ok {
			if vote := v.vote(id, iv); vote.Stand == judge.Good && vote.Meaning == meaning {
				return iv.Set
			}
		}
	}
	return rrset.Set{}
}
