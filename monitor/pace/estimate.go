package pace

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// comfortable is the share of its interval that a sweep of everything may take before Auto spares questions: what is confirmed,
// asked again after a loss, or asked by other groups comes on top.
const comfortable = 0.5

const day = 24 * time.Hour

// Load is what the sweeps of a schedule group have to ask.
type Load struct {
	// Group is the name of the schedule group.
	Group string
	// Interval is the shortest time between two sweeps, Daily how many there are a day; 0 if they come at even intervals.
	Interval time.Duration
	Daily    float64
	// Policy is as configured.
	Policy Policy
	// Unvouched says that the zones' own servers are not asked, so that nobody could say that an answer stands.
	Unvouched bool
	// TTLs says how many records have each TTL in seconds, known or assumed; without any nothing is spared.
	TTLs map[uint32]int
	// Parties are who is asked: operators of resolvers, and servers of zones.
	Parties []Party
}

// Party is one operator, or one server of zones, with a rate of its own.
type Party struct {
	Name string
	// Questions are asked of all its sources together in a sweep of everything, and may be spared. Fixed are asked besides in
	// every sweep: canaries, and everything of the zones' own servers.
	Questions, Fixed int
	// Rate is the most questions a second; 0 is no limit.
	Rate float64
}

// Duty is what a sweep comes to for one party.
type Duty struct {
	Party
	// Full is how long a sweep of everything takes at its rate: the first one, and those after everything changed.
	Full time.Duration
	// Asked are the questions of a sweep in the long run, Takes how long they take, Of what share of the interval that is.
	Asked int
	Takes time.Duration
	Of    float64
	// Daily is how many questions it gets a day.
	Daily int
}

// Estimate is a group's sweeps in numbers.
type Estimate struct {
	Load
	// Pace is Every or TTL: what the policy comes to.
	Pace Policy
	// Duties are those of the parties, the slowest first.
	Duties []Duty
	// Asked are the questions of a sweep in the long run, of Everything.
	Asked, Everything int
	// Takes is how long a sweep takes in the long run, Full one of everything: as long as the slowest party.
	Takes, Full time.Duration
	// Over is Takes in intervals. A sweep fits if it is at most 1.
	Over float64
}

// Estimate reckons what the sweeps come to.
func (l Load) Estimate() Estimate {
	e := Estimate{Load: l, Pace: l.pace()}
	for _, p := range l.Parties {
		d := l.duty(p, e.share())
		e.Duties = append(e.Duties, d)
		e.Asked += d.Asked
		e.Everything += p.Questions + p.Fixed
		e.Takes, e.Full, e.Over = max(e.Takes, d.Takes), max(e.Full, d.Full), max(e.Over, d.Of)
	}
	slices.SortStableFunc(e.Duties, func(a, b Duty) int { return cmp.Compare(b.Takes, a.Takes) })
	return e
}

// pace is what the policy comes to.
func (l Load) pace() Policy {
	switch {
	case l.Unvouched:
		return Every
	case l.Policy != Auto:
		return l.Policy
	case l.Interval > 0 && l.full().Seconds() > comfortable*l.Interval.Seconds():
		return TTL
	}
	return Every
}

// full is how long a sweep of everything takes those who may be spared something.
func (l Load) full() time.Duration {
	var longest time.Duration
	for _, p := range l.Parties {
		if p.Questions > 0 {
			longest = max(longest, p.takes(p.Questions+p.Fixed))
		}
	}
	return longest
}

// share is that of the questions that may be spared and are asked nevertheless.
func (e Estimate) share() float64 {
	if e.Pace == TTL {
		return Share(e.Interval, e.TTLs)
	}
	return 1
}

func (l Load) duty(p Party, share float64) Duty {
	d := Duty{Party: p, Full: p.takes(p.Questions + p.Fixed)}
	d.Asked = int(math.Ceil(float64(p.Questions)*share)) + p.Fixed
	d.Takes = p.takes(d.Asked)
	if l.Interval <= 0 {
		return d // a sweep that is the only one may take as long as it likes
	}
	d.Of = d.Takes.Seconds() / l.Interval.Seconds()
	d.Daily = int(math.Round(float64(d.Asked) * cmp.Or(l.Daily, day.Seconds()/l.Interval.Seconds())))
	return d
}

// takes is how long so many questions take at the party's rate.
func (p Party) takes(questions int) time.Duration {
	if p.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(questions) / p.Rate * float64(time.Second))
}

// Fits says whether a sweep is done before the next one is due.
func (e Estimate) Fits() bool { return e.Over <= 1 }

// String says how long a sweep takes and whether it fits, in one sentence that may be logged and shown.
func (e Estimate) String() string {
	if len(e.Duties) == 0 {
		return "nobody is to be asked"
	}
	d := e.Duties[0]
	how := fmt.Sprintf("%s asked of %s at %s a second take %s", grouped(d.Asked, "question"), d.Name, rate(d.Rate), Span(d.Takes))
	if e.Fits() {
		return fmt.Sprintf("a sweep fits into its interval of %s: %s (%s)", Span(e.Interval), how, percent(d.Of))
	}
	return fmt.Sprintf("a sweep cannot finish in its interval of %s: %s, %s times as long", Span(e.Interval), how, number(math.Ceil(e.Over*10)/10))
}

// Reason says why the pace is what it is.
func (e Estimate) Reason() string {
	if e.Unvouched {
		return "everybody is asked in every sweep: the zones' own servers, which could say that nothing has changed, are not asked (authority.enabled)"
	}
	if e.Policy != Auto {
		return "pace: " + e.Policy.String() + " is configured"
	}
	full := e.full()
	how := fmt.Sprintf("asking resolvers about everything takes %s of an interval of %s", Span(full), Span(e.Interval))
	if e.Pace == Every {
		return "everybody is asked in every sweep: " + how
	}
	return "resolvers are asked when their answers end: " + how + ", more than half"
}

// Period gives how many sweeps after an answer with a TTL of so many seconds the resolver is asked again on the average, if nothing
// changes.
func Period(interval time.Duration, ttl uint32) int {
	if interval <= 0 || Heard(time.Unix(1, 0), ttl) == (Memory{}) {
		return 1
	}
	sweeps, most := int((time.Duration(ttl-1)*time.Second+interval-1)/interval), max(1, int(Longest/interval))
	// Who is asked after Longest answers with what is left of the TTL.
	times := (sweeps + most - 1) / most
	return max(1, sweeps/times)
}

// Share gives the share of questions that is asked under policy TTL in the long run, where so many records have each TTL in
// seconds; 1 without any. It is that of addresses with one cache. Where several caches stand behind one, an answer has only some of its
// TTL to go when it is given, so that up to twice as much is asked.
func Share(interval time.Duration, ttls map[uint32]int) float64 {
	var asked, all float64
	for ttl, n := range ttls {
		asked += float64(n) / float64(Period(interval, ttl))
		all += float64(n)
	}
	if all == 0 {
		return 1
	}
	return asked / all
}

// Together adds up what each party has to do for several groups, which share its rate. Of is then the share of its time when all
// groups sweep at once: over 1 they get in each other's way. Other fields than Name, Rate and Daily are zero. Those
// with most to do come first.
func Together(estimates ...Estimate) []Duty {
	var out []Duty
	for _, e := range estimates {
		for _, d := range e.Duties {
			i := slices.IndexFunc(out, func(o Duty) bool { return o.Name == d.Name })
			if i < 0 {
				i, out = len(out), append(out, Duty{Party: Party{Name: d.Name, Rate: d.Rate}})
			}
			out[i].Of += d.Of
			out[i].Daily += d.Daily
		}
	}
	slices.SortStableFunc(out, func(a, b Duty) int { return cmp.Compare(b.Of, a.Of) })
	return out
}

// units are what durations are said in: each with the one below it, and how exactly it is looked at whether there is a whole one.
var units = [...]struct {
	size        time.Duration
	name        string
	below, fine time.Duration
	belowName   string
}{
	{day, "d", time.Hour, time.Minute, "h"},
	{time.Hour, "h", time.Minute, time.Second, "m"},
	{time.Minute, "m", time.Second, 100 * time.Millisecond, "s"},
}

// Span gives a duration as people say it: in the two largest units.
func Span(d time.Duration) string {
	for _, u := range units {
		if d.Round(u.fine) < u.size {
			continue
		}
		d = d.Round(u.below)
		out := strconv.Itoa(int(d/u.size)) + u.name
		if rest := d % u.size / u.below; rest > 0 {
			out += strconv.Itoa(int(rest)) + u.belowName
		}
		return out
	}
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// number gives at most one digit behind the point.
func number(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// rate gives questions a second as number does, but small ones, which it would make 0, in two digits.
func rate(f float64) string {
	if f < 1 {
		return strconv.FormatFloat(f, 'g', 2, 64)
	}
	return number(f)
}

func percent(f float64) string { return number(100*f) + " %" }

func grouped(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// maxFires is how many sweeps ahead the shortest interval is looked for: more than a schedule by the minute has in a day.
const maxFires = 2000

// Rhythm gives the shortest time between two sweeps of a schedule in the 400 days after a moment, and how many there are
// a day on the average, given what comes next after each; 0 if there are no two.
func Rhythm(next func(time.Time) time.Time, from time.Time) (shortest time.Duration, daily float64) {
	first := next(from)
	at, fires := first, 0
	for ; fires < maxFires; fires++ {
		after := next(at)
		if at.IsZero() || !after.After(at) || after.Sub(from) > 400*day && fires > 0 {
			break
		}
		if gap := after.Sub(at); fires == 0 || gap < shortest {
			shortest = gap
		}
		at = after
	}
	if fires == 0 {
		return 0, 0
	}
	return shortest, float64(fires) * day.Seconds() / at.Sub(first).Seconds()
}
