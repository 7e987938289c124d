package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/resolve/asktest"
	"maildrift/monitor/rrset"
)

const (
	runInterval = 15 * time.Minute
	// mendedWithin is when, at the latest, no cache is left that was filled before a repair: the longest TTL of
	// the run at the resolver that makes TTLs longest.
	mendedWithin = 2 * longestCaching
	// toldWithin is the bound of a change that nothing hinders: one interval, the wait for confirmation, and three
	// times asking, which slow resolvers draw out.
	toldWithin = runInterval + 30*time.Second + 4*5*time.Second
)

// seenKey identifies the series of one record at one source.
type seenKey struct {
	id     RecordID
	source string
}

// runJournal keeps what a restart needs, and all incidents by the record that they are about.
type runJournal struct {
	mu       sync.Mutex
	states   map[RecordID]RecordState
	domains  map[rrset.Name]StoredDomain
	lastSeen map[seenKey]Interval
	self     SelfState
	sweeps   int
	bad      int
	flips    int
}

func (j *runJournal) Commit(_ context.Context, b Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range b.States {
		j.states[s.ID] = s
	}
	for _, d := range b.Domains {
		j.domains[d.Name] = d
	}
	for _, iv := range b.Intervals {
		j.lastSeen[seenKey{iv.ID, iv.Source}] = iv
	}
	for _, t := range b.Transitions {
		if t.Flap {
			j.flips++
		}
	}
	if b.Sweep != nil {
		j.sweeps++
		if !b.Sweep.Good() {
			j.bad++
		}
	}
	if b.Self != nil {
		j.self = *b.Self
	}
	return nil
}

func (j *runJournal) swept() (sweeps, bad, flips int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sweeps, j.bad, j.flips
}

// memory gives what was committed as it comes back from disk, with the clock shifted meanwhile.
func (j *runJournal) memory(t *testing.T, shift time.Duration) Memory {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	type kept struct {
		Memory
		States []RecordState
		Last   []Interval
	}
	m := kept{
		Memory{Domains: slices.Collect(maps.Values(j.domains)), Self: j.self},
		slices.Collect(maps.Values(j.states)), slices.Collect(maps.Values(j.lastSeen)),
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(shifted(tree, shift)); err != nil {
		t.Fatal(err)
	}
	var back kept
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	back.Records = handOver(back.States, back.Last)
	return back.Memory
}

// shifted moves all times in a JSON document.
func shifted(tree any, by time.Duration) any {
	switch x := tree.(type) {
	case map[string]any:
		for k, v := range x {
			x[k] = shifted(v, by)
		}
	case []any:
		for i, v := range x {
			x[i] = shifted(v, by)
		}
	case string:
		if at, err := time.Parse(time.RFC3339Nano, x); err == nil && !at.IsZero() {
			return at.Add(by).Format(time.RFC3339Nano)
		}
	}
	return tree
}

// realChange is one that was made at the zone's servers.
type realChange struct {
	id       RecordID
	question resolve.Question
	alert    AlertName
	made     time.Time
	mended   time.Time // zero while it lasts
	told     time.Time
	ended    time.Time
	// hindered says that a sweep since could not see it, or that the engine was restarted.
	hindered bool
}

// faultRun is one engine over many sweeps in a world of faults.
type faultRun struct {
	t    *testing.T
	seed uint64
	// authority says whether the zones' servers are asked.
	authority bool
	world     *faultWorld
	journal   *runJournal
	engine    *Engine
	stop      func()

	mu      sync.Mutex
	changes []*realChange
	// told are the incidents about records that were not called for, notices those about the monitor.
	unfounded []string
	known     map[string]bool
	notices   map[AlertName]int
	longest   time.Duration
	restarts  int
}

func newFaultRun(t *testing.T, seed uint64, authority bool) *faultRun {
	r := &faultRun{
		t: t, seed: seed, authority: authority, world: newFaultWorld(seed, 12), known: map[string]bool{}, notices: map[AlertName]int{},
		journal: &runJournal{states: map[RecordID]RecordState{}, domains: map[rrset.Name]StoredDomain{}, lastSeen: map[seenKey]Interval{}},
	}
	r.start(0)
	var specs []Spec
	for i := range 4 {
		specs = append(specs, r.world.addZone(i))
	}
	if authority { // by caches alone nobody could tell what was from what is
		r.world.haunt()
	}
	if _, err := r.engine.AddAll(context.Background(), specs, "tester"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		time.Sleep(runInterval)
		if !slices.ContainsFunc(slices.Collect(r.engine.Snapshot().States.All()), func(s *RecordState) bool { return s.Phase != judge.Verified }) {
			return r
		}
	}
	t.Fatalf("seed %d: not all records were verified within 50 hours", seed)
	return nil
}

func (r *faultRun) start(shift time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	e, err := New(ctx, Options{
		Asker: asktest.New(r.world), Authorities: r.world, Journal: r.journal, Notifier: r, Meter: r,
		Presets: testPresets(r.t), Logger: slog.New(slog.DiscardHandler),
	}, r.journal.memory(r.t, shift), runSettings(r.authority), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.engine = e
	r.mu.Unlock()
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			r.t.Error(err)
		}
	})
	r.stop = func() { cancel(); running.Wait() }
	synctest.Wait()
}

func runSettings(authority bool) Settings {
	s := testSettings()
	s.AskAuthority = authority
	s.Groups = map[string]Group{"default": {Name: "default", Schedule: cron.Every(runInterval), Resolvers: resolvers(12)}}
	s.Canaries = append(s.Canaries, Canary{Question: resolve.Question{Name: "invalid", Type: rrset.A}, Want: resolve.NXDomain, Random: true})
	s.Quarantine, s.Recheck, s.Resend = DefaultQuarantine(), 5*time.Minute, time.Hour
	return s
}

// restart stops the engine at any moment and starts it from what was committed, now and then with another clock.
func (r *faultRun) restart() {
	r.stop()
	time.Sleep(time.Duration(r.world.rng.Int64N(int64(8 * time.Hour)))) // suspended, perhaps
	shift := []time.Duration{0, 0, time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour}[r.world.rng.IntN(6)]
	r.restarts++
	r.mu.Lock()
	for _, c := range r.changes {
		c.hindered = true
	}
	r.mu.Unlock()
	r.start(shift)
}

// Notify hears what is told. An alert about a record must have its cause in the script.
func (r *faultRun) Notify(_ context.Context, incidents []Incident) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range incidents {
		key := fmt.Sprintf("%s %s %s %s", i.Name, i.ID, i.Value, i.Opened)
		if !i.Open() || r.known[key] {
			continue
		}
		r.known[key] = true
		if i.ID.Domain == "" {
			r.notices[i.Name]++
		}
	}
	return nil
}

func (r *faultRun) Observed(resolve.Observation)   {}
func (r *faultRun) Committed(time.Duration, error) {}
func (r *faultRun) Notified(error)                 {}
func (r *faultRun) Transitioned(string)            {}

// Swept looks after every sweep of the whole group whether all that it could see was told, and nothing else.
// The bound: a sweep that begins after the last server of the zone has changed, and which is trusted, hears the zone's
// servers and is not blind about the record, ends with the alert open. So it is with its end, once no cache is left that
// was filled before the repair.
func (r *faultRun) Swept(s SweepSummary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	snap := r.engine.Snapshot()
	for _, c := range r.changes {
		if c.ended.IsZero() {
			r.look(c, snap.States.Get(c.id), s)
		}
	}
	for _, i := range snap.Open {
		if i.ID.Domain == "" || slices.ContainsFunc(r.changes, func(c *realChange) bool { return c.ended.IsZero() && c.causes(i) }) {
			continue
		}
		what := fmt.Sprintf("%s of %s at %s", i.Name, i.ID, i.Opened)
		if !r.known[what] {
			r.known[what] = true
			r.unfounded = append(r.unfounded, fmt.Sprintf("%s (sweep of %s): %s", what, s.Started, i.Facts.Decision))
		}
	}
}

// causes says whether the change is why an alert is told: about the record itself, or about all of its domain.
func (c *realChange) causes(i Incident) bool {
	return i.ID == c.id && i.Name == c.alert || i.ID.Domain == c.id.Domain && i.Name == AlertCause
}

// look holds one change against what a sweep has told.
func (r *faultRun) look(c *realChange, state *RecordState, s SweepSummary) {
	now := time.Now()
	sees := s.Good() && state.BlindSince.IsZero() && r.world.heardAll(c.question.Name, s.Started)
	switch open := state.Incident != nil; {
	case open && c.told.IsZero():
		c.told = now
		if took := now.Sub(c.made); !c.hindered {
			r.longest = max(r.longest, took)
			if took > toldWithin {
				r.t.Errorf("seed %d: the change of %s, made at %s, took %s", r.seed, c.id, c.made, took)
			}
		}
	case !open && c.told.IsZero() && sees && !s.Started.Before(c.made) && c.mended.IsZero():
		r.t.Errorf("seed %d: the change of %s, made at %s, was not told by the sweep of %s", r.seed, c.id, c.made, s.Started)
		c.told = now
	case !open && c.told.IsZero() && !s.Started.Before(c.made):
		c.hindered = true
	case !open && !c.told.IsZero() && !c.mended.IsZero():
		c.ended = now
	case open && sees && !c.mended.IsZero() && !s.Started.Before(c.mended.Add(mendedWithin)):
		r.t.Errorf("seed %d: the end of the change of %s, mended at %s, was not told by the sweep of %s", r.seed, c.id, c.mended, s.Started)
		c.ended = now
	}
}

// sweep lets faults come and go for that many sweeps; with changes, zones change too.
func (r *faultRun) sweep(n int, changes bool) {
	var editors sync.WaitGroup
	begun, _, _ := r.journal.swept()
	for {
		done, _, _ := r.journal.swept()
		if done-begun >= n {
			break
		}
		r.world.mu.Lock()
		pause, dice := time.Duration(r.world.rng.Int64N(int64(20*time.Minute))), r.world.rng.IntN(100)
		r.world.mu.Unlock()
		if next := time.Until(r.engine.Snapshot().NextSweep["default"]); dice%4 == 0 && next > 0 {
			pause = next + pause%(20*time.Second) // into the middle of a sweep
		}
		time.Sleep(pause)
		switch {
		case dice < 60:
			r.world.sicken()
		case dice < 63:
			r.restart()
		case dice < 70 && changes:
			r.edit(&editors)
		}
	}
	editors.Wait()
	if changes { // faults end and caches run out
		time.Sleep(mendedWithin + 12*time.Hour)
	}
}

// edit changes a record that is as it was verified, for a few hours.
func (r *faultRun) edit(editors *sync.WaitGroup) {
	r.world.mu.Lock()
	q := r.world.questions[r.world.rng.IntN(len(r.world.questions))]
	good := r.world.truths[q].at[r.world.zones[zoneName(q.Name)].Servers[0].ID]
	gone, lag := r.world.rng.IntN(2) == 0, time.Duration(r.world.rng.Int64N(int64(time.Minute)))
	lasts := 2*time.Hour + time.Duration(r.world.rng.Int64N(int64(6*time.Hour)))
	r.world.mu.Unlock()

	c := &realChange{question: q, id: RecordID{zoneName(q.Name), "spf"}, alert: AlertDrifted}
	if q.Name != c.id.Domain {
		c.id.Key = "dmarc"
	}
	set := txt("v=spf1 ip4:198.51.100.0/24 ~all")
	if c.id.Key == "dmarc" {
		set = txt("v=DMARC1; p=none; sp=none")
	}
	if gone {
		set, c.alert = rrset.Set{}, AlertMissing
	}
	r.mu.Lock()
	busy := slices.ContainsFunc(r.changes, func(o *realChange) bool {
		return o.id == c.id && (o.ended.IsZero() || time.Since(o.ended) < mendedWithin)
	})
	if !busy {
		c.made = time.Now().Add(24 * time.Hour) // not before all servers have it
		r.changes = append(r.changes, c)
	}
	r.mu.Unlock()
	if busy {
		return
	}
	editors.Go(func() {
		r.world.publish(q, set, lag)
		r.mu.Lock()
		c.made = time.Now()
		r.mu.Unlock()
		time.Sleep(lasts)
		for r.waiting(c) { // a change that nobody could see yet is not taken back unseen
			time.Sleep(runInterval)
		}
		r.world.publish(q, good, lag)
		r.mu.Lock()
		c.mended = time.Now()
		r.mu.Unlock()
	})
}

func (r *faultRun) waiting(c *realChange) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.told.IsZero()
}

func zoneName(name rrset.Name) rrset.Name {
	return rrset.Name(strings.TrimPrefix(string(name), "_dmarc."))
}

// report ends the run: everything told was called for, and everything called for was told and ended.
func (r *faultRun) report() {
	r.stop()
	sweeps, bad, flips := r.journal.swept()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, what := range r.unfounded {
		r.t.Errorf("seed %d: false alert: %s", r.seed, what)
	}
	for _, c := range r.changes {
		if c.told.IsZero() || c.ended.IsZero() {
			r.t.Errorf("seed %d: the change of %s at %s was told at %s and ended at %s", r.seed, c.id, c.made, c.told, c.ended)
		}
	}
	r.t.Logf("seed %d: %d sweeps (%d not trusted), %d restarts, %d real changes told within %s at most, %d flips, notices %v; faults: %s",
		r.seed, sweeps, bad, r.restarts, len(r.changes), r.longest, flips, r.notices, r.world.summary())
}

// runSeeds gives the seeds and how many sweeps each: a few hundred in all, or more than ten thousand in a soak.
func runSeeds() (seeds []uint64, sweeps int) {
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		return []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, uint64(time.Now().UnixNano())}, 1000
	}
	return []uint64{1, 2, uint64(time.Now().UnixNano())}, 100
}

func TestFaultRunWithoutChangesTellsNothing(t *testing.T) { faultRuns(t, true, false) }

func TestFaultRunTellsEachChange(t *testing.T) { faultRuns(t, true, true) }

// Where the zones' own servers are not asked, operators alone must not be misled.
func TestFaultRunByOperatorsAloneTellsNothing(t *testing.T) { faultRuns(t, false, false) }

func faultRuns(t *testing.T, authority, changes bool) {
	seeds, sweeps := runSeeds()
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFaultRun(t, seed, authority)
				r.sweep(sweeps, changes)
				r.report()
			})
		})
	}
}
