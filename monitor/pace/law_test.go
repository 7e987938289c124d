package pace

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The law, and what its words mean.
//
// A resolver "could first have known" at the first moment from which on a question to it, or to the zone's servers, would be answered
// otherwise than verified until the next sweep asks: that sweep's knowable is true. What was answered otherwise only in between
// two sweeps nobody can know who asks in sweeps. An answer that has expired and is served nevertheless is no knowledge of today.
//
// Under a policy there is "decisive evidence" from the sweep on in which anybody is heard to say otherwise than verified: that
// unsettles the record, and all are asked at once to confirm it.
//
// So evidence comes at most one interval after it could have been known if it is heard in each knowable sweep.

// thousands is how many worlds of each kind are tried besides those whose seeds rapid draws, new ones in each run.
const thousands = 4000

// tried calls a check with worlds of a kind.
func tried(t *testing.T, k kind, check func(t rapid.TB, w world)) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) { check(t, k.random(rapid.Uint64().Draw(t, "seed"))) })
	for seed := range uint64(thousands) {
		check(t, k.random(seed))
	}
}

// obeys checks the law in a world and gives the runs under both policies.
func obeys(t rapid.TB, w world) (every, ttl run) {
	t.Helper()
	every, ttl = w.under(Every), w.under(TTL)
	for n, knowable := range ttl.knowable {
		if knowable && !ttl.heard[n] {
			t.Fatalf("in sweep %d it could have been known and was not heard: %+v", n, w)
		}
		if ttl.heard[n] && !ttl.all[n] {
			t.Fatalf("in sweep %d it was heard and not everybody asked: %+v", n, w)
		}
	}
	return every, ttl
}

// noLater checks that the first evidence comes at most one sweep later than if everybody is asked in every sweep. It
// gives how many sweeps later it comes.
func noLater(t rapid.TB, w world, every, ttl run) int {
	t.Helper()
	a, b := every.first(), ttl.first()
	if a >= 0 && (b < 0 || b > a+1) {
		t.Fatalf("heard in sweep %d, under every in sweep %d: %+v", b, a, w)
	}
	if a < 0 {
		return 0
	}
	return b - a
}

// TestLawWhereCachesKeepTheirWord has one cache an address, and changes of any length, seen by a sweep or not.
func TestLawWhereCachesKeepTheirWord(t *testing.T) {
	later, drifts, saved, all := 0, 0, 0, 0
	tried(t, kind{blips: true}, func(t rapid.TB, w world) {
		every, ttl := obeys(t, w)
		later = max(later, noLater(t, w, every, ttl))
		if every.first() >= 0 {
			drifts++
		}
		saved, all = saved+every.questions-ttl.questions, all+every.questions
	})
	t.Logf("%d worlds with a drift: at most %d sweeps later than under every; %d of %d questions saved", drifts, later, saved, all)
	if drifts < thousands/2 || saved*5 < all {
		t.Errorf("%d worlds with a drift and %d of %d questions saved: the worlds do not show anything", drifts, saved, all)
	}
}

// TestLawForFleets has several caches an address, flushed and prefetching ones, and changes that last until a sweep. Where a
// sweep does not see one because the zone's servers were silent, runs under the two policies are not the same world: what
// maildrift asks fills caches, with the change or before it.
func TestLawForFleets(t *testing.T) {
	later, saved, all := 0, 0, 0
	tried(t, kind{fleets: true}, func(t rapid.TB, w world) {
		every, ttl := obeys(t, w)
		if w.zone.down == nil && w.deaf == nil {
			later = max(later, noLater(t, w, every, ttl))
		}
		saved, all = saved+every.questions-ttl.questions, all+every.questions
	})
	t.Logf("at most %d sweeps later than under every; %d of %d questions saved", later, saved, all)
	if saved*5 < all {
		t.Errorf("%d of %d questions saved: the worlds do not show anything", saved, all)
	}
}

// TestLawForFleetsWithTheSerial has changes that no sweep sees in fleets too. That they were there shows in the serial.
func TestLawForFleetsWithTheSerial(t *testing.T) {
	tried(t, kind{fleets: true, blips: true, serial: true}, func(t rapid.TB, w world) { obeys(t, w) })
}

// TestLiars has resolvers that begin to lie while the zone stays as it is. They never gave their word, and are found when
// it ends, at the latest after Longest.
func TestLiars(t *testing.T) {
	check := func(t rapid.TB, seed uint64) {
		w, began := withLiar(seed)
		most := min(max(w.zone.changes[0].ttl, mostKept)*second, Longest.Milliseconds()) + w.interval + w.interval/4
		n := w.under(TTL).first()
		if n < 0 || w.sweepAt(n) > began+most {
			t.Fatalf("lies since %d, found in sweep %d at %d, later than after %d: %+v", began, n, w.sweepAt(max(n, 0)), most, w)
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.Uint64().Draw(t, "seed")) })
	for seed := range uint64(thousands / 4) {
		check(t, seed)
	}
}

// withLiar gives a world in which nothing happens but that a resolver begins to lie, and when.
func withLiar(seed uint64) (world, int64) {
	w, d := kind{fleets: true}.random(seed), dice{rand.New(rand.NewPCG(seed, 1))}
	w.zone.changes, w.zone.down, w.deaf = w.zone.changes[:1], nil, nil
	began := d.between(0, 2*Longest.Milliseconds())
	liar := &w.resolvers[d.IntN(len(w.resolvers))]
	liar.lying, liar.failing = []during{{began, math.MaxInt64}}, nil
	w.interval = d.one(5*minute, 15*minute, hour)
	w.jitter = []int64{d.between(0, w.interval/4), d.between(0, w.interval/4)}
	w.sweeps = int((began+Longest.Milliseconds())/w.interval) + 2
	return w, began
}

// quiet is a world in which nothing happens, a base for those made by hand: TTL one hour, a sweep every five minutes.
func quiet(changes ...change) world {
	return world{
		zone:     zone{changes: append([]change{{-30 * 24 * hour, good, 3600}}, changes...)},
		interval: 5 * minute, sweeps: 60, jitter: []int64{0, 1300, 400},
		resolvers: []manners{{caches: 1}, {caches: 1, roundsUp: true}},
	}
}

func TestScenarios(t *testing.T) {
	tests := []struct {
		name string
		w    world
		// every and ttl are the sweeps in which it is first heard; asked how many questions ttl asks.
		every, ttl, asked int
	}{
		{"nothing happens", quiet(), -1, -1, 2 * (13 + 3)},
		{"the zone changes", quiet(change{40 * minute, 1, 3600}), 8, 8, 2 * (8 + 52)},
		{"the record goes", quiet(change{40 * minute, gone, 60}), 8, 8, 2 * (8 + 52)},
		{"it changes while a sweep asks", quiet(change{40*minute + 500, 1, 3600}), 9, 9, 2 * (9 + 51)},
		{"changed and back between sweeps, nobody asks", quiet(change{121 * minute, 1, 3600}, change{124 * minute, good, 3600}), -1, -1, 32},
		{"changed and back while the cache runs out, and somebody asks", fetched(quiet(change{127*minute + 30*second, 1, 3600}, change{129 * minute, good, 3600}), 128*minute), 26, 26, 0},
		{"changed and back in the half second in which the cache runs out", halfSecond(), 24, 24, 0},
		{"a short record is asked every time", short(quiet()), -1, -1, 120},
		{"the zone is silent for a while", silent(quiet(), during{100 * minute, 111 * minute}), -1, -1, 0},
		{"flushed early, and nothing happens", flushed(quiet(), 70*minute), -1, -1, 32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			every, ttl := obeys(t, tt.w)
			if every.first() != tt.every || ttl.first() != tt.ttl {
				t.Errorf("heard in sweep %d under every and %d under ttl, want %d and %d", every.first(), ttl.first(), tt.every, tt.ttl)
			}
			if tt.asked != 0 && ttl.questions != tt.asked {
				t.Errorf("%d questions, want %d", ttl.questions, tt.asked)
			}
			t.Logf("%d of %d questions", ttl.questions, every.questions)
		})
	}
}

// fetched has somebody ask a resolver whose answers end between two sweeps.
func fetched(w world, at int64) world {
	w.zone.changes[0].ttl = 62 * 60
	w.resolvers[0].visits = []visit{{at: at}}
	return w
}

// halfSecond has a cache that ends at a broken second and gives TTLs rounded up, and a sweep right after its end.
func halfSecond() world {
	ends := 2*hour + 900
	w := quiet(change{ends - 50, 1, 3600}, change{ends + 30, good, 3600})
	w.resolvers = []manners{{caches: 1, roundsUp: true, visits: []visit{{at: ends - hour}, {at: ends + 10}}}}
	w.jitter = make([]int64, w.sweeps+1)
	w.jitter[12], w.jitter[24] = second, 950
	return w
}

func flushed(w world, at int64) world {
	w.resolvers[0].visits = []visit{{at: at, flush: true}}
	return w
}

func short(w world) world {
	w.zone.changes[0].ttl = 30
	return w
}

func silent(w world, d during) world {
	w.zone.down = []during{d}
	w.resolvers[0].stale = true
	return w
}

// TestBlipInAFleet shows what is given up: a cache that we were not led to took a change that no sweep saw. It is found when the
// answer of the other cache has ended, unless the serial is in the hash.
func TestBlipInAFleet(t *testing.T) {
	w := quiet(change{181 * minute, 1, 3600}, change{184 * minute, good, 3600})
	w.resolvers = []manners{{caches: 2, visits: []visit{{at: 182 * minute, cache: 0}, {at: 182 * minute, cache: 1}}}}
	first := func(p Policy) (early, late int) {
		early, late = 1<<30, -1
		for w.seed = range 50 {
			r := w.under(p)
			if n := r.first(); n >= 0 {
				early, late = min(early, n), max(late, n)
			}
		}
		return early, late
	}
	_, late := first(TTL)
	if bound := 37 + 12; late > bound {
		t.Errorf("found in sweep %d, later than its TTL and one sweep after", late)
	}
	w.serial = true
	every, _ := first(Every)
	if early, _ := first(TTL); early != every {
		t.Errorf("with the serial found in sweep %d at the earliest, under every in %d", early, every)
	}
}

// TestNeverFromAskToStands checks that waiting never makes asking needless.
func TestNeverFromAskToStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moments := rapid.Int64Range(0, 10*hour)
		a := Authority{}
		for range rapid.IntRange(0, 4).Draw(t, "heard") {
			if a = a.Silent(); rapid.Bool().Draw(t, "answers") {
				a = a.Hear(moment(moments.Draw(t, "heard at")), rapid.Uint64Range(0, 1).Draw(t, "said"), rapid.Uint32().Draw(t, "authority ttl"))
			}
		}
		r := Record{Settled: rapid.IntRange(0, 9).Draw(t, "settled") > 0, Authority: a}
		asked := moments.Draw(t, "asked")
		m := Heard(moment(asked), rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 90000)).Draw(t, "ttl"))
		s := Sweep{Policy: TTL, Now: moment(asked + moments.Draw(t, "now"))}
		s.Next = s.Now.Add(time.Duration(rapid.Int64Range(1, hour).Draw(t, "interval")) * time.Millisecond)
		earlier := s.Decide(r, m)
		late := time.Duration(rapid.Int64Range(0, 10*hour).Draw(t, "later")) * time.Millisecond
		s.Now, s.Next = s.Now.Add(late), s.Next.Add(late)
		later := s.Decide(r, m)
		if earlier.Ask && !later.Ask {
			t.Fatalf("%s, and %s later %s", earlier, late, later)
		}
		if !earlier.Ask && (earlier.Until.After(m.Ends()) || !s.Now.Add(-late).Before(earlier.Until) || later.Ask != !later.Until.After(s.Now)) {
			t.Fatalf("%s; %s later %s", earlier, late, later)
		}
	})
}
