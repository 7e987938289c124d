package fleet

import (
	"bytes"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

func zone(t *testing.T, f Fleet) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := f.WriteZone(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAFleetIsTheSameEachTime(t *testing.T) {
	f := Fleet{Size: 200, Seed: 7}
	if !bytes.Equal(zone(t, f), zone(t, f)) {
		t.Error("the same fleet has two zones")
	}
	if bytes.Equal(zone(t, f), zone(t, Fleet{Size: 200, Seed: 8})) {
		t.Error("the seed makes no difference")
	}
	if larger := zone(t, Fleet{Size: 300, Seed: 7}); !bytes.HasPrefix(larger, zone(t, f)) {
		t.Error("a larger fleet does not begin with the smaller one")
	}
}

// published reads the zone as a server does.
func published(t *testing.T, text []byte) map[string]map[uint16][]dns.RR {
	t.Helper()
	out := map[string]map[uint16][]dns.RR{}
	parser := dns.NewZoneParser(bytes.NewReader(text), Apex.FQDN(), "test.zone")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		h := rr.Header()
		if out[h.Name] == nil {
			out[h.Name] = map[uint16][]dns.RR{}
		}
		out[h.Name][h.Rrtype] = append(out[h.Name][h.Rrtype], rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryQuestionHasAnAnswerInTheZone(t *testing.T) {
	f := Fleet{Size: 300, Seed: 1}
	names := published(t, zone(t, f))
	questions := f.Questions()
	for _, q := range questions {
		at := names[q.Name.FQDN()]
		if alias := at[dns.TypeCNAME]; len(alias) == 1 && q.Type != rrset.CNAME {
			at = names[alias[0].(*dns.CNAME).Target]
		}
		if len(at[uint16(q.Type)]) == 0 {
			t.Errorf("%s is not in the zone", q)
		}
	}
	for _, c := range Canaries() {
		if _, ok := names[c.Question.Name.FQDN()]; ok == c.Random {
			t.Errorf("canary %s: in the zone: %v", c.Question, ok)
		}
	}
	for name, types := range names {
		if len(types[dns.TypeCNAME]) > 0 && len(types) > 1 {
			t.Errorf("%s has a CNAME and other records", name)
		}
	}
	if n := float64(len(questions)) / float64(f.Size); n < 5 || n > 5.8 {
		t.Errorf("%.2f questions a domain", n)
	}
}

// What the engine makes of the specs is what the zone and the questions are about.
func TestTheEngineKnowsTheDomains(t *testing.T) {
	f := Fleet{Size: 300, Seed: 1}
	names := published(t, zone(t, f))
	domains, err := f.Domains()
	if err != nil {
		t.Fatal(err)
	}
	made := slices.Collect(f.All())
	records := 0
	for i, d := range domains {
		records += len(d.Records)
		for _, r := range d.Records {
			asked := made[i].Asked[slices.IndexFunc(made[i].Asked, func(q resolve.Question) bool {
				return q.Name == r.Name && q.Type == r.Kind.Type()
			})]
			if set := setOf(names, asked.Name, asked.Type); r.Check(set).Class != mailrec.Same {
				t.Errorf("%s %s is not as it must be: %+v", d.Name, r.Key, r.Check(set))
			}
		}
	}
	if n := float64(records) / float64(f.Size); n < 5.5 || n > 6 {
		t.Errorf("%.2f records a domain", n)
	}
}

// What is said to be answered without a server is what a server makes of the zone.
func TestAnswersAreThoseOfTheZone(t *testing.T) {
	f := Fleet{Size: 300, Seed: 1}
	names := published(t, zone(t, f))
	answers, err := f.Answers()
	if err != nil {
		t.Fatal(err)
	}
	for d := range f.All() {
		for _, q := range d.Asked {
			if got, err := answers.Of(d, q); err != nil || !got.Equal(setOf(names, q.Name, q.Type)) {
				t.Errorf("%s: %v, %v", q, got.Lines(), err)
			}
		}
		if _, err := answers.Of(d, resolve.Question{Name: d.Name, Type: rrset.A}); err == nil {
			t.Error("there is an answer to what is not in the zone")
		}
	}
}

// setOf gives the RRset that a resolver would answer with.
func setOf(names map[string]map[uint16][]dns.RR, name rrset.Name, typ rrset.Type) rrset.Set {
	at := names[name.FQDN()]
	if alias := at[dns.TypeCNAME]; len(alias) == 1 && typ != rrset.CNAME {
		at = names[alias[0].(*dns.CNAME).Target]
	}
	var data [][]byte
	for _, rr := range at[uint16(typ)] {
		wire := make([]byte, 65535)
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			panic(err)
		}
		start := len(rr.Header().Name) + 1 + 10
		data = append(data, wire[start:end])
	}
	return rrset.NewSet(typ, data...)
}
