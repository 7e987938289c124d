package monitor

import (
	"cmp"
	"hash/fnv"

	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
)

// Nearly all that a sweep hears is what the sweep before heard of records that are well. Such a record is calm: it is judged by the
// stands that are remembered of the same answers, and nothing about it is read, kept or told. Everything that is not
// exactly so goes the long way.

// settledNow says whether the same answers as before would leave a job's record as it is.
func (j *job) settledNow() bool {
	s := &j.state
	return !needsAttention(s) && !s.Unsettled() && !s.Flapping.On() && s.Stage == judge.NoStage && s.Inherited == "" &&
		j.subject.Announced == nil && j.subject.Overspent == "" && s.Affordable == j.before.Affordable && s.Past.none()
}

// tallyRoom is where the votes on calm records are counted, one record after the other.
type tallyRoom struct {
	operators, servers []judge.Vote
}

// calm says whether the evidence is calm, and if so decides.
func (t *tallyRoom) calm(q *Inquiry, e *Evidence, tainted map[resolve.Operator]string) bool {
	in, v := e.inquest, e.Subject.voices
	if !e.Subject.settled || in.known == nil || v != in.known && !v.are(in.panel) {
		return false
	}
	t.operators, t.servers = t.operators[:0], t.servers[:0]
	verified := uint16(0) // the last word that was found to be what was verified
	for k, source := range in.panel {
		if !e.repeats(k, tainted) {
			return false
		}
		if word := v.voice[k].word; word != verified && v.stand(k) == judge.Good {
			if !v.words[word-1].said.seen().Equal(e.Subject.Baseline) {
				return false // it was good by something else than what is verified now, or means the same in other words
			}
			verified = word
		}
		vote := judge.Vote{Stand: v.stand(k)}
		if k >= in.resolvers {
			t.servers = append(t.servers, vote)
			continue
		}
		vote.Voter = string(source.Operator)
		t.poll(vote)
	}
	tally := judge.Tally{Configured: len(t.operators), Operators: t.operators, Authority: t.servers, AuthorityWanted: q.Authorities != nil}
	d := judge.Decide(tally, q.Rules)
	if d.Verdict != judge.Holding || d.Authority == judge.AuthoritySilent || d.Wrong+d.Bogus+d.ServersWrong > 0 {
		return false
	}
	e.Calm, e.Decision = true, d
	return true
}

// poll takes in one resolver's vote for its operator.
func (t *tallyRoom) poll(vote judge.Vote) {
	for i := range t.operators {
		if t.operators[i].Voter == vote.Voter {
			t.operators[i] = t.operators[i].Merge(vote)
			return
		}
	}
	t.operators = append(t.operators, vote)
}

// repeats says whether a source said what it said before, it was taken alike, and history has it if it is to.
func (e *Evidence) repeats(k int, tainted map[resolve.Operator]string) bool {
	v, a := e.Subject.voices, &e.answers[k]
	s := v.words[v.voice[k].word-1].said
	why := ""
	if k < e.inquest.resolvers {
		why = tainted[e.inquest.panel[k].Operator]
	}
	switch a.state {
	case same:
		if a.print != v.print(k) {
			return false // another record that asks the same question knows another answer
		}
	case answered:
		if !s.fails(a.seen, why) {
			return false
		}
	case standing:
	case unasked, asking:
		return false
	}
	if s.announced || s.echo || s.bogus || s.voted == judge.Differs || s.voted == judge.Absent {
		return false
	}
	if distrusted := marks[s.mark] == MarkDistrusted; s.outcome.Evidence() && (distrusted != (why != "") || distrusted && s.detail() != why) {
		return false
	}
	return v.inHistory(k)
}

// fails says whether an observation is the failure that is remembered. With why the source has no vote.
func (s *said) fails(o *resolve.Observation, why string) bool {
	evidence := o.Outcome.Evidence() || o.Outcome == resolve.Elsewhere
	return !evidence && !o.Bogus && len(o.EDE) == 0 && o.Outcome == s.outcome && cmp.Or(why, o.Detail) == s.detail()
}

// detail gives what is said of an answer in words.
func (s *said) detail() string {
	if s.more == nil {
		return ""
	}
	return s.more.detail
}

// inHistory says whether history has the last word of a source, if it is one to keep.
func (v *voices) inHistory(k int) bool {
	x := &v.voice[k]
	s := v.words[x.word-1].said
	if answered := s.outcome.Evidence() && marks[s.mark] != MarkDistrusted || s.outcome == resolve.Elsewhere; !answered || x.kept == x.word {
		return true
	}
	if x.kept == 0 {
		return false
	}
	kept := v.words[x.kept-1].said
	return kept == s || kept.outcome == s.outcome && kept.mark == s.mark && kept.seen().Equal(s.seen())
}

// are says whether the voices are those of exactly these sources, heard in this order.
func (v *voices) are(panel []*resolve.Source) bool {
	if v == nil || v.heard != len(panel) {
		return false
	}
	for k, source := range panel {
		if !v.panel.members[k].is(source) {
			return false
		}
	}
	return true
}

// outcome is how asking a source that was heard ended last.
func (v *voices) outcome(k int) resolve.Outcome { return v.words[v.voice[k].word-1].said.outcome }

// lame says whether one of the zone's servers said last that it does not know the name.
func (v *voices) lame() bool {
	if v == nil {
		return false
	}
	for k := v.heard - 1; k >= 0 && v.panel.members[k].authority; k-- {
		if v.outcome(k) == resolve.Lame {
			return true
		}
	}
	return false
}

// spares says whether a record's resolvers are asked only where their last answers do not stand.
func (q *Inquiry) spares(s *Subject, in *inquest) bool {
	return q.Pace.Policy == pace.TTL && s.settled && in.known != nil && in.known == s.voices && len(in.panel) > in.resolvers
}

// spare has those resolvers asked whose last answers do not stand, now that the zone's servers were heard.
func (d *desk) spare(e *Evidence, in *inquest) {
	e.authority = d.hearAuthority(e, in)
	record := pace.Record{Settled: true, Authority: e.authority}
	for k := range in.resolvers {
		a := &d.answers[in.first+k]
		if a.state == unasked && !d.inquiry.Pace.Decide(record, in.known.memory(k)).Ask {
			a.state = standing
			d.count.Spared++
			continue
		}
		d.want(in, k, k+1)
	}
}

// hearAuthority takes what is remembered of the zone's servers over this round. What they say is what it means: other
// octets that mean the same are no change that a cache could hide.
func (d *desk) hearAuthority(e *Evidence, in *inquest) pace.Authority {
	known := e.Subject.voices.authority
	said := fnv.New64a()
	heard, longest := 0, uint32(0)
	answers := d.answersOf(in)
	for k := in.resolvers; k < len(in.panel); k++ {
		_, _ = said.Write([]byte(in.panel[k].ID))
		if answers[k].state == answered && !answers[k].seen.Outcome.Evidence() && answers[k].seen.Outcome != resolve.Elsewhere {
			continue
		}
		if answers[k].state != same || in.known.stand(k) != judge.Good {
			return known.Silent()
		}
		longest = max(longest, answers[k].ttl)
		meaning := in.known.words[in.known.voice[k].word-1].said.meaning
		if heard++; heard == 1 {
			_, _ = said.Write(meaning[:])
		}
	}
	if heard*2 < len(in.panel)-in.resolvers || heard == 0 {
		return known.Silent()
	}
	return known.Hear(d.inquiry.Pace.Now, said.Sum64(), longest)
}

// memory is what is remembered of a resolver's last answer.
func (v *voices) memory(k int) pace.Memory {
	x := &v.voice[k]
	if s := v.words[x.word-1].said; s.outcome != resolve.Answered || s.stand != judge.Good || s.echo {
		return pace.Memory{}
	}
	return pace.Heard(x.at().Add(-x.latency()), x.ttl)
}

// stampAll takes in that all sources of a calm record said the same again.
func (h *hearsay) stampAll(id RecordID, e *Evidence) {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	v := e.Subject.voices
	v.authority = e.authority
	for k := range e.answers {
		if a := &e.answers[k]; a.state != standing {
			v.again(k, a.time(), a.ttl, a.latency)
		}
	}
}
