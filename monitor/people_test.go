package monitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// caching puts honest caches in front of a world: resolvers have two each and answer from either, for as long as the TTL is that the
// record had when it was fetched. Asking takes its time, so that people come in between.
type caching struct {
	*world
	mu     sync.Mutex
	rng    *rand.Rand
	caches map[string]map[resolve.Question]cacheEntry
}

// Ask implements resolve.Asker.
func (c *caching) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	for i, q := range queries {
		if i%5 == 0 {
			c.mu.Lock()
			wait := time.Duration(c.rng.IntN(2000)) * time.Millisecond
			c.mu.Unlock()
			if !sleep(ctx, wait) {
				return
			}
		}
		emit(c.from(q))
	}
}

// from answers from a cache that has an answer, and else takes the answer into it.
func (c *caching) from(q resolve.Query) resolve.Observation {
	o := c.answer(q)
	if q.Source.Role == resolve.Authoritative {
		return o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	which := fmt.Sprint(q.Source.ID, c.rng.IntN(2))
	if c.caches[which] == nil {
		c.caches[which] = map[resolve.Question]cacheEntry{}
	}
	had := c.caches[which][q.Question]
	if left := time.Until(had.expires); left > 0 {
		o.Set, o.TTL, o.Outcome = had.set, uint32(left/time.Second), resolve.Answered
		if had.set.Empty() {
			o.Outcome = resolve.NXDomain
		}
		return o
	}
	c.caches[which][q.Question] = cacheEntry{o.Set, time.Now().Add(time.Duration(o.TTL) * time.Second)}
	return o
}

// people are those who edit the zone of shop.test and those who tell maildrift about it.
type people struct {
	*house
	seed uint64

	mu  sync.Mutex
	rng *rand.Rand
	// edit is what the zone had, one after the other; log is what happened, for whoever must find out why a test fails.
	edit []edited
	log  []string
}

// edited is what the zone had from then on.
type edited struct {
	at   time.Time
	text string
}

// policies are what the DMARC record may say; the empty one is that it is not there.
var policies = []string{dmarc, strictDMARC, "v=DMARC1; p=none", "v=DMARC1; p=none; pct=50", ""}

func (p *people) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, time.Now().UTC().Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (p *people) roll(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.IntN(n)
}

func (p *people) publish(text string, ttl uint32) {
	p.world.setTTL(ttl)
	if text == "" {
		p.world.remove(dmarcName, rrset.TXT)
	} else {
		p.world.set(p.t, dmarcName, rrset.TXT, text)
	}
	p.note("zone: %q, TTL %d", text, ttl)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edit = append(p.edit, edited{time.Now(), text})
}

// now is what the zone has.
func (p *people) now() edited {
	p.mu.Lock()
	defer p.mu.Unlock()
	return last(p.edit)
}

// had says whether the zone has had anything since then that a state does not allow.
func (p *people) had(s *RecordState, since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, x := range p.edit {
		if i+1 < len(p.edit) && p.edit[i+1].at.Before(since) {
			continue
		}
		if !allowedBy(s, x.text) {
			return true
		}
	}
	return false
}

// allowedBy says whether a state takes a text, or with an empty one that there is no record.
func allowedBy(s *RecordState, text string) bool {
	set := rrset.Set{Type: rrset.TXT}
	if text != "" {
		set = rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
	}
	f := s.Expectation.Compare(s.Baseline, set)
	return f.Class == mailrec.Same || s.Change != nil && s.Change.allows(s.Expectation, set, f)
}

// changes has the zone edited now and then, mostly to what was announced.
func (p *people) changes(ctx context.Context) {
	ttls := []uint32{60, 300, 3600}
	for sleep(ctx, time.Duration(15+p.roll(180))*time.Minute) {
		text := policies[p.roll(len(policies))]
		if s := p.state("dmarc"); s.Change != nil && p.roll(3) > 0 {
			text = strings.Join(s.Change.Next.Lines(), "\n")
		} else if p.roll(3) == 0 {
			text = strings.Join(s.Baseline.Lines(), "\n")
		}
		p.publish(text, ttls[p.roll(len(ttls))])
	}
}

// says has a person accept, announce, withdraw, reload with another expectation, pause, resume and look.
func (p *people) says(ctx context.Context) {
	for sleep(ctx, time.Duration(p.roll(40*60))*time.Second) {
		s := p.state("dmarc")
		var err error
		var what string
		switch do := p.roll(10); {
		case s.Incident != nil && do < 5:
			what, err = "accept", p.engine.Accept(ctx, dmarcID, "ann", "")
		case do < 2:
			text := policies[p.roll(len(policies)-1)]
			what, err = "announce "+text, p.engine.Announce(ctx, Announcement{
				ID: dmarcID, Value: []string{text}, Until: time.Now().Add(time.Duration(10+p.roll(300)) * time.Minute), By: "ann", Why: "step",
			})
		case do == 2:
			what, err = "withdraw", p.engine.Withdraw(ctx, dmarcID, "ann", "")
		case do == 3:
			x := p.expects()
			what, err = fmt.Sprintf("reload, expecting %q", x.Value), p.engine.Apply(ctx, p.rules(), []*Domain{configuredShop(p.t, x)})
		case do == 4:
			what, err = "pause", p.engine.Pause(ctx, dmarcID, time.Now().Add(time.Duration(1+p.roll(120))*time.Minute), "ann", "")
		case do == 5:
			what, err = "resume", p.engine.Resume(ctx, dmarcID, "ann", "")
		default:
			what, err = "look", p.engine.CheckNow(ctx, apex)
		}
		p.note("%s: %v", what, err)
	}
}

// expects gives what is to be expected of the record from now on: anything, what is verified, or a policy.
func (p *people) expects() ExpectSpec {
	switch text := strings.Join(p.state("dmarc").Baseline.Lines(), "\n"); {
	case p.roll(3) == 0 && text != "":
		return ExpectSpec{Value: StringList{text}}
	case p.roll(5) == 0:
		return ExpectSpec{Match: "contains", Value: StringList{"p=none"}}
	}
	return ExpectSpec{}
}

// rules gives settings of all kinds.
func (p *people) rules() Settings {
	settings := testSettings()
	settings.Groups["default"] = Group{Name: "default", Schedule: cron.Every(5 * time.Minute), Resolvers: resolvers(6)}
	if settings.Rules.FlapChanges = 0; p.seed%4 == 0 {
		settings.Rules.FlapChanges = 4
	}
	if p.seed%2 == 0 {
		settings.Pace = pace.TTL
	}
	return settings
}

// watches holds what is told against what the zone has: nothing may be told of a zone that has had what it should for minutes, whatever
// caches hold, what it should not have must be told soon, and an alert ends once caches have followed.
func (p *people) watches(ctx context.Context) {
	const seen, cached = 15 * time.Minute, 130 * time.Minute
	var before *RecordState
	var told time.Time
	since := time.Now()
	for sleep(ctx, 10*time.Second) {
		s, zone := p.state("dmarc"), p.now()
		paused := p.engine.Snapshot().Domains[0].paused("dmarc", time.Now()) != nil
		same := before != nil && s.Change == before.Change && sameExpectation(s.Expectation, before.Expectation) && s.Baseline.Equal(before.Baseline)
		if !same || paused || s.Phase != judge.Verified {
			since = time.Now()
		}
		if zone.at.After(since) {
			since = zone.at
		}
		before = s
		good := s.Phase == judge.Verified && allowedBy(s, zone.text)
		if in := s.Incident; in != nil && in.Opened.After(told) {
			told = in.Opened
			p.note("told: %s, stage %s", in.Name, in.Facts.Stage)
			mending := in.Facts.Stage == judge.Recovering // a pause has ended, and receivers see it still
			if s.Phase == judge.Verified && !mending && !p.had(s, told.Add(-3*time.Minute)) {
				p.t.Errorf("%s is told of what is as it should be: %s", in.Name, in.Facts.Decision)
			}
		}
		if !good && s.Incident == nil && time.Since(since) > seen {
			p.t.Errorf("nobody is told of %q for %s", zone.text, time.Since(since))
		}
		if good && s.Incident != nil && time.Since(since) > cached {
			p.t.Errorf("%s is told for %s: %+v", s.Incident.Name, time.Since(since), s.State)
		}
		if p.t.Failed() {
			return
		}
	}
}

// TestWhatPeopleDoWhileCachesFollow has them do it at any time, beside sweeps and each other, for three days.
func TestWhatPeopleDoWhileCachesFollow(t *testing.T) {
	seeds := uint64(6)
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		seeds = 300
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager()}
				h.world.set(t, "canary.test", rrset.TXT, "alive")
				h.asker = &caching{world: h.world, rng: rand.New(rand.NewPCG(seed, 2)), caches: map[string]map[resolve.Question]cacheEntry{}}
				p := &people{house: h, seed: seed, rng: rand.New(rand.NewPCG(seed, 3))}
				h.start(p.rules(), configuredShop(t, ExpectSpec{}))
				defer func() { h.stop() }()
				p.publish(dmarc, 300)
				h.after(15 * time.Minute)
				ctx, cancel := context.WithTimeout(t.Context(), 3*24*time.Hour)
				defer cancel()
				var all sync.WaitGroup
				for _, act := range []func(context.Context){p.changes, p.says, p.says, p.watches} {
					all.Go(func() { act(ctx) })
				}
				for ctx.Err() == nil && !t.Failed() {
					time.Sleep(time.Minute)
				}
				cancel()
				all.Wait()
				if t.Failed() {
					t.Log(strings.Join(p.log[max(0, len(p.log)-25):], "\n"))
				}
			})
		})
	}
}
