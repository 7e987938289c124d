package alert

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
	"time"
)

// pace is how patient deliveries are. Zero values are the defaults.
type pace struct {
	answer  time.Duration // bounds one attempt
	busy    time.Duration // first rest of a receiver that is asked too often
	refused time.Duration // first rest of one that refuses for good
}

func (p pace) withDefaults() pace {
	return pace{cmp.Or(p.answer, sendTimeout), cmp.Or(p.busy, 15*time.Second), cmp.Or(p.refused, time.Second)}
}

const (
	// longestRest is where the doubling of rests ends. A token that was repaired elsewhere is noticed by then.
	longestRest = 10 * time.Minute
	// longestAsked bounds the rest that a receiver asks for.
	longestAsked = time.Hour
)

// refusal is how an integration refuses.
type refusal struct {
	kind  refusalKind
	asked time.Duration // how long it wants to be left alone; 0: it does not say
}

type refusalKind int

const (
	none   refusalKind = iota // it took what it was told
	passes                    // no answer, or a failure of its own: Alertmanager tries again, ever more slowly
	busy                      // it is asked too often
	final                     // a wrong token or address; to ask again does no good before somebody has mended it
)

// Alertmanager's receivers hand on what they were answered in words only, the body among them and the header fields
// not: "unexpected status code 429: …", "telegram: … retry after 8 (429)".
var (
	tooMany = regexp.MustCompile(`^(?:.*: )?unexpected status code 429\b|\(429\)$`)
	// Telegram's receiver would try again at once whatever it is told.
	mendable = regexp.MustCompile(`^telegram: .*\(40[0134]\)$`)
	asksFor  = regexp.MustCompile(`(?i)retry[_ -]after"?\s*[:=]?\s*"?(\d+(?:\.\d+)?)`)
)

// refusalOf reads the outcome of an attempt.
func refusalOf(retry bool, err error) refusal {
	switch {
	case err == nil:
		return refusal{}
	case tooMany.MatchString(err.Error()):
	case retry && !mendable.MatchString(err.Error()):
		return refusal{kind: passes}
	default:
		return refusal{kind: final}
	}
	r := refusal{kind: busy}
	if m := asksFor.FindStringSubmatch(err.Error()); m != nil {
		seconds, _ := strconv.ParseFloat(m[1], 64) // too many digits are +Inf, which the cap takes
		r.asked = time.Duration(math.Min(seconds, longestAsked.Seconds()) * float64(time.Second))
	}
	return r
}

// rest is the time in which a receiver is left alone that has refused.
type rest struct {
	until time.Time
	last  time.Duration
	over  chan struct{} // closed when it takes what it is told again
}

// resting gives until when an integration is left alone.
func (d *deliveries) resting(key string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rest[key].until
}

// admit gives until when an integration is left alone, zero if it may be asked now. When a rest has ended, one who
// asks is let in and the others wait for the outcome: a thousand groups must not find out one by one that the token
// is still wrong.
func (d *deliveries) admit(key string, now time.Time) (until time.Time, over <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.rest[key]
	switch {
	case !ok:
		return time.Time{}, nil
	case now.Before(r.until):
		return r.until, r.over
	}
	r.until = now.Add(d.pace.withDefaults().answer)
	d.rest[key] = r
	return time.Time{}, nil
}

// giveRest notes how an integration refused and lets it rest, or ends its rest.
func (d *deliveries) giveRest(key string, f refusal, now time.Time) refusalKind {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := d.rest[key]
	first := d.pace.withDefaults().busy
	switch f.kind {
	case none:
		if ok {
			close(r.over)
			delete(d.rest, key)
		}
		return f.kind
	case passes:
		if ok { // who was let in has its outcome; the next may ask
			r.until = now
			d.rest[key] = r
		}
		return f.kind
	case final:
		first = d.pace.withDefaults().refused
	case busy:
	}
	if !ok {
		r.over = make(chan struct{})
	}
	r.last = min(max(2*r.last, first), longestRest)
	r.until = now.Add(max(r.last, f.asked))
	if d.rest == nil {
		d.rest = map[string]rest{}
	}
	d.rest[key] = r
	return f.kind
}

// atOnce is the key of a context whose attempts do not wait for the end of a rest: somebody wants to know.
type atOnce struct{}
