package survey_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/dnslab"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/survey"
)

// lab is a world in which shop.example has an exchange, and a surveyor in it.
func lab(t *testing.T) (*dnslab.Lab, survey.Surveyor, []*resolve.Source) {
	t.Helper()
	l, err := dnslab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	for _, r := range []struct {
		name rrset.Name
		typ  rrset.Type
		line string
	}{{"shop.example", rrset.MX, "10 mx.shop.example"}, {"mx.shop.example", rrset.A, "127.0.0.1"}} {
		if err := l.Set("shop.example", r.name, r.typ, 60, r.line); err != nil {
			t.Fatal(err)
		}
	}
	resolver, err := l.Resolver("one")
	if err != nil {
		t.Fatal(err)
	}
	sources := []*resolve.Source{{ID: "one", Operator: "one", Addrs: []netip.AddrPort{resolver.Addr()}}}
	client := resolve.NewClient(resolve.Options{Timeout: time.Second, Rate: 1e6})
	t.Cleanup(client.Close)
	zones := resolve.NewDelegations(client, sources, resolve.DelegationOptions{Port: l.Port(), AllowPrivate: true, Keep: time.Millisecond})
	return l, survey.Surveyor{Asker: client, Zones: zones, AllowPrivate: true}, sources
}

func look(s survey.Surveyor, sources []*resolve.Source) (ids []string, complete bool) {
	found := s.Look(context.Background(), hygiene.Subject{Domain: "shop.example"}, sources)
	for _, f := range found.Findings {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids), found.Complete
}

func TestLook(t *testing.T) {
	// The lab's servers share a network, and nobody there issues certificates.
	const always = "caa_missing ns_one_network"
	for _, tt := range []struct {
		name     string
		do       func(*dnslab.Lab)
		want     string
		complete bool
	}{
		{"in order", func(*dnslab.Lab) {}, always, true},
		{"an exchange is gone", func(l *dnslab.Lab) { l.Delete("shop.example", "mx.shop.example", rrset.A) }, always + " mx_unresolved", true},
		{"a server lags", func(l *dnslab.Lab) {
			l.Authorities()[0].Freeze(true)
			if err := l.Set("shop.example", "new.shop.example", rrset.A, 60, "127.0.0.9"); err != nil {
				panic(err)
			}
		}, always + " soa_lagging", true},
		{"a server is silent", func(l *dnslab.Lab) { l.Authorities()[1].Cut(true) }, always + " ns_lame", true},
		{"exchanges cannot be asked about", func(l *dnslab.Lab) {
			for _, a := range l.Authorities() {
				a.Fault(dnslab.Match{Below: "mx.shop.example"}, dnslab.Drop)
			}
		}, always, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, s, sources := lab(t)
			tt.do(l)
			ids, complete := look(s, sources)
			want := strings.Fields(tt.want)
			slices.Sort(want)
			if !slices.Equal(ids, want) || complete != tt.complete {
				t.Errorf("found %q (complete %v), want %q (%v)", ids, complete, want, tt.complete)
			}
		})
	}
}

// Nothing that may be published soon is asked of resolvers: they would remember its absence.
func TestResolversLearnNoAbsenceInTheZone(t *testing.T) {
	l, s, sources := lab(t)
	look(s, sources)
	for _, q := range l.Queries(func(q dnslab.Query) bool { return q.Server == "one" && q.Transport != dnslab.Inside }) {
		if q.Name.IsAtOrBelow("shop.example") && q.Type != rrset.DS {
			t.Errorf("a resolver was asked for %s %s", q.Name, q.Type)
		}
	}
}

// withholding is an asker that does not ask a server, as where it was silent about other zones.
type withholding struct {
	resolve.Asker
	server string
}

func (w withholding) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	var rest []resolve.Query
	for _, q := range queries {
		if !strings.HasPrefix(q.Source.ID, w.server) {
			rest = append(rest, q)
			continue
		}
		emit(resolve.Observation{Source: q.Source, Question: q.Question, Outcome: resolve.Timeout, Withheld: true})
	}
	w.Asker.Ask(ctx, rest, emit)
}

// TestAServerThatWasNotAskedIsNotJudged: what it would say is not known, and that all servers are dead would wake people.
func TestAServerThatWasNotAskedIsNotJudged(t *testing.T) {
	for _, server := range []string{"ns2.", "ns"} {
		_, s, sources := lab(t)
		s.Asker = withholding{s.Asker, server}
		ids, complete := look(s, sources)
		if complete || slices.Contains(ids, "ns_lame") || slices.Contains(ids, "ns_all_lame") || !slices.Contains(ids, "ns_one_network") {
			t.Errorf("without %s*: found %q, complete %v", server, ids, complete)
		}
	}
}

// TestAServerThatIsLeftAloneIsTried: sweeps may have found it dead before. One that is silent about another zone is heard, and one that is
// silent about this one too is told.
func TestAServerThatIsLeftAloneIsTried(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*dnslab.Authority)
		want []string
	}{
		{"silent about another zone", func(a *dnslab.Authority) { a.Fault(dnslab.Match{Below: "left.example"}, dnslab.Drop) }, []string{"caa_missing", "ns_one_network"}},
		{"dead", func(a *dnslab.Authority) { a.Cut(true) }, []string{"caa_missing", "ns_lame", "ns_one_network"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, s, sources := lab(t)
			dead := s.Zones.Find(t.Context(), []rrset.Name{"shop.example"})["shop.example"].Servers[1]
			// What it answered while the zone was found is forgotten: nothing tells that it lives.
			client := resolve.NewClient(resolve.Options{Timeout: 500 * time.Millisecond, Rate: 1e6})
			defer client.Close()
			s.Asker = client
			tt.do(l.Authorities()[1])
			var queries []resolve.Query
			for i := range 100 {
				queries = append(queries, resolve.Query{Source: dead, Question: resolve.Question{Name: rrset.Name(fmt.Sprintf("d%d.left.example", i)), Type: rrset.TXT}})
			}
			withheld := 0
			client.Ask(t.Context(), queries, func(o resolve.Observation) {
				if o.Withheld {
					withheld++
				}
			})
			if ids, complete := look(s, sources); !slices.Equal(ids, tt.want) || !complete || withheld == 0 {
				t.Errorf("after %d questions were withheld: found %q, complete %v", withheld, ids, complete)
			}
		})
	}
}
