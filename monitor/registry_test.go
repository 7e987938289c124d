package monitor

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// measured is a journal that counts, and fails from one transaction on.
type measured struct {
	*memJournal
	states []int
	failAt int
}

var errFull = errors.New("the disk is full")

func (m *measured) Commit(ctx context.Context, b Batch) error {
	if m.failAt > 0 && len(m.states) >= m.failAt {
		return errFull
	}
	m.states = append(m.states, len(b.States))
	return m.memJournal.Commit(ctx, b)
}

// TestANewFleetIsBegunSomeDomainsAtATime also has the disk fill up midway.
func TestANewFleetIsBegunSomeDomainsAtATime(t *testing.T) {
	presets := testPresets(t)
	const domains = 2*introducedAtOnce + 1
	var fleet []*Domain
	for i := range domains {
		d, err := Spec{Domain: fmt.Sprintf("d%d.test", i), Expect: []ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DMARC}}}.Resolve(presets)
		if err != nil {
			t.Fatal(err)
		}
		d.Origin = Origin{File: "fleet.yml", Line: i + 1}
		fleet = append(fleet, d)
	}
	journal := &measured{memJournal: newMemJournal(), failAt: 1}
	start := func() (*Engine, error) {
		return New(t.Context(), Options{Journal: journal, Presets: presets}, journal.memory(), testSettings(), fleet)
	}
	if _, err := start(); !errors.Is(err, errFull) {
		t.Fatalf("began without a journal: %v", err)
	}
	if n := len(journal.memory().Domains); n != introducedAtOnce {
		t.Errorf("%d domains were begun before", n)
	}
	first := map[rrset.Name]StoredDomain{}
	for _, d := range journal.memory().Domains {
		first[d.Name] = d
	}
	journal.failAt, journal.states = 0, nil
	e, err := start()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range journal.states {
		if n > 2*introducedAtOnce {
			t.Errorf("%d states in one transaction", n)
		}
	}
	s := e.Snapshot()
	if s.States.Len() != 2*domains || len(journal.memory().Domains) != domains {
		t.Errorf("%d records of %d domains", s.States.Len(), len(journal.memory().Domains))
	}
	for _, d := range s.Domains {
		if had, ok := first[d.Name]; d.Registered.IsZero() || ok && !had.Registered.Equal(d.Registered) {
			t.Errorf("%s was registered %v, and is said to have been %v", d.Name, had.Registered, d.Registered)
		}
		for i, f := range e.states.domains.parts[shardOf(d.Name)].of[d.Name] {
			if f.record != &d.Records[i] {
				t.Fatalf("%s/%s has a record of its own", d.Name, f.record.Key)
			}
		}
	}
}

// TestARecordThatOthersRestOnIsRegisteredToo begins to watch the domain of a record that was watched for others.
func TestARecordThatOthersRestOnIsRegisteredToo(t *testing.T) {
	presets := testPresets(t)
	journal := newMemJournal()
	shared := RecordState{ID: RecordID{"shared.test", SharedKey}, Name: "shared.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Maintained}}
	journal.states[shared.ID] = shared
	d, err := Spec{Domain: "shared.test", Expect: []ExpectSpec{{Kind: mailrec.MX}}}.Resolve(presets)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Options{Journal: journal, Presets: presets}, journal.memory(), testSettings(), []*Domain{d})
	if err != nil {
		t.Fatal(err)
	}
	if s := e.Snapshot().States; s.Get(RecordID{"shared.test", "mx"}) == nil || s.Get(shared.ID) != nil || s.Len() != 1 {
		t.Errorf("%d states, %+v", s.Len(), s.Counts())
	}
}
