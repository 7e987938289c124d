package resolve

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"maildrift/monitor/rrset"
)

const (
	// mostSamples is how many questions of a batch a zone's server is tried with.
	mostSamples = 4
	// knownFor is after how long another question stands for what a source answers: the zone of the one before may leave.
	knownFor = time.Minute
)

// known is a question that a source has answered, and when.
type known struct {
	Question
	at time.Time
}

// Silence is that a resolver answers nothing, or refuses everything, and is left alone.
type Silence struct {
	Source *Source
	// Since is when that was found out.
	Since time.Time
	// Outcome is how questions end that would go to it.
	Outcome Outcome
}

// Silent gives the resolvers that are left alone at the moment, by ID. It may be called concurrently with everything.
func (c *Client) Silent() []Silence {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Silence
	for _, l := range c.lanes {
		if since, why, silent := l.breaker.silence(); silent && l.source.Role == Recursive {
			out = append(out, Silence{l.source, since, why})
		}
	}
	slices.SortFunc(out, func(a, b Silence) int { return cmp.Compare(a.Source.ID, b.Source.ID) })
	return out
}

// permit says what to do with questions to a lane's source. If it must be found out whether that lives, it is, and waited for.
func (c *Client) permit(l *lane, now time.Time, batch []Query) permit {
	p := l.breaker.ask(now, c.patience(l))
	if p == sounding {
		c.soundOut(l, l.samples(batch))
		return awaiting
	}
	return p
}

// patience is for how long it is waited whether a source lives that has rested.
func (c *Client) patience(l *lane) time.Duration { return c.timeout(l.source) / 2 }

// admitted waits until it is known whether a question may go out, and says whether it may. If the asker has gone it may: it
// will not get far.
func admitted(ctx context.Context, ask func(time.Time) permit) bool {
	for ctx.Err() == nil {
		switch now := time.Now(); ask(now) {
		case granted:
			return true
		case denied:
			return false
		case awaiting, sounding:
			sleepUntil(ctx, now.Add(restless))
		}
	}
	return true
}

// soundOut finds out whether a source lives, and tells its breaker. It does not wait for that, and does not end with whoever
// asked for it: others wait for it too. A resolver that does not is tried again each time that it has rested, whether or not
// somebody asks it: it is to be known that it is back before the next sweep, which may be hours away.
func (c *Client) soundOut(l *lane, samples []Question) *probe {
	p := &probe{questions: samples}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.sounded(unsure, c.o.Rest, c.o.Rest)
		p.end(unsure)
		return p
	}
	c.soundings.Go(func() {
		for again := true; again; again = l.source.Role == Recursive && c.restOver(l) {
			found, first, most := c.findOut(l, samples), c.o.Rest, c.o.Rest
			if found < living {
				first, most = c.rests(l)
			}
			if l.sounded(found, first, most) {
				c.back(l)
			}
			p.end(found)
		}
	})
	return p
}

// restOver waits until a source has rested, and says whether the caller is to find out again whether it lives.
func (c *Client) restOver(l *lane) bool {
	if !l.breaker.open() {
		return false
	}
	sleepUntil(c.ctx, l.breaker.rested())
	return c.ctx.Err() == nil && !l.gone.Load() && l.breaker.open() && l.breaker.ask(time.Now(), 0) == sounding
}

// findOut asks a source what it should know, at all its addresses and side by side. The first answer counts.
func (c *Client) findOut(l *lane, questions []Question) life {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout(l.source))
	n := len(questions) * len(l.source.Addrs)
	signs := make(chan life, n)
	for _, q := range questions {
		for _, at := range l.source.Addrs {
			go func() { signs <- c.signOfLife(ctx, l, q, at) }()
		}
	}
	found := unsure
	for range n {
		if found = max(found, <-signs); found == living {
			cancel() // and the others end
		}
	}
	cancel()
	return found
}

// signOfLife asks one question at one address. Over UDP a question or its answer may be lost on the way: it is asked twice.
func (c *Client) signOfLife(ctx context.Context, l *lane, q Question, at netip.AddrPort) life {
	tries := l.source.signs()
	found := unsure
	for range tries {
		if ctx.Err() == nil {
			found = max(found, c.oneSign(ctx, l, q, at, c.timeout(l.source)/time.Duration(tries)))
		}
	}
	return found
}

func (c *Client) oneSign(ctx context.Context, l *lane, q Question, at netip.AddrPort, patience time.Duration) life {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o := Observation{Source: l.source, Question: q, Server: at, Transport: l.source.Transport}
	reply, err := c.exchange(ctx, l, &o, newQuery(Query{Source: l.source, Question: q}, !l.plainNow(time.Now())), time.Time{})
	if err == nil {
		if o.Outcome = Answered; refusal(reply.wire) {
			o.Outcome = Refused
		}
	} else if o.Outcome, _ = classify(err, o.Mismatches); c.ctx.Err() != nil {
		o.Outcome = Local
	}
	sign := o.Outcome.life()
	if sign == living && l.source.Role == Authoritative {
		l.known.Store(&known{q, time.Now()})
	}
	return sign
}

// life gives what an outcome says about whether a source lives.
func (o Outcome) life() life {
	switch o {
	case Local:
		return unsure
	case Timeout, Network:
		return mute
	case Refused:
		return refusing
	case Answered, NoData, NXDomain, Elsewhere, ServFail, OtherRcode, Mismatched, Malformed, Truncated, Lame, Filtered, Stale:
	}
	return living
}

// refusal says whether a message refuses what was asked.
func refusal(message []byte) bool { return message[3]&0x0f == 5 }

// rests gives for how long a source that does not answer is left alone at first and at most. Where half of the resolvers or more
// are silent it is not they who are dead but our own network: then none rests for long, so that they are heard once that is
// back. Zones' servers do not rest longer each time: it is they who say first that a record is lost.
func (c *Client) rests(l *lane) (first, most time.Duration) {
	if l.source.Role != Recursive {
		return c.o.Rest, c.o.Rest
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	silent, ours := c.silentBeside(l)
	if !ours {
		return c.o.Rest, longestRest * c.o.Rest
	}
	short := c.o.Rest / shortestRest
	for _, other := range silent {
		other.breaker.hasten(time.Now().Add(short))
	}
	return short, short
}

// silentBeside gives a resolver and those that are left alone, and whether that is half of all or more, so that it is our own fault. Resolvers count that were
// asked in the hour before the last question to any, however long ago that is: others are not asked any more. The caller holds mu.
func (c *Client) silentBeside(l *lane) (silent []*lane, ours bool) {
	last := l.used.Load()
	for _, other := range c.lanes {
		if other.source.Role == Recursive {
			last = max(last, other.used.Load())
		}
	}
	all := 0
	for _, other := range c.lanes {
		if other.source.Role != Recursive || other != l && time.Duration(last-other.used.Load()) > laneLife {
			continue
		}
		if all++; other == l || other.breaker.open() {
			silent = append(silent, other)
		}
	}
	return silent, len(silent)*2 >= all
}

// back takes in that a source answers again that was left alone. If it is a resolver, and half of them or more were silent, it is our
// own network that is back: zones' servers need not rest any more then.
func (c *Client) back(l *lane) {
	if l.source.Role != Recursive {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ours := c.silentBeside(l); !ours {
		return
	}
	now := time.Now()
	for _, other := range c.lanes {
		if other.source.Role != Recursive {
			other.breaker.hasten(now)
		}
	}
}

// samples gives what a source is tried with: what it has answered before, and what every resolver knows, since it may be slow
// only for zones whose own servers are dead, and those of one domain must not blind it for the others. A zone's server
// may be silent about one of its zones: it is tried with questions about several.
func (l *lane) samples(batch []Query) []Question {
	var out []Question
	if l.source.Role == Recursive {
		out = append(out, Question{Name: rrset.Root, Type: rrset.NS})
	}
	if known := l.known.Load(); known != nil {
		out = append(out, known.Question)
	}
	if l.source.Role == Recursive {
		return out
	}
	for i := range min(mostSamples, len(batch)) {
		out = append(out, batch[i*len(batch)/min(mostSamples, len(batch))].Question)
	}
	return out
}

// answeredTo takes in that the source has answered a question then.
func (l *lane) answeredTo(q Question, at time.Time) {
	if l.barren.Load() > 0 {
		l.barren.Store(0)
	}
	if had := l.known.Load(); had == nil || at.Sub(had.at) > knownFor {
		l.known.Store(&known{q, at})
	}
	l.alive()
}

// alive takes in that the source has answered.
func (l *lane) alive() {
	if since := l.breaker.answered(); !since.IsZero() {
		l.tellBack(since)
	}
}

// sounded takes in what was found out about the source, and says whether it is back.
func (l *lane) sounded(found life, first, most time.Duration) (back bool) {
	opened, closed := l.breaker.sounded(time.Now(), found, first, most)
	switch {
	case opened:
		l.tellSilent(found)
	case !closed.IsZero():
		l.tellBack(closed)
	}
	return !closed.IsZero()
}

// tellSilent says that the source is left alone. Of zones' servers many may be dead in a large fleet, and that is told of
// their zones.
func (l *lane) tellSilent(found life) {
	text := "a resolver answers nothing: it is not asked, but for a probe now and then"
	if found == refusing {
		text = "a resolver refuses everything: it is not asked, but for a probe now and then"
	}
	if l.source.Role != Recursive {
		l.log.Debug("a zone's server answers nothing: it is not asked, but for a probe now and then", "server", l.source.ID)
		return
	}
	l.log.Warn(text, "resolver", l.source.ID, "operator", l.source.Operator)
}

func (l *lane) tellBack(since time.Time) {
	if l.source.Role != Recursive {
		l.log.Debug("a zone's server answers again", "server", l.source.ID)
		return
	}
	l.log.Info("a resolver answers again", "resolver", l.source.ID, "operator", l.source.Operator, "silent_for", time.Since(since).Round(time.Second).String())
}

// withheld is what becomes of a question that is not asked.
func (l *lane) withheld() Observation {
	o := Observation{Outcome: Timeout, Detail: notAsked, Withheld: true}
	if _, why, _ := l.breaker.silence(); why == Refused {
		o.Outcome, o.Detail = Refused, notAskedRefusing
	}
	return o
}
