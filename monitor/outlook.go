package monitor

import (
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

// Outlook is what receivers make of a domain's mail.
type Outlook struct {
	// Verified is the verdict on what was verified, Now on what is there. A record that was
	// never verified counts in both as it is.
	Verified verdict.Verdict `json:"verified"`
	Now      verdict.Verdict `json:"now"`
	// Impact is what the difference does.
	Impact mailrec.Impact `json:"impact"`
}

// Worse gives what receivers do worse now than with what was verified.
func (o Outlook) Worse() []verdict.Ruling {
	var out []verdict.Ruling
	for i, r := range o.Now.Rulings {
		if r.Action > o.Verified.Rulings[i].Action {
			out = append(out, r)
		}
	}
	return out
}

// states looks records up.
type states func(RecordID) *RecordState

// reading is a record as its state has it.
func (s states) reading(d *Domain, r Record) (verdict.Reading, bool) {
	state := s(RecordID{d.Name, r.Key})
	if state == nil {
		return verdict.Reading{}, false
	}
	out := verdict.Reading{Expectation: r.Expectation, Name: r.Name, Baseline: state.Baseline, Finding: state.Finding, Inherited: state.Inherited}
	out.Finding.Seen = state.Seen
	if state.Phase == judge.Verified && state.Verdict == judge.Holding {
		out.Finding = mailrec.Finding{Class: mailrec.Same, Seen: state.Baseline}
	}
	if state.Finding.Class == mailrec.Differs && state.Seen.Empty() {
		out.Failed = true // it is there, but resolvers that validate do not give it
	}
	if state.Phase != judge.Verified && state.Seen.Empty() {
		out.Finding.Class = mailrec.Absent
	}
	if state.Verdict == judge.Drifted && state.Seen.Equal(state.Baseline) {
		out.TreeBroken = true // it is what it was, but costs too much
	}
	out.TreeBroken = out.TreeBroken || r.Kind == mailrec.SPF && s.treeBroken(state.Baseline, map[rrset.Name]bool{})
	return out, true
}

// treeBroken says whether an SPF record leads to one that receivers give up on.
func (s states) treeBroken(set rrset.Set, reach map[rrset.Name]bool) bool {
	for _, ref := range (reader{}).read(set).refs {
		if reach[ref.name] || len(reach) == maxReach {
			continue
		}
		reach[ref.name] = true
		node := s(RecordID{ref.name, SharedKey})
		if node == nil || node.Phase != judge.Verified {
			continue
		}
		gone := node.Verdict == judge.Missing
		if _, usable := mailrec.ReadSPF(node.Seen); gone || node.Verdict == judge.Drifted && !usable {
			return true
		}
		if s.treeBroken(node.Baseline, reach) {
			return true
		}
	}
	return false
}

// verified is the reading as it was when the record was verified.
func verified(r verdict.Reading) verdict.Reading {
	if !r.Baseline.Empty() {
		r.Finding = mailrec.Finding{Class: mailrec.Same, Seen: r.Baseline}
		r.TreeBroken, r.Failed = false, false
	}
	return r
}

// readings gives all records of a domain, now and as verified.
func (s states) readings(d *Domain) (now, before []verdict.Reading, keys []string) {
	for _, r := range d.Records {
		if reading, ok := s.reading(d, r); ok {
			now = append(now, reading)
			before = append(before, verified(reading))
			keys = append(keys, r.Key)
		}
	}
	return now, before, keys
}

// outlook judges a domain.
func (s states) outlook(d *Domain) Outlook {
	now, before, _ := s.readings(d)
	o := Outlook{Verified: verdict.Judge(verdict.FromRecords(d.Name, before)), Now: verdict.Judge(verdict.FromRecords(d.Name, now))}
	o.Impact = o.Verified.Impact(o.Now)
	return o
}

// impactOf says what one record's being wrong does to the domain's mail: what would be if
// only it were wrong, or what would be gained by mending only it, whichever is worse. What
// the verdict does not weigh (ownership, reports, other hosts) is judged by the record alone.
func (s states) impactOf(d *Domain, key string, alone mailrec.Impact) mailrec.Impact {
	now, before, keys := s.readings(d)
	judgeWith := func(base []verdict.Reading, replaced verdict.Reading, at int) verdict.Verdict {
		mixed := append([]verdict.Reading(nil), base...)
		mixed[at] = replaced
		return verdict.Judge(verdict.FromRecords(d.Name, mixed))
	}
	for i := range keys {
		if keys[i] != key {
			continue
		}
		switch now[i].Kind {
		case mailrec.SPF, mailrec.DKIM, mailrec.DMARC:
		case mailrec.Ownership, mailrec.MX, mailrec.CNAME, mailrec.NS, mailrec.TXT, mailrec.A, mailrec.AAAA, mailrec.PTR,
			mailrec.MTASTS, mailrec.TLSRPT, mailrec.BIMI:
			return alone
		}
		all := verdict.Judge(verdict.FromRecords(d.Name, before))
		as := verdict.Judge(verdict.FromRecords(d.Name, now))
		impact := max(all.Impact(judgeWith(before, now[i], i)), judgeWith(now, before[i], i).Impact(as))
		if alone > mailrec.None {
			impact = max(impact, mailrec.Weakened) // reports and the like, which no verdict weighs
		}
		return impact
	}
	return alone
}

// sharedImpact says what a shared record's being wrong does to those who rest on it, and what
// receivers then do worse: the worst of some of them.
func (s states) sharedImpact(node *Domain, domains map[rrset.Name]*Domain, state *RecordState) (worst mailrec.Impact, rulings []verdict.Ruling) {
	r, usable := mailrec.ReadSPF(state.Seen)
	switch {
	case state.Verdict == judge.Missing || !usable:
	case node.Shared.Redirect:
		return state.Finding.Impact, nil
	case r.All() == '+':
		return mailrec.Weakened, nil
	default:
		return mailrec.None, nil // an include asks only who passes (RFC 7208 section 5.2)
	}
	for _, name := range node.Shared.Examples {
		d, ok := domains[name]
		if !ok {
			continue
		}
		if o := s.outlook(d); o.Impact >= worst {
			worst, rulings = o.Impact, o.Worse()
		}
	}
	return worst, rulings
}

// Outlook judges a domain as the quorum of its sources sees it.
func (s *Snapshot) Outlook(d *Domain) Outlook {
	return states(s.States.Get).outlook(d)
}

// OutlookBy judges a domain as each operator saw it last, by the operator's name.
func (s *Snapshot) OutlookBy(d *Domain) map[resolve.Operator]verdict.Verdict {
	return outlookBy(d, states(s.States.Get), s.Votes.Of)
}

func outlookBy(d *Domain, s states, votes func(RecordID) []SourceVote) map[resolve.Operator]verdict.Verdict {
	seen := map[resolve.Operator][]verdict.Reading{}
	for _, r := range d.Records {
		reading, ok := s.reading(d, r)
		if !ok {
			continue
		}
		worst := map[resolve.Operator]judge.Vote{}
		from := map[resolve.Operator]SourceVote{}
		for _, v := range votes(RecordID{d.Name, r.Key}) {
			merged := worst[v.Operator].Merge(judge.Vote{Stand: v.Stand})
			if had, ok := from[v.Operator]; !v.Authority && (!ok || merged.Stand != worst[had.Operator].Stand) {
				worst[v.Operator], from[v.Operator] = merged, v
			}
		}
		for op, v := range from {
			seen[op] = append(seen[op], asSeen(reading, r, v))
		}
	}
	out := map[resolve.Operator]verdict.Verdict{}
	for op, readings := range seen {
		out[op] = verdict.Judge(verdict.FromRecords(d.Name, readings))
	}
	return out
}

// asSeen is a record as one source saw it.
func asSeen(reading verdict.Reading, r Record, v SourceVote) verdict.Reading {
	switch v.Stand {
	case judge.Good:
		set := reading.Baseline
		if set.Empty() {
			set, _ = rrset.Parse(r.Kind.Type(), v.Lines...)
		}
		reading.Finding = mailrec.Finding{Class: mailrec.Same, Seen: set}
	case judge.Absent:
		reading.Finding = mailrec.Finding{Class: mailrec.Absent}
	case judge.Differs:
		// What was printed reads back as what was said, but for octets that no mail record has.
		set, _ := rrset.Parse(r.Kind.Type(), v.Lines...)
		reading.Finding = reading.Check(set)
		if !reading.Baseline.Empty() {
			reading.Finding = reading.Compare(reading.Baseline, set)
		}
	case judge.Unheard, judge.Abstains, judge.Bogus:
		reading.Failed = true
	}
	return reading
}
