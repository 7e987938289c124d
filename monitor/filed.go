package monitor

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// filed is a state as it is kept: nine of ten records are well and always were, and of those there is so little to say
// that it fits in a tenth of a RecordState. It is immutable.
type filed struct {
	// record gives key, name and expectation: the registry's own, where they are the same.
	record *Record
	// full is the state of a record of which there is more to say; nil else, and then the rest is the state.
	full *RecordState
	// baseline is nil for the zero Set.
	baseline *rrset.Set
	// place is where the record lives; nil if it is not known. finding is but for what is the same for all good records;
	// nil if it has nothing else.
	place   *place
	finding *mailrec.Finding
	// past is that of a record whose caches may hold something wrong; nil if all that it has is pastUntil.
	past *Past
	// In nanoseconds since 1970; 0 is no time.
	since, registered, verifiedAt, pastUntil int64

	oldTTL     uint32
	phase      judge.Phase
	verdict    judge.Verdict
	stage      judge.Stage
	affordable bool
}

// place is a zone and its servers, shared by the domain's records that live there.
type place struct {
	zone    rrset.Name
	servers []rrset.Name
}

// filing is what the states share: each content once, as long as somebody has it. It may be used concurrently; nil and the
// zero value share nothing.
type filing struct {
	findings interned[mailrec.Finding]
	sets     interned[rrset.Set]
	saids    interned[said]

	seed maphash.Seed
	// once are hashes of contents that were seen. What many records have alike comes soon again and is shared then;
	// what only one has, such as a key, is not looked up at all.
	once []atomic.Uint64
}

// seenOnce is how many contents are remembered to have been seen.
const seenOnce = 1 << 14

// share makes it share what is the same from now on.
func (f *filing) share() { f.seed, f.once = maphash.MakeSeed(), make([]atomic.Uint64, seenOnce) }

// shares says whether anything is shared.
func (f *filing) shares() bool { return f != nil && len(f.once) > 0 }

// file gives a state in the form in which it is kept. Record, which may be nil, is the registry's; beside are the domain's
// other states, which mostly live in the same zone.
func (f *filing) file(s *RecordState, record *Record, beside []filed) filed {
	if record == nil || !record.is(s.ID.Key, s.Name, s.Expectation) {
		record = &Record{Key: s.ID.Key, Name: s.Name, Expectation: s.Expectation}
	}
	if !s.brief() {
		return filed{record: record, full: s}
	}
	out := filed{
		record: record, baseline: f.set(s.Baseline),
		since: nanos(s.Since), registered: nanos(s.Registered), verifiedAt: nanos(s.VerifiedAt),
		oldTTL: s.OldTTL, phase: s.Phase, verdict: s.Verdict, stage: s.Stage, affordable: s.Affordable,
	}
	if s.Zone != "" || len(s.Servers) > 0 {
		out.place = placeOf(s, beside)
	}
	if out.pastUntil = nanos(s.Past.Until); s.Past.WrongTTL != 0 || len(s.Past.Wrong) > 0 || len(s.Past.Sources) > 0 {
		past := s.Past
		out.past = &past
	}
	if !plain(s.Finding) {
		out.finding = f.finding(s.Finding)
	}
	return out
}

// brief says whether there is nothing to say of the state but what filed has.
func (s *RecordState) brief() bool {
	well := s.Meaning == (rrset.Hash{}) && !s.FromAuthority && s.Suspicion == (judge.Suspicion{}) && s.Turns == (judge.Turns{}) &&
		s.Flapping == (judge.Flapping{}) && s.BlindSince.IsZero()
	quiet := s.Change == nil && s.Incident == nil && s.Inherited == "" && s.Deadline.IsZero() && s.LastDeadline.IsZero()
	// What a good record means is worked out anew from each answer, and not kept on disk either.
	meant := s.Finding.Meaning == (rrset.Hash{}) || s.Phase == judge.Verified && s.Verdict == judge.Holding
	return well && quiet && meant && len(s.Finding.Changes) == 0 && s.Finding.Seen.Type == 0 && s.Finding.Seen.Empty() &&
		s.Seen.Type == 0 && s.Seen.Empty()
}

// state gives the state of a domain's record. It is the caller's own if it was not kept as a whole.
func (f *filed) state(domain rrset.Name) *RecordState {
	if f.full != nil {
		return f.full
	}
	s := &RecordState{
		ID: RecordID{domain, f.record.Key}, Name: f.record.Name, Expectation: f.record.Expectation,
		OldTTL: f.oldTTL, Affordable: f.affordable,
	}
	if f.baseline != nil {
		s.Baseline = *f.baseline
	}
	s.Phase, s.Verdict, s.Stage = f.phase, f.verdict, f.stage
	s.Since, s.Registered, s.VerifiedAt = fromNanos(f.since), fromNanos(f.registered), fromNanos(f.verifiedAt)
	if s.Past.Until = fromNanos(f.pastUntil); f.past != nil {
		s.Past = *f.past
	}
	if f.place != nil {
		s.Zone, s.Servers = f.place.zone, f.place.servers
	}
	if f.finding != nil {
		s.Finding = *f.finding
	}
	return s
}

// zone gives the zone that the record lives in; empty if it is not known.
func (f *filed) zone() rrset.Name {
	switch {
	case f.full != nil:
		return f.full.Zone
	case f.place != nil:
		return f.place.zone
	}
	return ""
}

// is says whether a state is the one that is filed, and not one that was.
func (f *filed) is(s *RecordState) bool {
	if f.full != nil {
		return f.full == s
	}
	return s != nil && !f.state(s.ID.Domain).differs(s) && sameExpectation(f.record.Expectation, s.Expectation)
}

// unsettled is RecordState.Unsettled.
func (f *filed) unsettled() bool {
	if f.full != nil {
		return f.full.Unsettled()
	}
	return f.phase != judge.Verified || f.verdict != judge.Holding
}

// position gives phase and verdict.
func (f *filed) position() (judge.Phase, judge.Verdict) {
	if f.full != nil {
		return f.full.Phase, f.full.Verdict
	}
	return f.phase, f.verdict
}

func (f *filed) blind() bool { return f.full != nil && !f.full.BlindSince.IsZero() }

// under gives the filed state with the registry's record in place of its own, if that says the same.
func (f *filed) under(r *Record) filed {
	next := *f
	if f.isOf(r) {
		next.record = r
	}
	return next
}

// isOf says whether the state is about a record as the registry has it.
func (f *filed) isOf(r *Record) bool {
	return f.record == r || r.is(f.record.Key, f.record.Name, f.record.Expectation)
}

// is says whether the record is one of that key, at that name, of which that is expected.
func (r *Record) is(key string, name rrset.Name, e mailrec.Expectation) bool {
	return r.Key == key && r.Name == name && sameExpectation(r.Expectation, e)
}

// wasVerifiedAs gives the baseline.
func (f *filed) wasVerifiedAs() rrset.Set {
	switch {
	case f.full != nil:
		return f.full.Baseline
	case f.baseline != nil:
		return *f.baseline
	}
	return rrset.Set{}
}

// again says whether a content with that hash was seen before, as far as that is remembered.
func (f *filing) again(hash uint64) bool { return f.once[hash%seenOnce].Swap(hash) == hash }

// set gives a set to be kept, which is not to be changed; nil for the zero Set.
func (f *filing) set(s rrset.Set) *rrset.Set {
	if s.Type == 0 && s.Empty() {
		return nil
	}
	if f.shares() {
		if hash := f.hash(s); f.again(hash) {
			return f.sets.get(hash, func(o *rrset.Set) bool { return o.Equal(s) }, func() *rrset.Set { return &s })
		}
	}
	return &s
}

// like gives a set to be kept, shared if it is one that many records have.
func (f *filing) like(s rrset.Set) rrset.Set {
	if f.shares() && !s.Empty() {
		if had := f.sets.peek(f.hash(s)); had != nil && had.Equal(s) {
			return *had
		}
	}
	return s
}

// isShared says whether a set's memory is that which many records share.
func (f *filing) isShared(s rrset.Set) bool {
	if !f.shares() || s.Empty() {
		return false
	}
	had := f.sets.peek(f.hash(s))
	return had != nil && len(had.Data) == len(s.Data) && &had.Data[0] == &s.Data[0]
}

// said gives words to be kept.
func (f *filing) said(s *said) *said {
	if !f.shares() || s.more != nil && !s.more.chained() {
		return s
	}
	how := [...]byte{byte(s.outcome), byte(s.stand), byte(s.voted), byte(s.mark), bit(s.bogus), bit(s.announced), bit(s.echo)}
	hash := maphash.Bytes(f.seed, how[:])*mixing ^ maphash.Bytes(f.seed, s.meaning[:])*mixing ^ f.hash(s.set)
	if s.more != nil {
		for _, name := range s.more.chain {
			hash = hash*mixing ^ maphash.String(f.seed, string(name))
		}
	}
	if !f.again(hash) {
		return s
	}
	s.shared = true
	return f.saids.get(hash, s.same, func() *said { return s })
}

// chained says whether a chain of CNAMEs is all that there is more.
func (s *saidMore) chained() bool {
	return !s.apart && s.detail == "" && len(s.ede) == 0 && s.finding == nil
}

// same says whether both say the same, of those that have nothing more than a chain of CNAMEs.
func (s *said) same(o *said) bool {
	var chain, other []rrset.Name
	if s.more != nil {
		chain = s.more.chain
	}
	if o.more != nil {
		other = o.more.chain
	}
	return slices.Equal(chain, other) && s.outcome == o.outcome && s.stand == o.stand && s.voted == o.voted && s.bogus == o.bogus && s.announced == o.announced &&
		s.echo == o.echo && s.mark == o.mark && s.meaning == o.meaning && s.set.Equal(o.set)
}

// mixing is an odd number that moves all bits.
const mixing = 0x9e3779b97f4a7c15

// hash gives a hash of a set.
func (f *filing) hash(s rrset.Set) uint64 {
	hash := uint64(s.Type)
	for _, r := range s.Data {
		hash = hash*mixing ^ maphash.Bytes(f.seed, r)
	}
	return hash
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// placeOf gives where a record lives: as the others of its domain have it, if they do.
func placeOf(s *RecordState, beside []filed) *place {
	for i := range beside {
		if p := beside[i].place; p != nil && p.zone == s.Zone && slices.Equal(p.servers, s.Servers) {
			return p
		}
	}
	return &place{s.Zone, s.Servers}
}

func (f *filing) finding(x mailrec.Finding) *mailrec.Finding {
	if x.Meaning = (rrset.Hash{}); !f.shares() {
		return &x
	}
	hash := maphash.String(f.seed, x.Reason)*mixing ^ maphash.String(f.seed, x.Rule)
	for _, note := range x.Notes {
		hash = hash*mixing ^ maphash.String(f.seed, note)
	}
	return f.findings.get(hash, func(o *mailrec.Finding) bool {
		return o.Class == x.Class && o.Impact == x.Impact && o.Relation == x.Relation && o.Reason == x.Reason && o.Rule == x.Rule &&
			slices.Equal(o.Notes, x.Notes)
	}, func() *mailrec.Finding { return &x })
}

// interned keeps values once, as long as somebody has them, by hashes of theirs: of two with the same hash one is not
// kept. The zero value is empty; it may be used concurrently.
type interned[T any] struct {
	mu    sync.Mutex
	known map[uint64]weak.Pointer[T]
	// tidyAt is how many there may be until those that nobody has any more are dropped.
	tidyAt int
}

// minInterned is below how many values nothing is tidied up.
const minInterned = 64

// get gives the value with that hash if it is the same, or makes it.
func (n *interned[T]) get(hash uint64, same func(*T) bool, fresh func() *T) *T {
	n.mu.Lock()
	defer n.mu.Unlock()
	if had := n.known[hash].Value(); had != nil && same(had) {
		return had
	}
	if n.known == nil {
		n.known = map[uint64]weak.Pointer[T]{}
	}
	made := fresh()
	n.known[hash] = weak.Make(made)
	n.tidy()
	return made
}

// peek gives the value with that hash; nil if there is none.
func (n *interned[T]) peek(hash uint64) *T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[hash].Value()
}

func (n *interned[T]) tidy() {
	if len(n.known) < max(n.tidyAt, minInterned) {
		return
	}
	for hash, w := range n.known {
		if w.Value() == nil {
			delete(n.known, hash)
		}
	}
	n.tidyAt = 2 * len(n.known)
}
