package monitor

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// malady is what ails a resolver for a while.
type malady int

const (
	healthy malady = iota
	timingOut
	servfailing
	refusing
	flaky         // every second question times out
	slow          // 4.9 of 5 seconds
	filtering     // says so (EDE 15)
	stale         // says so (EDE 3)
	staleSilently // TTL 30
	wrongTTLs     // anything from 0 to a week
	rewriting     // answers whatever does not exist, and everything else with its own data
	lyingNXDomain // denies one record
	lyingOldValue // has one record as it was long ago
)

const (
	worstOfHonest  = rewriting // what comes after it lies, and passes the canaries
	mostLiars      = 2         // what a quorum of twelve bears
	longestCaching = time.Hour
)

var maladyNames = [...]string{
	"healthy", "timing out", "SERVFAIL", "REFUSED", "flaky", "slow", "filtering (EDE 15)", "stale (EDE 3)", "stale (TTL 30)",
	"wrong TTLs", "rewriting", "lying NXDOMAIN", "lying with an old value",
}

func (m malady) String() string { return maladyNames[m] }

// truth is what the zone's servers say of a record: the same at all of them but while a change spreads.
type truth struct {
	at      map[string]rrset.Set // by server
	ttl     time.Duration
	longAgo rrset.Set
}

// cacheEntry is what one cache of a resolver holds.
type cacheEntry struct {
	set     rrset.Set
	expires time.Time
}

// fleetResolver is one resolver: an anycast address in front of one to three caches.
type fleetResolver struct {
	caches []map[resolve.Question]cacheEntry
	// stretch is by how much it makes TTLs longer or shorter.
	stretch float64
	malady  malady
	until   time.Time
	victim  resolve.Question
}

// faultWorld is a network in which resolvers are never all well.
type faultWorld struct {
	mu   sync.Mutex
	seed uint64
	// rng is the driver's; what becomes of a question is drawn by lot, so that the order in which
	// goroutines ask does not matter.
	rng       *rand.Rand
	asked     map[askedOnce]uint64
	zones     map[rrset.Name]resolve.Zone
	truths    map[resolve.Question]*truth
	questions []resolve.Question
	resolvers map[string]*fleetResolver
	names     []string
	// cutUntil is while nothing is heard, hijackUntil while somebody answers everything; forged says that
	// he forges answers of the zones' servers too.
	cutUntil, hijackUntil time.Time
	forged                bool
	// lossy is when a zone's server last failed to answer.
	lossy  map[rrset.Name]time.Time
	counts map[string]int
}

func newFaultWorld(seed uint64, operators int) *faultWorld {
	w := &faultWorld{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), asked: map[askedOnce]uint64{},
		zones: map[rrset.Name]resolve.Zone{}, truths: map[resolve.Question]*truth{}, resolvers: map[string]*fleetResolver{},
		lossy: map[rrset.Name]time.Time{}, counts: map[string]int{},
	}
	for _, r := range resolvers(operators) {
		f := &fleetResolver{stretch: []float64{1, 1, 1, 0.5, 2}[w.rng.IntN(5)]}
		for range 1 + w.rng.IntN(3) {
			f.caches = append(f.caches, map[resolve.Question]cacheEntry{})
		}
		w.resolvers[r.ID] = f
		w.names = append(w.names, r.ID)
	}
	return w
}

// addZone makes a zone with two to four servers, and the specs of a domain in it.
func (w *faultWorld) addZone(i int) Spec {
	zone := rrset.Name(fmt.Sprintf("zone%d.test", i))
	servers := make([]*resolve.Source, 2+w.rng.IntN(3))
	for n := range servers {
		servers[n] = &resolve.Source{ID: fmt.Sprintf("ns%d.%s/192.0.2.%d", n, zone, n), Role: resolve.Authoritative}
	}
	w.zones[zone] = resolve.Zone{Apex: zone, Servers: servers}
	w.addRecord(zone, zone, "v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:203.0.113.0/24 -all")
	w.addRecord(zone, "_dmarc."+zone, "v=DMARC1; p=reject", "v=DMARC1; p=none")
	return Spec{Domain: string(zone), Expect: []ExpectSpec{{Kind: 1}, {Kind: 3}}}
}

func (w *faultWorld) addRecord(zone, name rrset.Name, good, longAgo string) {
	q := resolve.Question{Name: name, Type: rrset.TXT}
	tr := &truth{at: map[string]rrset.Set{}, ttl: []time.Duration{time.Minute, 5 * time.Minute, longestCaching}[w.rng.IntN(3)], longAgo: txt(longAgo)}
	for _, s := range w.zones[zone].Servers {
		tr.at[s.ID] = txt(good)
	}
	w.truths[q] = tr
	w.questions = append(w.questions, q)
}

// haunt makes caches hold what was there before for up to a day.
func (w *faultWorld) haunt() {
	for _, q := range w.questions {
		for _, id := range w.names {
			for _, c := range w.resolvers[id].caches {
				if before := w.rng.IntN(3); before < 2 {
					set := []rrset.Set{{}, w.truths[q].longAgo}[before]
					c[q] = cacheEntry{set, time.Now().Add(time.Duration(w.rng.Int64N(int64(24 * time.Hour))))}
				}
			}
		}
	}
}

func txt(line string) rrset.Set {
	set, err := rrset.Parse(rrset.TXT, line)
	if err != nil {
		panic(err)
	}
	return set
}

// zoneOf gives the zone that a name lives in.
func (w *faultWorld) zoneOf(name rrset.Name) (resolve.Zone, bool) {
	for apex, z := range w.zones {
		if name.IsAtOrBelow(apex) {
			return z, true
		}
	}
	return resolve.Zone{}, false
}

func (w *faultWorld) Find(_ context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[rrset.Name]resolve.Zone{}
	for _, n := range names {
		out[n], _ = w.zoneOf(n)
	}
	return out
}

func (w *faultWorld) Forget(rrset.Name) {}

// Ask answers the quick ones at once and the slow ones when they are there.
func (w *faultWorld) Ask(_ context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	var late []resolve.Query
	for _, q := range queries {
		w.mu.Lock()
		r := w.resolvers[q.Source.ID]
		isSlow := r != nil && r.malady == slow && time.Now().Before(r.until)
		var o resolve.Observation
		if !isSlow {
			o = w.answer(q)
		}
		w.mu.Unlock()
		if isSlow {
			late = append(late, q)
			continue
		}
		emit(o)
	}
	if len(late) == 0 {
		return
	}
	time.Sleep(4900 * time.Millisecond)
	for _, q := range late {
		w.mu.Lock()
		o := w.answer(q)
		w.mu.Unlock()
		emit(o)
	}
}

// lot gives the chance that decides about a question: the same in every run of a seed.
func (w *faultWorld) lot(q resolve.Query) *rand.Rand {
	key := askedOnce{q.Source.ID, q.Question}
	if _, watched := w.truths[q.Question]; !watched {
		key.question.Name = "" // canaries have random names
	}
	w.asked[key]++
	h := fnv.New64a()
	fmt.Fprint(h, w.seed, key, w.asked[key])
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

func (w *faultWorld) answer(q resolve.Query) resolve.Observation {
	now, lot := time.Now(), w.lot(q)
	o := resolve.Observation{Source: q.Source, Question: q.Question, At: now, Tries: 1, TTL: 300}
	switch {
	case now.Before(w.cutUntil):
		o.Outcome = []resolve.Outcome{resolve.Timeout, resolve.Network, resolve.Local}[lot.IntN(3)]
		w.lose(q)
	case now.Before(w.hijackUntil) && q.Source.Role == resolve.Authoritative && !w.forged:
		o.Outcome = resolve.Lame // it has no AA bit
		w.lose(q)
	case now.Before(w.hijackUntil):
		o.Set = txt("v=spf1 +all")
	case q.Source.Role == resolve.Authoritative:
		w.fromServer(q, &o, lot)
	default:
		w.fromResolver(q, &o, lot)
	}
	return o
}

// lose notes that a server of a zone was not heard.
func (w *faultWorld) lose(q resolve.Query) {
	if z, ok := w.zoneOf(q.Question.Name); ok && q.Source.Role == resolve.Authoritative {
		w.lossy[z.Apex] = time.Now()
	}
}

func (w *faultWorld) fromServer(q resolve.Query, o *resolve.Observation, lot *rand.Rand) {
	if lot.IntN(500) == 0 {
		o.Outcome = resolve.Timeout
		w.lose(q)
		return
	}
	tr := w.truths[q.Question]
	o.Set, o.TTL = tr.at[q.Source.ID], uint32(tr.ttl/time.Second)
	if o.Set.Empty() {
		o.Outcome = resolve.NXDomain
	}
}

func (w *faultWorld) fromResolver(q resolve.Query, o *resolve.Observation, lot *rand.Rand) {
	r := w.resolvers[q.Source.ID]
	ails := healthy
	if time.Now().Before(r.until) {
		ails = r.malady
	}
	if outcome, fails := failures[ails]; fails && (ails != flaky || lot.IntN(2) == 0) {
		o.Outcome = outcome
		return
	}
	w.fromCache(r, q.Question, o, lot)
	switch ails {
	case staleSilently:
		o.TTL = 30
	case wrongTTLs:
		o.TTL = uint32(lot.IntN(7 * 24 * 3600))
	case rewriting:
		o.Set, o.Outcome = txt("landing page"), resolve.Answered
	case lyingNXDomain:
		if q.Question == r.victim {
			o.Set, o.Outcome = rrset.Set{}, resolve.NXDomain
		}
	case lyingOldValue:
		if q.Question == r.victim {
			o.Set, o.Outcome = w.truths[q.Question].longAgo, resolve.Answered
		}
	case healthy, timingOut, servfailing, refusing, flaky, slow, filtering, stale:
	}
}

// failures are the maladies that leave no evidence.
var failures = map[malady]resolve.Outcome{
	timingOut: resolve.Timeout, servfailing: resolve.ServFail, refusing: resolve.Refused, flaky: resolve.Timeout,
	filtering: resolve.Filtered, stale: resolve.Stale,
}

// fromCache answers from one of the resolver's caches, which asks the zone when it has nothing left.
func (w *faultWorld) fromCache(r *fleetResolver, q resolve.Question, o *resolve.Observation, lot *rand.Rand) {
	tr, watched := w.truths[q]
	switch {
	case !watched && q.Type == rrset.A:
		o.Outcome = resolve.NXDomain // the canary that must not exist
	case !watched:
		o.Set = txt("alive")
	}
	if !watched {
		return
	}
	cache := r.caches[lot.IntN(len(r.caches))]
	entry, held := cache[q]
	if !held || !entry.expires.After(o.At) {
		zone, _ := w.zoneOf(q.Name)
		server := zone.Servers[lot.IntN(len(zone.Servers))]
		entry = cacheEntry{tr.at[server.ID], o.At.Add(time.Duration(float64(tr.ttl) * r.stretch))}
		cache[q] = entry
	}
	o.Set, o.TTL = entry.set, uint32(entry.expires.Sub(o.At)/time.Second)
	if o.Set.Empty() {
		o.Outcome = resolve.NXDomain
	}
}

// sicken lets something fail that is not the zones' fault.
func (w *faultWorld) sicken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	lasting := func(most time.Duration) time.Time {
		return now.Add(time.Minute + time.Duration(w.rng.Int64N(int64(most))))
	}
	switch dice := w.rng.IntN(100); {
	case dice < 3:
		w.cutUntil = lasting(3 * time.Hour)
		w.counts["uplink cut"]++
	case dice < 6:
		w.hijackUntil, w.forged = lasting(2*time.Hour), w.rng.IntN(2) == 0
		w.counts["hijacked network"]++
	case dice < 9: // many at once
		for _, id := range w.names {
			if w.rng.IntN(2) == 0 {
				w.infect(id, 1+malady(w.rng.IntN(int(worstOfHonest))), lasting(4*time.Hour))
			}
		}
	default:
		ails := 1 + malady(w.rng.IntN(len(maladyNames)-1))
		if ails > worstOfHonest && w.liars() >= mostLiars {
			ails = flaky
		}
		w.infect(w.names[w.rng.IntN(len(w.names))], ails, lasting([]time.Duration{10 * time.Minute, 3 * time.Hour, 24 * time.Hour}[w.rng.IntN(3)]))
	}
}

// infect gives a resolver a malady, unless it lies at the moment: then it goes on lying.
func (w *faultWorld) infect(id string, ails malady, until time.Time) {
	r := w.resolvers[id]
	if r.malady > worstOfHonest && time.Now().Before(r.until) {
		return
	}
	r.malady, r.until, r.victim = ails, until, w.questions[w.rng.IntN(len(w.questions))]
	w.counts[ails.String()]++
}

func (w *faultWorld) liars() int {
	n := 0
	for _, r := range w.resolvers {
		if r.malady > worstOfHonest && time.Now().Before(r.until) {
			n++
		}
	}
	return n
}

// publish makes one server after the other say something else; it returns when all do.
func (w *faultWorld) publish(q resolve.Question, set rrset.Set, lag time.Duration) {
	zone, _ := w.zoneOf(q.Name)
	for _, s := range zone.Servers {
		w.mu.Lock()
		w.truths[q].at[s.ID] = set
		w.mu.Unlock()
		time.Sleep(lag)
	}
}

// heardAll says whether no server of the zone failed to answer since.
func (w *faultWorld) heardAll(name rrset.Name, since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	z, _ := w.zoneOf(name)
	return w.lossy[z.Apex].Before(since)
}

// summary gives how often each fault was put in.
func (w *faultWorld) summary() string {
	out := ""
	for _, name := range sortedKeys(w.counts) {
		out += fmt.Sprintf("%s %d, ", name, w.counts[name])
	}
	return out
}

// askedOnce identifies a question to a source.
type askedOnce struct {
	source   string
	question resolve.Question
}
