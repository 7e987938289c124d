package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
)

// AlertQuarantined is about a resolver operator that has no vote because it is alone with what it says.
const AlertQuarantined AlertName = "ResolverQuarantined"

// Quarantine takes the vote from an operator that contradicts holding records, alone, sweep after sweep. It lies
// or is broken; counted on, it uses up the dissent that is allowed and leaves no room for an honest one.
type Quarantine struct {
	// After is in how many sweeps running; 0 turns quarantine off.
	After int
	// Release is in how many sweeps running it must agree again to get its vote back.
	Release int
}

// DefaultQuarantine gives the settings for unattended use.
func DefaultQuarantine() Quarantine { return Quarantine{After: 5, Release: 5} }

// Dissenter is an operator that has contradicted holding records, alone. It is a value.
type Dissenter struct {
	// Group is the schedule group in whose sweeps it did.
	Group string `json:"group"`
	// Sweeps is in how many running, Reason what it said last.
	Sweeps int    `json:"sweeps"`
	Reason string `json:"reason"`
	// Since is when its quarantine began, zero if it is not in quarantine; Agreed in how many sweeps running
	// it has agreed in it.
	Since  time.Time `json:"since,omitzero"`
	Agreed int       `json:"agreed,omitempty"`
	// Incident is the alert about it; nil if it is not in quarantine.
	Incident *Incident `json:"incident,omitempty"`
}

// Quarantined says whether the operator has no vote.
func (q Dissenter) Quarantined() bool { return !q.Since.IsZero() }

// Quarantined gives the operators that have no vote, those that lost it first first.
func (s SelfState) Quarantined() []resolve.Operator {
	var out []resolve.Operator
	for _, op := range sortedKeys(s.Dissenters) {
		if s.Dissenters[op].Quarantined() {
			out = append(out, op)
		}
	}
	slices.SortStableFunc(out, func(a, b resolve.Operator) int {
		return s.Dissenters[a].Since.Compare(s.Dissenters[b].Since)
	})
	return out
}

// quarantines gives the open incidents about operators in quarantine.
func (s SelfState) quarantines() []Incident {
	var out []Incident
	for _, op := range s.Quarantined() {
		if i := s.Dissenters[op].Incident; i != nil {
			out = append(out, *i)
		}
	}
	return out
}

// dissent is what one sweep showed of the operators.
type dissent struct {
	group string
	// alone are those that contradicted a holding record when no other voter did, and how; wrong all that
	// contradicted one; heard all that said something about one.
	alone map[resolve.Operator]string
	wrong map[resolve.Operator]bool
	heard map[resolve.Operator]bool
}

// dissent looks over all that the sweep heard about records that hold. Where nobody is known to dissent,
// those that all agree on are passed over.
func (sw *sweep) dissent(known bool) dissent {
	if sw.together != nil {
		return *sw.together
	}
	d := dissent{
		group: sw.summary.Group, alone: map[resolve.Operator]string{},
		wrong: map[resolve.Operator]bool{}, heard: map[resolve.Operator]bool{},
	}
	for op := range sw.agreed {
		if _, bad := sw.tainted[op]; !bad {
			d.heard[op] = true
		}
	}
	for _, j := range sw.jobs {
		decision := j.evidence.Decision
		holding := j.subject.Verified && j.state.Standing() == judge.Holding && decision.Verdict == judge.Holding
		// While the authority does not answer nobody can say who is right.
		if holding && (known || decision.Wrong > 0) && decision.Authority != judge.AuthoritySilent {
			d.hear(j.evidence, sw.tainted)
		}
	}
	return d
}

// dissenting says whether any operator is known to contradict others.
func (e *Engine) dissenting() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.self.Dissenters) > 0
}

// hear takes in what the operators said about one record. Those that failed the canaries say nothing.
func (d dissent) hear(e Evidence, tainted map[resolve.Operator]string) {
	said := map[resolve.Operator]judge.Vote{}
	voting := map[resolve.Operator]bool{}
	for _, h := range e.Heard {
		op := h.Source.Operator
		if _, bad := tainted[op]; bad || h.Source.Role != resolve.Recursive {
			continue
		}
		said[op] = said[op].Merge(judge.Vote{Stand: h.Said, Echo: h.Echo})
		voting[op] = voting[op] || h.Stand != judge.Unheard
	}
	var against []resolve.Operator
	for op, vote := range said {
		wrong := (vote.Stand == judge.Differs || vote.Stand == judge.Absent) && !vote.Echo
		if wrong || vote.Stand == judge.Good {
			d.heard[op] = true
		}
		if wrong {
			d.wrong[op] = true
		}
		if wrong && voting[op] {
			against = append(against, op)
		}
	}
	if len(against) == 1 && e.Decision.Heard > 2 {
		d.alone[against[0]] = fmt.Sprintf("it alone says that %s is %s; %d other operators have it as it was verified",
			e.Subject.ID(), otherwise(said[against[0]].Stand), e.Decision.Heard-1)
	}
}

func otherwise(s judge.Stand) string {
	if s == judge.Absent {
		return "not there"
	}
	return "something else"
}

// hearing takes the monitor's own state over what a sweep showed of the operators, and gives the incidents that
// begin and end by it.
func (s SelfState) hearing(d dissent, settings *Settings, now time.Time) (SelfState, []Incident) {
	if len(s.Dissenters) == 0 && (len(d.alone) == 0 || settings.Quarantine.After == 0) {
		return s, nil
	}
	s.Dissenters = maps.Clone(s.Dissenters)
	if s.Dissenters == nil {
		s.Dissenters = map[resolve.Operator]Dissenter{}
	}
	incidents := s.dismiss(settings, now)
	for _, op := range sortedKeys(d.heard) {
		had, known := s.Dissenters[op]
		if known && had.Group != d.group || !known && d.alone[op] == "" {
			continue
		}
		next, news := had.heard(op, d, settings.Quarantine, now, s.roomFor(op, settings))
		if news != nil {
			incidents = append(incidents, *news)
		}
		if s.Dissenters[op] = next; next.Sweeps == 0 {
			delete(s.Dissenters, op)
		}
	}
	return s, incidents
}

// heard takes one operator over one sweep in which it said something. A Dissenter without Sweeps is none
// any more.
func (q Dissenter) heard(op resolve.Operator, d dissent, rules Quarantine, now time.Time, room bool) (Dissenter, *Incident) {
	alone := d.alone[op]
	switch {
	case q.Quarantined() && d.wrong[op]:
		q.Agreed = 0
	case q.Quarantined():
		if q.Agreed++; q.Agreed >= rules.Release {
			return Dissenter{}, q.end(now, "it agrees again")
		}
	case alone == "" && d.wrong[op]: // not alone today, and so neither proven wrong nor right
	case alone == "":
		return Dissenter{}, nil
	default:
		q.Group, q.Reason = d.group, alone
		q.Sweeps++
		if q.Sweeps >= rules.After && room {
			q.Since = now
			q.Incident = &Incident{Name: AlertQuarantined, Value: string(op), Opened: now, Facts: Facts{Reason: alone}}
			return q, q.Incident
		}
	}
	return q, nil
}

// end gives the incident's end; nil if there is none.
func (q Dissenter) end(now time.Time, why string) *Incident {
	if q.Incident == nil {
		return nil
	}
	ended := closeIncident(*q.Incident, now, why)
	return &ended
}

// dismiss forgets the operators that are configured no more, and all of them if quarantine is
// turned off. The map is the caller's own.
func (s SelfState) dismiss(settings *Settings, now time.Time) []Incident {
	var ended []Incident
	for _, op := range sortedKeys(s.Dissenters) {
		q := s.Dissenters[op]
		if slices.Contains(settings.Groups[q.Group].operators(), op) && settings.Quarantine.After > 0 {
			continue
		}
		if i := q.end(now, "removed"); i != nil {
			ended = append(ended, *i)
		}
		delete(s.Dissenters, op)
	}
	return ended
}

// operators gives the group's operators, each once.
func (g Group) operators() []resolve.Operator {
	var out []resolve.Operator
	for _, r := range g.Resolvers {
		out = append(out, r.Operator)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// roomFor says whether one more operator can lose its vote.
func (s SelfState) roomFor(op resolve.Operator, settings *Settings) bool {
	return room(append(s.Quarantined(), op), settings)
}

// room says whether, without those operators, in every group as many as make a quorum are at least half of
// the configured ones, and no fewer than must be heard.
func room(without []resolve.Operator, settings *Settings) bool {
	for _, g := range settings.Groups {
		all := g.operators()
		voters := len(slices.DeleteFunc(slices.Clone(all), func(op resolve.Operator) bool { return slices.Contains(without, op) }))
		if voters == len(all) {
			continue // none of them is asked here
		}
		if quorum := voters - judge.Dissent(voters); quorum*2 < len(all) || voters < max(settings.Rules.MinOperators, 1) {
			return false
		}
	}
	return true
}

// disqualified gives the operators that have no vote in this sweep, and why: those that failed the canaries, and
// those in quarantine, as many as there is room for after a reload has taken others away.
func (sw *sweep) disqualified() map[resolve.Operator]string {
	sw.engine.mu.Lock()
	self := sw.engine.self
	sw.engine.mu.Unlock()
	out := maps.Clone(sw.tainted)
	if out == nil {
		out = map[resolve.Operator]string{}
	}
	in := self.Quarantined()
	for len(in) > 0 && !room(in, sw.settings) {
		in = in[:len(in)-1]
	}
	for _, op := range in {
		q := self.Dissenters[op]
		out[op] = cmp.Or(out[op], fmt.Sprintf("in quarantine since %s: %s", q.Since.UTC().Format(time.DateTime), q.Reason))
	}
	return out
}
