package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

// patient gives what ends by itself the time for it: Alertmanager sorts the alerts of a group to the end even after it
// was stopped, and ten thousand take a second on a busy machine.
type patient struct{ *testing.M }

func (p patient) Run() int {
	code := p.M.Run()
	for tries := 0; tries < 30 && goleak.Find() != nil; tries++ {
	}
	return code
}

// message is what a webhook receiver gets.
type message struct {
	Status   string
	Receiver string
	Alerts   []struct {
		Status string
		Labels map[string]string
	}
}

// brief is a message as "status: domain=status …", sorted.
func (m message) brief() string {
	var parts []string
	for _, a := range m.Alerts {
		parts = append(parts, a.Labels["domain"]+"="+a.Status)
	}
	slices.Sort(parts)
	return m.Status + ": " + strings.Join(parts, " ")
}

// oncall is a webhook receiver that writes down what it is told.
type oncall struct {
	*httptest.Server
	mu     sync.Mutex
	got    []string
	answer func() int // status, 200 if nil
}

func newOncall(t *testing.T) *oncall {
	t.Helper()
	o := &oncall{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Errorf("webhook body: %v", err)
		}
		o.mu.Lock()
		status := http.StatusOK
		if o.answer != nil {
			status = o.answer()
		}
		if status == http.StatusOK {
			o.got = append(o.got, m.brief())
		}
		o.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *oncall) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.got)
}

// forget begins anew.
func (o *oncall) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got = nil
}

// await polls until the receiver was told exactly want, then looks once more
// after some group intervals that nothing came on top.
func (o *oncall) await(t *testing.T, want ...string) {
	t.Helper()
	until(t, func() bool { return len(o.told()) >= len(want) }, func() string {
		return fmt.Sprintf("told %q, want %q", o.told(), want)
	})
	time.Sleep(settle)
	if diff := cmp.Diff(want, o.told()); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
}

const (
	settle   = 150 * time.Millisecond // several group intervals of the tests
	patience = 10 * time.Second
)

func until(t *testing.T, done func() bool, what func() string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", patience, what())
		}
	}
}

// swift is a configuration for tests: one webhook, intervals in milliseconds.
func swift(t *testing.T, o *oncall, more string) *Config {
	t.Helper()
	return parse(t, fmt.Sprintf(`
route: {receiver: oncall, group_wait: 20ms, group_interval: 40ms, repeat_interval: 1h}
receivers:
- name: oncall
  webhook_configs: [{url: %q}]
%s`, o.URL, more))
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// running is an engine that runs, with the means to end it in two ways.
type running struct {
	*Engine
	t    *testing.T
	stop func()
}

func start(t *testing.T, o Options, cfg *Config, replay ...Alert) *running {
	t.Helper()
	e, err := NewEngine(o, cfg)
	if err != nil {
		t.Fatal(err)
	}
	(&running{Engine: e, t: t}).put(replay...)
	return runEngine(t, e)
}

// runEngine runs an engine until the test ends or stops it.
func runEngine(t *testing.T, e *Engine) *running {
	t.Helper()
	r := &running{Engine: e, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) put(alerts ...Alert) {
	r.t.Helper()
	if err := r.Put(context.Background(), alerts...); err != nil {
		r.t.Fatal(err)
	}
}

// ago is a time in the past that is the same throughout a test run.
func ago(d time.Duration) time.Time { return testStart.Add(-d) }

var testStart = time.Now()

func firing(domain string) Alert {
	return Alert{
		Labels:      map[string]string{"alertname": "RecordMissing", "record": "spf", "domain": domain},
		Annotations: map[string]string{"summary": "SPF of " + domain + " is gone"},
		StartsAt:    ago(time.Hour),
	}
}

func resolved(domain string) Alert {
	a := firing(domain)
	a.EndsAt = ago(time.Minute)
	return a
}

func TestFireAndResolveAreToldOnceEach(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	for range 5 {
		e.put(firing("a.example"))
	}
	o.await(t, "firing: a.example=firing")
	for range 5 {
		e.put(resolved("a.example"))
	}
	o.await(t, "firing: a.example=firing", "resolved: a.example=resolved")
}

func TestRestart(t *testing.T) {
	const a, b = "a.example", "b.example"
	fireBoth := []string{"firing: a.example=firing b.example=firing"}
	for _, tc := range []struct {
		name   string
		before []Alert  // put before the restart
		told   []string // before the restart
		replay []Alert
		after  []string // told on top after it
	}{
		{"still firing: told once", []Alert{firing(a), firing(b)}, fireBoth, []Alert{firing(b), firing(a)}, nil},
		{
			"all resolved while down", []Alert{firing(a), firing(b)}, fireBoth, []Alert{resolved(a), resolved(b)},
			[]string{"resolved: a.example=resolved b.example=resolved"},
		},
		{
			"one of the group resolved while down", []Alert{firing(a), firing(b)}, fireBoth, []Alert{resolved(a), firing(b)},
			[]string{"firing: a.example=resolved b.example=firing"},
		},
		{"nobody was told of what resolved", nil, nil, []Alert{resolved(a)}, nil},
		{
			"a new one while down", []Alert{firing(a)}, []string{"firing: a.example=firing"}, []Alert{firing(a), firing(b)},
			[]string{"firing: a.example=firing b.example=firing"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOncall(t)
			dir := t.TempDir()
			first := start(t, Options{Dir: dir}, swift(t, o, ""), tc.before...)
			o.await(t, tc.told...)
			first.stop()
			second := start(t, Options{Dir: dir}, swift(t, o, ""), tc.replay...)
			o.await(t, append(slices.Clone(tc.told), tc.after...)...)
			second.put(tc.replay...) // the minute's renewal
			o.await(t, append(slices.Clone(tc.told), tc.after...)...)
		})
	}
}

func TestKillLosesNothing(t *testing.T) {
	o := newOncall(t)
	dir, copied := t.TempDir(), t.TempDir()
	e := start(t, Options{Dir: dir}, swift(t, o, ""), firing("a.example"))
	o.await(t, "firing: a.example=firing")
	id := mute(t, e, `domain="b.example"`, time.Hour)
	// What is on the disk now is what a kill -9 would leave.
	until(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "silences"))
		return err == nil
	}, func() string { return "no snapshot of silences" })
	for _, name := range []string{"nflog", "silences"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.stop()
	second := start(t, Options{Dir: copied}, swift(t, o, ""), firing("a.example"), firing("b.example"))
	o.await(t, "firing: a.example=firing")
	var sils []struct{ ID string }
	call(t, second.Handler(), http.MethodGet, "/alertmanager/api/v2/silences", "", &sils)
	if len(sils) != 1 || sils[0].ID != id {
		t.Errorf("silences after restart: %v, want %s", sils, id)
	}
}

// call asks the API and decodes its answer.
func call(t *testing.T, h http.Handler, method, path, body string, into any) {
	t.Helper()
	code, text := ask(h, method, path, body)
	if code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, code, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
}

func ask(h http.Handler, method, path, body string) (int, string) {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	raw, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(raw)
}

// mute posts a silence with one matcher, NAME="VALUE", and returns its id.
func mute(t *testing.T, e *running, matcher string, d time.Duration) string {
	t.Helper()
	name, value, _ := strings.Cut(matcher, "=")
	var made struct{ SilenceID string }
	call(t, e.Handler(), http.MethodPost, "/alertmanager/api/v2/silences", silenceBody(name, value, d), &made)
	return made.SilenceID
}

func silenceBody(name, quoted string, d time.Duration) string {
	now := time.Now().UTC()
	return fmt.Sprintf(`{"matchers":[{"name":%q,"value":%s,"isRegex":false,"isEqual":true}],
		"startsAt":%q,"endsAt":%q,"createdBy":"me","comment":"planned"}`,
		name, quoted, now.Format(time.RFC3339Nano), now.Add(d).Format(time.RFC3339Nano))
}

func TestMutedAlerts(t *testing.T) {
	t.Run("a silenced alert is told once the silence ends", func(t *testing.T) {
		o := newOncall(t)
		e := start(t, Options{}, swift(t, o, ""))
		id := mute(t, e, `domain="a.example"`, time.Hour)
		e.put(firing("a.example"))
		time.Sleep(settle)
		o.await(t)
		call(t, e.Handler(), http.MethodDelete, "/alertmanager/api/v2/silence/"+id, "", nil)
		o.await(t, "firing: a.example=firing")
	})
	t.Run("the all-clear of a told alert passes a silence", func(t *testing.T) {
		o := newOncall(t)
		e := start(t, Options{}, swift(t, o, ""), firing("a.example"))
		o.await(t, "firing: a.example=firing")
		mute(t, e, `domain="a.example"`, time.Hour)
		e.put(resolved("a.example"))
		o.await(t, "firing: a.example=firing", "resolved: a.example=resolved")
	})
	t.Run("the all-clear of one that nobody was told of does not", func(t *testing.T) {
		o := newOncall(t)
		e := start(t, Options{}, swift(t, o, ""))
		mute(t, e, `domain="a.example"`, time.Hour)
		e.put(firing("a.example"), firing("b.example"))
		o.await(t, "firing: b.example=firing")
		e.put(resolved("a.example"))
		o.await(t, "firing: b.example=firing")
	})
	t.Run("inhibition", func(t *testing.T) {
		o := newOncall(t)
		cause := Alert{Labels: map[string]string{"alertname": "ProviderBroken", "record": "spf"}}
		start(t, Options{}, swift(t, o, `
inhibit_rules:
- source_matchers: [alertname="ProviderBroken"]
  target_matchers: [alertname="RecordMissing"]
  equal: [record]
`), cause, firing("a.example"))
		o.await(t, "firing: =firing")
	})
}

func TestReplayOfOldAllClearStaysQuiet(t *testing.T) {
	o := newOncall(t)
	dir := t.TempDir()
	e := start(t, Options{Dir: dir}, swift(t, o, ""), firing("a.example"), firing("b.example"))
	e.put(firing("a.example"))
	want := []string{"firing: a.example=firing b.example=firing"}
	o.await(t, want...)
	e.put(resolved("a.example"))
	want = append(want, "firing: a.example=resolved b.example=firing")
	o.await(t, want...)
	e.put(firing("c.example")) // the group speaks again, without a
	want = append(want, "firing: b.example=firing c.example=firing")
	o.await(t, want...)
	e.stop()
	start(t, Options{Dir: dir}, swift(t, o, ""), firing("b.example"), firing("c.example"), resolved("a.example"))
	o.await(t, want...)
}

func TestLastStateHolds(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	again := firing("a.example")
	again.StartsAt = ago(30 * time.Second) // after the end of the first episode
	e.put(again, resolved("a.example"))
	o.await(t, "firing: a.example=firing")
	if got := e.Firing(); len(got) != 1 || !got[0].StartsAt.Equal(again.StartsAt) || !got[0].EndsAt.IsZero() {
		t.Errorf("firing: %v", got)
	}
}

func TestFiringNeverEndsByItself(t *testing.T) {
	e, err := NewEngine(Options{}, parse(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range 2 {
		if err := e.Put(context.Background(), firing("a.example")); err != nil {
			t.Fatal(err)
		}
	}
	x, err := firing("a.example").export(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.alerts.Get(x.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(got.EndsAt); left < 9*365*24*time.Hour {
		t.Errorf("ends in %v", left)
	}
}

func TestPutNamesBadAlertsAndTakesTheOthers(t *testing.T) {
	e, err := NewEngine(Options{}, parse(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	bad := Alert{Labels: map[string]string{"alertname": "Bad", "x": "\xff"}}
	err = e.Put(context.Background(), Alert{}, bad, firing("a.example"))
	if err == nil || !strings.Contains(err.Error(), `"Bad"`) {
		t.Errorf("error %v, want one that names Bad", err)
	}
	if n := len(e.Firing()); n != 1 {
		t.Errorf("%d firing, want 1", n)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := e.Put(context.Background(), firing("a.example")); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close: %v", err)
	}
	if err := e.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
	if err := e.Reload(parse(t, "")); !errors.Is(err, ErrClosed) {
		t.Errorf("Reload after Close: %v", err)
	}
}

func TestReloadKeepsWhatWasTold(t *testing.T) {
	o, other := newOncall(t), newOncall(t)
	reg := prometheus.NewPedanticRegistry()
	e := start(t, Options{Registerer: reg}, swift(t, o, ""), firing("a.example"))
	mute(t, e, `domain="s.example"`, time.Hour)
	o.await(t, "firing: a.example=firing")
	for range 3 {
		if err := e.Reload(swift(t, o, "")); err != nil {
			t.Fatal(err)
		}
	}
	e.put(firing("s.example"))
	o.await(t, "firing: a.example=firing")
	moved := parse(t, fmt.Sprintf(`
route: {receiver: other, group_wait: 0s, group_interval: 40ms}
receivers: [{name: other, webhook_configs: [{url: %q}]}]`, other.URL))
	if err := e.Reload(moved); err != nil {
		t.Fatal(err)
	}
	other.await(t, "firing: a.example=firing")
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
	if _, err := NewEngine(Options{Registerer: reg}, moved); err == nil || !strings.Contains(err.Error(), "one engine a registerer") {
		t.Errorf("second engine on one registerer: %v", err)
	}
	e.stop()
	if got, err := reg.Gather(); err != nil || len(got) != 0 {
		t.Errorf("after the end %d metrics remain, error %v", len(got), err)
	}
}

// A notification under way when the configuration changes is neither cut off
// (and then told again) nor forgotten.
func TestReloadLetsNotificationsFinish(t *testing.T) {
	o := newOncall(t)
	asked := make(chan struct{}, 10)
	o.answer = func() int {
		asked <- struct{}{}
		time.Sleep(100 * time.Millisecond)
		return http.StatusOK
	}
	e := start(t, Options{}, swift(t, o, ""), firing("a.example"))
	<-asked
	if err := e.Reload(swift(t, o, "")); err != nil {
		t.Fatal(err)
	}
	o.await(t, "firing: a.example=firing")
	e.put(resolved("a.example"))
	<-asked
	e.stop()
	o.await(t, "firing: a.example=firing", "resolved: a.example=resolved")
}

func TestConcurrentUse(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{Dir: t.TempDir(), Registerer: prometheus.NewRegistry()}, swift(t, o, ""))
	cfg := swift(t, o, "")
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 50 {
				a := firing(fmt.Sprintf("d%d-%d.example", n, i))
				if err := e.Put(context.Background(), a); err != nil {
					t.Error(err)
				}
				e.Firing()
				e.Deliveries()
				if code, _ := ask(e.Handler(), http.MethodGet, "/alertmanager/api/v2/alerts/groups", ""); code != http.StatusOK {
					t.Errorf("groups: %d", code)
				}
				if i%25 == 0 {
					if err := e.Reload(cfg); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(e.Firing()); n != 200 {
		t.Errorf("%d firing, want 200", n)
	}
}

func TestCloseEndsRun(t *testing.T) {
	e, err := NewEngine(Options{}, parse(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- e.Run(context.Background()) }()
	until(t, func() bool { return e.current.Load() != nil }, func() string { return "not running" })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFailingReceiver(t *testing.T) {
	o := newOncall(t)
	down := true
	o.answer = func() int { // called under o.mu
		if down {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	reg := prometheus.NewRegistry()
	e := start(t, Options{Registerer: reg}, swift(t, o, ""), firing("a.example"))
	until(t, func() bool {
		d := e.Deliveries()
		return len(d) == 1 && !d[0].FailingSince.IsZero()
	}, func() string { return fmt.Sprintf("deliveries %+v", e.Deliveries()) })
	if d := e.Deliveries()[0]; d.Receiver != "oncall" || d.Integration != "webhook[0]" || strings.Contains(d.LastError, o.URL) || d.LastError == "" {
		t.Errorf("delivery %+v", d)
	}
	until(t, func() bool { return counter(t, reg, "alertmanager_notification_requests_failed_total", "webhook") > 0 },
		func() string { return "failure not counted" })
	o.mu.Lock()
	down = false
	o.mu.Unlock()
	o.await(t, "firing: a.example=firing")
	if d := e.Deliveries()[0]; !d.FailingSince.IsZero() || d.LastSuccess.IsZero() || d.LastError != "" {
		t.Errorf("delivery %+v", d)
	}
}

func counter(t *testing.T, reg *prometheus.Registry, name, integration string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == integration {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestWatchdogPagesOnlyWhoAskedForIt(t *testing.T) {
	o, dms := newOncall(t), newOncall(t)
	dog := Alert{Labels: map[string]string{"alertname": WatchdogName, "domain": "-"}}
	cfg := parse(t, fmt.Sprintf(`
route:
  receiver: oncall
  group_wait: 0s
  routes: [{matchers: ['severity="none"'], receiver: dms}]
receivers:
- {name: oncall, webhook_configs: [{url: %q}]}
- {name: dms, webhook_configs: [{url: %q}]}`, o.URL, dms.URL))
	e := start(t, Options{}, cfg, dog)
	time.Sleep(settle)
	dog.Labels = map[string]string{"alertname": WatchdogName, "domain": "-", "severity": "none"}
	e.put(dog)
	dms.await(t, "firing: -=firing")
	o.await(t)
}

func TestCorruptSnapshotIsMovedAside(t *testing.T) {
	o := newOncall(t)
	dir := t.TempDir()
	e := start(t, Options{Dir: dir}, swift(t, o, ""), firing("a.example"))
	o.await(t, "firing: a.example=firing")
	e.stop()
	for _, name := range []string{"nflog", "silences"} {
		path := filepath.Join(dir, name)
		raw, _ := os.ReadFile(path) // silences were never written
		if err := os.WriteFile(path, append(raw, 0xff, 0xff, 0xff), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	e = start(t, Options{Dir: dir, Logger: log}, swift(t, o, ""), firing("a.example"))
	o.await(t, "firing: a.example=firing") // the sound part was kept
	e.stop()
	aside, err := filepath.Glob(filepath.Join(dir, "*.corrupt-*"))
	if err != nil || len(aside) != 2 {
		t.Errorf("moved aside: %v, %v", aside, err)
	}
	if n := strings.Count(logged.String(), "snapshot corrupt"); n != 2 {
		t.Errorf("%d lines in the log: %s", n, &logged)
	}
	for _, name := range []string{"nflog", "silences"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
}

func TestUnchangedStoresAreNotWritten(t *testing.T) {
	o := newOncall(t)
	dir := t.TempDir()
	start(t, Options{Dir: dir, Maintenance: 5 * time.Millisecond}, swift(t, o, ""), firing("a.example"))
	o.await(t, "firing: a.example=firing")
	path := filepath.Join(dir, "nflog")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(settle)
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("written again without a change")
	}
	if _, err := os.Stat(filepath.Join(dir, "silences")); err == nil {
		t.Error("silences written without any")
	}
}
