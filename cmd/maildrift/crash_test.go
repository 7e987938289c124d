package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/dnslab"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/client"
	"maildrift/monitor/web/wire"
	"maildrift/store"
)

const (
	crashApex    = rrset.Name("crash.example")
	crashDomains = 4
	crashGood    = "v=spf1 ip4:192.0.2.1 -all"
	// crashBound is within how much of the daemon's own life a change must be told. Kills make it live for seconds at a
	// time.
	crashBound = 90 * time.Second
	// markLag is within how long after a delivery it is on disk that it was made.
	markLag = 2 * time.Second
)

// crashWays are how the daemon is killed: at random, at the points inside it, and around a delivery as its receiver sees it.
var crashWays = []string{
	"random", pointBeforeVote, pointAfterVote, pointBeforeCommit, pointAfterCommit, pointBeforeHandOver, pointAfterHandOver,
	"before-answer", "after-answer", "after-mark", "random",
}

// delivery is one alert in one notification, as the receiver writes it down.
type delivery struct {
	at                          time.Time
	run                         int64
	group, fingerprint, status  string
	alertname, domain, startsAt string
}

// crash is a daemon that is killed over and over, and all around it.
type crash struct {
	t        *testing.T
	rng      *rand.Rand
	lab      *dnslab.Lab
	dir, url string
	binary   string
	hook     *httptest.Server

	mu       sync.Mutex
	journal  []delivery
	killedAt map[int64]time.Time
	// held are the times in which records were in a bad state; cut those in which nobody could see.
	held []badTime
	// acked are the domains and silences that the API has acknowledged.
	acked map[string]bool

	run     atomic.Int64
	process atomic.Pointer[exec.Cmd]
	// onDelivery is what the receiver does to the daemon.
	onDelivery atomic.Value
	// ways counts the kills.
	ways map[string]int
}

// badTime is a time in which a record, or everything, was in a bad state.
type badTime struct {
	domain, alertname string
	from, to          time.Time
}

func newCrash(t *testing.T, seed uint64) *crash {
	t.Helper()
	lab, err := dnslab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	c := &crash{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), lab: lab, dir: t.TempDir(), binary: mortalBinary(t), //nolint:gosec // reproducible
		killedAt: map[int64]time.Time{}, acked: map[string]bool{}, ways: map[string]int{},
	}
	c.onDelivery.Store("")
	c.hook = httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(c.hook.Close)
	c.writeConfig()
	for i := range crashDomains {
		c.publish(i, crashGood)
	}
	return c
}

// mortalBinary builds maildrift with its failpoints.
func mortalBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maildrift")
	build := exec.Command("go", "build", "-tags", "failpoints", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func crashDomain(i int) rrset.Name { return rrset.Name(fmt.Sprintf("d%d.%s", i, crashApex)) }

func (c *crash) writeConfig() {
	addr, err := freeAddr(c.t.Context(), anyAddr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.url = "http://" + addr
	c.lab.Zone(crashApex)
	var text strings.Builder
	fmt.Fprintf(&text, `listen: %s
data_dir: %q
schedules: {default: {every: 200ms}}
authority: {port: %d, allow_private: true}
asking: {timeout: 300ms, rate: 5000}
confirm: {times: 2, wait: 200ms, disagreement_after: 30s}
flapping: {changes: 0} # what takes weeks takes seconds here
quarantine: {after: 0}
verification: {upkeep: 0s}
canaries: [{name: ".", type: NS}, {name: invalid, type: A, want: nxdomain, random: true}]
alerting:
  resend: 1s
  route: {receiver: journal, group_by: ['...'], group_wait: 20ms, group_interval: 100ms, repeat_interval: 12h}
  receivers: [{name: journal, webhook_configs: [{url: %q}]}]
domains:
`, addr, c.dir, c.lab.Port(), c.hook.URL)
	for i := range crashDomains {
		fmt.Fprintf(&text, "  - {domain: %s, expect: [{kind: spf}]}\n", crashDomain(i))
	}
	text.WriteString("resolvers:\n  builtin: false\n  list:\n")
	for _, name := range []string{"one", "two", "three", "four"} {
		r, err := c.lab.Resolver(name)
		if err != nil {
			c.t.Fatal(err)
		}
		fmt.Fprintf(&text, "    - {name: %s, addresses: [%q]}\n", name, r.Addr())
	}
	if err := os.WriteFile(filepath.Join(c.dir, "maildrift.yml"), []byte(text.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// publish gives a domain an SPF record, or with an empty text none. Caches keep it for a second.
func (c *crash) publish(i int, text string) {
	c.t.Helper()
	if text == "" {
		c.lab.Delete(crashApex, crashDomain(i), rrset.TXT)
		return
	}
	if err := c.lab.Set(crashApex, crashDomain(i), rrset.TXT, 1, text); err != nil {
		c.t.Fatal(err)
	}
}

// receive is the journaling receiver, and the executioner at deliveries.
func (c *crash) receive(w http.ResponseWriter, r *http.Request) {
	var body struct {
		GroupKey string `json:"groupKey"`
		Alerts   []struct {
			Status, Fingerprint string
			Labels              map[string]string
			StartsAt            string
		} `json:"alerts"`
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &body) != nil {
		http.Error(w, "cut off", http.StatusBadRequest) // the daemon was killed while it sent this
		return
	}
	c.mu.Lock()
	for _, a := range body.Alerts {
		c.journal = append(c.journal, delivery{
			at: time.Now(), run: c.run.Load(), group: body.GroupKey, fingerprint: a.Fingerprint, status: a.Status,
			alertname: a.Labels["alertname"], domain: a.Labels["domain"], startsAt: a.StartsAt,
		})
	}
	c.mu.Unlock()
	switch c.onDelivery.Load() {
	case "before-answer":
		c.kill()
	case "after-answer":
		w.WriteHeader(http.StatusOK)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		time.Sleep(time.Duration(c.jitter(3)) * time.Millisecond)
		c.kill()
	}
}

// jitter is safe in handlers, which the seed does not rule.
func (c *crash) jitter(n int64) int64 { return time.Now().UnixNano() % n }

// start starts the daemon, to be killed at a point if one is named.
func (c *crash) start(failAt string) (done chan struct{}) {
	c.t.Helper()
	c.run.Add(1)
	cmd := exec.Command(c.binary, "serve", "--config", filepath.Join(c.dir, "maildrift.yml"))
	cmd.Env = append(os.Environ(), "MAILDRIFT_FAIL_AT="+failAt)
	log, err := os.OpenFile(filepath.Join(c.dir, "daemon.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.process.Store(cmd)
	done = make(chan struct{})
	run := c.run.Load()
	go func() {
		_ = cmd.Wait()
		c.mu.Lock()
		if _, ok := c.killedAt[run]; !ok {
			c.killedAt[run] = time.Now()
		}
		c.mu.Unlock()
		close(done)
	}()
	return done
}

// kill is kill -9.
func (c *crash) kill() {
	if cmd := c.process.Load(); cmd != nil {
		c.mu.Lock()
		if _, ok := c.killedAt[c.run.Load()]; !ok {
			c.killedAt[c.run.Load()] = time.Now()
		}
		c.mu.Unlock()
		_ = cmd.Process.Signal(syscall.SIGKILL)
	}
}

// torment starts and kills the daemon until stop is closed: each way in turn, and every third time it is let live for some
// seconds, so that something happens at all.
func (c *crash) torment(stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		way := crashWays[n%len(crashWays)]
		life := time.Duration(300+c.rng.IntN(2200)) * time.Millisecond
		if n%3 == 2 {
			life = time.Duration(3000+c.rng.IntN(2000)) * time.Millisecond
		}
		c.once(way, life)
	}
}

// once lets the daemon live once.
func (c *crash) once(way string, life time.Duration) {
	failAt := ""
	switch way {
	case pointBeforeVote, pointAfterVote:
		failAt = fmt.Sprintf("%s:%d", way, 1+c.rng.IntN(40))
	case pointBeforeCommit, pointAfterCommit, pointBeforeHandOver, pointAfterHandOver:
		failAt = fmt.Sprintf("%s:%d", way, 1+c.rng.IntN(6))
	case "before-answer", "after-answer":
		c.onDelivery.Store(way)
	}
	done := c.start(failAt)
	if way == "after-mark" {
		go c.killAfterMark(done)
	}
	select {
	case <-done:
	case <-time.After(life):
		c.kill()
		<-done
		way = "random"
	}
	c.mu.Lock()
	c.ways[way]++
	c.mu.Unlock()
	c.onDelivery.Store("")
}

// kills counts how often the daemon was killed that way.
func (c *crash) kills(way string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ways[way]
}

// killAfterMark kills as soon as the log of what was told has been written.
func (c *crash) killAfterMark(done <-chan struct{}) {
	path := filepath.Join(c.dir, "alertmanager", "nflog")
	stamp := func() time.Time {
		info, err := os.Stat(path)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	for before := stamp(); ; time.Sleep(time.Millisecond) {
		select {
		case <-done:
			return
		default:
		}
		if !stamp().Equal(before) {
			c.kill()
			return
		}
	}
}

// lastStatus gives what was last told about an alert of a domain since then.
func (c *crash) lastStatus(domain, alertname string, since time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range slices.Backward(c.journal) {
		if d.domain == domain && d.alertname == alertname && d.at.After(since) {
			return d.status
		}
	}
	return ""
}

// awaitTold waits until that is the last that was told.
func (c *crash) awaitTold(domain, alertname, status string, since time.Time) {
	c.t.Helper()
	for end := time.Now().Add(crashBound); c.lastStatus(domain, alertname, since) != status; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("missed: %s of %s is not told as %s within %s; the daemon's last words:\n%s", alertname, domain, status, crashBound, c.lastWords())
		}
	}
}

func (c *crash) lastWords() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "daemon.log"))
	return tail(string(b), 3000)
}

// act breaks a record, in one or two ways, and mends it; each step is told before the next.
func (c *crash) act(n int) {
	c.t.Helper()
	i := n % crashDomains
	domain := string(crashDomain(i))
	steps := [][2]string{{"", "RecordMissing"}, {fmt.Sprintf("v=spf1 ip4:192.0.2.%d -all", 10+n%200), "RecordDrifted"}}
	switch n % 3 {
	case 0:
		steps = steps[:1]
	case 1:
		steps = steps[1:]
	}
	began := time.Now()
	for _, s := range steps {
		c.mu.Lock()
		c.held = append(c.held, badTime{domain: domain, alertname: s[1], from: time.Now()})
		at := len(c.held) - 1
		c.mu.Unlock()
		c.publish(i, s[0])
		c.awaitTold(domain, s[1], "firing", began)
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.held[at].to = time.Now()
		}()
	}
	c.publish(i, crashGood)
	for _, s := range steps {
		c.awaitTold(domain, s[1], "resolved", began)
	}
}

// write asks for things over the API while the daemon comes and goes, and remembers what was acknowledged.
func (c *crash) write(stop <-chan struct{}) {
	api, err := client.New(c.url, client.Options{By: "crash"})
	if err != nil {
		c.t.Error(err)
		return
	}
	ack := func(what string, err error) {
		if err == nil {
			c.mu.Lock()
			c.acked[what] = true
			c.mu.Unlock()
		}
	}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(150 * time.Millisecond):
		}
		switch n % 3 {
		case 0:
			name := fmt.Sprintf("extra%d.%s", n, crashApex)
			_, err := api.Add(c.t.Context(), monitor.Spec{Domain: name, Expect: []monitor.ExpectSpec{{Kind: 1}}})
			ack("domain "+name, err)
		case 1:
			id, err := api.Silence(c.t.Context(), client.Silence{
				Matchers: []client.Matcher{{Name: "nobody", Value: fmt.Sprint(n), IsEqual: true}},
				StartsAt: time.Now(), EndsAt: time.Now().Add(time.Hour), Comment: "crash",
			})
			ack("silence "+id, err)
		case 2:
			name := string(crashDomain(n % crashDomains))
			_, err := api.Pause(c.t.Context(), name, wire.Pause{Record: "upkeep", Until: "30d", Why: "crash"})
			ack("pause "+name, err)
		}
	}
}

// blackout cuts off all servers and resolvers for a while: nothing about a record may be told of it.
func (c *crash) blackout(d time.Duration) {
	c.mu.Lock()
	c.held = append(c.held, badTime{alertname: string(monitor.AlertBlind), from: time.Now()})
	at := len(c.held) - 1
	c.mu.Unlock()
	c.lab.CutAuthorities(true)
	time.Sleep(d)
	c.lab.CutAuthorities(false)
	c.mu.Lock()
	c.held[at].to = time.Now().Add(15 * time.Second) // until it has seen again
	c.mu.Unlock()
}

// TestCrashLoop kills the daemon dozens of times at random instants and at every named point while records break and
// mend, and then checks from outside what must hold (I1 to I12). make soak does it hundreds of times.
func TestCrashLoop(t *testing.T) {
	seed, acts := uint64(time.Now().UnixNano()), 6 //nolint:gosec // a seed
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		acts = 120
	}
	t.Logf("seed %d", seed)
	c := newCrash(t, seed)
	c.settleFirst()
	stop := make(chan struct{})
	var around sync.WaitGroup
	around.Go(func() { c.torment(stop) })
	around.Go(func() { c.write(stop) })
	end := sync.OnceFunc(func() { close(stop); c.kill(); around.Wait() })
	t.Cleanup(end)
	for n := range acts {
		c.act(n)
		if n%5 == 3 {
			c.blackout(4 * time.Second)
		}
	}
	for _, way := range crashWays { // each at least once
		for try := 0; c.kills(way) == 0; try++ {
			if try == 60 {
				t.Fatalf("never killed at %s: the test proves nothing about it", way)
			}
			c.act(acts + try)
		}
	}
	end()
	c.settleLast()
	c.verdicts()
	kills := 0
	for _, n := range c.ways {
		kills += n
	}
	t.Logf("%d kills %v, %d deliveries, %d acknowledged writes", kills, c.ways, len(c.journal), len(c.acked))
}

// settleFirst runs until all is verified.
func (c *crash) settleFirst() {
	c.t.Helper()
	done := c.start("")
	api, err := client.New(c.url, client.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 30*time.Second, "all records are verified", func() bool {
		s, err := api.Status(c.t.Context())
		return err == nil && s.RecordsBy["holding"] == crashDomains
	})
	c.kill()
	<-done
}

// settleLast lets it live until nothing is open, looks at what it uses, and stops it as systemd would (I1, I2, I8, I11, I12).
func (c *crash) settleLast() {
	c.t.Helper()
	done := c.start("")
	api, err := client.New(c.url, client.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, 60*time.Second, "no alert is open any more", func() bool {
		open, err := api.Alerts(c.t.Context())
		return err == nil && len(open) == 0
	})
	time.Sleep(3 * time.Second)
	c.acknowledged(api)
	c.resources()
	cmd := c.process.Load()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-done
	if code := cmd.ProcessState.ExitCode(); code != exitGood {
		c.t.Errorf("stopped with exit code %d, want %d", code, exitGood)
	}
}

// acknowledged looks for all that the API has acknowledged.
func (c *crash) acknowledged(api *client.Client) {
	c.t.Helper()
	have := map[string]bool{}
	for d, err := range api.Domains(c.t.Context(), client.Filter{}) {
		if err != nil {
			c.t.Fatal(err)
		}
		have["domain "+string(d.Name)] = true
		if len(d.Paused) > 0 {
			have["pause "+string(d.Name)] = true
		}
	}
	silences, err := api.Silences(c.t.Context(), true)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range silences {
		have["silence "+s.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for what := range c.acked {
		if !have[what] {
			c.t.Errorf("I1: acknowledged and lost: %s", what)
		}
	}
	if len(c.acked) == 0 {
		c.t.Error("nothing was ever acknowledged: the test proves nothing about writes")
	}
}

// resources looks at memory and file descriptors of the last run.
func (c *crash) resources() {
	c.t.Helper()
	pid := c.process.Load().Process.Pid
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil || len(fds) > 200 {
		c.t.Errorf("I11: %d file descriptors, %v", len(fds), err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kB int
	if _, err := fmt.Sscan(rest, &kB); err != nil || kB > 400_000 {
		c.t.Errorf("I11: %d kB resident, %v", kB, err)
	}
}

// verdicts checks the journal and the database.
func (c *crash) verdicts() {
	c.t.Helper()
	by := map[string][]delivery{}
	for _, d := range c.journal {
		by[d.fingerprint] = append(by[d.fingerprint], d)
		if d.status == "firing" {
			c.hasCause(d)
		}
	}
	for _, list := range by {
		c.inOrder(list)
	}
	c.database()
}

// hasCause looks for the cause of a page in the script (I3, I10).
func (c *crash) hasCause(d delivery) {
	c.t.Helper()
	began, err := time.Parse(time.RFC3339Nano, d.startsAt)
	if err != nil {
		c.t.Fatal(err)
	}
	ok := slices.ContainsFunc(c.held, func(b badTime) bool {
		return b.domain == d.domain && b.alertname == d.alertname && !began.Before(b.from) && (b.to.IsZero() || began.Before(b.to.Add(10*time.Second)))
	})
	if !ok {
		c.t.Errorf("I3: %s of %q, begun %s, has no cause", d.alertname, d.domain, d.startsAt)
	}
}

// inOrder checks what was told of one alert: firing and resolved in turn, resolved in the end, and nothing twice unless the
// daemon was killed before it could note the first (I2, I4, I5).
func (c *crash) inOrder(list []delivery) {
	c.t.Helper()
	for i, d := range list {
		if i == 0 {
			if d.status != "firing" {
				c.t.Errorf("I5: %s of %s begins with %s", d.alertname, d.domain, d.status)
			}
			continue
		}
		before := list[i-1]
		if d.status != before.status {
			continue
		}
		killed, ok := c.killedAt[before.run]
		inFlight := ok && d.run != before.run && killed.Sub(before.at) < markLag
		if !inFlight || d.group != before.group {
			c.t.Errorf("I4: %s of %s is told as %s twice: %s (run %d, killed %s later) and %s (run %d)",
				d.alertname, d.domain, d.status, before.at.Format(time.StampMilli), before.run, killed.Sub(before.at), d.at.Format(time.StampMilli), d.run)
		}
	}
	if last := list[len(list)-1]; last.status != "resolved" {
		c.t.Errorf("I2: %s of %s is never resolved", last.alertname, last.domain)
	}
}

// database checks the file by itself and the history that it holds (I6, I7).
func (c *crash) database() {
	c.t.Helper()
	path := filepath.Join(c.dir, "maildrift.db")
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		c.t.Fatal(err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			c.t.Errorf("I7: %v", err)
		}
		return nil
	})
	if err != nil || db.Close() != nil {
		c.t.Fatal(err)
	}
	s, err := store.Open(c.t.Context(), path, store.Options{ReadOnly: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	history, err := s.Transitions(c.t.Context(), store.Query{Limit: 1 << 20})
	if err != nil {
		c.t.Fatal(err)
	}
	last := map[monitor.RecordID]monitor.Transition{}
	for i, x := range history {
		if want := uint64(i + 1); x.Seq != want { //nolint:gosec // an index
			c.t.Fatalf("I6: transition %d has the number %d", want, x.Seq)
		}
		if before, ok := last[x.ID]; ok && x.From != before.To {
			c.t.Errorf("I6: %s goes from %v, but was at %v (%d, %d)", x.ID, x.From, before.To, before.Seq, x.Seq)
		}
		last[x.ID] = x
	}
}
