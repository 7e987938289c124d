package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"

	"maildrift/configs"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/resolve/asktest"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world answers questions from a script instead of the network, and remembers
// who was asked what.
type world struct {
	mu sync.Mutex
	// zone is what authorities say; caches hold what each resolver says instead.
	zone   map[resolve.Question]rrset.Set
	caches map[string]map[resolve.Question]rrset.Set
	// broken sources give that outcome to everything.
	broken map[string]resolve.Outcome
	// withheld are the broken sources that are not asked, by what is said of it.
	withheld map[string]string
	asked    map[string]int
	// failing names give the failure, whoever is asked.
	failing []rrset.Name
	failure resolve.Outcome
	// ttl is what all give, heldTTL what resolvers do for what they hold, if it is not 0.
	ttl, heldTTL uint32
	// undelegated zones are not delegated any more; chains are the aliases by which absent names were followed.
	undelegated map[rrset.Name]bool
	chains      map[rrset.Name][]rrset.Name
	// cuts are zones below the registrable domains, with their servers; no others know what is in them.
	cuts map[rrset.Name][]*resolve.Source
	// bogus says that broken sources fail because validation does; canaries are fine.
	bogus bool
}

var servers = []*resolve.Source{
	{ID: "ns1.test/192.0.2.53", Role: resolve.Authoritative},
	{ID: "ns2.test/198.51.100.53", Role: resolve.Authoritative},
}

func newWorld() *world {
	return &world{
		zone: map[resolve.Question]rrset.Set{}, caches: map[string]map[resolve.Question]rrset.Set{},
		broken: map[string]resolve.Outcome{}, asked: map[string]int{}, ttl: 300,
		undelegated: map[rrset.Name]bool{}, chains: map[rrset.Name][]rrset.Name{}, withheld: map[string]string{},
	}
}

func (w *world) Ask(_ context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	for _, q := range queries {
		emit(w.answer(q))
	}
}

func (w *world) answer(q resolve.Query) resolve.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[q.Source.ID+" "+q.Question.String()]++
	o := resolve.Observation{Source: q.Source, Question: q.Question, At: time.Now(), TTL: w.ttl, Tries: 1}
	spared := w.bogus && q.Question.Name == "canary.test"
	if outcome, ok := w.broken[q.Source.ID]; ok && !spared {
		o.Outcome, o.Bogus = outcome, w.bogus
		if o.Detail, o.Withheld = w.withheld[q.Source.ID]; o.Withheld {
			o.Tries = 0
		}
		return o
	}
	if slices.ContainsFunc(w.failing, q.Question.Name.IsAtOrBelow) {
		o.Outcome = w.failure
		return o
	}
	if _, servers := w.cut(q.Question.Name); servers != nil && q.Source.Role == resolve.Authoritative && !slices.Contains(servers, q.Source) {
		o.Outcome = resolve.Lame
		return o
	}
	set, ok := w.zone[q.Question]
	if cached, held := w.caches[q.Source.ID][q.Question]; held {
		set, ok = cached, !cached.Empty()
		o.TTL = cmp.Or(w.heldTTL, w.ttl)
	}
	o.Set = set
	if !ok || set.Empty() {
		o.Outcome = resolve.NXDomain
		if o.Chain = w.chains[q.Question.Name]; o.Chain != nil && q.Source.Role == resolve.Authoritative {
			o.Outcome = resolve.Elsewhere
		}
	}
	return o
}

func (w *world) Find(_ context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	w.mu.Lock()
	defer w.mu.Unlock()
	zones := map[rrset.Name]resolve.Zone{}
	for _, n := range names {
		// Each registrable domain is a zone, below one that is not delegated any more.
		apex := mailrec.Registrable(n)
		if w.undelegated[apex] {
			apex = apex.Parent()
		}
		zones[n] = resolve.Zone{Apex: apex, Servers: servers}
		if below, own := w.cut(n); own != nil {
			zones[n] = resolve.Zone{Apex: below, Servers: own}
		}
	}
	return zones
}

// cut gives the zone below a registrable domain that a name is in. The caller holds mu.
func (w *world) cut(n rrset.Name) (rrset.Name, []*resolve.Source) {
	for below, own := range w.cuts {
		if n.IsAtOrBelow(below) {
			return below, own
		}
	}
	return "", nil
}

func (w *world) Forget(rrset.Name) {}

func (w *world) set(t *testing.T, name rrset.Name, typ rrset.Type, lines ...string) {
	t.Helper()
	set, err := rrset.Parse(typ, lines...)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone[resolve.Question{Name: name, Type: typ}] = set
}

func (w *world) remove(name rrset.Name, typ rrset.Type) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.zone, resolve.Question{Name: name, Type: typ})
}

// hold makes caches keep what the zone says now, or, if it says nothing, the absence.
func (w *world) hold(name rrset.Name, typ rrset.Type, sources ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := resolve.Question{Name: name, Type: typ}
	for _, s := range sources {
		if w.caches[s] == nil {
			w.caches[s] = map[resolve.Question]rrset.Set{}
		}
		w.caches[s][q] = w.zone[q]
	}
}

func (w *world) setTTL(seconds uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ttl = seconds
}

// holdFor lets what resolvers hold have so many seconds left from now on, however often it is asked for.
func (w *world) holdFor(seconds uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heldTTL = seconds
}

func (w *world) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.caches)
}

func (w *world) breakAll(o resolve.Outcome, sources ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range sources {
		w.broken[s] = o
	}
}

// failNames makes every source fail for names at or below these.
func (w *world) failNames(o resolve.Outcome, names ...rrset.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing, w.failure = names, o
}

func (w *world) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.broken)
}

// askedOf counts the questions about a name that a source was asked.
func (w *world) askedOf(source string, name rrset.Name) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for k, c := range w.asked {
		if strings.HasPrefix(k, source+" "+string(name)+" ") {
			n += c
		}
	}
	return n
}

// memJournal keeps batches in memory and can be made to fail.
type memJournal struct {
	mu          sync.Mutex
	fail        error
	states      map[RecordID]RecordState
	upkeep      map[rrset.Name]Upkeep
	domains     map[rrset.Name]StoredDomain
	transitions []Transition
	incidents   []Incident
	intervals   []Interval
	sweeps      []SweepSummary
	self        SelfState
	audit       []Audit
	// wrote counts the states that were written, again ones too.
	wrote int
}

func newMemJournal() *memJournal {
	return &memJournal{upkeep: map[rrset.Name]Upkeep{}, states: map[RecordID]RecordState{}, domains: map[rrset.Name]StoredDomain{}}
}

func (j *memJournal) Commit(_ context.Context, b Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	j.wrote += len(b.States)
	for _, s := range b.States {
		j.states[s.ID] = s
	}
	for _, u := range b.Upkeep {
		j.upkeep[u.Domain] = u
	}
	for _, n := range b.UpkeepGone {
		delete(j.upkeep, n)
	}
	for _, id := range b.Removed {
		delete(j.states, id)
	}
	for _, d := range b.Domains {
		j.domains[d.Name] = d
	}
	for _, n := range b.Gone {
		delete(j.domains, n)
	}
	j.transitions = append(j.transitions, b.Transitions...)
	j.incidents = append(j.incidents, b.Incidents...)
	j.intervals = append(j.intervals, b.Intervals...)
	if b.Sweep != nil {
		j.sweeps = append(j.sweeps, *b.Sweep)
	}
	if b.Self != nil {
		j.self = *b.Self
	}
	j.audit = append(j.audit, b.Audit...)
	return nil
}

// counts gives how many sweeps and states were written.
func (j *memJournal) counts() (sweeps, states int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.sweeps), j.wrote
}

// audited gives the actions that were written down, with what they were about.
func (j *memJournal) audited() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, a := range j.audit {
		out = append(out, strings.TrimSpace(a.By+": "+a.Action+" "+strings.Trim(string(a.Domain)+"/"+a.Record, "/")))
	}
	return out
}

func (j *memJournal) failWith(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = err
}

func (j *memJournal) memory() Memory {
	j.mu.Lock()
	defer j.mu.Unlock()
	m := Memory{
		Domains: slices.Collect(maps.Values(j.domains)), Records: handOver(slices.Collect(maps.Values(j.states)), slices.Clone(j.intervals)),
		Self: j.self, Upkeep: slices.Collect(maps.Values(j.upkeep)),
	}
	for _, i := range j.incidents {
		if !i.Open() {
			m.Closed = append(m.Closed, i)
		}
	}
	kept := slices.Clone(j.sweeps)
	m.LastSweeps = func(groups []string) ([]SweepSummary, error) {
		var last []SweepSummary
		for _, group := range groups {
			if at := lastIndex(kept, func(s SweepSummary) bool { return s.Group == group }); at >= 0 {
				last = append(last, kept[at])
			}
		}
		return last, nil
	}
	return m
}

// lastIndex gives the last place of what is wanted, or -1.
func lastIndex[T any](list []T, wanted func(T) bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if wanted(list[i]) {
			return i
		}
	}
	return -1
}

// handOver gives records as a memory does: what is handed over is the taker's only as long as it takes it.
func handOver(states []RecordState, intervals []Interval) func(take func([]Remembered)) error {
	last := map[RecordID]map[string]Interval{}
	for _, iv := range intervals {
		if last[iv.ID] == nil {
			last[iv.ID] = map[string]Interval{}
		}
		last[iv.ID][iv.Source] = iv
	}
	slices.SortFunc(states, func(a, b RecordState) int { return a.ID.Compare(b.ID) })
	return func(take func([]Remembered)) error {
		var lent []Remembered
		for i, s := range states {
			r := Remembered{State: s}
			for _, source := range sortedKeys(last[s.ID]) {
				r.Last = append(r.Last, last[s.ID][source])
			}
			lent = append(lent, r)
			if i+1 == len(states) || states[i+1].ID.Domain != s.ID.Domain {
				take(lent)
				clear(lent)
				lent = lent[:0]
			}
		}
		return nil
	}
}

// pager keeps the last thing that was told about each alert, and how often it
// began to fire and ended.
type pager struct {
	mu    sync.Mutex
	fired []string
	ended []string
	known map[string]bool
	last  map[string]Incident
}

func newPager() *pager { return &pager{known: map[string]bool{}, last: map[string]Incident{}} }

func (p *pager) Notify(_ context.Context, incidents []Incident) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range incidents {
		what := strings.TrimSuffix(fmt.Sprintf("%s %s", i.Name, i.ID), " /")
		key := what + i.Value + i.Opened.String()
		p.last[what] = i
		if !p.known[key] && i.Open() {
			p.known[key] = true
			p.fired = append(p.fired, what)
		}
		if !p.known[key+"end"] && !i.Open() {
			p.known[key+"end"] = true
			p.ended = append(p.ended, what)
		}
	}
	return nil
}

func (p *pager) told() (fired, ended []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.fired), slices.Clone(p.ended)
}

// lastTold gives what was told last about an alert.
func (p *pager) lastTold(what string) Incident {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[what]
}

// history gives what was committed so far.
func (j *memJournal) history() []Transition {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.transitions)
}

// written counts the intervals and sweep summaries.
func (j *memJournal) written() (intervals, sweeps int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.intervals), len(j.sweeps)
}

// house is an engine with everything around it faked, on a fake clock.
type house struct {
	t       *testing.T
	world   *world
	journal *memJournal
	pager   *pager
	engine  *Engine
	stop    func()
	// asker may be nil for the world itself; surveyor and explainer may be nil.
	asker     resolve.Asker
	surveyor  Surveyor
	explainer Explainer
	// log may be nil for none.
	log *slog.Logger
	// configured are the domains of a house that was made with some.
	configured []*Domain
}

const (
	spfText = "v=spf1 include:spf.service.test -all"
	dmarc   = "v=DMARC1; p=reject"
)

var apex = rrset.Name("shop.test")

func resolvers(n int) []*resolve.Source {
	var out []*resolve.Source
	for i := range n {
		id := fmt.Sprintf("r%d", i+1)
		out = append(out, &resolve.Source{ID: id, Operator: resolve.Operator(id)})
	}
	return out
}

func testSettings() Settings {
	return Settings{
		Groups:       map[string]Group{"default": {Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(6)}},
		Rules:        judge.DefaultRules(),
		Gate:         DefaultGate(),
		Canaries:     []Canary{{Question: resolve.Question{Name: "canary.test", Type: rrset.TXT}, Want: resolve.Answered}},
		AskAuthority: true,
	}
}

// builtinPresets are read once for all tests.
var builtinPresets = sync.OnceValues(func() (preset.Set, error) { return preset.Load(configs.Presets) })

func testPresets(t testing.TB) preset.Set {
	t.Helper()
	set, err := builtinPresets()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// shopSpec expects an SPF and a DMARC record of shop.test.
func shopSpec() Spec {
	return Spec{Domain: "shop.test", Expect: []ExpectSpec{
		{Kind: 1, Match: "contains", Value: StringList{"include:spf.service.test"}}, // SPF
		{Kind: 3}, // DMARC, captured
	}}
}

func newHouse(t *testing.T, settings Settings, configured ...*Domain) *house {
	h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager()}
	h.world.set(t, "canary.test", rrset.TXT, "alive")
	h.start(settings, configured...)
	return h
}

func (h *house) start(settings Settings, configured ...*Domain) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var asker resolve.Asker = h.world
	if h.asker != nil {
		asker = h.asker
	}
	e, err := New(ctx, Options{
		Asker: asktest.New(asker), Authorities: h.world, Journal: h.journal, Notifier: h.pager,
		Presets: testPresets(h.t), Logger: h.log, Surveyor: h.surveyor, Explainer: h.explainer,
	}, h.journal.memory(), settings, configured)
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine = e
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			h.t.Error(err)
		}
	})
	h.stop = func() { cancel(); running.Wait() }
	synctest.Wait()
}

// after lets time pass.
func (h *house) after(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (h *house) add(specs ...Spec) {
	h.t.Helper()
	if _, err := h.engine.AddAll(context.Background(), specs, "tester"); err != nil {
		h.t.Fatal(err)
	}
	h.after(time.Minute)
}

func (h *house) state(key string) *RecordState {
	h.t.Helper()
	s := h.engine.Snapshot().States.Get(RecordID{apex, key})
	if s == nil {
		h.t.Fatalf("no state of %s", key)
	}
	return s
}

func (h *house) expectTold(fired, ended []string) {
	h.t.Helper()
	f, e := h.pager.told()
	if !slices.Equal(f, fired) || !slices.Equal(e, ended) {
		h.t.Errorf("fired %q, ended %q; want %q, %q", f, e, fired, ended)
	}
}

// verifiedShop gives a house in which shop.test is verified.
func verifiedShop(t *testing.T) *house {
	h := newHouse(t, testSettings())
	h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
	h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
	h.add(shopSpec())
	if got := h.state("spf").Position(); got != (judge.Position{Phase: judge.Verified, Verdict: judge.Holding}) {
		t.Fatalf("spf is %v, want it verified", got)
	}
	return h
}

func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

func TestARecordThatIsThereIsVerifiedAndItsBaselineKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		if got := h.state("spf").Baseline.Lines(); !slices.Equal(got, []string{spfText}) {
			t.Errorf("baseline %q, want the SPF record alone", got)
		}
		if got := h.state("dmarc").Baseline.Lines(); !slices.Equal(got, []string{dmarc}) {
			t.Errorf("captured %q", got)
		}
		h.expectTold(nil, nil)
	})
}

func TestResolversAreNotAskedBeforeTheAuthorityHasTheRecord(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.add(shopSpec())
		h.after(5 * time.Hour)
		if n := h.world.askedOf("r1", "_dmarc.shop.test"); n != 0 {
			t.Errorf("a resolver was asked %d times and caches the absence now", n)
		}
		if n := h.world.askedOf(servers[0].ID, "_dmarc.shop.test"); n < 5 {
			t.Errorf("the authority was asked %d times in five sweeps", n)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		if h.state("dmarc").Phase != judge.Verified {
			t.Errorf("not verified although all have it: %+v", h.state("dmarc").State)
		}
	})
}

func TestOverdueIsToldOnceAndEndsWhenVerified(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(shopSpec())
		h.after(60 * time.Hour)
		h.expectTold([]string{"VerificationOverdue shop.test/dmarc"}, nil)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.expectTold([]string{"VerificationOverdue shop.test/dmarc"}, []string{"VerificationOverdue shop.test/dmarc"})
	})
}

func TestALostIncludeIsOneIncidentFromAuthorityToLastCache(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		all := []string{"r1", "r2", "r3", "r4", "r5", "r6"}
		h.world.hold(apex, rrset.TXT, all...)
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all", "unrelated")
		h.after(2 * time.Hour)

		s := h.state("spf")
		if s.Position() != (judge.Position{Phase: judge.Verified, Verdict: judge.Drifted, Stage: judge.AtAuthority}) {
			t.Fatalf("spf is %v", s.Position())
		}
		if s.Deadline.IsZero() || s.Incident == nil {
			t.Errorf("deadline %v, incident %v: want both", s.Deadline, s.Incident)
		}
		f := h.pager.lastTold("RecordDrifted shop.test/spf").Facts
		if !slices.Equal(f.Was.Lines(), []string{spfText}) || !slices.Equal(f.Is.Lines(), []string{"v=spf1 -all"}) {
			t.Errorf("told was %q, is %q", f.Was.Lines(), f.Is.Lines())
		}
		h.world.flush()
		h.after(2 * time.Hour)
		if got := h.state("spf").Stage; got != judge.AtReceivers {
			t.Errorf("stage %s after the caches ran out", got)
		}
		h.world.hold(apex, rrset.TXT, all...)
		h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
		h.after(2 * time.Hour)
		if got := h.state("spf").Stage; got != judge.Recovering {
			t.Errorf("stage %s after the repair", got)
		}
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, nil)
		h.world.flush()
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, []string{"RecordDrifted shop.test/spf"})
	})
}

func TestADeletedRecordIsMissing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1;p=reject;")
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

func TestSourcesThatFailOrLieWakeNobody(t *testing.T) {
	tests := []struct {
		name string
		do   func(w *world)
	}{
		{"one resolver denies everything", func(w *world) { w.breakAll(resolve.NXDomain, "r1") }},
		{"two resolvers time out", func(w *world) { w.breakAll(resolve.Timeout, "r1", "r2") }},
		{"half of the resolvers fail", func(w *world) { w.breakAll(resolve.ServFail, "r1", "r2", "r3") }},
		{"the authority is silent", func(w *world) { w.breakAll(resolve.Timeout, servers[0].ID, servers[1].ID) }},
		{"one server of two is silent", func(w *world) { w.breakAll(resolve.Timeout, servers[0].ID) }},
		{"resolvers are filtered", func(w *world) { w.breakAll(resolve.Filtered, "r1", "r2", "r3") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				h := verifiedShop(t)
				defer h.stop()
				tt.do(h.world)
				h.after(24 * time.Hour)
				h.world.mend()
				h.after(2 * time.Hour)
				h.expectTold(nil, nil)
			})
		})
	}
}

func TestAShortSlipWakesNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		go func() {
			time.Sleep(10 * time.Second)
			h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		}()
		if err := h.engine.CheckNow(context.Background(), apex); err != nil {
			t.Fatal(err)
		}
		h.after(3 * time.Hour)
		h.expectTold(nil, nil)
	})
}

func TestF60WhenNothingAnswersThereIsOneMonitorBlind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6", servers[0].ID, servers[1].ID)
		h.after(12 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
		h.world.mend()
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, []string{"MonitorBlind"})
	})
}

// A zone whose servers and whose every resolver's answer fail is nobody's
// evidence, but a small fleet's owner must hear of it.
func TestF40AZoneThatNobodyAnswersForIsToldWhenItLasts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.failNames(resolve.ServFail, "shop.test")
		h.after(20 * time.Minute)
		h.expectTold(nil, nil)
		h.after(3 * time.Hour)
		h.expectTold([]string{"CauseFound shop.test/cause"}, nil)
		if root := h.pager.lastTold("CauseFound shop.test/cause").Facts.Root; root.Kind != rootcause.Dead || root.Records != 2 {
			t.Errorf("told of %+v", root)
		}
		h.world.failNames(resolve.ServFail)
		h.after(2 * time.Hour)
		h.expectTold([]string{"CauseFound shop.test/cause"}, []string{"CauseFound shop.test/cause"})
	})
}

func TestF10ANetworkThatDeniesEverythingIsNotBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.breakAll(resolve.NXDomain, "r1", "r2", "r3", "r4", "r5", "r6", servers[0].ID, servers[1].ID)
		h.after(12 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
	})
}

func TestTheGateHoldsBackAMassTurnAndOpensWhenItLasts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Gate = Gate{Share: 0.3, MinRecords: 5, Hold: 3 * time.Hour}
		h := newHouse(t, settings)
		defer h.stop()
		var specs []Spec
		for i := range 10 {
			name := fmt.Sprintf("d%d.test", i)
			h.world.set(t, rrset.Name("_dmarc."+name), rrset.TXT, dmarc)
			specs = append(specs, Spec{Domain: name, Expect: []ExpectSpec{{Kind: 3}}})
		}
		h.add(specs...)
		for i := range 6 {
			h.world.remove(rrset.Name(fmt.Sprintf("_dmarc.d%d.test", i)), rrset.TXT)
		}
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
		h.after(4 * time.Hour)
		fired, ended := h.pager.told()
		if len(fired) != 7 || !slices.Equal(ended, []string{"MonitorBlind"}) {
			t.Errorf("fired %q, ended %q: want the six after the gate opened", fired, ended)
		}
	})
}

func TestGatesOfGroupsDoNotDisturbEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Gate = Gate{Share: 0.3, MinRecords: 5, Hold: 3 * time.Hour}
		settings.Groups["other"] = Group{Name: "other", Schedule: cron.Every(20 * time.Minute), Resolvers: resolvers(6)}
		h := newHouse(t, settings)
		defer h.stop()
		var specs []Spec
		for i := range 6 {
			name := fmt.Sprintf("d%d.test", i)
			h.world.set(t, rrset.Name("_dmarc."+name), rrset.TXT, dmarc)
			specs = append(specs, Spec{Domain: name, Expect: []ExpectSpec{{Kind: 3}}})
		}
		h.world.set(t, "_dmarc.o.test", rrset.TXT, dmarc)
		h.add(append(specs, Spec{Domain: "o.test", Schedule: "other", Expect: []ExpectSpec{{Kind: 3}}})...)
		for i := range 6 {
			h.world.remove(rrset.Name(fmt.Sprintf("_dmarc.d%d.test", i)), rrset.TXT)
		}
		h.after(6 * time.Hour)
		if fired, ended := h.pager.told(); len(fired) != 7 || len(ended) != 1 {
			t.Errorf("fired %q, ended %q: good sweeps of another group kept the gate shut", fired, ended)
		}
	})
}

func TestAGroupThatIsNoMoreLeavesNoBlindness(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Groups["other"] = Group{Name: "other", Schedule: cron.Every(time.Hour), Resolvers: []*resolve.Source{{ID: "dead1", Operator: "dead1"}, {ID: "dead2", Operator: "dead2"}}}
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.breakAll(resolve.Timeout, "dead1", "dead2")
		if err := h.engine.Apply(context.Background(), settings, nil); err != nil {
			t.Fatal(err)
		}
		h.after(3 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
		if err := h.engine.Apply(context.Background(), testSettings(), nil); err != nil {
			t.Fatal(err)
		}
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, []string{"MonitorBlind"})
	})
}

func TestNothingIsToldThatIsNotOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.journal.failWith(errors.New("no space left on device"))
		h.after(3 * time.Hour)
		h.expectTold(nil, nil)
		h.journal.failWith(nil)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
	})
}

func TestF115RestartWhileFiringTellsTheSameIncident(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		before := h.pager.lastTold("RecordMissing shop.test/dmarc")
		transitions := len(h.journal.history())
		h.stop()
		h.after(time.Hour)

		h.start(testSettings())
		h.after(3 * time.Hour)
		after := h.pager.lastTold("RecordMissing shop.test/dmarc")
		if !after.Opened.Equal(before.Opened) || len(h.journal.history()) != transitions {
			t.Errorf("opened %v, then %v; %d transitions, then %d", before.Opened, after.Opened, transitions, len(h.journal.history()))
		}
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		h.stop()

		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.start(testSettings())
		defer func() { h.stop() }()
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

func TestUnchangedSweepsWriteSummariesOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.after(time.Hour)
		intervals, sweeps := h.journal.written()
		h.after(10 * time.Hour)
		intervals2, sweeps2 := h.journal.written()
		if intervals2 != intervals {
			t.Errorf("%d new intervals although no answer changed", intervals2-intervals)
		}
		if sweeps2 != sweeps+10 {
			t.Errorf("%d summaries of 10 sweeps", sweeps2-sweeps)
		}
	})
}

func TestF93RemovingADomainEndsItsIncident(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		if err := h.engine.Remove(context.Background(), apex, "tester"); err != nil {
			t.Fatal(err)
		}
		h.after(time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
		if err := h.engine.Remove(context.Background(), apex, "tester"); !errors.Is(err, ErrNotFound) {
			t.Errorf("removing it twice: %v", err)
		}
	})
}

func TestAcceptMovesTheBaselineAndEndsTheIncident(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		id := RecordID{apex, "dmarc"}
		if err := h.engine.Accept(context.Background(), id, "ann", "none"); !errors.Is(err, ErrNothingToAccept) {
			t.Errorf("accepting what holds: %v", err)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
		h.after(2 * time.Hour)
		if err := h.engine.Accept(context.Background(), id, "ann", "ticket 7"); err != nil {
			t.Fatal(err)
		}
		h.after(5 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/dmarc"}, []string{"RecordDrifted shop.test/dmarc"})
		change := last(h.journal.history())
		if change.By != "ann" || change.Why != "ticket 7" || !slices.Equal(h.state("dmarc").Baseline.Lines(), []string{"v=DMARC1; p=none"}) {
			t.Errorf("by %q why %q, baseline %q", change.By, change.Why, h.state("dmarc").Baseline.Lines())
		}
	})
}

// TestWhoAcceptsAtOnceIsNotWokenByCaches accepts a change in the minute in which it was told, when all resolvers still hold what
// was before, for the hour of its TTL.
func TestWhoAcceptsAtOnceIsNotWokenByCaches(t *testing.T) {
	everyone := []string{"r1", "r2", "r3", "r4", "r5"}
	const changed = "RecordDrifted shop.test/dmarc"
	id := RecordID{apex, "dmarc"}
	accepted := func(t *testing.T) *house {
		h := newHouse(t, testSettings())
		h.world.ttl = 3600
		h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.add(shopSpec())
		h.world.hold("_dmarc.shop.test", rrset.TXT, everyone...)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
		h.checkAfter(0)
		h.expectTold([]string{changed}, nil)
		h.world.setTTL(3000) // of the hour that it was
		if err := h.engine.Accept(t.Context(), id, "ann", "ticket 7"); err != nil {
			t.Fatal(err)
		}
		h.checkAfter(0)
		h.expectTold([]string{changed}, []string{changed})
		return h
	}
	inBubble(t, func(t *testing.T) {
		h := accepted(t)
		defer h.stop()
		h.world.setTTL(600)
		h.after(40 * time.Minute)
		h.expectTold([]string{changed}, []string{changed})
		h.world.flush()
		h.after(2 * time.Hour)
		h.expectTold([]string{changed}, []string{changed})
		if s := h.state("dmarc"); !s.Past.none() {
			t.Errorf("hours later its caches are still thought of: %+v", s.Past)
		}
	})
	inBubble(t, func(t *testing.T) { // the zone goes back to what it was
		h := accepted(t)
		defer h.stop()
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.checkAfter(0)
		h.expectTold([]string{changed, changed}, []string{changed})
	})
	inBubble(t, func(t *testing.T) { // resolvers got what was before when no cache can have it any more
		h := accepted(t)
		defer h.stop()
		h.world.setTTL(3600)
		h.after(3 * time.Hour)
		h.expectTold([]string{changed, changed}, []string{changed})
	})
}

func TestAThirdValueIsAnIncidentOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
		h.after(2 * time.Hour)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=quarantine")
		h.after(2 * time.Hour)
		drifted := "RecordDrifted shop.test/dmarc"
		h.expectTold([]string{drifted, drifted}, []string{drifted})
		change := last(h.journal.history())
		if !slices.Equal(change.Old.Lines(), []string{"v=DMARC1; p=none"}) || !slices.Equal(change.New.Lines(), []string{"v=DMARC1; p=quarantine"}) {
			t.Errorf("history says %q became %q", change.Old.Lines(), change.New.Lines())
		}
	})
}

func TestReload(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx := context.Background()
		d, err := Spec{Domain: "conf.test", Expect: []ExpectSpec{{Kind: 3}}}.Resolve(testPresets(t))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin = Origin{File: "maildrift.yml", Line: 7}
		h := newHouse(t, testSettings(), d)
		defer h.stop()
		h.add(shopSpec())

		if err := h.engine.Remove(ctx, "conf.test", "tester"); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "maildrift.yml:7") {
			t.Errorf("removing a configured domain: %v", err)
		}
		if _, err := h.engine.Add(ctx, Spec{Domain: "CONF.test.", Expect: []ExpectSpec{{Kind: 3}}}, "x"); !errors.Is(err, ErrExists) {
			t.Errorf("adding a configured domain: %v", err)
		}
		clash := *d
		clash.Name = apex
		if err := h.engine.Apply(ctx, testSettings(), []*Domain{d, &clash}); err == nil || !strings.Contains(err.Error(), "registered at run time too") {
			t.Errorf("a configuration that clashes with the registry: %v", err)
		}
		if got := len(h.engine.Snapshot().Domains); got != 2 {
			t.Errorf("%d domains after the refused reload, want the two from before", got)
		}
		if err := h.engine.Apply(ctx, testSettings(), nil); err != nil {
			t.Fatal(err)
		}
		if got := h.engine.Snapshot().Domains; len(got) != 1 || got[0].Name != apex {
			t.Errorf("domains %v after the reload, want the one from the registry", got)
		}
	})
}

// configuredShop is shop.test as a configuration has it, with that to be expected of its DMARC record.
func configuredShop(t *testing.T, x ExpectSpec) *Domain {
	t.Helper()
	x.Kind = mailrec.DMARC
	d, err := Spec{Domain: "shop.test", Expect: []ExpectSpec{x}}.Resolve(testPresets(t))
	if err != nil {
		t.Fatal(err)
	}
	d.Origin = Origin{File: "maildrift.yml", Line: 7}
	return d
}

// TestAnotherExpectationThatTheVerifiedRecordMeets leaves it verified, for better or worse.
func TestAnotherExpectationThatTheVerifiedRecordMeets(t *testing.T) {
	const missing = "RecordMissing shop.test/dmarc"
	equal := ExpectSpec{Value: StringList{dmarc}}
	inBubble(t, func(t *testing.T) { // what is told of it stays told
		h := newHouse(t, testSettings(), configuredShop(t, ExpectSpec{}))
		defer h.stop()
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.world.remove(dmarcName, rrset.TXT)
		h.after(2 * time.Hour)
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{configuredShop(t, equal)}); err != nil {
			t.Fatal(err)
		}
		h.after(2 * time.Hour)
		h.expectTold([]string{missing}, nil)
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.expectTold([]string{missing}, []string{missing})
	})
	inBubble(t, func(t *testing.T) { // what is lost then is told, and not waited for two days
		h := newHouse(t, testSettings(), configuredShop(t, ExpectSpec{}))
		defer h.stop()
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, "v=DMARC1; p=none")
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{configuredShop(t, ExpectSpec{Match: "contains", Value: StringList{"p=reject"}})}); err != nil {
			t.Fatal(err)
		}
		h.after(2 * time.Hour)
		h.expectTold([]string{dmarcChanged}, nil)
	})
	inBubble(t, func(t *testing.T) { // another value is another record, which is waited for
		h := newHouse(t, testSettings(), configuredShop(t, equal))
		defer h.stop()
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.after(2 * time.Hour)
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{configuredShop(t, ExpectSpec{Value: StringList{strictDMARC}})}); err != nil {
			t.Fatal(err)
		}
		h.after(2 * time.Hour)
		h.expectTold([]string{dmarcChanged}, []string{dmarcChanged})
		h.holds("dmarc", strictDMARC)
	})
}

func TestQuestionsAreAskedOnceASweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText, "token=1")
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{
			{Kind: 1}, {Kind: 0, Value: StringList{"token=1"}}, // SPF and ownership live at the same name
		}})
		before := h.world.askedOf("r1", apex)
		h.after(time.Hour)
		if got := h.world.askedOf("r1", apex) - before; got != 1 {
			t.Errorf("the same question was asked %d times in one sweep", got)
		}
		if s := h.engine.Snapshot().Sweeps["default"]; s.Shared == 0 || s.Records != 3 { // two records, and the one that SPF includes
			t.Errorf("summary %+v", s)
		}
	})
}

// TestWhatSweepsComeToIsKnown: from when the first one begins, in numbers.
func TestWhatSweepsComeToIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Rate = 0.0005
		h := newHouse(t, settings)
		defer h.stop()
		if e := h.engine.Snapshot().Estimates["default"]; e.Takes != 2000*time.Second || !e.Fits() { // the canary
			t.Errorf("without domains %v: %s", e.Takes, e)
		}
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.after(time.Hour)
		e := h.engine.Snapshot().Estimates["default"]
		// A record, the one that it includes, and a canary, at one question in 2000 s.
		if e.Takes != 6000*time.Second || e.Interval != time.Hour || e.Fits() || len(e.Helps()) == 0 {
			t.Errorf("%v in %v: %s", e.Takes, e.Interval, e)
		}
	})
}

func TestAnMXValueIsPublishedWithItsPreference(t *testing.T) {
	d, err := Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: mailrec.MX, Value: StringList{"mx.test", "5 b.test"}}}}.Resolve(testPresets(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range d.Records[0].Publish {
		got = append(got, l.Value)
	}
	if !slices.Equal(got, []string{"10 mx.test", "5 b.test"}) {
		t.Errorf("publish %q", got)
	}
}

func TestSpecErrorsNameTheField(t *testing.T) {
	presets := testPresets(t)
	tests := []struct {
		spec Spec
		path string
	}{
		{Spec{Domain: "https://x.test"}, "domain"},
		{Spec{Domain: "test"}, "domain"},
		{Spec{Domain: "x.test"}, "expect"},
		{Spec{Domain: "x.test", Service: "directmial"}, "service"},
		{Spec{Domain: "x.test", Service: "directmail", Params: map[string]string{"regoin": "x"}}, "params"},
		{Spec{Domain: "x.test", Senders: []string{"a@x.test", "x.test"}}, "senders[1]"},
		{Spec{Domain: "x.test", Senders: []string{"a@y.test"}}, "senders[0]"},
		{Spec{Domain: "x.test", Senders: []string{"Shop <a@x.test>"}}, "senders[0]"},
		{Spec{Domain: "x.test", Senders: []string{"a\u202eb@x.test"}}, "senders[0]"},
		{Spec{Domain: "x.test", Senders: []string{"a@x.test", "A@x.test"}}, "senders[1]"},
		{Spec{Domain: "x.test", Labels: map[string]string{"severity": "x"}}, "labels.severity"},
		{Spec{Domain: "x.test", Labels: map[string]string{"a-b": "x"}}, "labels.a-b"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 2}}}, "expect[0].host"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1, Match: "alike"}}}, "expect[0].match"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1, Match: "equal"}}}, "expect[0].match"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1, Value: StringList{"v=spf1 inlcude:x -all"}}}}, "expect[0].value"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1}, {Kind: 1}}}, "expect[1].key"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1, Key: "a\nb"}}}, "expect[0].key"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 1, Key: SharedKey}}}, "expect[0].key"},
		{Spec{Domain: "x.test", Expect: []ExpectSpec{{Kind: 3, Host: "a b"}}}, "expect[0].host"},
	}
	for _, tt := range tests {
		var field *FieldError
		if _, err := tt.spec.Resolve(presets); !errors.As(err, &field) || field.Path != tt.path {
			t.Errorf("%+v: %v, want an error at %s", tt.spec, err, tt.path)
		}
	}
}

func last[T any](list []T) T { return list[len(list)-1] }
