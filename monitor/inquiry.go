package monitor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Authorities finds the servers of the zone that a name lives in.
type Authorities interface {
	// Find gives the zone of each name. A name whose zone cannot be found has a Zone without
	// servers.
	Find(ctx context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone
	// Forget makes the next Find for the name start anew.
	Forget(name rrset.Name)
}

// Inquiry asks about records and judges the answers, without memory. All fields
// must be set but Authorities, which when nil leaves the zones' own servers unasked.
type Inquiry struct {
	Asker       resolve.Asker
	Authorities Authorities
	Rules       judge.Rules
	// Pace says whether resolvers are spared questions; the zero value is that they are not.
	Pace pace.Sweep
	// Observed, if set, is told every observation. Of one that says the same as is known it is told no content.
	Observed func(resolve.Observation)

	// desks are shared by all inquiries of an engine; nil if they are not.
	desks *desks
	// passed, if set, is told of evidence that is calm, as long as its answers are there.
	passed func(e *Evidence)
	// unsure, if set, is told when it is waited whether canaries pass after all, and when that is over.
	unsure func(waits bool)
}

// Subject is a record to ask about.
type Subject struct {
	Domain *Domain
	Record Record
	// Resolvers are the sources of the domain's group, at least one an operator.
	Resolvers []*resolve.Source
	// Baseline is what was verified; the zero Set if nothing was yet.
	Baseline rrset.Set
	Verified bool
	// Announced is another value that holds as well; nil if none does.
	Announced *Change
	// Overspent says why receivers give up on a verified SPF record although it is what it was;
	// empty if they do not.
	Overspent string
	// Standing is the verdict that was confirmed last, Past what caches may hold from before it, OldTTL
	// the TTL of the good record; zero if not known.
	Standing judge.Verdict
	Past     Past
	OldTTL   uint32

	// voices are what is remembered of what was heard; nil if nothing is. settled says that the record is well and
	// nothing is going on: the same answers again would change nothing about it.
	voices  *voices
	settled bool
	// zone is the one that the record lived in when it was last well.
	zone rrset.Name
	// found is what a set was found to mean last: most sources say the same.
	found *found
}

// found is a set and what it means for a subject.
type found struct {
	set     rrset.Set
	finding mailrec.Finding
}

// ID gives the record's ID.
func (s Subject) ID() RecordID { return RecordID{s.Domain.Name, s.Record.Key} }

// as gives the subject as a state has it.
func (s Subject) as(state *RecordState) Subject {
	s.Baseline, s.Verified = state.Baseline, state.Phase == judge.Verified
	s.Standing, s.Past, s.OldTTL = state.Standing(), state.Past, state.OldTTL
	s.found = nil
	return s
}

// stays says whether a settled record lives in the zone that it is known to live in: a new cut below that makes its servers
// refer elsewhere, which is to be lame.
func (s *Subject) stays() bool { return s.settled && s.zone != "" && !s.voices.lame() }

func (s *Subject) question() resolve.Question {
	return resolve.Question{Name: s.Record.Name, Type: s.Record.Kind.Type()}
}

// Evidence is what was heard about a subject and what it comes to.
type Evidence struct {
	Subject Subject
	// Zone is the zone that the record lives in, as the delegation says.
	Zone resolve.Zone
	// Heard holds one entry a source that was asked. It is empty if the evidence is Calm.
	Heard []Heard
	// Calm says that all sources said what they said before, and that is that the record is well.
	Calm     bool
	Decision judge.Decision
	// Reference is, for a record that is not verified, what most good sources say.
	Reference rrset.Hash

	inquest *inquest
	answers []answer
	// authority is what is remembered of the zone's servers, after this round.
	authority pace.Authority
}

// Heard is one source's answer and what it means.
type Heard struct {
	resolve.Observation
	Finding mailrec.Finding
	Stand   judge.Stand
	// Announced says that it is not what was verified but what was announced.
	Announced bool
	// Said is what Stand would be if the source were allowed to vote.
	Said judge.Stand
	// Echo says that the answer comes from a cache that was filled before the record last changed.
	Echo bool
}

// Round asks about all subjects once and judges what is heard. A record that is
// not verified yet is asked of resolvers only once all of its zone's servers have
// it, so that no resolver caches its absence (RFC 2308). Names in tainted
// operators do not vote. With fresh, nothing heard before is used again: zones are
// found anew, questions go out in another way.
func (q *Inquiry) Round(ctx context.Context, subjects []Subject, tainted map[resolve.Operator]string, fresh bool) ([]Evidence, Count) {
	evidence := make([]Evidence, len(subjects))
	for i, s := range subjects {
		evidence[i].Subject = s
	}
	return evidence, q.round(ctx, evidence, tainted, fresh)
}

// round is Round for subjects that stand in the evidence already.
func (q *Inquiry) round(ctx context.Context, evidence []Evidence, tainted map[resolve.Operator]string, fresh bool) Count {
	q.findZones(ctx, evidence, fresh)
	desk := q.desks.lay(q, fresh)
	defer q.desks.clear(desk)
	inquests := make([]*inquest, len(evidence))
	for i := range evidence {
		inquests[i] = desk.take(&evidence[i])
	}
	for i, in := range inquests {
		desk.want(in, in.resolvers, len(in.panel))
		if s := &evidence[i].Subject; !q.spares(s, in) && (s.Verified || len(in.panel) == in.resolvers) {
			desk.want(in, 0, in.resolvers)
		}
	}
	desk.ask(ctx)
	for i, in := range inquests {
		switch s := &evidence[i].Subject; {
		case q.spares(s, in):
			desk.spare(&evidence[i], in)
		case !s.Verified && len(in.panel) > in.resolvers && desk.published(&evidence[i], in):
			desk.want(in, 0, in.resolvers)
		}
	}
	desk.ask(ctx)
	scratch := tallyRoom{}
	for i, in := range inquests {
		e := &evidence[i]
		e.inquest, e.answers = in, desk.answersOf(in)
		if !scratch.calm(q, e, tainted) {
			q.judge(e, tainted)
		} else if q.passed != nil {
			q.passed(e)
		}
		e.inquest, e.answers = nil, nil
	}
	return desk.count
}

// findZones finds the zone of each record. Of one that stays where it is, it is asked only whether the zone that it is known
// to live in is still there and who serves it.
func (q *Inquiry) findZones(ctx context.Context, evidence []Evidence, fresh bool) {
	if q.Authorities == nil {
		return
	}
	var apexes, names []rrset.Name
	for i := range evidence {
		switch s := &evidence[i].Subject; {
		case fresh:
			q.Authorities.Forget(s.Record.Name)
			names = append(names, s.Record.Name)
		case s.stays():
			apexes = append(apexes, s.zone)
		default:
			names = append(names, s.Record.Name)
		}
	}
	cuts := q.find(ctx, apexes)
	for i := range evidence {
		s := &evidence[i].Subject
		if fresh || !s.stays() {
			continue
		}
		if z := cuts[s.zone]; z.Apex == s.zone && len(z.Servers) > 0 && !z.Unsure {
			evidence[i].Zone = z
		} else {
			names = append(names, s.Record.Name)
		}
	}
	zones := q.find(ctx, names)
	for i := range evidence {
		if evidence[i].Zone.Servers == nil {
			evidence[i].Zone = zones[evidence[i].Subject.Record.Name]
		}
	}
}

func (q *Inquiry) find(ctx context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return q.Authorities.Find(ctx, slices.Compact(names))
}

// judge turns what the desk heard into findings, votes and a decision.
func (q *Inquiry) judge(e *Evidence, tainted map[resolve.Operator]string) {
	tally := judge.Tally{AuthorityWanted: q.Authorities != nil}
	authority := make([]Heard, 0, len(e.inquest.panel)-e.inquest.resolvers)
	for k := e.inquest.resolvers; k < len(e.inquest.panel); k++ {
		if o, ok := e.inquest.observation(k, &e.answers[k]); ok {
			h := hear(&e.Subject, o)
			authority = append(authority, h)
			tally.Authority = append(tally.Authority, judge.Vote{Voter: o.Source.ID, Stand: h.Stand, Meaning: h.Finding.Meaning})
			if h.Outcome == resolve.Lame {
				q.Authorities.Forget(e.Subject.Record.Name) // there may be a zone of its own below
			}
		}
	}
	tally.Operators = e.poll(tainted, tally.AuthorityWord())
	e.Heard = append(e.Heard, authority...)
	tally.Configured = len(tally.Operators)
	if !e.Subject.Verified {
		tally, e.Reference = tally.Against()
	}
	e.Decision = judge.Decide(tally, q.Rules)
}

// poll gives the votes of the resolvers' operators, by their names.
func (e *Evidence) poll(tainted map[resolve.Operator]string, authority judge.AuthorityWord) []judge.Vote {
	votes := map[resolve.Operator]judge.Vote{}
	e.Heard = make([]Heard, 0, len(e.inquest.panel))
	for k, source := range e.inquest.panel[:e.inquest.resolvers] {
		op := source.Operator
		vote, known := votes[op]
		if !known {
			vote.Voter = string(op)
		}
		if o, ok := e.inquest.observation(k, &e.answers[k]); ok {
			h := e.Subject.weigh(hear(&e.Subject, o), authority, tainted[op])
			e.Heard = append(e.Heard, h)
			vote = vote.Merge(judge.Vote{Voter: vote.Voter, Stand: h.Stand, Meaning: h.Finding.Meaning, Echo: h.Echo})
		}
		votes[op] = vote
	}
	out := make([]judge.Vote, 0, len(votes))
	for _, op := range sortedKeys(votes) {
		out = append(out, votes[op])
	}
	return out
}

// staleTTL is the TTL that resolvers are asked to give to an answer that has expired, when they serve it because
// the zone's servers do not answer (RFC 8767 section 4).
const staleTTL = 30

// weigh takes the vote from a resolver's answer that is no evidence of today: one that has expired, one from
// before the last change, one of an operator that is tainted.
func (s *Subject) weigh(h Heard, authority judge.AuthorityWord, tainted string) Heard {
	if authority == judge.AuthoritySilent && h.Outcome.Evidence() && h.TTL == staleTTL && s.OldTTL != staleTTL {
		h.Outcome, h.Stand = resolve.Stale, judge.Unheard
		h.Detail = "TTL 30 while the zone's servers do not answer: it seems to serve an answer that has expired"
	}
	h.Said = h.Stand
	h.Echo = s.Past.echoes(h, s.Standing)
	if tainted != "" {
		h.Stand, h.Detail = judge.Unheard, tainted
	}
	return h
}

// hear says what an observation means for a subject.
func hear(s *Subject, o resolve.Observation) Heard {
	h := Heard{Observation: o, Stand: judge.Unheard}
	switch {
	case o.Outcome == resolve.Elsewhere:
		h.Stand = judge.Abstains
		return h
	case o.Bogus:
		h.Stand = judge.Bogus
		return h
	case !o.Outcome.Evidence():
		return h
	}
	h.Finding = s.find(o.Set)
	if a := s.Announced; a != nil && s.Verified && h.Finding.Class != mailrec.Same && a.allows(s.Record.Expectation, o.Set, h.Finding) {
		h.Announced = true
		h.Finding.Class, h.Finding.Impact, h.Finding.Reason, h.Finding.Changes = mailrec.Same, mailrec.None, "", nil
	}
	if s.Overspent != "" && h.Finding.Class == mailrec.Same {
		h.Finding = s.overspent(h.Finding)
	}
	switch h.Finding.Class {
	case mailrec.Same:
		h.Stand = judge.Good
	case mailrec.Differs:
		h.Stand = judge.Differs
	case mailrec.Absent:
		h.Stand = judge.Absent
		h.Finding.Reason += dangling(o)
	}
	return h
}

// dangling says of a record that is absent where its aliases lead: what is wrong then is not the
// zone that was edited but the one at the other end, and if nobody owns that, anybody may.
func dangling(o resolve.Observation) string {
	if len(o.Chain) == 0 {
		return ""
	}
	end := rrset.Printable([]byte(o.Chain[len(o.Chain)-1]))
	if o.Outcome == resolve.NXDomain {
		return fmt.Sprintf("; the CNAME here leads to %s, which does not exist: whoever can register that name can put a record there", end)
	}
	return fmt.Sprintf("; the CNAME here leads to %s, which has no such record", end)
}

// overspent is what an unchanged SPF record means that has come to cost too much.
func (s *Subject) overspent(f mailrec.Finding) mailrec.Finding {
	f.Class, f.Reason, f.Rule, f.Impact = mailrec.Differs, s.Overspent, "RFC 7208 section 4.6.4", mailrec.Degraded
	f.Meaning[0] ^= 0xff // it does not mean what it meant
	return f
}

func (s *Subject) find(set rrset.Set) mailrec.Finding {
	if s.found != nil && s.found.set.Equal(set) {
		return s.found.finding
	}
	f := found{set: set}
	if s.Verified {
		f.finding = s.Record.Compare(s.Baseline, set)
	} else {
		f.finding = s.Record.Check(set)
	}
	s.found = &f
	return f.finding
}

// Votes gives what was heard in the form that history keeps.
func (e Evidence) Votes() []SourceVote {
	votes := make([]SourceVote, 0, len(e.Heard))
	for _, h := range e.Heard {
		votes = append(votes, h.vote())
	}
	return votes
}

// held gives what was heard, held to one reference as the votes are (judge.Tally.Against): before a record is
// verified, a good record that is not the one of most is wrong.
func (e Evidence) held() []Heard {
	other := func(h Heard) bool { return h.Stand == judge.Good && h.Finding.Meaning != e.Reference }
	if e.Subject.Verified || e.Reference == (rrset.Hash{}) || !slices.ContainsFunc(e.Heard, other) {
		return e.Heard
	}
	out := slices.Clone(e.Heard)
	for i := range out {
		if other(out[i]) {
			out[i].Stand = judge.Differs
		}
	}
	return out
}

// Decisive gives the answer that the decision speaks of: the first one of the
// decision's meaning, authority before operators. Without one it is false.
func (e Evidence) Decisive() (Heard, bool) {
	want := judge.Good
	meaning := e.Reference
	switch e.Decision.Verdict {
	case judge.Missing:
		want, meaning = judge.Absent, rrset.Hash{}
	case judge.Drifted:
		want, meaning = judge.Differs, e.Decision.Meaning
	case judge.Disagreeing:
		return e.first(func(h Heard) bool { return h.Stand == judge.Differs || h.Stand == judge.Absent })
	case judge.Holding, judge.Unjudged, judge.Blind:
	}
	return e.first(func(h Heard) bool {
		return h.Stand == want && (e.Subject.Verified && want == judge.Good || h.Finding.Meaning == meaning)
	})
}

// first gives the first answer that fits, authority before operators.
func (e Evidence) first(fits func(Heard) bool) (Heard, bool) {
	for _, role := range []resolve.Role{resolve.Authoritative, resolve.Recursive} {
		for _, h := range e.Heard {
			if h.Source.Role == role && fits(h) {
				return h, true
			}
		}
	}
	return Heard{}, false
}

// Deadlines gives when the first and the last of the caches that still hold the good
// record must let go of it, from the TTLs that they gave. They are zero if no
// operator has the good record.
func (e Evidence) Deadlines() (first, last time.Time) {
	for _, h := range e.Heard {
		if h.Stand != judge.Good || h.Source.Role != resolve.Recursive {
			continue
		}
		ends := h.ends()
		if first.IsZero() || ends.Before(first) {
			first = ends
		}
		if ends.After(last) {
			last = ends
		}
	}
	return first, last
}

// Caches gives for each operator that has the good record when its caches that were asked run out of it.
func (e Evidence) Caches() []Cache {
	until := map[resolve.Operator]time.Time{}
	for _, h := range e.Heard {
		if h.Stand != judge.Good || h.Source.Role != resolve.Recursive {
			continue
		}
		ends := h.At.Add(time.Duration(h.TTL) * time.Second)
		if ends.After(until[h.Source.Operator]) {
			until[h.Source.Operator] = ends
		}
	}
	var out []Cache
	for _, op := range sortedKeys(until) {
		out = append(out, Cache{op, until[op]})
	}
	slices.SortStableFunc(out, func(a, b Cache) int { return a.Until.Compare(b.Until) })
	return out
}

// Mended gives when the last of the caches that hold something wrong must let go
// of it: for absence that is the negative TTL (RFC 2308 section 5). It is zero if
// none does.
func (e Evidence) Mended() time.Time {
	var last time.Time
	for _, h := range e.Heard {
		if h.Source.Role != resolve.Recursive || h.Stand != judge.Differs && h.Stand != judge.Absent {
			continue
		}
		if ends := h.ends(); ends.After(last) {
			last = ends
		}
	}
	return last
}

// Count is a round in numbers.
type Count struct {
	// Sent questions went out; Shared ones were saved because another record asked
	// the same, Spared ones because the last answer stands, Withheld ones because the source answers nothing; Failed ones went
	// out and ended without evidence.
	Sent, Shared, Spared, Withheld, Failed int
}

// came takes in what came of a question that counts as sent.
func (c *Count) came(o *resolve.Observation) {
	if o.Withheld {
		c.Sent--
		c.Withheld++
	}
}

// fail takes in that a question ended without evidence. One that did not go out has not failed.
func (c *Count) fail(o *resolve.Observation) {
	if !o.Withheld {
		c.Failed++
	}
}

func (c *Count) add(o Count) {
	c.Sent += o.Sent
	c.Shared += o.Shared
	c.Spared += o.Spared
	c.Withheld += o.Withheld
	c.Failed += o.Failed
}

// FirstHeard gives the first answer that is evidence, authority before operators.
func (e Evidence) FirstHeard() (Heard, bool) {
	return e.first(func(h Heard) bool { return h.Outcome.Evidence() })
}
