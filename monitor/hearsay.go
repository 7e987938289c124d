package monitor

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// hearsay is what all sources said about all records. All methods may be called concurrently; of and what it gives
// are for who has claimed the domain.
type hearsay struct {
	parts  [shards]hearsayPart
	panels panels
	// shared is what records have alike; nil lets each have its own.
	shared *filing
	// records is how many records something was heard about since the start.
	records atomic.Int64
}

type hearsayPart struct {
	mu      sync.Mutex
	domains map[rrset.Name][]*voices
}

// of gives the voices about a domain's records, sorted by key.
func (h *hearsay) of(name rrset.Name) []*voices {
	part := &h.parts[shardOf(name)]
	part.mu.Lock()
	defer part.mu.Unlock()
	return part.domains[name]
}

// about gives the voices about one record; nil if nothing was ever heard.
func (h *hearsay) about(id RecordID) *voices { return voicesOf(h.of(id.Domain), id.Key) }

func voicesOf(list []*voices, key string) *voices {
	if i, ok := findVoices(list, key); ok {
		return list[i]
	}
	return nil
}

func findVoices(list []*voices, key string) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(v *voices, key string) int { return strings.Compare(v.key, key) })
}

// votes gives what was heard last about a record since the start.
func (h *hearsay) votes(id RecordID) []SourceVote {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	if v := voicesOf(part.domains[id.Domain], id.Key); v != nil && v.heard > 0 {
		return v.votes()
	}
	return nil
}

// lastWord is an answer of a source that is remembered: the last one, or the last one that history has.
type lastWord struct {
	source    string
	authority bool
	set       rrset.Set
	// ttl is in seconds; ends is when the answer ends. Both are zero where that is not known, of answers from before the start
	// among others.
	ttl  uint32
	ends time.Time
}

// lastWords gives the answers about a record that are remembered. Failures are none.
func (h *hearsay) lastWords(id RecordID) []lastWord {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	v := voicesOf(part.domains[id.Domain], id.Key)
	if v == nil {
		return nil
	}
	var out []lastWord
	for k := range v.voice {
		x, m := &v.voice[k], v.panel.members[k]
		if s := v.saidAs(x.word); s != nil {
			out = append(out, lastWord{m.id, m.authority, s.set, x.ttl, x.at().Add(time.Duration(x.ttl) * time.Second)})
		}
		if s := v.saidAs(x.kept); s != nil && x.kept != x.word {
			out = append(out, lastWord{source: m.id, authority: m.authority, set: s.set})
		}
	}
	return out
}

// saidAs gives the answer under a number; nil if there is none, or it is a failure.
func (v *voices) saidAs(number uint16) *said {
	if number == 0 || !v.words[number-1].said.outcome.Evidence() {
		return nil
	}
	return v.words[number-1].said
}

// len is about how many records something was heard since the start.
func (h *hearsay) len() int { return int(h.records.Load()) }

// again takes in that a source has said the same again about a record of that domain.
func (h *hearsay) again(domain rrset.Name, v *voices, i int, o resolve.Observation) {
	part := &h.parts[shardOf(domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	v.again(i, o.At, o.TTL, o.Latency)
}

// hear takes in what was heard about a record in a round, and what is remembered of its zone's servers then. It says
// whether the voices are other ones now.
func (h *hearsay) hear(id RecordID, s Subject, heard []Heard, authority pace.Authority) (fresh bool) {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	v := voicesOf(part.domains[id.Domain], id.Key)
	if v != nil && v.hear(s, heard) {
		v.authority = authority
		return false
	}
	if v == nil || v.heard == 0 {
		h.records.Add(1)
	}
	next := v.after(id.Key, s, heard, &h.panels, h.shared)
	next.authority = authority
	part.put(id, next)
	return true
}

// rename lets a domain be known by that text, which has the same name.
func (h *hearsay) rename(name rrset.Name) {
	part := &h.parts[shardOf(name)]
	part.mu.Lock()
	defer part.mu.Unlock()
	if list, ok := part.domains[name]; ok {
		delete(part.domains, name)
		part.domains[name] = list
	}
}

// keyOf gives a record's key in a text that is nobody's: domains have the same few.
func keyOf(key string) string { return unique.Make(key).Value() }

// replace puts voices, sorted by key, in the place of those about a domain's records, if there were any.
func (h *hearsay) replace(name rrset.Name, list []*voices) {
	part := &h.parts[shardOf(name)]
	part.mu.Lock()
	defer part.mu.Unlock()
	if part.domains == nil {
		part.domains = map[rrset.Name][]*voices{}
	}
	part.domains[name] = list
}

// keep takes in what history has now. It is quickest if the intervals of a record stand together.
func (h *hearsay) keep(intervals []Interval) {
	for len(intervals) > 0 {
		id, n := intervals[0].ID, 1
		for n < len(intervals) && intervals[n].ID == id {
			n++
		}
		h.keepOf(id, intervals[:n])
		intervals = intervals[n:]
	}
}

func (h *hearsay) keepOf(id RecordID, intervals []Interval) {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	v := voicesOf(part.domains[id.Domain], id.Key)
	members := make([]panelist, 0, len(intervals))
	next := &voices{key: keyOf(id.Key)}
	if v != nil {
		members, *next = append(members, v.panel.members...), *v
	}
	next.voice = append(make([]voice, 0, max(len(next.voice), len(intervals))), next.voice...)
	next.words = slices.Clone(next.words)
	for i := range intervals {
		iv := &intervals[i]
		at := slices.IndexFunc(members, func(m panelist) bool { return m.id == iv.Source })
		if at < 0 {
			at = len(members)
			members, next.voice = append(members, panelist{id: iv.Source, authority: iv.Authority}), append(next.voice, voice{})
		}
		next.voice[at].kept = next.keep(iv, rrset.Set{}, h.shared)
	}
	next.panel, next.words, next.apart = h.panels.of(members), exact(next.words), true
	part.put(id, next)
}

// forget takes out what was said about a record.
func (h *hearsay) forget(id RecordID) {
	part := &h.parts[shardOf(id.Domain)]
	part.mu.Lock()
	defer part.mu.Unlock()
	list := part.domains[id.Domain]
	at, ok := findVoices(list, id.Key)
	if !ok {
		return
	}
	if list[at].heard > 0 {
		h.records.Add(-1)
	}
	if len(list) == 1 {
		delete(part.domains, id.Domain)
		return
	}
	part.domains[id.Domain] = slices.Concat(list[:at], list[at+1:])
}

// put takes in the voices about a record. Lists are never written: somebody may be reading one.
func (p *hearsayPart) put(id RecordID, v *voices) {
	if p.domains == nil {
		p.domains = map[rrset.Name][]*voices{}
	}
	list := p.domains[id.Domain]
	at, ok := findVoices(list, id.Key)
	fresh := append(make([]*voices, 0, len(list)+1), list[:at]...)
	fresh = append(fresh, v)
	if ok {
		at++
	}
	p.domains[id.Domain] = append(fresh, list[at:]...)
}
