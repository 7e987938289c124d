package monitor

import (
	"slices"

	"maildrift/monitor/rrset"
)

// What stays of a sweep is made record by record, among all that its rounds make and drop again. Left where it was made it
// would keep two or three times the memory that it takes, since the runtime gives memory back by the page and not by the
// object. So what is new of a stage is copied together once the stage is over, into large pieces.
//
// A piece lives as long as anything in it. So domains of which something is new later are copied by themselves, and all
// of the stage again once a tenth of it lives apart: what was replaced takes little.

// apartShare is which part of a stage may live apart: one of so many.
const apartShare = 10

// gather copies together what is kept of the domains of a stage of a whole group, if something is new in so many of them, and else
// of each of those by itself. Of other sweeps each is copied by itself: they take some domains out of many stages, and what stayed behind
// in a piece would have it all. The caller holds mu and has claimed the domains.
func (e *Engine) gather(stage []rrset.Name, whole bool, fresh map[rrset.Name]bool) {
	if whole && e.apart(stage, fresh)*apartShare >= len(stage) {
		for _, name := range stage {
			e.pieces.gather(e, name)
		}
		return
	}
	for name := range fresh {
		alone := pieces{}
		alone.gather(e, name)
	}
}

// apart counts the domains that do not lie with the others of their stage, or will not.
func (e *Engine) apart(stage []rrset.Name, fresh map[rrset.Name]bool) int {
	n := 0
	for _, name := range stage {
		if list := e.heard.of(name); fresh[name] || len(list) > 0 && slices.ContainsFunc(list, func(v *voices) bool { return v.apart }) {
			n++
		}
	}
	return n
}

// pieces are where things are copied together. The zero value gives each domain places of its own. It is not for
// concurrent use.
type pieces struct {
	together bool

	filed     piece[filed]
	baselines piece[rrset.Set]
	places    piece[place]
	lists     piece[*voices]
	voices    piece[voices]
	voice     piece[voice]
	words     piece[word]
	said      piece[said]
	more      piece[saidMore]
	names     piece[rrset.Name]
	data      piece[[]byte]
	octets    piece[byte]
	text      text

	// moved are the contents of the domain that is being copied: its answers mostly say what its records were verified as.
	moved []moved
}

type moved struct{ from, to [][]byte }

// gather copies what is kept of a domain.
func (p *pieces) gather(e *Engine, name rrset.Name) {
	p.moved = p.moved[:0]
	states, _ := e.states.domains.get(name)
	heard := e.heard.of(name)
	if len(states) > 0 {
		e.states.domains.put(name, p.ofStates(&e.states.filing, states))
	}
	if len(heard) > 0 {
		e.heard.replace(name, p.ofVoices(&e.states.filing, heard))
	}
}

func (p *pieces) ofStates(f *filing, states []filed) []filed {
	out := p.filed.copy(p.together, states)
	for i := range out {
		s := &out[i]
		if s.full != nil {
			continue
		}
		if s.baseline != nil && !f.isShared(*s.baseline) {
			s.baseline = p.baselines.one(p.together, p.set(f, *s.baseline))
		}
		if s.place != nil {
			s.place = p.place(s.place, out[:i], states[:i])
		}
	}
	return out
}

// place copies a place, which those before may have too.
func (p *pieces) place(at *place, copied, before []filed) *place {
	for i := range before {
		if before[i].place == at {
			return copied[i].place
		}
	}
	// The zone's name may be part of another's text, which would stay with it.
	next := place{rrset.Name(p.text.clone(p.together, string(at.zone))), p.names.copy(p.together, at.servers)}
	return p.places.one(p.together, next)
}

func (p *pieces) ofVoices(f *filing, list []*voices) []*voices {
	out := p.lists.copy(p.together, list)
	for i, v := range list {
		next := *v
		next.apart = !p.together
		next.voice, next.words = p.voice.copy(p.together, v.voice), p.words.copy(p.together, v.words)
		for k := range next.words {
			same := slices.IndexFunc(v.words[:k], func(w word) bool { return w.said == v.words[k].said })
			switch w := &next.words[k]; {
			case same >= 0:
				w.said = next.words[same].said
			case !w.said.shared:
				w.said = p.said.one(p.together, p.ofSaid(f, *w.said))
			}
		}
		out[i] = p.voices.one(p.together, next)
	}
	return out
}

func (p *pieces) ofSaid(f *filing, s said) said {
	if s.set = p.set(f, s.set); s.more != nil {
		more := *s.more
		more.chain, more.seen = p.names.copy(p.together, more.chain), p.set(f, more.seen)
		s.more = p.more.one(p.together, more)
	}
	return s
}

// set copies a set, unless that was done already, or many have it.
func (p *pieces) set(f *filing, s rrset.Set) rrset.Set {
	if len(s.Data) == 0 || f.isShared(s) {
		return s
	}
	for _, m := range p.moved {
		if len(m.from) == len(s.Data) && &m.from[0] == &s.Data[0] || len(m.to) == len(s.Data) && &m.to[0] == &s.Data[0] {
			return rrset.Set{Type: s.Type, Data: m.to}
		}
	}
	data := p.data.copy(p.together, s.Data)
	for i := range data {
		data[i] = p.record(data[i])
	}
	p.moved = append(p.moved, moved{s.Data, data})
	return rrset.Set{Type: s.Type, Data: data}
}

// record copies the data of a record, unless that was done with another set in which it is too: what is of a record's kind is
// part of all that stands at its name.
func (p *pieces) record(data []byte) []byte {
	if len(data) == 0 {
		return data
	}
	for _, m := range p.moved {
		for i, d := range m.from {
			if len(d) == len(data) && &d[0] == &data[0] {
				return m.to[i]
			}
		}
	}
	return p.octets.copy(p.together, data)
}
