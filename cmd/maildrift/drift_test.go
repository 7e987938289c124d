package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// driftEvent is one change of the real change stream.
type driftEvent struct {
	Seq                                 int
	Commit, Zone, Name, Type, Class, Op string
	Old, New                            []string
}

// driftStart is one RRset at the beginning of the stream.
type driftStart struct {
	Zone, Name, Type, Class string
	Values                  []string
}

// eventsInTest is how many events of the stream make test replays, at least; the
// commit that holds the last one is replayed whole. make soak replays all.
func eventsInTest(all int) int {
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		return all
	}
	return 60
}

// wholeCommits gives how many events there are up to the end of the commit that
// holds the nth.
func wholeCommits(events []driftEvent, n int) int {
	for n < len(events) && events[n].Commit == events[n-1].Commit {
		n++
	}
	return n
}

// stage keeps the zones that the events touch and, so that there are others that
// must stay quiet, every tenth of the rest. A sweep of all of them takes seconds, and
// after every commit several must pass.
func stage(initial []driftStart, events []driftEvent) []driftStart {
	touched := map[string]bool{}
	for _, e := range events {
		touched[e.Zone] = true
	}
	number := map[string]int{}
	return slices.DeleteFunc(initial, func(r driftStart) bool {
		if _, ok := number[r.Zone]; !ok {
			number[r.Zone] = len(number)
		}
		return !touched[r.Zone] && number[r.Zone]%10 != 0
	})
}

// stream replays real changes against real servers.
type stream struct {
	t *testing.T
	*setup
	// values is what is published now, by name and class.
	values map[rrKey][]string
	// watched are the records that are expected now.
	watched map[rrKey]bool
	// baseline is what was verified or accepted. It lags behind values: what is added beside it
	// is not part of it.
	baseline map[rrKey][]string
	// cuts are the apexes of all zones.
	cuts map[string]bool
	// wanted is all that had to be told so far.
	wanted []string
	// quiet counts changes that lose nothing: values that came beside others.
	quiet int
	// rng rules the weather; seen counts it, calm ends it.
	rng  *rand.Rand
	seen map[string]int
	calm func()
}

// weather is what else goes wrong while a commit is replayed: a daemon that is killed at a random instant. It may not add,
// lose or double an alert.
var weather = []string{"fair", "a kill", "fair", "two kills"}

// storms come in make soak only, since each takes a minute or more: a resolver that lies, is silent, slow, gone, refuses or
// holds on to what was. What sweeps make of such resolvers is tested by the thousand in package monitor.
var storms = []string{"fair", "a liar", "a silent resolver", "a dead resolver", "a stale resolver", "a slow resolver", "a refusing resolver"}

// forecast changes the weather for these events. What it says is done once the commit is published.
func (s *stream) forecast(events []driftEvent) (then func()) {
	s.clearUp()
	then = func() {}
	kinds := weather
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		kinds = append(slices.Clone(weather), storms...)
	}
	kind := kinds[s.rng.IntN(len(kinds))]
	if os.Getenv("MAILDRIFT_SOAK") == "" && s.rng.IntN(3) > 0 {
		kind = "fair" // a restart costs seconds, and make soak has more of them
	}
	s.seen[kind]++
	i := s.rng.IntN(len(s.dns.unboun))
	kill := func() {
		time.Sleep(time.Duration(s.rng.IntN(2500)) * time.Millisecond)
		s.daemon.kill()
		s.hook.forgive()
		s.daemon = startDaemon(s.t, s.daemon.dir, s.daemon.addr)
	}
	restart := func(extra string) {
		s.dns.unboun[i].kill()
		s.dns.startUnbound(i, extra)
	}
	switch kind {
	case "a liar":
		restart("  local-zone: \".\" always_nxdomain")
		s.calm = func() { restart("") }
	case "a silent resolver":
		s.dns.unboun[i].signal(syscall.SIGSTOP)
		s.calm = func() { s.dns.unboun[i].signal(syscall.SIGCONT) }
	case "a dead resolver":
		s.dns.unboun[i].kill()
		s.calm = func() { s.dns.startUnbound(i, "") }
	case "a refusing resolver":
		restart("  access-control: 127.0.0.1/32 refuse")
		s.calm = func() { restart("") }
	case "a stale resolver":
		restart(fmt.Sprintf("  cache-min-ttl: %[1]d\n  cache-max-ttl: %[1]d", staleSeconds))
		s.dns.warm(i, events)
		s.calm = func() { restart("") }
	case "a slow resolver":
		s.calm = slowDown(s.dns.unboun[i])
	case "a kill":
		then = kill
	case "two kills":
		then = func() { kill(); kill() }
	}
	return then
}

// clearUp ends the weather.
func (s *stream) clearUp() {
	calm := s.calm
	s.calm = func() {}
	calm()
}

// staleSeconds is for how long a stale resolver holds on to what was: longer than it takes to confirm a change, shorter
// than what counts as a disagreement that people should hear of.
const staleSeconds = 8

// warm has an operator's cache take what is published before the events.
func (r *realDNS) warm(i int, events []driftEvent) {
	r.t.Helper()
	for _, e := range events {
		q := new(dns.Msg)
		q.SetQuestion(zoneEscape.Replace(e.Name)+".", dns.StringToType[e.Type])
		c := &dns.Client{Net: "tcp", Timeout: 5 * time.Second}
		if _, _, err := c.Exchange(q, net.JoinHostPort(unboundAddr(i), fmt.Sprint(r.port))); err != nil {
			r.t.Fatalf("warm the cache with %s %s: %v", e.Name, e.Type, err)
		}
	}
}

// slowDown lets a server work a fifth of the time only, until the returned function is called.
func slowDown(p *process) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			p.signal(syscall.SIGSTOP)
			select {
			case <-end:
				p.signal(syscall.SIGCONT)
				return
			case <-time.After(400 * time.Millisecond):
			}
			p.signal(syscall.SIGCONT)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return sync.OnceFunc(func() { close(end); <-ended })
}

// mail says whether a record is a mail record that can be seen: some lie in a
// zone at or below the cut of another zone, where nobody can resolve them.
func (s *stream) mail(k rrKey) bool {
	for name := k.name; name != k.zone; {
		if s.cuts[name] {
			return false
		}
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = parent
	}
	_, ok := kindOf(k.class)
	return ok
}

type rrKey struct{ zone, name, typ, class string }

// TestChangeStream replays what really happened to an organisation's zones:
// every removed or changed mail record is told exactly once, with exactly its
// old and its new value, and nothing else is told.
func TestChangeStream(t *testing.T) {
	initial := readLines[driftStart](t, sharedData(t, "drift/initial.jsonl"))
	events := readLines[driftEvent](t, sharedData(t, "drift/events.jsonl"))
	seed := uint64(time.Now().UnixNano()) //nolint:gosec // a seed
	s := &stream{
		t: t, values: map[rrKey][]string{}, watched: map[rrKey]bool{}, baseline: map[rrKey][]string{},
		rng: rand.New(rand.NewPCG(seed, 1)), seen: map[string]int{}, calm: func() {}, //nolint:gosec // reproducible
	}
	t.Logf("seed %d", seed)
	s.cuts = map[string]bool{}
	events = events[:wholeCommits(events, eventsInTest(len(events)))]
	initial = stage(initial, events)
	for _, r := range initial {
		s.cuts[r.Zone] = true
	}
	for _, e := range events {
		s.cuts[e.Zone] = true
	}
	for _, r := range initial {
		k := rrKey{r.Zone, r.Name, r.Type, r.Class}
		s.values[k], s.baseline[k] = r.Values, r.Values
		s.watched[k] = s.mail(k)
	}
	for _, e := range events {
		// Zones that come later exist from the start, so that NSD knows them.
		k := rrKey{e.Zone, e.Name, e.Type, e.Class}
		if _, ok := s.values[k]; !ok {
			s.values[k] = nil
		}
	}
	zones := map[string][]string{}
	for _, k := range s.keys() {
		zones[k.zone+"."] = append(zones[k.zone+"."], s.lines(k)...)
	}
	s.setup = newSetup(t, zones, s.specs())
	t.Cleanup(s.clearUp)
	s.waitVerified(t, count(s.specs()))
	told, done := 0, 0
	for done < len(events) {
		n := 1
		for done+n < len(events) && events[done+n].Commit == events[done].Commit {
			n++
		}
		told += s.replay(events[done : done+n])
		done += n
	}
	s.clearUp()
	// What came late, between one commit and the next, shows now.
	s.waitTold(t, 0, s.wanted...)
	t.Logf("%d events replayed under %v: %d alerts told, each once and with its values; %d changes that lose nothing told nobody; %d repeated by a kill in flight",
		done, s.seen, told, s.quiet, s.hook.forgiven())
}

// replay makes one commit's changes, checks what is told, and then does what
// the zone's owner would: takes changed values as the new baseline, stops watching
// what was removed on purpose, and registers what was added.
func (s *stream) replay(events []driftEvent) int {
	s.t.Helper()
	mark := s.hook.mark()
	want := map[string]driftEvent{}
	var apexes []string
	for _, e := range events {
		k := rrKey{e.Zone, e.Name, e.Type, e.Class}
		if alert, ok := s.expected(e, k); ok {
			want["firing "+alert+" "+domainAndKey(k)] = e
		}
		s.values[k] = e.New
		if !slices.Contains(apexes, e.Zone+".") {
			apexes = append(apexes, e.Zone+".")
		}
	}
	then := s.forecast(events)
	s.dns.edit(func(zones map[string][]string) {
		for _, apex := range apexes {
			zones[apex] = nil
			for _, k := range s.keys() {
				if k.zone+"." == apex {
					zones[apex] = append(zones[apex], s.lines(k)...)
				}
			}
		}
	}, apexes...)
	then()
	s.awaitTold(s.t, mark, sorted(want)...)
	s.wanted = append(s.wanted, sorted(want)...)
	for text, e := range want {
		got := s.hook.find(s.t, mark, text).Annotations
		s.sameValues(text, "old", got["old"], e.Type, s.baseline[rrKey{e.Zone, e.Name, e.Type, e.Class}])
		s.sameValues(text, "new", got["new"], e.Type, e.New)
	}
	s.settle(events, want)
	return len(want)
}

// expected says which alert an event must cause, if any. Values that are added
// to others are no loss; a value written differently is no change.
func (s *stream) expected(e driftEvent, k rrKey) (string, bool) {
	kind, _ := kindOf(e.Class)
	if !s.watched[k] {
		return "", false
	}
	switch e.Op {
	case "removed":
		return string(monitor.AlertMissing), true
	case "changed":
		base, err := parseReal(kind.Type(), s.baseline[k])
		if err != nil {
			s.t.Fatal(err)
		}
		now, err := parseReal(kind.Type(), e.New)
		if err != nil {
			s.t.Fatal(err)
		}
		meaning := mailrec.Expectation{Kind: kind, Match: mailrec.Captured, AllowInvalid: true}
		if meaning.Compare(base, now).Class == mailrec.Same {
			s.quiet++
			return "", false
		}
		return string(monitor.AlertDrifted), true
	}
	return "", false
}

// sameValues compares what an alert says with what really was there.
func (s *stream) sameValues(alert, which, got, typ string, want []string) {
	s.t.Helper()
	t, err := rrset.ParseType(typ)
	if err != nil {
		s.t.Fatal(err)
	}
	set, err := parseReal(t, want)
	if err != nil {
		s.t.Fatal(err)
	}
	if w := strings.Join(set.Lines(), "\n"); got != w {
		s.t.Errorf("%s: %s is\n%s\nwant\n%s", alert, which, got, w)
	}
}

// settle ends the incidents of a commit.
func (s *stream) settle(events []driftEvent, told map[string]driftEvent) {
	s.t.Helper()
	mark := s.hook.mark()
	var resolved []string
	changed := false
	for text, e := range told {
		k := rrKey{e.Zone, e.Name, e.Type, e.Class}
		resolved = append(resolved, strings.Replace(text, "firing", "resolved", 1))
		if e.Op == "changed" {
			s.baseline[k] = e.New
			domain, key, _ := strings.Cut(domainAndKey(k), " ")
			if out, code := s.daemon.run("domains", "accept", domain, key, "--why", "commit "+e.Commit); code != 0 {
				s.t.Fatalf("accept %s %s: %s", domain, key, out)
			}
		}
	}
	for _, e := range events {
		k := rrKey{e.Zone, e.Name, e.Type, e.Class}
		if e.Op == "removed" && s.watched[k] {
			s.watched[k] = false
			changed = true
		}
		if e.Op == "added" && s.mail(k) {
			s.watched[k], s.baseline[k] = true, e.New
			changed = true
		}
	}
	if changed {
		specs := s.specs()
		writeDomains(s.t, s.daemon.dir, specs)
		resp, err := http.Post("http://"+s.daemon.addr+"/-/reload", "", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			s.t.Fatalf("reload: %s\n%s", resp.Status, tail(s.daemon.output.String(), 2000))
		}
		s.waitVerified(s.t, count(specs))
	}
	s.awaitTold(s.t, mark, resolved...)
	s.wanted = append(s.wanted, resolved...)
}

// keys gives all RRsets in a fixed order.
func (s *stream) keys() []rrKey {
	keys := make([]rrKey, 0, len(s.values))
	for k := range s.values {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b rrKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return keys
}

func (s *stream) lines(k rrKey) []string {
	var out []string
	for _, v := range s.values[k] {
		out = append(out, zoneLine(published{Name: k.name, Type: k.typ, Value: v, Class: k.class}))
	}
	return out
}

// specs gives what is watched now.
func (s *stream) specs() []monitor.Spec {
	var records []published
	for _, k := range s.keys() {
		if !s.watched[k] {
			continue
		}
		for _, v := range s.values[k] {
			records = append(records, published{Name: k.name, Type: k.typ, Value: v, Class: k.class})
		}
	}
	return specsOf(s.t, records)
}

func domainAndKey(k rrKey) string {
	domain := sendingDomain(k.name)
	host := strings.TrimSuffix(strings.TrimSuffix(k.name, domain), ".")
	if host == "" {
		return domain + " " + k.class
	}
	return domain + " " + k.class + ":" + host
}
