package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// What a state's flags tell.
const (
	stateFromAuthority = 1 << iota
	stateAffordable
	stateMeaning
	// stateOwnName says that the record lives at the name of its domain, stateOwnZone that the zone is named like
	// the domain.
	stateOwnName
	stateOwnZone
	// stateRest says that there is JSON of all other fields.
	stateRest
)

// appendState writes a state: as bytes what every record has, and as JSON what only records in trouble or with plans
// for them have. Start-up reads hundreds of thousands, nearly all without the second part.
func appendState(b []byte, st *monitor.RecordState) ([]byte, error) {
	rest, err := restOf(st)
	if err != nil {
		return nil, err
	}
	flags := flag(st.FromAuthority, stateFromAuthority) | flag(st.Affordable, stateAffordable) |
		flag(st.Meaning != rrset.Hash{}, stateMeaning) | flag(st.Name == st.ID.Domain, stateOwnName) |
		flag(st.Zone == st.ID.Domain, stateOwnZone) | flag(rest != nil, stateRest)
	b = append(b, valueFormat, flags)
	if rest != nil {
		b = appendText(b, rest) // in front, since it has zeros for what follows
	}
	b = append(b, byte(st.Phase), byte(st.Verdict), byte(st.Stage))
	b = appendTime(b, st.Since, epoch)
	b = appendTime(b, st.Registered, st.Since)
	b = appendTime(b, st.VerifiedAt, st.Since)
	if flags&stateMeaning != 0 {
		b = append(b, st.Meaning[:]...)
	}
	if flags&stateOwnName == 0 {
		b = appendText(b, st.Name)
	}
	if flags&stateOwnZone == 0 {
		b = appendText(b, st.Zone)
	}
	b = appendTexts(b, st.Servers)
	b = appendText(b, appendExpectation(nil, st.Expectation))
	b = appendSet(b, st.Baseline)
	return binary.AppendUvarint(b, uint64(st.OldTTL)), nil
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

// restOf gives the JSON of what appendState does not write itself, nil if that is nothing. A field that comes to be
// is in it until somebody gives it a place.
func restOf(st *monitor.RecordState) ([]byte, error) {
	rest := *st
	rest.ID, rest.Expectation, rest.Name, rest.Baseline, rest.OldTTL = monitor.RecordID{}, mailrec.Expectation{}, "", rrset.Set{}, 0
	rest.Zone, rest.Servers, rest.Affordable = "", nil, false
	rest.State = judge.State{Suspicion: st.Suspicion, Turns: st.Turns, Flapping: st.Flapping, BlindSince: st.BlindSince}
	rest.Finding.Seen, rest.Finding.Meaning = rrset.Set{}, rrset.Hash{} // they are not kept
	if reflect.ValueOf(&rest).Elem().IsZero() {
		return nil, nil
	}
	data, err := json.Marshal(&rest)
	if err != nil {
		return nil, fmt.Errorf("encode state of %s: %w", st.ID, err)
	}
	return data, nil
}

// readState reads the state of the record with that key.
func readState(key, v []byte, in *interner) (*monitor.RecordState, error) {
	st := new(monitor.RecordState)
	if err := readStateInto(key, v, in, st); err != nil {
		return nil, err
	}
	return st, nil
}

// readStateInto is readState into the memory of a state that is not needed any more.
func readStateInto(key, v []byte, in *interner, st *monitor.RecordState) error {
	*st = monitor.RecordState{}
	r := reader{b: v, in: in}
	r.format()
	flags := r.byte()
	if flags&stateRest != 0 {
		if err := json.Unmarshal(r.take(r.uint()), st); r.err == nil && err != nil {
			return fmt.Errorf("state of %q: %w: %w", key, errValue, err)
		}
	}
	st.ID = r.recordID(key)
	st.Phase, st.Verdict, st.Stage = readEnum(&r, lastPhase), readEnum(&r, lastVerdict), readEnum(&r, lastStage)
	st.Since = r.time(epoch)
	st.Registered, st.VerifiedAt = r.time(st.Since), r.time(st.Since)
	st.FromAuthority, st.Affordable = flags&stateFromAuthority != 0, flags&stateAffordable != 0
	if st.Meaning = (rrset.Hash{}); flags&stateMeaning != 0 {
		st.Meaning = r.hash()
	}
	if st.Name = st.ID.Domain; flags&stateOwnName == 0 {
		st.Name = rrset.Name(r.text())
	}
	if st.Zone = st.ID.Domain; flags&stateOwnZone == 0 {
		st.Zone = rrset.Name(r.text())
	}
	st.Servers = r.list()
	st.Expectation = r.expectation()
	st.Baseline = r.set()
	st.OldTTL = r.uint32()
	if err := r.end(); err != nil {
		return fmt.Errorf("state of %q: %w", key, err)
	}
	return nil
}

// recordID reads the key of a record.
func (r *reader) recordID(key []byte) monitor.RecordID {
	domain, record, ok := bytes.Cut(key, []byte{0})
	if !ok {
		r.fail()
	}
	return monitor.RecordID{Domain: r.in.domainOf(domain), Key: r.in.text(record)}
}

// What an expectation's flags tell.
const (
	expectPreference = 1 << iota
	expectInvalid
	expectUsable
)

func appendExpectation(b []byte, e mailrec.Expectation) []byte {
	b = append(b, byte(e.Kind), byte(e.Match),
		flag(e.MatchPreference, expectPreference)|flag(e.AllowInvalid, expectInvalid)|flag(e.Usable, expectUsable))
	b = appendTexts(b, e.Want)
	b = binary.AppendUvarint(b, uint64(len(e.Alternatives)))
	for _, alternative := range e.Alternatives {
		b = appendTexts(b, alternative)
	}
	return b
}

func (r *reader) expectation() mailrec.Expectation {
	e, err := r.in.expectation(r.take(r.uint()), readExpectation)
	if err != nil {
		r.fail()
	}
	return e
}

func readExpectation(raw []byte) (mailrec.Expectation, error) {
	r := reader{b: raw}
	e := mailrec.Expectation{Kind: readEnum(&r, lastKind), Match: readEnum(&r, lastMatch)}
	flags := r.byte()
	e.MatchPreference, e.AllowInvalid, e.Usable = flags&expectPreference != 0, flags&expectInvalid != 0, flags&expectUsable != 0
	e.Want = readTexts[string](&r)
	if n := r.count(); n > 0 {
		e.Alternatives = make([][]string, n)
	}
	for i := range e.Alternatives {
		e.Alternatives[i] = readTexts[string](&r)
	}
	return e, r.end()
}
