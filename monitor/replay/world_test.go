package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/replay"
	"maildrift/monitor/resolve"
	"maildrift/monitor/resolve/asktest"
	"maildrift/monitor/rrset"
	"maildrift/store"
)

const canary = rrset.Name("canary.test")

// world answers from a script that chance writes: what each source says of each name.
type world struct {
	mu     sync.Mutex
	random *rand.Rand
	// says holds what a source has instead of what the zone has; broken and lying sources have nothing true.
	zone    map[rrset.Name]string
	says    map[string]map[rrset.Name]string
	broken  map[string]resolve.Outcome
	bogus   map[string]bool
	lying   map[string]bool
	servers []*resolve.Source
}

var allServers = []*resolve.Source{
	{ID: "ns1.test/192.0.2.1", Role: resolve.Authoritative},
	{ID: "ns2.test/192.0.2.2", Role: resolve.Authoritative},
	{ID: "ns3.test/192.0.2.3", Role: resolve.Authoritative},
}

func newWorld(random *rand.Rand) *world {
	return &world{
		random: random, zone: map[rrset.Name]string{canary: "alive"}, says: map[string]map[rrset.Name]string{},
		broken: map[string]resolve.Outcome{}, bogus: map[string]bool{}, lying: map[string]bool{}, servers: allServers[:2],
	}
}

// Ask implements resolve.Asker. An answer takes its time.
func (w *world) Ask(_ context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	for _, q := range queries {
		o := w.answer(q)
		emit(o)
	}
	w.mu.Lock()
	latency := time.Duration(1+w.random.IntN(900)) * time.Millisecond
	w.mu.Unlock()
	time.Sleep(latency)
}

func (w *world) answer(q resolve.Query) resolve.Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := resolve.Observation{Source: q.Source, Question: q.Question, At: time.Now(), TTL: 300, Tries: 1}
	if outcome, ok := w.broken[q.Source.ID]; ok {
		o.Outcome = outcome
		return o
	}
	if w.bogus[q.Source.ID] && q.Question.Name != canary {
		o.Outcome, o.Bogus = resolve.ServFail, true
		return o
	}
	text, ok := w.says[q.Source.ID][q.Question.Name]
	if !ok {
		text = w.zone[q.Question.Name]
	}
	if w.lying[q.Source.ID] {
		text = ""
	}
	if text == "" {
		o.Outcome = resolve.NXDomain
		return o
	}
	o.Set = rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
	return o
}

// Find implements monitor.Authorities.
func (w *world) Find(_ context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	w.mu.Lock()
	defer w.mu.Unlock()
	zones := map[rrset.Name]resolve.Zone{}
	for _, n := range names {
		zones[n] = resolve.Zone{Apex: mailrec.Registrable(n), Servers: w.servers}
	}
	return zones
}

// Forget implements monitor.Authorities.
func (w *world) Forget(rrset.Name) {}

// values are what a name may say: what was wanted first, then worse.
func values(name rrset.Name) []string {
	if name.Labels() > 2 {
		return []string{"v=DMARC1; p=reject", "v=DMARC1; p=none", "", "v=DMARC1; p=reject; rua=mailto:a@" + string(name)}
	}
	return []string{"v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:198.51.100.0/24 -all", "", "v=spf1 +all"}
}

// disturb does one thing that happens to zones, caches and resolvers.
func (w *world) disturb(names []rrset.Name, sources []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := names[w.random.IntN(len(names))]
	source := sources[w.random.IntN(len(sources))]
	value := values(name)[w.random.IntN(4)]
	switch w.random.IntN(14) {
	case 0, 1, 2:
		w.zone[name] = value
	case 3, 4:
		w.zone[name] = values(name)[0]
	case 5, 6:
		for _, s := range sources {
			if w.random.IntN(2) == 0 {
				w.hold(s, name, value)
			}
		}
	case 7:
		w.hold(source, name, value)
	case 8, 9:
		clear(w.says)
	case 10:
		w.broken[source] = []resolve.Outcome{resolve.Timeout, resolve.ServFail, resolve.Elsewhere}[w.random.IntN(3)]
	case 11:
		clear(w.broken)
		clear(w.bogus)
		clear(w.lying)
	case 12:
		w.bogus[source], w.lying[sources[w.random.IntN(len(sources))]] = true, true
	case 13:
		w.servers = [][]*resolve.Source{allServers[:2], allServers[1:], allServers}[w.random.IntN(3)]
	}
}

func (w *world) hold(source string, name rrset.Name, value string) {
	if w.says[source] == nil {
		w.says[source] = map[rrset.Name]string{}
	}
	w.says[source][name] = value
}

// deaf takes no alerts to heart.
type deaf struct{}

func (deaf) Notify(context.Context, []monitor.Incident) error { return nil }

// run is one life of the engine over a store.
type run struct {
	t        testing.TB
	path     string
	world    *world
	settings monitor.Settings
	specs    []monitor.Spec
}

func newRun(t testing.TB, seed uint64, settings monitor.Settings, domains int) *run {
	r := &run{t: t, path: filepath.Join(t.TempDir(), "maildrift.db"), world: newWorld(rand.New(rand.NewPCG(seed, 1))), settings: settings}
	for i := range domains {
		name := rrset.Name(fmt.Sprintf("d%d.test", i))
		r.specs = append(r.specs, monitor.Spec{Domain: string(name), Expect: []monitor.ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DMARC}}})
		r.world.zone[name], r.world.zone["_dmarc."+name] = values(name)[0], values("_dmarc." + name)[0]
	}
	return r
}

func (r *run) names() []rrset.Name {
	var out []rrset.Name
	for _, s := range r.specs {
		out = append(out, rrset.Name(s.Domain), rrset.Name("_dmarc."+s.Domain))
	}
	return out
}

func (r *run) sources() []string {
	var out []string
	for _, s := range r.settings.Groups["default"].Resolvers {
		out = append(out, s.ID)
	}
	return append(out, allServers[0].ID, allServers[1].ID)
}

// live runs the engine while something is done to it, then stops it.
func (r *run) live(do func(e *monitor.Engine)) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	db, err := store.Open(ctx, r.path, store.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	memory, err := db.Load(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	presets, err := preset.Load(configs.Presets)
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := monitor.New(ctx, monitor.Options{
		Asker: asktest.New(r.world), Authorities: r.world, Journal: db, Notifier: deaf{}, Presets: presets, Logger: slog.New(slog.DiscardHandler),
	}, memory, r.settings, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	synctest.Wait()
	do(e)
	cancel()
	running.Wait()
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// random lets chance disturb the world for so long.
func (r *run) random(lasts, every time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		r.world.mu.Lock()
		pause := time.Duration(r.world.random.Int64N(int64(2 * every)))
		r.world.mu.Unlock()
		time.Sleep(pause)
		r.world.disturb(r.names(), r.sources())
	}
}

func (r *run) begin(e *monitor.Engine) {
	r.t.Helper()
	if _, err := e.AddAll(context.Background(), r.specs, "tester"); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(5 * time.Minute)
}

// replayed reads what was recorded and replays it under some rules.
func (r *run) replayed(change func(*replay.Course)) *replay.Report {
	r.t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, r.path, store.Options{ReadOnly: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	sweeps, err := db.Sweeps(ctx, store.Query{Limit: 1 << 30})
	if err != nil {
		r.t.Fatal(err)
	}
	told := map[monitor.RecordID][]replay.Told{}
	if err := db.Incidents(ctx, store.Query{}, func(i monitor.Incident) error {
		told[i.ID] = append(told[i.ID], replay.ToldOf(i))
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	course := replay.Course{
		Rules: r.settings.Rules, AskAuthority: r.settings.AskAuthority, Recheck: r.settings.Recheck,
		Resolvers: r.settings.Groups["default"].Resolvers, Agenda: replay.NewAgenda(sweeps, r.settings.Groups["default"].Schedule.Next),
		Begin: sweeps[0].Started, End: sweeps[len(sweeps)-1].Started.Add(sweeps[len(sweeps)-1].Duration),
	}
	change(&course)
	report := &replay.Report{}
	err = db.Records(ctx, store.Query{}, func(h store.RecordHistory) error {
		mine := told[h.State.ID]
		if h.State.Incident != nil {
			mine = append(mine, replay.ToldOf(*h.State.Incident))
		}
		pages := replay.Run(course, replay.Record(h))
		report.Records++
		report.Add(replay.Compare(mine, pages, h.Transitions))
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	report.Sort()
	return report
}

func resolvers(n int) []*resolve.Source {
	var out []*resolve.Source
	for i := range n {
		id := fmt.Sprintf("r%d", i+1)
		out = append(out, &resolve.Source{ID: id, Operator: resolve.Operator(id)})
	}
	return out
}

func settings() monitor.Settings {
	return monitor.Settings{
		Groups: map[string]monitor.Group{"default": {Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(6)}},
		Rules:  judge.DefaultRules(), Gate: monitor.Gate{},
		Canaries:     []monitor.Canary{{Question: resolve.Question{Name: canary, Type: rrset.TXT}, Want: resolve.Answered}},
		AskAuthority: true, Recheck: 5 * time.Minute,
	}
}

func (r *run) disturbed(source string, name rrset.Name, value string) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	r.world.hold(source, name, value)
}

func (r *run) calm() {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	clear(r.world.says)
}

func (r *run) zone(name rrset.Name, value string) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	r.world.zone[name] = value
}
