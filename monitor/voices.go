package monitor

import (
	"math"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// What the engine remembers of what it heard.
//
// A fleet of 100,000 domains has eight million last words: 600,000 records, asked of a dozen resolvers and the
// zone's own servers. So they are kept small, and an answer that says the same as the one before changes
// sixteen bytes in place:
//
//	hearsay ── by domain ──► voices, one a record
//	                          ├─ panel   who was asked, shared by all records that the same sources are asked about
//	                          ├─ voice   one a source: when, how quickly, TTL, and which of the words
//	                          └─ word    what several sources say alike: print, content, judgement
//
// A voice has two words: the last one, which people see, and the last one that was kept in history. They differ
// where an answer is not worth keeping (a failure about a record that is well) or was not kept (a sweep
// that was not trusted).
//
// Whoever has claimed a domain for a sweep is the only one who changes its voices, and so may read them without
// a lock:
//
//	for _, v := range e.heard.of(name) {         // a record's voices, sorted by key; a record may have none yet
//		for i := range v.heard {                   // those that were heard in the last round
//			ask(resolve.Query{Source: v.source(i), Known: v.print(i), ...})
//		}
//	}
//	...
//	e.heard.again(name, v, i, o)                 // o.Same: the answer is the one that is known
//	o = v.fill(i, o)                             // makes an observation of it as if it had been read, to be judged
//	e.heard.hear(id, subject, heard)             // a round was judged: in place where nothing is new
//
// Voices that intervals were kept of since (hearsay.keep) are other ones: they are looked up again. Everybody else gets
// copies (hearsay.votes).

// said is what one or several sources said about a record, and what was made of it: all of a Heard but who, when and
// for how long. It is immutable.
type said struct {
	outcome                resolve.Outcome
	stand, voted           judge.Stand
	bogus, announced, echo bool
	// shared says that other records may have the same.
	shared  bool
	mark    mark
	meaning rrset.Hash
	set     rrset.Set
	// more is what few answers have; nil for those that have none of it.
	more *saidMore
}

// saidMore is what an answer has that is not simply the record as it should be.
type saidMore struct {
	chain  []rrset.Name
	ede    []resolve.EDE
	detail string
	// seen is what is of the record's kind; apart says that this is not all of the set.
	seen  rrset.Set
	apart bool
	// finding is but for what said and seen have of it; nil if it has nothing but what every good record has.
	finding *mailrec.Finding
}

// word is a content with what the replies that have it have in common on the wire.
type word struct {
	print  resolve.Print
	said   *said
	aa, ad bool
}

// voice is what one source said last.
type voice struct {
	// when is the time in milliseconds since 1970 and, in the low bits, the latency.
	when uint64
	ttl  uint32
	// word is the number of its last word and kept that of the last one in history, from 1 on; 0 is none.
	word, kept uint16
}

const (
	// latencyBits hold a latency in latencyUnit, at most 41 seconds; the other 42 bits last until 2109.
	latencyBits = 22
	latencyUnit = 10 * time.Microsecond
)

func (v *voice) stamp(at time.Time, ttl uint32, latency time.Duration) {
	v.when, v.ttl = 0, ttl
	if !at.IsZero() {
		//nolint:gosec // neither is negative
		v.when = uint64(at.UnixMilli())<<latencyBits | uint64(min(max(latency, 0)/latencyUnit, 1<<latencyBits-1))
	}
}

func (v *voice) at() time.Time {
	if v.when == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(v.when >> latencyBits)) //nolint:gosec // it was made of one
}

func (v *voice) latency() time.Duration {
	return time.Duration(v.when&(1<<latencyBits-1)) * latencyUnit //nolint:gosec // 22 bits
}

// mark is a Mark in a byte.
type mark uint8

var marks = [...]Mark{"", MarkBogus, MarkDistrusted, MarkAnnounced, MarkOverspent, MarkEcho, MarkUnasked} //nolint:gochecknoglobals // a constant list

// markNumber gives a mark's number.
func markNumber(m Mark) mark { return mark(max(slices.Index(marks[:], m), 0)) } //nolint:gosec // there are seven

// voices are the last words of all sources about one record.
type voices struct {
	key   string
	panel *panel
	// heard is how many of the panel, from the first on, were heard in the last round since the start; 0 if
	// nobody was asked since then.
	heard int
	// apart says that they do not lie with those of the other domains of a stage (gather.go).
	apart bool
	voice []voice
	words []word
	// authority is what is remembered of what the zone's servers said, if resolvers are spared questions.
	authority pace.Authority
}

// source gives who a voice is of; nil if that is known by its ID only, from before the start.
func (v *voices) source(i int) *resolve.Source { return v.panel.members[i].source }

// print gives what a reply is recognised by that says the same again; 0 if it cannot be.
func (v *voices) print(i int) resolve.Print {
	if n := v.voice[i].word; n > 0 {
		return v.words[n-1].print
	}
	return 0
}

// fill makes an observation that says only that it is the same as the last one (resolve.Observation.Same) whole, as if
// the reply had been read.
func (v *voices) fill(i int, o resolve.Observation) resolve.Observation {
	w := v.words[v.voice[i].word-1]
	s := w.said
	o.Outcome, o.Set, o.AA, o.AD, o.Bogus = s.outcome, s.set, w.aa, w.ad, s.bogus
	if s.more != nil {
		o.Chain, o.EDE = s.more.chain, s.more.ede
		if !s.outcome.Evidence() || s.stand != judge.Unheard {
			o.Detail = s.more.detail // else it is why the operator had no vote then
		}
	}
	return o
}

// goodTTL gives the longest TTL of the record in the last round, and of a value that was announced, by the zone's servers or, if none
// of these has it, by resolvers. Both are 0 if nobody has it; v may be nil.
func (v *voices) goodTTL() (verified, announced uint32) {
	var servers, caches [2][]uint32
	for k, m := range v.asked() {
		if v.stand(k) != judge.Good {
			continue
		}
		value := 0
		if v.words[v.voice[k].word-1].said.announced {
			value = 1
		}
		if m.authority {
			servers[value] = append(servers[value], v.voice[k].ttl)
		} else {
			caches[value] = append(caches[value], v.voice[k].ttl)
		}
	}
	if len(servers[0])+len(servers[1]) > 0 {
		return longest(servers[0]), longest(servers[1])
	}
	return longestLeft(caches[0]), longestLeft(caches[1])
}

func longest(ttls []uint32) uint32 {
	if len(ttls) == 0 {
		return 0
	}
	return slices.Max(ttls)
}

// longestLeft gives the longest TTL that two caches have left: those that were filled last know best, and one alone may make it up.
func longestLeft(ttls []uint32) uint32 {
	if len(ttls) < 2 {
		return longest(ttls)
	}
	slices.Sort(ttls)
	return ttls[len(ttls)-2]
}

// observation gives the last word of a source that was heard, as it was observed.
func (v *voices) observation(i int, q resolve.Question) resolve.Observation {
	x := &v.voice[i]
	return v.fill(i, resolve.Observation{
		Source: v.source(i), Question: q, Print: v.print(i), At: x.at(), TTL: x.ttl, Latency: x.latency(),
	})
}

// stand is where a source that was heard stands, by its vote.
func (v *voices) stand(i int) judge.Stand { return v.words[v.voice[i].word-1].said.stand }

// heardAs gives the last word of a source that was heard as it was judged.
func (v *voices) heardAs(i int, q resolve.Question) Heard {
	s := v.words[v.voice[i].word-1].said
	h := Heard{
		Observation: v.observation(i, q), Stand: s.stand, Said: s.voted, Announced: s.announced, Echo: s.echo,
		Finding: s.finding(),
	}
	if s.more != nil {
		h.Detail = s.more.detail
	}
	return h
}

// seen gives what of the set is of the record's kind.
func (s *said) seen() rrset.Set {
	if s.more != nil && s.more.apart {
		return s.more.seen
	}
	return s.set
}

func (s *said) finding() mailrec.Finding {
	var f mailrec.Finding
	if s.more != nil && s.more.finding != nil {
		f = *s.more.finding
	}
	f.Meaning, f.Seen = s.meaning, s.seen()
	return f
}

// plain says whether a finding has nothing but what every good record has.
func plain(f mailrec.Finding) bool {
	return f.Class == mailrec.Same && len(f.Changes) == 0 && f.Reason == "" && len(f.Notes) == 0 && f.Rule == "" &&
		f.Impact == mailrec.None && f.Relation == mailrec.Identical
}

// saying gives what is to be remembered of an answer. If it is the baseline, they share their bytes.
func (f *filing) saying(h *Heard, m Mark, baseline rrset.Set) *said {
	s := &said{
		outcome: h.Outcome, stand: h.Stand, voted: h.Said, bogus: h.Bogus, announced: h.Announced, echo: h.Echo,
		mark: markNumber(m), meaning: h.Finding.Meaning,
	}
	if s.set = f.like(h.Set); h.Set.Equal(baseline) {
		s.set = f.like(baseline)
	}
	if apart := !h.Finding.Seen.Equal(h.Set); apart || len(h.Chain) > 0 || len(h.EDE) > 0 || h.Detail != "" || !plain(h.Finding) {
		s.more = &saidMore{chain: h.Chain, ede: h.EDE, detail: h.Detail, apart: apart}
		if apart {
			s.more.seen = h.Finding.Seen
		}
		if !plain(h.Finding) {
			finding := h.Finding
			finding.Meaning, finding.Seen = rrset.Hash{}, rrset.Set{}
			s.more.finding = &finding
		}
	}
	return f.said(s)
}

// says says whether an answer is what was said before, judged alike.
func (s *said) says(h *Heard, m Mark) bool {
	return s.outcome == h.Outcome && s.stand == h.Stand && s.voted == h.Said && s.bogus == h.Bogus &&
		s.announced == h.Announced && s.echo == h.Echo && marks[s.mark] == m && s.meaning == h.Finding.Meaning &&
		s.set.Equal(h.Set) && s.seen().Equal(h.Finding.Seen) && s.more.says(h)
}

func (s *saidMore) says(h *Heard) bool {
	if s == nil {
		return len(h.Chain) == 0 && len(h.EDE) == 0 && h.Detail == "" && plain(h.Finding)
	}
	if s.detail != h.Detail || !slices.Equal(s.chain, h.Chain) || !slices.Equal(s.ede, h.EDE) {
		return false
	}
	if s.finding == nil {
		return plain(h.Finding)
	}
	f, o := s.finding, &h.Finding
	return f.Class == o.Class && f.Reason == o.Reason && f.Rule == o.Rule && f.Impact == o.Impact && f.Relation == o.Relation &&
		slices.Equal(f.Notes, o.Notes) && slices.Equal(f.Changes, o.Changes)
}

// isKept says whether the words are those that an interval has.
func (s *said) isKept(iv *Interval) bool {
	return s.outcome == iv.Outcome && marks[s.mark] == iv.Mark && s.seen().Equal(iv.Set)
}

// keeps says whether the last thing that history has of a source is what an interval says, and whether it has anything.
func (v *voices) keeps(iv *Interval) bool {
	if v == nil {
		return false
	}
	i := v.panel.find(iv.Source)
	return i >= 0 && v.voice[i].kept > 0 && v.words[v.voice[i].kept-1].said.isKept(iv)
}

// formerServers gives the zone's own servers that history has answers of, of a record that nobody was asked about since
// the start.
func (v *voices) formerServers() []string {
	if v == nil || v.heard > 0 {
		return nil
	}
	var out []string
	for i, m := range v.panel.members {
		if kept := v.voice[i].kept; m.authority && kept > 0 && marks[v.words[kept-1].said.mark] != MarkUnasked {
			out = append(out, m.id)
		}
	}
	return out
}

// votes gives what was heard last in the form that people see.
func (v *voices) votes() []SourceVote {
	out := make([]SourceVote, v.heard)
	for i := range out {
		h := v.heardAs(i, resolve.Question{})
		out[i] = h.vote()
	}
	return out
}

// vote gives an answer in the form that people see and history keeps.
func (h *Heard) vote() SourceVote {
	return SourceVote{
		Source: h.Source.ID, Operator: h.Source.Operator,
		Authority: h.Source.Role == resolve.Authoritative,
		Outcome:   h.Outcome, Stand: h.Stand, Lines: h.Finding.Seen.Lines(), Chain: h.Chain,
		TTL: h.TTL, At: h.At, Latency: h.Latency, Detail: h.Detail, EDE: h.EDE, Echo: h.Echo,
	}
}

// asked gives who was asked in the last round since the start.
func (v *voices) asked() []panelist {
	if v == nil {
		return nil
	}
	return v.panel.members[:v.heard]
}

// again takes in that a source has said the same again.
func (v *voices) again(i int, at time.Time, ttl uint32, latency time.Duration) {
	v.voice[i].stamp(at, ttl, latency)
}

// hear takes in what was heard in a round if nothing of it is new, and says whether that is so.
func (v *voices) hear(s Subject, heard []Heard) bool {
	if v.heard != len(heard) {
		return false
	}
	for i := range heard {
		h := &heard[i]
		w := &v.words[v.voice[i].word-1]
		if !v.panel.members[i].is(h.Source) || w.print != printOf(h) || w.aa != h.AA || w.ad != h.AD || !w.said.says(h, markOf(s, *h)) {
			return false
		}
	}
	for i := range heard {
		v.again(i, heard[i].At, heard[i].TTL, heard[i].Latency)
	}
	return true
}

// printOf gives the print by which an answer may be recognised. What was judged to be something else than what it says
// is read anew, and so are failures.
func printOf(h *Heard) resolve.Print {
	if h.Outcome.Evidence() || h.Outcome == resolve.Elsewhere {
		return h.Print
	}
	return 0
}

// after gives the voices after a round, and those of sources that were not asked in it with what history has of them.
func (v *voices) after(key string, s Subject, heard []Heard, panels *panels, f *filing) *voices {
	next := &voices{key: keyOf(key), heard: len(heard), apart: true}
	members := make([]panelist, 0, len(heard))
	for i := range heard {
		members = append(members, panelistOf(heard[i].Source))
	}
	var rest []int
	if v != nil {
		for i, m := range v.panel.members {
			if v.voice[i].kept > 0 && !slices.ContainsFunc(members, func(o panelist) bool { return o.id == m.id }) {
				rest = append(rest, i)
				members = append(members, m)
			}
		}
	}
	next.panel, next.voice = panels.of(members), make([]voice, len(members))
	for i := range heard {
		h := &heard[i]
		next.voice[i].stamp(h.At, h.TTL, h.Latency)
		next.voice[i].word = next.utter(v, s, h, f)
		if v != nil {
			if had := v.panel.find(members[i].id); had >= 0 {
				next.voice[i].kept = next.carry(v, v.voice[had].kept)
			}
		}
	}
	for i, had := range rest {
		next.voice[len(heard)+i].kept = next.carry(v, v.voice[had].kept)
	}
	next.words = exact(next.words)
	return next
}

// utter gives the number of the word for an answer; words that were there before are used again.
func (v *voices) utter(before *voices, s Subject, h *Heard, f *filing) uint16 {
	m, p := markOf(s, *h), printOf(h)
	var known *said
	for i := range v.words {
		w := &v.words[i]
		if !w.said.says(h, m) {
			continue
		}
		if w.print == p && w.aa == h.AA && w.ad == h.AD {
			return uint16(i + 1) //nolint:gosec // no record is asked about at thousands of sources
		}
		known = w.said
	}
	for i := 0; known == nil && before != nil && i < len(before.words); i++ {
		if before.words[i].said.says(h, m) {
			known = before.words[i].said
		}
	}
	if known == nil {
		known = f.saying(h, m, s.Baseline)
	}
	return v.add(word{p, known, h.AA, h.AD})
}

// carry gives the number of the word that stands in history under that number in the voices before.
func (v *voices) carry(before *voices, number uint16) uint16 {
	if number == 0 {
		return 0
	}
	had := before.words[number-1]
	iv := Interval{Outcome: had.said.outcome, Set: had.said.seen(), Mark: marks[had.said.mark]}
	if n := v.kept(&iv); n > 0 {
		return n
	}
	return v.add(word{said: had.said})
}

// kept gives the number of a word that an interval can be told from; 0 if there is none.
func (v *voices) kept(iv *Interval) uint16 {
	for i := range v.words {
		if v.words[i].said.isKept(iv) {
			return uint16(i + 1) //nolint:gosec // as above
		}
	}
	return 0
}

// keep gives the number of a word that an interval can be told from, which may be the baseline.
func (v *voices) keep(iv *Interval, baseline rrset.Set, f *filing) uint16 {
	if n := v.kept(iv); n > 0 {
		return n
	}
	s := &said{outcome: iv.Outcome, mark: markNumber(iv.Mark)}
	if s.set = baseline; !baseline.Equal(iv.Set) {
		s.set = f.like(iv.Set)
	}
	return v.add(word{said: f.said(s)})
}

// exact gives a list in a place of its size.
func exact[T any](list []T) []T {
	if len(list) == cap(list) {
		return list
	}
	return copied(list)
}

// copied gives a copy of a list in a place of its size; nil for an empty one.
func copied[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return append(make([]T, 0, len(list)), list...)
}

func (v *voices) add(w word) uint16 {
	v.words = append(v.words, w)
	return uint16(min(len(v.words), math.MaxUint16)) //nolint:gosec // it is bounded
}
