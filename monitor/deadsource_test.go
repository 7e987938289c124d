package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/dnslab"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// wired is an engine whose questions go out over real sockets, to the servers of a lab. Its sweeps are begun by hand.
type wired struct {
	t         *testing.T
	lab       *dnslab.Lab
	resolvers []*dnslab.Resolver
	engine    *Engine
	domains   []*Domain

	mu sync.Mutex
	// asked and withheld count the questions of the last sweep, by source.
	asked, withheld map[string]int
}

// Observed implements Meter.
func (w *wired) Observed(o resolve.Observation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.Withheld {
		w.withheld[o.Source.ID]++
	} else {
		w.asked[o.Source.ID]++
	}
}

// The rest of Meter does not matter.
func (w *wired) Swept(SweepSummary)             {}
func (w *wired) Committed(time.Duration, error) {}
func (w *wired) Notified(error)                 {}
func (w *wired) Transitioned(string)            {}

// wire makes a fleet of so many domains with an SPF record each, and verifies it.
func wire(t *testing.T, n int, rest time.Duration) *wired {
	t.Helper()
	lab, err := dnslab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	w := &wired{t: t, lab: lab}
	settings := testSettings()
	settings.Rules.ConfirmWait = 0
	group := settings.Groups["default"]
	for _, source := range group.Resolvers {
		r, err := lab.Resolver(source.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.resolvers = append(w.resolvers, r)
		source.Addrs, source.Rate = []netip.AddrPort{r.Addr()}, 1e6
	}
	w.publish("canary.test", "alive")
	presets := testPresets(t)
	for i := range n {
		spec := Spec{Domain: fmt.Sprintf("d%05d.test", i), Expect: []ExpectSpec{{Kind: mailrec.SPF}}}
		d, err := spec.Resolve(presets)
		if err != nil {
			t.Fatal(err)
		}
		d.Origin = Origin{File: "maildrift.yml", Line: i + 1}
		w.domains = append(w.domains, d)
		w.publish(d.Name, "v=spf1 -all")
	}
	client := resolve.NewClient(resolve.Options{Timeout: 500 * time.Millisecond, Rate: 1e6, Rest: rest})
	t.Cleanup(client.Close)
	var zone labZone
	for _, a := range lab.Authorities() {
		zone = append(zone, &resolve.Source{ID: a.Name(), Role: resolve.Authoritative, Addrs: []netip.AddrPort{a.Addr()}, Rate: 1e6})
	}
	journal := newMemJournal()
	w.engine, err = New(t.Context(), Options{
		Asker: client, Authorities: zone, Journal: journal, Notifier: newPager(), Meter: w, Logger: slog.New(slog.DiscardHandler),
	}, journal.memory(), settings, w.domains)
	if err != nil {
		t.Fatal(err)
	}
	w.sweep()
	if got := w.engine.Snapshot().States.Counts().Records[judge.Verified][judge.Holding]; got != n {
		t.Fatalf("%d of %d records are verified", got, n)
	}
	return w
}

// labZone is as if each domain were a zone of its own, with the same servers.
type labZone []*resolve.Source

// Find implements Authorities.
func (z labZone) Find(_ context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	out := make(map[rrset.Name]resolve.Zone, len(names))
	for _, n := range names {
		out[n] = resolve.Zone{Apex: n, Servers: z}
	}
	return out
}

// Forget implements Authorities.
func (labZone) Forget(rrset.Name) {}

func (w *wired) publish(name rrset.Name, text string) {
	w.t.Helper()
	if err := w.lab.Set("test", name, rrset.TXT, 300, text); err != nil {
		w.t.Fatal(err)
	}
}

// sweep takes one sweep of the whole fleet, with caches that remember nothing.
func (w *wired) sweep() SweepSummary {
	w.t.Helper()
	for _, r := range w.resolvers {
		r.Flush()
	}
	w.mu.Lock()
	w.asked, w.withheld = map[string]int{}, map[string]int{}
	w.mu.Unlock()
	if err := w.engine.sweepDomains(context.Background(), "default", w.domains, all); err != nil {
		w.t.Fatal(err)
	}
	return w.engine.Snapshot().Sweeps["default"]
}

// open gives what is told at the moment.
func (w *wired) open() []string {
	var out []string
	for _, i := range w.engine.Snapshot().Open {
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%s %s", i.Name, i.ID), " /"))
	}
	slices.Sort(out)
	return out
}

// TestADeadSourceIsFoundOutOnceAndNotOnceAStage: a sweep of several stages asks it a few questions, and those that come later none.
func TestADeadSourceIsFoundOutOnceAndNotOnceAStage(t *testing.T) {
	const n = 5 * stageDomains
	w := wire(t, n, time.Hour)
	w.resolvers[5].Cut(true)
	first := w.sweep()
	// Four stages ask side by side. Those that begin after it was found out do not ask at all.
	if asked := w.asked["r6"]; asked > n/3 || asked+w.withheld["r6"] < n || first.Withheld != w.withheld["r6"] {
		t.Errorf("the dead resolver was asked %d of %d questions, %d were withheld (%d by the summary)", asked, n, w.withheld["r6"], first.Withheld)
	}
	questions := 0
	for _, asked := range w.asked {
		questions += asked
	}
	if first.Questions != questions {
		t.Errorf("the sweep says that %d questions were sent, and it was %d", first.Questions, questions)
	}
	second := w.sweep()
	if w.asked["r6"] > 0 || second.Withheld < n {
		t.Errorf("the next sweep asked it %d questions", w.asked["r6"])
	}
	if !second.Good() || second.Blind > 0 || len(w.open()) > 0 {
		t.Errorf("one dead resolver of six is told: %+v, %q", second, w.open())
	}
	for source, asked := range w.asked {
		if asked < n {
			t.Errorf("%s was asked %d questions", source, asked)
		}
	}
}

// TestASourceThatReturnsIsAskedAgain: its breaker is closed by the first try that it answers.
func TestASourceThatReturnsIsAskedAgain(t *testing.T) {
	w := wire(t, 20, time.Millisecond)
	for _, cut := range []func(bool){w.resolvers[5].Cut, w.lab.Authorities()[0].Cut} {
		cut(true)
		for len(w.withheld) == 0 {
			w.sweep()
		}
		cut(false)
		for len(w.withheld) > 0 { // the last try, in vain, may not be over yet
			w.sweep()
		}
		if len(w.asked) != 6+2 {
			t.Errorf("all are back; asked were %v", w.asked)
		}
	}
}

// TestALossIsToldWhileASourceIsDead, whichever it is.
func TestALossIsToldWhileASourceIsDead(t *testing.T) {
	w := wire(t, 20, time.Hour)
	w.resolvers[5].Cut(true)
	w.lab.Authorities()[1].Cut(true)
	w.sweep()
	w.lab.Delete("test", "d00007.test", rrset.TXT)
	w.sweep()
	if got := w.open(); !slices.Equal(got, []string{"RecordMissing d00007.test/spf"}) || w.withheld["r6"] == 0 {
		t.Errorf("told was %q; withheld %v", got, w.withheld)
	}
	w.publish("d00007.test", "v=spf1 -all")
	w.sweep()
	if got := w.open(); len(got) > 0 {
		t.Errorf("it is back, and told is %q", got)
	}
}

// TestWhereAllSourcesAreDeadWeAreBlind, and nothing is told of records, and once they are back we see.
func TestWhereAllSourcesAreDeadWeAreBlind(t *testing.T) {
	w := wire(t, 20, time.Millisecond)
	cut := func(dead bool) {
		for _, r := range w.resolvers {
			r.Cut(dead)
		}
		w.lab.CutAuthorities(dead)
	}
	cut(true)
	for range 2 {
		if s := w.sweep(); s.Good() {
			t.Errorf("a sweep that hears nobody is relied on: %+v", s)
		}
		if got := w.open(); !slices.Equal(got, []string{"MonitorBlind"}) {
			t.Errorf("told was %q", got)
		}
	}
	cut(false)
	for !w.sweep().Good() { // the last try, in vain, may not be over yet
	}
	if got := w.open(); len(got) > 0 {
		t.Errorf("all are back, and told is %q", got)
	}
}
