package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// errValue is that a value is not what this program writes.
var errValue = errors.New("malformed value")

// valueFormat is the first byte of all values that are written as bytes. Another way to write one would have another.
const valueFormat = 1

// epoch is what the first time of a value is counted from.
var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// How a time is written: as none, in full, or as nanoseconds from another time, signed and shifted by timeDelta.
const (
	timeNone  = 0
	timeFull  = 1
	timeDelta = 2
	// timeReach is how many seconds the other time may be away.
	timeReach = 1 << 30
)

func appendTime(b []byte, t, base time.Time) []byte {
	if t.IsZero() {
		return append(b, timeNone)
	}
	seconds := t.Unix() - base.Unix()
	if seconds <= -timeReach || seconds >= timeReach {
		b = binary.AppendVarint(append(b, timeFull), t.Unix())
		return binary.AppendUvarint(b, uint64(t.Nanosecond()))
	}
	nanos := seconds*int64(time.Second) + int64(t.Nanosecond()-base.Nanosecond())
	return binary.AppendUvarint(b, zigzag(nanos)+timeDelta)
}

// zigzag makes small numbers of either sign small.
func zigzag(n int64) uint64 { return uint64(n<<1) ^ uint64(n>>63) }

func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTexts[T ~string | ~[]byte](b []byte, list []T) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// appendSet writes an RRset behind its length; the zero Set has none.
func appendSet(b []byte, s rrset.Set) []byte {
	if s.Type == 0 && s.Empty() {
		return append(b, 0)
	}
	size := uintLen(uint64(s.Type)) + uintLen(uint64(len(s.Data)))
	for _, d := range s.Data {
		size += uintLen(uint64(len(d))) + len(d)
	}
	b = binary.AppendUvarint(b, uint64(size))
	b = binary.AppendUvarint(b, uint64(s.Type))
	return appendTexts(b, s.Data)
}

func uintLen(n uint64) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutUvarint(b[:], n)
}

// reader reads what the append functions wrote. The first thing that is not so is its error, and from then on it
// gives zeros.
type reader struct {
	b []byte
	// in shares what is equal to what was read before; it may be nil.
	in  *interner
	err error
}

func (r *reader) fail() {
	if r.b = nil; r.err == nil {
		r.err = errValue
	}
}

// end gives what went wrong, which may be that something is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%w: %d bytes too long", errValue, len(r.b))
	}
	return r.err
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// format reads the byte that says how the rest is written.
func (r *reader) format() {
	if got := r.byte(); r.err == nil && got != valueFormat {
		r.fail()
		r.err = fmt.Errorf("%w: format %d, want %d", errValue, got, valueFormat)
	}
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) uint32() uint32 {
	n := r.uint()
	if n > 1<<32-1 {
		r.fail()
		return 0
	}
	return uint32(n)
}

func (r *reader) int() int64 { return unzigzag(r.uint()) }

// seq reads the number of a log entry.
func (r *reader) seq() uint64 {
	b := r.take(8)
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// take gives the next n bytes, which are the database's.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// count reads how many things follow; each takes a byte or more.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return r.in.text(r.take(r.uint())) }

func readTexts[T ~string](r *reader) []T {
	n := r.count()
	if n == 0 {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		out[i] = T(r.text())
	}
	return out
}

func (r *reader) time(base time.Time) time.Time {
	switch n := r.uint(); {
	case r.err != nil || n == timeNone:
		return time.Time{}
	case n == timeFull:
		seconds, nanos := r.int(), r.uint()
		if nanos >= uint64(time.Second) {
			r.fail()
			return time.Time{}
		}
		return time.Unix(seconds, int64(nanos)).UTC()
	default:
		return base.Add(time.Duration(unzigzag(n - timeDelta)))
	}
}

// readEnum reads one of the values up to the last.
func readEnum[T ~uint8](r *reader, last T) T {
	v := T(r.byte())
	if v > last {
		r.fail()
		return 0
	}
	return v
}

func (r *reader) hash() (h rrset.Hash) {
	copy(h[:], r.take(uint64(len(h))))
	return h
}

func (r *reader) set() rrset.Set {
	raw := r.take(r.uint())
	if len(raw) == 0 {
		return rrset.Set{}
	}
	s, err := r.in.set(raw, readSet)
	if err != nil {
		r.fail()
	}
	return s
}

func readSet(raw []byte) (rrset.Set, error) {
	r := reader{b: slices.Clone(raw)}
	t := r.uint()
	if t > 1<<16-1 {
		r.fail()
	}
	s := rrset.Set{Type: rrset.Type(t)}
	if n := r.count(); n > 0 {
		s.Data = make([][]byte, n)
	}
	for i := range s.Data {
		s.Data[i] = slices.Clip(r.take(r.uint()))
	}
	return s, r.end()
}

// internLimit is how many different things an interner knows before it forgets them all: what many records have in
// common is soon learned again. What takes more than internLargest bytes, as a DKIM key, is hardly anybody else's.
const (
	internLimit   = 1 << 14
	internLargest = 256
	// internOnce is of how many things it is remembered that they were seen once. Only what is seen again is kept.
	internOnce = 1 << 12
)

// interner gives equal values one place in memory. A nil one only makes values. It is for one goroutine.
type interner struct {
	texts        map[string]string
	sets         map[string]rrset.Set
	expectations map[string]mailrec.Expectation
	names        map[string][]rrset.Name
	maps         map[string]map[string]string

	seed maphash.Seed
	once [internOnce]uint64
	// recent is the set that was read last, of which written is the form on disk: a record's answers mostly say what it was
	// verified as.
	written []byte
	recent  rrset.Set
	// domain is that of the record that was read last: those of a domain stand together.
	domain rrset.Name
}

func newInterner() *interner {
	return &interner{
		texts: map[string]string{}, sets: map[string]rrset.Set{}, expectations: map[string]mailrec.Expectation{},
		names: map[string][]rrset.Name{}, maps: map[string]map[string]string{}, seed: maphash.MakeSeed(),
	}
}

// again says whether a thing was seen before, as far as that is remembered.
func (in *interner) again(raw []byte) bool {
	hash := maphash.Bytes(in.seed, raw)
	slot := &in.once[hash%internOnce]
	seen := *slot == hash
	*slot = hash
	return seen
}

func (in *interner) text(b []byte) string {
	if in == nil || len(b) == 0 || len(b) > internLargest {
		return string(b)
	}
	if s, ok := in.texts[string(b)]; ok {
		return s
	}
	s := string(b)
	if in.again(b) {
		remember(in.texts, s, s)
	}
	return s
}

// domainOf reads the domain of a record's key.
func (in *interner) domainOf(b []byte) rrset.Name {
	if in == nil {
		return rrset.Name(b)
	}
	if string(in.domain) != string(b) {
		in.domain = rrset.Name(b)
	}
	return in.domain
}

func (in *interner) set(raw []byte, read func([]byte) (rrset.Set, error)) (rrset.Set, error) {
	switch {
	case in == nil:
		return read(raw)
	case bytes.Equal(in.written, raw):
		return in.recent, nil
	}
	s, err := interned(in, in.sets, raw, read)
	if err == nil {
		in.written, in.recent = append(in.written[:0], raw...), s
	}
	return s, err
}

func (in *interner) expectation(raw []byte, read func([]byte) (mailrec.Expectation, error)) (mailrec.Expectation, error) {
	if in == nil {
		return read(raw)
	}
	return interned(in, in.expectations, raw, read)
}

func (in *interner) pairs(raw []byte, read func([]byte) (map[string]string, error)) (map[string]string, error) {
	if in == nil {
		return read(raw)
	}
	return interned(in, in.maps, raw, read)
}

// list reads a list of names; equal ones are one in memory.
func (r *reader) list() []rrset.Name {
	ahead := *r
	for range ahead.count() {
		ahead.take(ahead.uint())
	}
	raw := r.b[:len(r.b)-len(ahead.b)]
	if ahead.err != nil || r.in == nil {
		return readTexts[rrset.Name](r)
	}
	r.b = ahead.b
	names, err := interned(r.in, r.in.names, raw, func(raw []byte) ([]rrset.Name, error) {
		inner := reader{b: raw, in: r.in}
		return readTexts[rrset.Name](&inner), inner.end()
	})
	if err != nil {
		r.fail()
	}
	return names
}

func interned[T any](in *interner, known map[string]T, raw []byte, read func([]byte) (T, error)) (T, error) {
	if len(raw) > internLargest {
		return read(raw)
	}
	if v, ok := known[string(raw)]; ok {
		return v, nil
	}
	v, err := read(raw)
	if err == nil && in.again(raw) {
		remember(known, string(raw), v)
	}
	return v, err
}

func remember[T any](known map[string]T, key string, v T) {
	if len(known) >= internLimit {
		clear(known)
	}
	known[key] = v
}
