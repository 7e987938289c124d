package monitor

import (
	"maps"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

const (
	// fingerprintSlack is by how much the moment at which a cached answer ends seems to move: TTLs are
	// whole seconds, and replies take time.
	fingerprintSlack = 2 * time.Second
	// longestEcho is the longest TTL that resolve believes. What seems to end later was written by a
	// clock that was ahead.
	longestEcho = 7 * 24 * time.Hour
	// maxWrong bounds how many wrong values of one incident are remembered.
	maxWrong = 4
)

// Past is what caches may still hold of what a record was before its verdict last changed. The moment at
// which a cached answer ends, now + TTL, stays the same however often that cache answers, and so is a
// fingerprint: an answer that ends no later than those that were there before the change comes from a cache
// that was filled before it. It says that the operator has a second cache, not that the record changed back.
// Only an answer that was fetched since can say that, or the authority.
type Past struct {
	// Until is when the last cache that was filled before the change lets go, by the TTL that the record
	// had; zero when there was no change.
	Until time.Time `json:"until,omitzero"`
	// Sources is the same for those sources whose answers were seen to last longer.
	Sources map[string]time.Time `json:"sources,omitempty"`
	// Wrong are the wrong values that are seen, or were until the record became good; absence is
	// the zero hash. WrongTTL is their longest TTL in seconds.
	Wrong    []rrset.Hash `json:"wrong,omitempty"`
	WrongTTL uint32       `json:"wrong_ttl,omitempty"`
}

// Equal says whether both are the same.
func (p Past) Equal(o Past) bool {
	return p.Until.Equal(o.Until) && p.WrongTTL == o.WrongTTL && slices.Equal(p.Wrong, o.Wrong) &&
		maps.EqualFunc(p.Sources, o.Sources, time.Time.Equal)
}

// none says whether there is nothing to remember.
func (p Past) none() bool {
	return p.Until.IsZero() && p.WrongTTL == 0 && len(p.Sources) == 0 && len(p.Wrong) == 0
}

// over says whether no cache can hold anything from before the last change any more.
func (p Past) over(now time.Time) bool {
	for _, until := range p.Sources {
		if now.Before(until.Add(fingerprintSlack)) {
			return false
		}
	}
	return now.After(p.Until.Add(fingerprintSlack))
}

// echoes says whether an answer comes from a cache that was filled before the verdict changed to
// the one that stands, and says the same as then.
func (p Past) echoes(h Heard, standing judge.Verdict) bool {
	if h.Source.Role != resolve.Recursive || p.Until.IsZero() {
		return false
	}
	switch {
	case standing.Lost() && h.Stand == judge.Good:
	case standing == judge.Holding && h.wrong() && slices.Contains(p.Wrong, h.saying()):
	default:
		return false
	}
	until := p.Until
	if seen := p.Sources[h.Source.ID]; seen.After(until) {
		until = seen
	}
	return until.Sub(h.At) <= longestEcho && !h.ends().After(until.Add(fingerprintSlack))
}

// seeing takes in the wrong answers of one round, while the record is not good. The authority's TTL is the
// full one; those of caches count down.
func (p Past) seeing(heard []Heard) Past {
	for _, h := range heard {
		if !h.wrong() || h.Echo {
			continue
		}
		p.WrongTTL = max(p.WrongTTL, h.TTL)
		p = p.alsoWrong(h.saying())
	}
	return p
}

// alsoWrong takes in wrong values, unless there are many already.
func (p Past) alsoWrong(saying ...rrset.Hash) Past {
	for _, s := range saying {
		if len(p.Wrong) < maxWrong && !slices.Contains(p.Wrong, s) {
			p.Wrong = append(slices.Clone(p.Wrong), s)
		}
	}
	return p
}

// also takes in wrong values that caches hold until then at the latest, but for some sources.
func (p Past) also(wrong []rrset.Hash, until time.Time, sources map[string]time.Time) Past {
	if len(wrong) == 0 {
		return p
	}
	p = p.alsoWrong(wrong...)
	if until.After(p.Until) {
		p.Until = until
	}
	longer := map[string]time.Time{}
	maps.Copy(longer, p.Sources)
	for source, ends := range sources {
		if ends.After(p.Until) && ends.After(longer[source]) {
			longer[source] = ends
		}
	}
	p.Sources = longer
	return p
}

// outlast has the record remember what caches may go on to hold of the value that holds beside the baseline and is not going to any
// more: it is withdrawn, another one is announced, or the time is over in which caches should have let go of the former one. While
// the record is lost there is nothing to do: all that is wrong then is remembered.
func (s *RecordState) outlast(heard []lastWord, now time.Time) {
	c := s.Change
	if c == nil || s.Standing() != judge.Holding {
		return
	}
	var wrong []rrset.Hash
	until := now
	switch {
	case c.Settling:
		wrong, until = s.contradicting(s.Baseline, c.Next), c.Until
	case c.Made:
		wrong, until = s.contradicting(s.Baseline, c.Next), now.Add(time.Duration(s.OldTTL)*time.Second)
	}
	good := slices.DeleteFunc(heard, func(w lastWord) bool {
		return !c.allows(s.Expectation, w.set, s.Expectation.Compare(s.Baseline, w.set))
	})
	s.Past = s.pastWith(good, wrong, until, now)
}

// pastWith gives the past of a good record with what was heard that was good until now and is not any more, and with other wrong
// values, which caches may hold until then.
func (s *RecordState) pastWith(heard []lastWord, wrong []rrset.Hash, until, now time.Time) Past {
	sources := map[string]time.Time{}
	for _, w := range heard {
		says := s.contradicting(s.Baseline, w.set)
		if len(says) == 0 {
			continue
		}
		wrong = append(wrong, says...)
		switch lasts := now.Add(time.Duration(w.ttl) * time.Second); {
		case !w.authority && w.ends.After(sources[w.source]):
			sources[w.source] = w.ends
		case w.authority && lasts.After(until):
			until = lasts
		}
	}
	before := s.Past
	if before.over(now) {
		before = Past{} // no sweep has come by since: what was wrong then must not be taken for what caches hold of now
	}
	return before.also(wrong, until, sources)
}

// ending is when a resolver's answer ends, and whether it had the record.
type ending struct {
	source      string
	good, wrong bool
	at          time.Time
}

// endings gives those of resolvers' answers.
func endings(heard []Heard) []ending {
	var out []ending
	for i := range heard {
		h := &heard[i]
		if h.Source.Role == resolve.Recursive && (h.Stand == judge.Good || h.wrong()) {
			out = append(out, ending{h.Source.ID, h.Stand == judge.Good, h.wrong(), h.ends()})
		}
	}
	return out
}

// turned gives what caches may hold after the verdict changed between good and lost: the good record for as
// long as its TTL was, or what was wrong.
func (p Past) turned(standing judge.Verdict, goodTTL uint32, heard []ending, now time.Time) Past {
	lost := standing.Lost()
	ttl := p.WrongTTL
	if lost {
		ttl = goodTTL
	}
	next := Past{Until: now.Add(time.Duration(ttl) * time.Second)}
	if !lost {
		if len(p.Wrong) == 0 {
			return Past{} // nothing wrong was seen that a cache could still have
		}
		next.Wrong, next.WrongTTL = p.Wrong, p.WrongTTL
	}
	for _, e := range heard {
		if lost && !e.good || !lost && !e.wrong {
			continue
		}
		if e.at.After(next.Until) && e.at.After(next.Sources[e.source]) {
			if next.Sources == nil {
				next.Sources = map[string]time.Time{}
			}
			next.Sources[e.source] = e.at
		}
	}
	return next
}

// wrong says whether the answer contradicts the record.
func (h Heard) wrong() bool { return h.Stand == judge.Differs || h.Stand == judge.Absent }

// saying identifies what a wrong answer says.
func (h Heard) saying() rrset.Hash {
	if h.Stand == judge.Absent {
		return rrset.Hash{}
	}
	return h.Finding.Meaning
}

// ends is when the cache that gave the answer lets go of it: its fingerprint.
func (h Heard) ends() time.Time { return h.At.Add(time.Duration(h.TTL) * time.Second) }
