package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// What a transition's flags tell.
const (
	transitionValue = 1 << iota
	transitionFlap
	transitionRebased
)

// appendTransition writes a transition; before is the number of the record's entry before it.
func (n *names) appendTransition(b []byte, before uint64, t *monitor.Transition) []byte {
	b = append(b, valueFormat)
	b = binary.BigEndian.AppendUint64(b, before)
	b = appendTime(b, t.At, epoch)
	b = appendText(appendText(b, t.ID.Domain), t.ID.Key)
	b = appendPosition(appendPosition(b, t.From), t.To)
	b = append(b, flag(t.Value, transitionValue)|flag(t.Flap, transitionFlap)|flag(t.Rebased, transitionRebased))
	b = appendSet(appendSet(b, t.Old), t.New)
	b = appendFinding(b, &t.Finding)
	b = appendDecision(b, &t.Decision)
	b = appendTime(b, t.Deadline, t.At)
	b = appendText(appendText(b, t.By), t.Why)
	return n.appendVotes(b, t)
}

// transitionHead is the part of a transition that pruning and the way to a record's earlier ones have to know.
type transitionHead struct {
	before uint64
	at     time.Time
}

func readTransitionHead(r *reader) transitionHead {
	r.format()
	return transitionHead{before: r.seq(), at: r.time(epoch)}
}

func (n *names) readTransition(seq uint64, v []byte) (monitor.Transition, error) {
	r := reader{b: v}
	t := monitor.Transition{Seq: seq}
	t.At = readTransitionHead(&r).at
	t.ID = monitor.RecordID{Domain: rrset.Name(r.text()), Key: r.text()}
	t.From, t.To = r.position(), r.position()
	flags := r.byte()
	t.Value, t.Flap, t.Rebased = flags&transitionValue != 0, flags&transitionFlap != 0, flags&transitionRebased != 0
	t.Old, t.New = r.set(), r.set()
	t.Finding = r.finding()
	t.Decision = r.decision()
	t.Deadline = r.time(t.At)
	t.By, t.Why = r.text(), r.text()
	t.Votes = n.readVotes(&r, &t)
	if err := r.end(); err != nil {
		return t, fmt.Errorf("transition %d: %w", seq, err)
	}
	return t, nil
}

func appendPosition(b []byte, p judge.Position) []byte {
	return append(b, byte(p.Phase), byte(p.Verdict), byte(p.Stage))
}

func (r *reader) position() judge.Position {
	return judge.Position{Phase: readEnum(r, lastPhase), Verdict: readEnum(r, lastVerdict), Stage: readEnum(r, lastStage)}
}

func appendFinding(b []byte, f *mailrec.Finding) []byte {
	b = append(b, byte(f.Class), byte(f.Impact), byte(f.Relation))
	b = appendText(appendText(b, f.Reason), f.Rule)
	b = appendTexts(b, f.Notes)
	b = binary.AppendUvarint(b, uint64(len(f.Changes)))
	for _, c := range f.Changes {
		b = appendText(appendText(appendText(appendText(b, c.Op), c.Term), c.Was), c.Now)
	}
	return b
}

func (r *reader) finding() mailrec.Finding {
	f := mailrec.Finding{Class: readEnum(r, lastClass), Impact: readEnum(r, lastImpact), Relation: readEnum(r, lastRelation)}
	f.Reason, f.Rule = r.text(), r.text()
	f.Notes = readTexts[string](r)
	if n := r.count(); n > 0 {
		f.Changes = make([]mailrec.Change, n)
	}
	for i := range f.Changes {
		f.Changes[i] = mailrec.Change{Op: r.text(), Term: r.text(), Was: r.text(), Now: r.text()}
	}
	return f
}

// counts are the numbers of a decision in the order in which they are written.
func counts(d *judge.Decision) []*int {
	return []*int{
		&d.Configured, &d.Heard, &d.Wrong, &d.Bogus, &d.Echoes, &d.Allowed, &d.Servers, &d.ServersHeard, &d.ServersWrong,
	}
}

func appendDecision(b []byte, d *judge.Decision) []byte {
	b = append(b, byte(d.Verdict), byte(d.Stage), byte(d.Authority))
	for _, n := range counts(d) {
		b = binary.AppendVarint(b, int64(*n))
	}
	return b
}

func (r *reader) decision() judge.Decision {
	d := judge.Decision{Verdict: readEnum(r, lastVerdict), Stage: readEnum(r, lastStage), Authority: readEnum(r, lastAuthority)}
	for _, n := range counts(&d) {
		*n = int(r.int())
	}
	return d
}

// said is what a vote tells that most sources tell alike.
type said struct {
	outcome resolve.Outcome
	stand   judge.Stand
	echo    bool
	lines   []string
	chain   []rrset.Name
	detail  string
	ede     []resolve.EDE
}

func saidBy(v *monitor.SourceVote) said {
	return said{v.Outcome, v.Stand, v.Echo, v.Lines, v.Chain, v.Detail, v.EDE}
}

func (s said) equal(o said) bool {
	return s.outcome == o.outcome && s.stand == o.stand && s.echo == o.echo && s.detail == o.detail &&
		slices.Equal(s.lines, o.lines) && slices.Equal(s.chain, o.chain) && slices.Equal(s.ede, o.ede)
}

// What the flags of what was said tell. Nearly always the record as a source gave it is the transition's new or old
// data in a form for people; then it is not written again.
const (
	saidEcho = 1 << iota
	saidNew
	saidOld
)

// appendVotes writes the different things that are said once each, and who said them.
func (n *names) appendVotes(b []byte, t *monitor.Transition) []byte {
	var few [16]said
	all := few[:0]
	for i := range t.Votes {
		if s := saidBy(&t.Votes[i]); !slices.ContainsFunc(all, s.equal) {
			all = append(all, s)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendSaid(b, s, t)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Votes)))
	for i := range t.Votes {
		v := &t.Votes[i]
		b = n.append(n.append(b, v.Source), string(v.Operator))
		b = binary.AppendUvarint(b, uint64(slices.IndexFunc(all, saidBy(v).equal))<<1|uint64(flag(v.Authority, 1)))
		b = binary.AppendUvarint(b, uint64(v.TTL))
		b = appendTime(b, v.At, t.At)
		b = binary.AppendVarint(b, int64(v.Latency))
	}
	return b
}

func appendSaid(b []byte, s said, t *monitor.Transition) []byte {
	asNew := len(s.lines) > 0 && slices.Equal(s.lines, t.New.Lines())
	asOld := len(s.lines) > 0 && !asNew && slices.Equal(s.lines, t.Old.Lines())
	b = append(b, byte(s.outcome), byte(s.stand), flag(s.echo, saidEcho)|flag(asNew, saidNew)|flag(asOld, saidOld))
	if !asNew && !asOld {
		b = appendTexts(b, s.lines)
	}
	b = appendTexts(b, s.chain)
	b = appendText(b, s.detail)
	b = binary.AppendUvarint(b, uint64(len(s.ede)))
	for _, e := range s.ede {
		b = appendText(binary.AppendUvarint(b, uint64(e.Code)), e.Text)
	}
	return b
}

func (n *names) readVotes(r *reader, t *monitor.Transition) []monitor.SourceVote {
	all := make([]said, r.count())
	for i := range all {
		all[i] = r.said(t)
	}
	count := r.count()
	if count == 0 {
		return nil
	}
	votes := make([]monitor.SourceVote, count)
	for i := range votes {
		v := &votes[i]
		v.Source, v.Operator = n.read(r), resolve.Operator(n.read(r))
		which := r.uint()
		if which>>1 >= uint64(len(all)) {
			r.fail()
			return nil
		}
		s := all[which>>1]
		v.Outcome, v.Stand, v.Echo, v.Lines, v.Chain, v.Detail, v.EDE = s.outcome, s.stand, s.echo, s.lines, s.chain, s.detail, s.ede
		v.Authority, v.TTL = which&1 != 0, r.uint32()
		v.At, v.Latency = r.time(t.At), time.Duration(r.int())
	}
	return votes
}

func (r *reader) said(t *monitor.Transition) said {
	s := said{outcome: readEnum(r, lastOutcome), stand: readEnum(r, lastStand)}
	flags := r.byte()
	s.echo = flags&saidEcho != 0
	switch {
	case r.err != nil:
	case flags&saidNew != 0:
		s.lines = t.New.Lines()
	case flags&saidOld != 0:
		s.lines = t.Old.Lines()
	default:
		s.lines = readTexts[string](r)
	}
	s.chain = readTexts[rrset.Name](r)
	s.detail = r.text()
	if n := r.count(); n > 0 {
		s.ede = make([]resolve.EDE, n)
	}
	for i := range s.ede {
		code := r.uint()
		if code > 1<<16-1 {
			r.fail()
		}
		s.ede[i] = resolve.EDE{Code: uint16(code), Text: r.text()}
	}
	return s
}
