package rootcause

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

// many gives n records of a domain in a zone, all in one state.
func many(n int, domain, zone rrset.Name, s State) []Record {
	var out []Record
	for i := range n {
		out = append(out, Record{Domain: domain, Name: rrset.Name(fmt.Sprintf("r%d.%s", i, domain)), State: s, Zone: zone})
	}
	return out
}

// leading gives one lost record a domain, whose CNAME leads to a provider.
func leading(provider rrset.Name, domains ...rrset.Name) []Record {
	var out []Record
	for _, d := range domains {
		out = append(out, Record{Domain: d, Name: "s1._domainkey." + d, State: Lost, Zone: d, TargetZone: provider})
		out = append(out, Record{Domain: d, Name: d, Zone: d})
	}
	return out
}

// undelegated says of records that the zone above them answers now.
func undelegated(records []Record) []Record {
	for i := range records {
		records[i].Now = records[i].Zone.Parent()
	}
	return records
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []Record
		want    string
	}{
		{"nothing wrong", many(5, "a.test", "a.test", Well), ""},
		{"two edited together are two", append(many(2, "a.test", "a.test", Lost), many(3, "a.test", "a.test", Well)...), ""},
		{"a zone of five", many(5, "a.test", "a.test", Lost), ""},
		{"a zone of two that is not delegated", undelegated(many(2, "a.test", "a.test", Lost)), "zone/a.test"},
		{"one record of such a zone", undelegated(many(1, "a.test", "a.test", Lost)), ""},
		{"a whole zone", many(12, "a.test", "a.test", Lost), "zone/a.test"},
		{"two domains of one zone", append(many(3, "a.test", "test", Lost), many(3, "b.test", "test", Lost)...), "zone/test"},
		{"a domain within a zone", append(many(6, "a.test", "test", Lost), many(1, "b.test", "test", Well)...), "domain/a.test"},
		{"bogus", append(many(2, "a.test", "a.test", Bogus), many(1, "a.test", "a.test", Well)...), "dnssec/a.test"},
		{"one bogus", many(1, "a.test", "a.test", Bogus), ""},
		{"a provider's name", leading("mail.test", "a.test", "b.test", "c.test"), "target/mail.test"},
		{"two domains of a provider", leading("mail.test", "a.test", "b.test"), ""},
		{"dead", many(1, "a.test", "a.test", Unreachable), "unreachable/a.test"},
		{"not all dead", append(many(2, "a.test", "a.test", Unreachable), many(1, "a.test", "a.test", Well)...), ""},
		{"no zone known", many(4, "a.test", "", Unreachable), ""},
		{"a lost domain in no known zone", many(7, "a.test", "", Lost), "domain/a.test"},
	} {
		found := Find(c.records)
		for i, r := range c.records {
			want := c.want
			if r.State == Well {
				want = ""
			}
			if got := found[i].String(); got != want {
				t.Errorf("%s: record %s has the cause %q, want %q", c.name, r.Name, got, want)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	gone := many(3, "a.test", "a.test", Lost)
	undelegated, moved, emptied := undelegated(slices.Clone(gone)), slices.Clone(gone), slices.Clone(gone)
	for i := range gone {
		moved[i].Now, moved[i].Servers, moved[i].ServersNow = "a.test", []rrset.Name{"ns1.a.test"}, []rrset.Name{"ns1.parking.test"}
		emptied[i].Now, emptied[i].Servers, emptied[i].ServersNow = "a.test", []rrset.Name{"ns1.a.test", "ns2.a.test"}, []rrset.Name{"ns2.a.test"}
	}
	for _, c := range []struct {
		cause   Cause
		records []Record
		reason  Reason
		says    string
	}{
		{Cause{Zone, "a.test"}, undelegated, Undelegated, "test. no longer delegates a.test"},
		{Cause{Zone, "a.test"}, moved, Moved, "served by ns1.parking.test now, and was by ns1.a.test"},
		{Cause{Zone, "a.test"}, emptied, Emptied, "gone or replaced at once"},
		{Cause{Domain, "a.test"}, gone, "", "while others in its zone are not"},
		{Cause{DNSSEC, "a.test"}, nil, "", "RFC 4035"},
		{Cause{Target, "mail.test"}, nil, "", "below mail.test"},
		{Cause{Paused, "a.test"}, nil, "", "while it was paused"},
		{Cause{Dead, "a.test"}, nil, "", "other zones are answered"},
	} {
		got := Explain(c.cause, c.records)
		if got.Reason != c.reason || !strings.Contains(got.Detail, c.says) {
			t.Errorf("%s: %+v, want %q and %q", c.cause, got, c.reason, c.says)
		}
	}
}

// TestLaws holds what must be true of any records: order does not matter, well records have no cause, and what
// shares a cause is lost alike.
func TestLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a reproducible test
	for range 2000 {
		var records []Record
		for range rng.IntN(12) {
			r := Record{Domain: rrset.Name([]string{"a.test", "b.test", "c.test", "d.test"}[rng.IntN(4)]), State: State(rng.IntN(4))}
			r.Zone = rrset.Name([]string{"", "test", string(r.Domain)}[rng.IntN(3)])
			if r.State == Lost && rng.IntN(3) == 0 {
				r.TargetZone = "mail.test"
			}
			records = append(records, r)
		}
		found := Find(records)
		order := rng.Perm(len(records))
		mixed := make([]Record, len(records))
		for i, at := range order {
			mixed[i] = records[at]
		}
		again := Find(mixed)
		size := map[Cause]int{}
		for i, at := range order {
			if again[i] != found[at] {
				t.Fatalf("%+v: the order matters: %v and %v", records, found, again)
			}
			size[again[i]]++
			if mixed[i].State == Well && again[i] != (Cause{}) {
				t.Fatalf("%+v: a well record has the cause %s", records, again[i])
			}
		}
		for c, n := range size {
			if c != (Cause{}) && c.Kind != Dead && n < bogusTogether {
				t.Fatalf("%+v: %s is the cause of one record", records, c)
			}
		}
	}
}
