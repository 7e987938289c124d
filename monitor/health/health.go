// Package health keeps how each resolver has answered lately: how much was asked, how much of it was answered, how
// fast, and what went wrong. It is for people who look at a page; Prometheus has the same for years.
//
//	recorder := health.New(nil)
//	recorder.Observed(observation) // from the engine, for every question
//	list := recorder.Report()
//
// What is kept is bounded: a ring of slots for each source. It begins empty at each start.
package health

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"maildrift/monitor/resolve"
)

const (
	// slotLength is the time that one slot covers, and slots how many are kept: a day.
	slotLength = 15 * time.Minute
	slots      = 96
)

// Authority is the name under which the nameservers of all zones are counted together.
const Authority = "authority"

// bounds are the upper bounds of the classes of latency; the last class has none.
var bounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 35 * time.Millisecond,
	50 * time.Millisecond, 75 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// Slot is a quarter of an hour of one source, or the sum of some.
type Slot struct {
	// Start is when it begins.
	Start time.Time `json:"start"`
	// Asked counts questions, Evidence those whose answer says something about a record, Lost those that nobody
	// replied to, Refused those that were answered with REFUSED or SERVFAIL, Tries what was sent in all. Withheld questions did
	// not go out, since the source had answered nothing for a while; they are in none of the others.
	Asked    int `json:"asked"`
	Evidence int `json:"evidence"`
	Lost     int `json:"lost"`
	Refused  int `json:"refused"`
	Tries    int `json:"tries"`
	Withheld int `json:"withheld,omitempty"`
	// Median and P99 are latencies of replies, as upper bounds of their classes; 0 without a reply.
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`

	latency [len(bounds) + 1]int
}

// add counts a question and reports whether somebody replied.
func (s *Slot) add(o resolve.Observation) (replied bool) {
	if o.Withheld {
		s.Withheld++
		return false
	}
	s.Asked++
	s.Tries += max(o.Tries, 1)
	switch o.Outcome {
	case resolve.Answered, resolve.NoData, resolve.NXDomain:
		s.Evidence++
	case resolve.Timeout, resolve.Network, resolve.Local, resolve.Mismatched:
		s.Lost++ // and without a reply there is no latency
		return false
	case resolve.ServFail, resolve.Refused:
		s.Refused++
	case resolve.Elsewhere, resolve.OtherRcode, resolve.Malformed, resolve.Truncated, resolve.Lame, resolve.Filtered, resolve.Stale:
	}
	i, _ := slices.BinarySearch(bounds[:], o.Latency)
	s.latency[i]++
	return true
}

func (s *Slot) sum(o *Slot) {
	s.Asked, s.Evidence, s.Lost, s.Refused, s.Tries = s.Asked+o.Asked, s.Evidence+o.Evidence, s.Lost+o.Lost, s.Refused+o.Refused, s.Tries+o.Tries
	s.Withheld += o.Withheld
	for i, n := range o.latency {
		s.latency[i] += n
	}
}

// reckoned gives the slot with its latencies worked out.
func (s *Slot) reckoned() Slot {
	out := *s
	out.Median, out.P99 = s.quantile(50), s.quantile(99)
	return out
}

func (s *Slot) quantile(percent int) time.Duration {
	replies := 0
	for _, n := range s.latency {
		replies += n
	}
	seen := 0
	for i, n := range s.latency {
		if seen += n; n > 0 && seen*100 >= replies*percent {
			return bounds[min(i, len(bounds)-1)]
		}
	}
	return 0
}

// Source is how one source has answered.
type Source struct {
	// ID is the resolver's, or Authority.
	ID string `json:"id"`
	// Last is when it was asked last, Heard when it last replied.
	Last  time.Time `json:"last"`
	Heard time.Time `json:"heard,omitzero"`
	// LeftAlone is since when it is not asked, but for a probe now and then, because it answers nothing; zero if it is asked. Of
	// the nameservers of zones together it is always zero.
	LeftAlone time.Time `json:"left_alone,omitzero"`
	// Withheld is how many questions were withheld from it since it was heard last, while it is left alone; Why says in words what it is left alone
	// for. Both are empty for one that is asked.
	Withheld int    `json:"left_alone_withheld,omitempty"`
	Why      string `json:"left_alone_why,omitempty"`
	// Hour and Day sum up the last hour and all that is kept, Slots the latter piece by piece, the oldest first. Slots
	// in which nothing was asked are left out.
	Hour  Slot   `json:"hour"`
	Day   Slot   `json:"day"`
	Slots []Slot `json:"slots"`
}

type ring struct {
	slots       [slots]Slot
	last, heard time.Time
	leftAlone   time.Time
	// withheld is how many questions were withheld since it was heard.
	withheld int
}

// Recorder counts. Its methods may be called from any number of goroutines.
type Recorder struct {
	now func() time.Time

	mu   sync.Mutex
	by   map[string]*ring
	auth *ring
}

// New makes an empty recorder; now is the clock, nil means time.Now.
func New(now func() time.Time) *Recorder {
	if now == nil {
		now = time.Now
	}
	return &Recorder{now: now, by: map[string]*ring{}, auth: &ring{}}
}

// Observed counts the end of one question.
func (r *Recorder) Observed(o resolve.Observation) {
	at := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.auth
	if o.Source.Role != resolve.Authoritative {
		if g = r.by[o.Source.ID]; g == nil {
			g = &ring{}
			r.by[o.Source.ID] = g
		}
	}
	start := at.Truncate(slotLength)
	s := &g.slots[int(start.Unix()/int64(slotLength/time.Second))%slots]
	if !s.Start.Equal(start) {
		*s = Slot{Start: start}
	}
	replied := s.add(o)
	if o.Withheld {
		if g.leftAlone.IsZero() && g != r.auth {
			g.leftAlone = at
		}
		g.withheld++
		return
	}
	g.last = at
	if replied {
		g.heard, g.leftAlone, g.withheld = at, time.Time{}, 0
	}
}

// Report gives all sources that were asked within the last day, by ID, the zones' own servers last.
func (r *Recorder) Report() []Source {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Source
	for id, g := range r.by {
		if s, ok := g.report(id, now); ok {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Source) int { return cmp.Compare(a.ID, b.ID) })
	if s, ok := r.auth.report(Authority, now); ok {
		out = append(out, s)
	}
	return out
}

func (g *ring) report(id string, now time.Time) (Source, bool) {
	out := Source{ID: id, Last: g.last, Heard: g.heard, LeftAlone: g.leftAlone}
	if !g.leftAlone.IsZero() {
		out.Withheld = g.withheld
	}
	for i := range g.slots {
		s := &g.slots[i]
		age := now.Sub(s.Start)
		if s.Asked+s.Withheld == 0 || age >= slots*slotLength {
			continue
		}
		out.Day.sum(s)
		if age < time.Hour {
			out.Hour.sum(s)
		}
		out.Slots = append(out.Slots, s.reckoned())
	}
	if len(out.Slots) == 0 {
		return out, false
	}
	slices.SortFunc(out.Slots, func(a, b Slot) int { return a.Start.Compare(b.Start) })
	out.Day.Start, out.Hour.Start = out.Slots[0].Start, now.Add(-time.Hour)
	out.Day, out.Hour = out.Day.reckoned(), out.Hour.reckoned()
	return out, true
}
