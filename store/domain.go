package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

// What there is of a domain is said by a number before it, of which each bit stands for a field; what is empty is not written.
// The bits are on disk: new ones go behind the last one of their list, in front of the count of all.
const (
	domainSpec = 1 << iota
	domainBy
	domainAdded
	domainRetired
	domainPauses
	domainAll = 1<<iota - 1
)

// The same of a spec. specOwnName says that its domain is written as the registry names it.
const (
	specOwnName = 1 << iota
	specService
	specParams
	specExpect
	specSchedule
	specAddresses
	specMailFrom
	specLabels
	specSenders
	specNote
	specAll = 1<<iota - 1
)

// The same of an expectation. expectAllowed is AllowInvalid.
const (
	expectKey = 1 << iota
	expectHost
	expectMatch
	expectValue
	expectAllowed
	expectAll = 1<<iota - 1
)

// The same of a pause.
const (
	pauseRecord = 1 << iota
	pauseBy
	pauseWhy
	pauseAll = 1<<iota - 1
)

// bits gives the number in which those bits are set that are true, from the lowest on.
func bits(set ...bool) (n uint64) {
	for i, on := range set {
		if on {
			n |= 1 << i
		}
	}
	return n
}

// bits reads such a number, of which no other bits are known than those of all.
func (r *reader) bits(all uint64) uint64 {
	n := r.uint()
	if n&^all != 0 {
		r.fail()
		return 0
	}
	return n
}

// writeDomain writes what is kept of a domain but for its name, which is the key.
func writeDomain(d *monitor.StoredDomain) []byte {
	has := bits(d.Spec != nil, d.By != "", len(d.Added) > 0, len(d.Retired) > 0, len(d.Pauses) > 0)
	b := binary.AppendUvarint([]byte{valueFormat}, has)
	b = appendTime(b, d.Registered, epoch)
	if d.Spec != nil {
		b = appendSpec(b, d.Spec, d.Name)
	}
	if d.By != "" {
		b = appendText(b, d.By)
	}
	if len(d.Added) > 0 {
		b = appendExpectations(b, d.Added)
	}
	if len(d.Retired) > 0 {
		b = appendTexts(b, d.Retired)
	}
	if len(d.Pauses) > 0 {
		b = appendPauses(b, d.Pauses, d.Registered)
	}
	return b
}

func appendSpec(b []byte, s *monitor.Spec, name rrset.Name) []byte {
	own := s.Domain == string(name)
	b = binary.AppendUvarint(b, bits(own, s.Service != "", len(s.Params) > 0, len(s.Expect) > 0, s.Schedule != "",
		len(s.SendingAddresses) > 0, s.MailFrom != "", len(s.Labels) > 0, len(s.Senders) > 0, s.Note != ""))
	if !own {
		b = appendText(b, s.Domain)
	}
	if s.Service != "" {
		b = appendText(b, s.Service)
	}
	if len(s.Params) > 0 {
		b = appendMap(b, s.Params)
	}
	if len(s.Expect) > 0 {
		b = appendExpectations(b, s.Expect)
	}
	if s.Schedule != "" {
		b = appendText(b, s.Schedule)
	}
	if len(s.SendingAddresses) > 0 {
		b = appendTexts(b, s.SendingAddresses)
	}
	if s.MailFrom != "" {
		b = appendText(b, s.MailFrom)
	}
	if len(s.Labels) > 0 {
		b = appendMap(b, s.Labels)
	}
	if len(s.Senders) > 0 {
		b = appendTexts(b, s.Senders)
	}
	if s.Note != "" {
		b = appendText(b, s.Note)
	}
	return b
}

// appendMap writes names and values, in the order of the names, behind their length: domains that have the same are told by that.
func appendMap(b []byte, m map[string]string) []byte {
	all := binary.AppendUvarint(nil, uint64(len(m)))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = appendText(appendText(all, name), m[name])
	}
	return appendText(b, all)
}

// appendExpectations writes how many values there are in all first, so that they are read into one list.
func appendExpectations(b []byte, list []monitor.ExpectSpec) []byte {
	values := 0
	for i := range list {
		values += len(list[i].Value)
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	b = binary.AppendUvarint(b, uint64(values))
	for i := range list {
		x := &list[i]
		b = append(b, byte(x.Kind))
		b = binary.AppendUvarint(b, bits(x.Key != "", x.Host != "", x.Match != "", len(x.Value) > 0, x.AllowInvalid))
		for _, text := range [...]string{x.Key, x.Host, x.Match} {
			if text != "" {
				b = appendText(b, text)
			}
		}
		if len(x.Value) > 0 {
			b = appendTexts(b, x.Value)
		}
	}
	return b
}

func appendPauses(b []byte, list []monitor.Pause, registered time.Time) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		p := &list[i]
		b = binary.AppendUvarint(b, bits(p.Record != "", p.By != "", p.Why != ""))
		b = appendTime(appendTime(b, p.Since, registered), p.Until, p.Since)
		for _, text := range [...]string{p.Record, p.By, p.Why} {
			if text != "" {
				b = appendText(b, text)
			}
		}
	}
	return b
}

// readDomain reads what writeDomain wrote.
func readDomain(key, v []byte, in *interner) (d monitor.StoredDomain, err error) {
	r := reader{b: v, in: in}
	r.format()
	has := r.bits(domainAll)
	d.Name, d.Registered = rrset.Name(key), r.time(epoch)
	if has&domainSpec != 0 {
		d.Spec = r.spec(d.Name)
	}
	if has&domainBy != 0 {
		d.By = r.text()
	}
	if has&domainAdded != 0 {
		d.Added = r.expectations()
	}
	if has&domainRetired != 0 {
		d.Retired = readTexts[string](&r)
	}
	if has&domainPauses != 0 {
		d.Pauses = r.pauses(d.Registered)
	}
	if err := r.end(); err != nil {
		return monitor.StoredDomain{}, fmt.Errorf("domain %q: %w", key, err)
	}
	return d, nil
}

func (r *reader) spec(name rrset.Name) *monitor.Spec {
	has, s := r.bits(specAll), &monitor.Spec{Domain: string(name)}
	if has&specOwnName == 0 {
		s.Domain = r.text()
	}
	if has&specService != 0 {
		s.Service = r.text()
	}
	if has&specParams != 0 {
		s.Params = r.pairs()
	}
	if has&specExpect != 0 {
		s.Expect = r.expectations()
	}
	if has&specSchedule != 0 {
		s.Schedule = r.text()
	}
	if has&specAddresses != 0 {
		s.SendingAddresses = readTexts[string](r)
	}
	if has&specMailFrom != 0 {
		s.MailFrom = r.text()
	}
	if has&specLabels != 0 {
		s.Labels = r.pairs()
	}
	if has&specSenders != 0 {
		s.Senders = readTexts[string](r)
	}
	if has&specNote != 0 {
		s.Note = r.text()
	}
	return s
}

// pairs reads what appendMap wrote. Equal maps may be one in memory: nobody writes to them.
func (r *reader) pairs() map[string]string {
	m, err := r.in.pairs(r.take(r.uint()), func(raw []byte) (map[string]string, error) { return readPairs(raw, r.in) })
	if err != nil {
		r.fail()
	}
	return m
}

func readPairs(raw []byte, in *interner) (map[string]string, error) {
	r := reader{b: raw, in: in}
	n := r.count()
	m := make(map[string]string, n)
	for range n {
		name := r.text()
		m[name] = r.text()
	}
	if r.err == nil && len(m) != n {
		r.fail()
	}
	return m, r.end()
}

func (r *reader) expectations() []monitor.ExpectSpec {
	list := make([]monitor.ExpectSpec, r.count())
	values := make([]string, 0, r.count())
	for i := range list {
		x := &list[i]
		x.Kind = readEnum(r, lastKind)
		has := r.bits(expectAll)
		if has&expectKey != 0 {
			x.Key = r.text()
		}
		if has&expectHost != 0 {
			x.Host = r.text()
		}
		if has&expectMatch != 0 {
			x.Match = r.text()
		}
		if has&expectValue != 0 {
			from := len(values)
			for range r.count() {
				values = append(values, r.text())
			}
			x.Value = values[from:len(values):len(values)]
		}
		x.AllowInvalid = has&expectAllowed != 0
	}
	return list
}

func (r *reader) pauses(registered time.Time) []monitor.Pause {
	list := make([]monitor.Pause, r.count())
	for i := range list {
		p, has := &list[i], r.bits(pauseAll)
		p.Since = r.time(registered)
		p.Until = r.time(p.Since)
		if has&pauseRecord != 0 {
			p.Record = r.text()
		}
		if has&pauseBy != 0 {
			p.By = r.text()
		}
		if has&pauseWhy != 0 {
			p.Why = r.text()
		}
	}
	return list
}
