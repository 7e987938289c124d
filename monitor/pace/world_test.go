package pace

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// The model of the world that the law is tested in. Its clock is virtual, in milliseconds since epoch.

// epoch is a moment that is no whole minute.
var epoch = time.Unix(1_800_000_017, 0)

// good is the verified content, gone that the record does not exist; all else is a drift.
const (
	good = 0
	gone = -1
)

// mostKept is for how many seconds resolvers keep what has a shorter TTL, at most.
const mostKept = 300

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

func moment(ms int64) time.Time { return epoch.Add(time.Duration(ms) * time.Millisecond) }

// change is that from a moment on a zone says something else, with a TTL in seconds (for gone the negative one).
type change struct {
	at    int64
	value int
	ttl   int64
}

// during is a span of time in which something is so.
type during struct{ from, to int64 }

func within(spans []during, at int64) bool {
	return slices.ContainsFunc(spans, func(d during) bool { return d.from <= at && at < d.to })
}

// zone is what the record's servers say over time.
type zone struct {
	changes []change
	down    []during
}

// at gives what it says and how many changes it has seen, which its serial counts.
func (z zone) at(ms int64) (change, int) {
	n := 0
	for n+1 < len(z.changes) && z.changes[n+1].at <= ms {
		n++
	}
	return z.changes[n], n
}

// answer is what a resolver answers.
type answer struct {
	ok    bool
	value int
	ttl   int64
	// expired says that it has run out and is served nevertheless.
	expired bool
}

// cache is one of those behind an address.
type cache struct {
	filled  bool
	value   int
	fetched int64
	expires int64
	// served says that it has expired and was given to somebody nevertheless.
	served bool
}

// visit is somebody else's question to a resolver, or that one of its caches is flushed.
type visit struct {
	at    int64
	cache int
	flush bool
}

// manners is how a resolver behaves.
type manners struct {
	caches int
	// roundsUp makes the TTLs that it gives the next whole second instead of the last.
	roundsUp bool
	// stale makes it answer what has expired while the zone is silent; eager always, the first who asks, and look only
	// for the next.
	stale, eager bool
	// keeps is for how many seconds it keeps even what has a shorter TTL.
	keeps int64
	// prefetch makes it look anew when it is asked in the last tenth of a TTL.
	prefetch bool
	visits   []visit
	failing  []during
	lying    []during
}

// resolver is one in one run of the world.
type resolver struct {
	manners
	zone   zone
	caches []cache
	next   int
}

// live lets the resolver's other clients ask until a moment.
func (r *resolver) live(until int64) {
	for ; r.next < len(r.visits) && r.visits[r.next].at <= until; r.next++ {
		v := r.visits[r.next]
		if v.flush {
			r.caches[v.cache] = cache{}
		} else {
			r.caches[v.cache] = r.caches[v.cache].asked(r, v.at)
		}
	}
}

// asked gives the cache after a question.
func (c cache) asked(r *resolver, at int64) cache {
	left := c.expires - at
	fresh := c.filled && left > 0
	if fresh && (!r.prefetch || left*10 > c.expires-c.fetched) {
		return c
	}
	if within(r.zone.down, at) {
		return c
	}
	if c.filled && left <= 0 && r.eager && !c.served {
		c.served = true
		return c
	}
	said, _ := r.zone.at(at)
	return cache{filled: true, value: said.value, fetched: at, expires: at + max(said.ttl, r.keeps)*second}
}

// ask gives what one of its caches answers, and with touch lets it look for what it does not have.
func (r *resolver) ask(at int64, which int, touch bool) answer {
	if within(r.failing, at) {
		return answer{}
	}
	if within(r.lying, at) {
		return answer{ok: true, value: 99, ttl: 3600}
	}
	before := r.caches[which]
	after := before.asked(r, at)
	if touch {
		r.caches[which] = after
	}
	switch fresh := before.filled && before.expires > at; {
	case fresh:
		return answer{ok: true, value: before.value, ttl: r.left(before.expires - at)}
	case before.filled && (after.served && !before.served || r.stale && within(r.zone.down, at)):
		return answer{ok: true, value: before.value, ttl: 30, expired: true}
	case within(r.zone.down, at):
		return answer{}
	}
	return answer{ok: true, value: after.value, ttl: r.left(after.expires - at)}
}

func (r *resolver) left(ms int64) int64 {
	if r.roundsUp {
		return (ms + second - 1) / second
	}
	return ms / second
}

// world is a scenario.
type world struct {
	zone      zone
	resolvers []manners
	interval  int64
	sweeps    int
	jitter    []int64
	// deaf is when the zone's servers are silent to us alone.
	deaf []during
	// serial says that the zone's SOA serial is in the hash.
	serial bool
	seed   uint64
}

// sweepAt gives the moment at which the record is asked about in a sweep.
func (w world) sweepAt(n int) int64 { return int64(n)*w.interval + w.jitter[n%len(w.jitter)] }

// run is what became of a scenario under a policy.
type run struct {
	// knowable and heard say of each sweep whether a question to anybody would have been answered otherwise than verified, and
	// whether one was.
	knowable, heard []bool
	questions       int
	// all says of each sweep whether everybody was asked.
	all []bool
}

// first gives the first sweep in which it was heard; -1 if in none.
func (r run) first() int { return slices.Index(r.heard, true) }

// under lets the world run.
func (w world) under(policy Policy) run {
	var out run
	resolvers := make([]*resolver, len(w.resolvers))
	for i, m := range w.resolvers {
		resolvers[i] = &resolver{manners: m, zone: w.zone, caches: make([]cache, m.caches)}
	}
	memories := make([]Memory, len(resolvers))
	var authority Authority
	settled := false
	for n := range w.sweeps {
		at := w.sweepAt(n)
		wrong := w.hearAuthority(&authority, at)
		knowable, asked := wrong, 0
		for _, r := range resolvers {
			r.live(at)
			a := r.ask(at, w.choice(n, r), false)
			knowable = knowable || a.ok && a.value != good && !a.expired
		}
		s := Sweep{Policy: policy, Now: moment(at), Next: moment(w.sweepAt(n + 1))}
		for round := range 2 { // what is heard to be wrong is confirmed at once, by everybody
			for i, r := range resolvers {
				d := s.Decide(Record{Settled: settled && !wrong, Authority: authority}, memories[i])
				if !d.Ask || round == 1 && (asked == len(resolvers) || !wrong) {
					continue
				}
				a := r.ask(at, w.choice(n, r), true)
				out.questions++
				asked++
				memories[i] = Memory{}
				if a.ok && a.value == good {
					memories[i] = Heard(moment(at), uint32(a.ttl))
				}
				wrong = wrong || a.ok && a.value != good
			}
		}
		settled = !wrong
		out.knowable, out.heard = append(out.knowable, knowable), append(out.heard, wrong)
		out.all = append(out.all, asked >= len(resolvers))
	}
	return out
}

// hearAuthority asks the zone's servers and says whether they have it otherwise than verified.
func (w world) hearAuthority(a *Authority, at int64) bool {
	if within(w.zone.down, at) || within(w.deaf, at) {
		*a = a.Silent()
		return false
	}
	said, serial := w.zone.at(at)
	hash := uint64(said.value + 10)
	if w.serial {
		hash = uint64(serial)
	}
	*a = a.Hear(moment(at), hash, uint32(said.ttl))
	return said.value != good
}

// choice is the cache that anycast leads a sweep's question to.
func (w world) choice(n int, r *resolver) int {
	return rand.New(rand.NewPCG(w.seed, uint64(n)<<8|uint64(len(r.visits)))).IntN(len(r.caches))
}

// kind is what may happen in a world.
type kind struct {
	// fleets have several caches an address, flushes and prefetches: what one answer promises does not bind the others.
	fleets bool
	// blips are changes that are taken back before any sweep sees them.
	blips  bool
	serial bool
}

// random makes a world of a kind. Its length is some TTLs, so that there is time for answers to stand.
func (k kind) random(seed uint64) world {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	w := world{serial: k.serial, seed: seed, interval: d.one(10*second, minute, minute, 5*minute, 15*minute)}
	ttl := d.one(0, 1, 5, 30, 31, 60, 61, 300, 300, 599, 900, 3600, 3600, 7200, 86400)
	w.sweeps = int(min(max(20, 5*ttl*second/w.interval), 400))
	for range d.between(1, 7) {
		w.jitter = append(w.jitter, d.between(0, w.interval/4))
	}
	ends := w.sweepAt(w.sweeps)
	w.zone.changes = []change{{-30 * 24 * hour, good, ttl}}
	for at := d.between(0, ends); at < ends; {
		back := k.change(d, &w, at, ttl)
		at = back + d.between(w.interval+w.interval/4, ends)
	}
	if d.chance(4) {
		w.zone.down = d.spans(ends, 5*w.interval)
	}
	if d.chance(4) {
		w.deaf = d.spans(ends, 8*w.interval)
	}
	for range d.between(1, 4) {
		w.resolvers = append(w.resolvers, k.manners(d, w, ends))
	}
	return w
}

// change makes the zone say something else from a moment on, and something else, and the good record again. It gives when.
func (k kind) change(d dice, w *world, at, ttl int64) int64 {
	for range d.between(1, 2) {
		// What is never seen by a sweep has no longer a TTL than what is, or nobody could know for how long to mind.
		w.zone.changes = append(w.zone.changes, change{at, int(d.one(good, gone, 1, 2)), min(ttl, d.one(0, 60, 300, 7200))})
		if k.blips && !d.chance(4) {
			at += d.between(1, w.interval)
		} else {
			at += d.between(w.interval+w.interval/4, 6*w.interval)
		}
	}
	w.zone.changes = append(w.zone.changes, change{at, good, ttl})
	return at
}

// manners makes a resolver with clients who like to ask while the zone says something else.
func (k kind) manners(d dice, w world, ends int64) manners {
	m := manners{caches: 1, roundsUp: d.chance(2), stale: d.chance(2), eager: d.chance(5), keeps: d.one(0, 0, 60, mostKept)}
	if k.fleets {
		m.caches, m.prefetch = int(d.between(1, 5)), d.chance(3)
	}
	call := func(from, to int64) {
		m.visits = append(m.visits, visit{d.between(from, to), int(d.between(0, int64(m.caches-1))), k.fleets && d.chance(5)})
	}
	for range d.between(0, 12) {
		call(-w.interval, ends)
	}
	for i, c := range w.zone.changes[1:] {
		for range d.between(0, 3) {
			call(w.zone.changes[i].at, c.at)
		}
	}
	slices.SortFunc(m.visits, func(a, b visit) int { return cmp.Compare(a.at, b.at) })
	if d.chance(4) {
		m.failing = d.spans(ends, 3*w.interval)
	}
	return m
}

// dice are thrown for a world.
type dice struct{ *rand.Rand }

func (d dice) between(from, to int64) int64 { return from + d.Int64N(to-from+1) }
func (d dice) chance(of int) bool           { return d.IntN(of) == 0 }
func (d dice) one(of ...int64) int64        { return of[d.IntN(len(of))] }
func (d dice) spans(ends, most int64) []during {
	from := d.between(0, ends)
	return []during{{from, from + d.between(1, most)}}
}
