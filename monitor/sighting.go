package monitor

import (
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
)

// Mark says how an answer counted when it was heard, where its outcome and content do not say it.
type Mark string

// The marks. An answer without one counts for what it says.
const (
	// MarkBogus is that validation failed: a judge.Bogus vote.
	MarkBogus Mark = "bogus"
	// MarkDistrusted is that the operator had no vote, because it got a canary wrong.
	MarkDistrusted Mark = "distrusted"
	// MarkAnnounced is that a value held because it was announced.
	MarkAnnounced Mark = "announced"
	// MarkOverspent is that an unchanged SPF record had come to need more lookups than receivers make.
	MarkOverspent Mark = "overspent"
	// MarkEcho is that it came from a cache that was filled before the record last changed.
	MarkEcho Mark = "echo"
	// MarkUnasked is that the source was not asked any more: the zone is served by others, or the record
	// is not yet where resolvers may ask for it.
	MarkUnasked Mark = "unasked"
)

// sighting is what was heard about a record in one round of a sweep.
type sighting struct {
	at    time.Time
	heard []Heard
}

// fold keeps of a round that another one follows only what that leaves open: history is to get its answers, failures
// too since something is going on, and caches to be reckoned with. A job that waits takes little room so.
func (j *job) fold() {
	j.news.voices, j.news.job, j.news.closely = j.subject.voices, j, true
	j.news.round(sighting{j.heardAt, j.evidence.Heard})
	j.endings = append(j.endings, endings(j.evidence.held())...)
	j.evidence = Evidence{}
}

// markOf gives the mark of an answer about a subject.
func markOf(s Subject, h Heard) Mark {
	switch {
	case h.Stand == judge.Bogus:
		return MarkBogus
	case h.Announced:
		return MarkAnnounced
	case !h.Outcome.Evidence():
		return ""
	case h.Stand == judge.Unheard:
		return MarkDistrusted
	case s.Overspent != "" && h.Finding.Class == mailrec.Differs && h.Finding.Reason == s.Overspent:
		return MarkOverspent
	case h.Echo:
		return MarkEcho
	}
	return ""
}

// same says whether an answer is the one that another interval has. NXDOMAIN and NODATA are different answers.
func (i *Interval) same(o *Interval) bool {
	return i.Outcome == o.Outcome && i.Mark == o.Mark && i.Set.Equal(o.Set)
}

// newIntervals gives the answers that differ from the last of the same source. Of a record that is settled only
// answers count; while it is not, failures decide with them and are kept too, so that what was judged can be
// judged again.
func (e *Engine) newIntervals(j *job) []Interval {
	k := j.news
	k.voices, k.job, k.closely = e.heard.about(j.state.ID), j, j.closely()
	k.round(sighting{j.heardAt, j.evidence.Heard})
	return k.out
}

// closely says whether failures had a say in what became of the record: it is not settled, was asked more than once,
// or somebody contradicts it.
func (j *job) closely() bool {
	return needsAttention(j.before) || needsAttention(&j.state) || j.rounds > 1 || slices.ContainsFunc(j.evidence.Heard, Heard.wrong)
}

// keeping collects the answers of one job that are new. The job's domain is claimed.
type keeping struct {
	voices  *voices
	job     *job
	closely bool
	out     []Interval
}

// round takes in what one round heard.
func (k *keeping) round(s sighting) {
	for _, h := range s.heard {
		k.heard(s.at, h)
	}
	k.unasked(s)
}

func (k *keeping) heard(at time.Time, h Heard) {
	mark := markOf(k.job.subject, h)
	answered := h.Outcome.Evidence() && mark != MarkDistrusted || h.Outcome == resolve.Elsewhere
	if !answered && !k.closely {
		return
	}
	k.add(Interval{
		ID: k.job.state.ID, Source: h.Source.ID, Authority: h.Source.Role == resolve.Authoritative,
		From: at, Outcome: h.Outcome, Set: h.Finding.Seen, TTL: h.TTL, Mark: mark,
	})
}

// unasked ends the answers of sources that were asked in the sweep before and were not in this round.
func (k *keeping) unasked(round sighting) {
	for _, m := range k.voices.asked() {
		if m.authority || k.closely {
			k.end(round, m.id, m.authority)
		}
	}
	for _, server := range k.voices.formerServers() {
		k.end(round, server, true)
	}
}

func (k *keeping) end(round sighting, source string, authority bool) {
	if !slices.ContainsFunc(round.heard, func(h Heard) bool { return h.Source.ID == source }) {
		k.add(Interval{ID: k.job.state.ID, Source: source, Authority: authority, From: round.at, Outcome: resolve.Lame, Mark: MarkUnasked})
	}
}

// add keeps an interval unless the source's last one was the same.
func (k *keeping) add(iv Interval) {
	for i := len(k.out) - 1; i >= 0; i-- {
		if k.out[i].Source == iv.Source {
			if !iv.same(&k.out[i]) {
				k.out = append(k.out, iv)
			}
			return
		}
	}
	if !k.voices.keeps(&iv) {
		k.out = append(k.out, iv)
	}
}
