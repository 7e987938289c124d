package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// elsewhere is an Alertmanager in memory, asked without a socket, so that it lives in a bubble.
type elsewhere struct {
	mu     sync.Mutex
	down   bool
	posts  int
	states map[string]postable
	order  []string
}

// RoundTrip implements http.RoundTripper.
func (e *elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posts++
	w := httptest.NewRecorder()
	if e.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return w.Result(), nil
	}
	var got []postable
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		return nil, err
	}
	for _, a := range got {
		name := cmp.Or(a.Labels["domain"], a.Labels["alertname"])
		if e.states == nil {
			e.states = map[string]postable{}
		}
		if was, now := e.firing(name), a.EndsAt.After(time.Now()); was != now {
			e.order = append(e.order, fmt.Sprintf("%s %s", name, map[bool]string{true: "fires", false: "ends"}[now]))
		}
		e.states[name] = a
	}
	return w.Result(), nil
}

func (e *elsewhere) firing(name string) bool {
	a, ok := e.states[name]
	return ok && a.EndsAt.After(time.Now())
}

func (e *elsewhere) set(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
}

func (e *elsewhere) heard() (order []string, posts int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.order), e.posts
}

// remoteTo runs a Remote with Alertmanagers in memory.
func remoteTo(t *testing.T, all ...*elsewhere) *Remote {
	t.Helper()
	var endpoints []Endpoint
	for i := range all {
		endpoints = append(endpoints, Endpoint{URL: fmt.Sprintf("http://am%d.test:9093/prefix", i)})
	}
	r, err := NewRemote(endpoints, RemoteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		r.endpoints[i].client = &http.Client{Transport: e}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return r
}

func at(domain string) Alert {
	a := firing(domain)
	a.StartsAt = time.Now()
	return a
}

func TestEachAlertmanagerHearsAllWhateverTheOthersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, dead := &elsewhere{}, &elsewhere{down: true}
		r := remoteTo(t, good, dead)
		put := func(a Alert) {
			if err := r.Put(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		a, b := at("a.example"), at("b.example")
		put(a)
		put(b)
		if order, _ := good.heard(); !slices.Equal(order, []string{"a.example fires", "b.example fires"}) {
			t.Errorf("at once heard %q", order)
		}
		if err := r.Undeliverable(); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Hour)
		put(over(a)) // while one is down
		time.Sleep(3 * time.Hour)
		dead.set(false)
		time.Sleep(2 * time.Minute)
		if order, _ := good.heard(); !slices.Equal(order, []string{"a.example fires", "b.example fires", FailingName + " fires", "a.example ends", FailingName + " ends"}) {
			t.Errorf("the good one heard %q", order)
		}
		dead.mu.Lock()
		if s := dead.states; len(s) != 3 || dead.firing("a.example") || !dead.firing("b.example") {
			t.Errorf("the one that was down knows %v", s)
		}
		dead.mu.Unlock()
		put(over(b))
		time.Sleep(20 * time.Minute)
		r.mu.Lock()
		if len(r.alerts) != 0 {
			t.Errorf("kept for nobody: %v", slices.Collect(maps.Keys(r.alerts)))
		}
		r.mu.Unlock()
	})
}

func TestRemoteSpeaksAsPrometheusDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := &elsewhere{}
		r := remoteTo(t, am)
		a := at("a.example")
		if err := r.Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ends := func() time.Time {
			am.mu.Lock()
			defer am.mu.Unlock()
			return am.states["a.example"].EndsAt
		}
		first := ends()
		if left := time.Until(first); left < 3*time.Minute || left > 4*time.Minute {
			t.Errorf("a firing alert lasts %s more without news, want 4 resend intervals", left)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if !ends().After(first.Add(4 * time.Minute)) {
			t.Error("its end is not put off while it fires")
		}
		end := over(a)
		for range 3 { // as the engine tells it again and again
			if err := r.Put(t.Context(), end); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if !ends().Equal(end.EndsAt) {
			t.Errorf("ended at %s, told %s", end.EndsAt, ends())
		}
		_, before := am.heard()
		time.Sleep(14 * time.Minute)
		if _, after := am.heard(); after-before < 13 {
			t.Errorf("the end was sent %d times again within 14 minutes", after-before)
		}
		time.Sleep(10 * time.Minute)
		_, before = am.heard()
		if err := r.Put(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if _, after := am.heard(); after != before {
			t.Error("an end that everybody has is sent for ever")
		}
		again := at("a.example") // the same once more
		if err := r.Put(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if order, _ := am.heard(); !slices.Equal(order, []string{"a.example fires", "a.example ends", "a.example fires"}) {
			t.Errorf("heard %q", order)
		}
	})
}

// TestWhatHoldsOthersBackLeadsBesideEnds has an end that is still sent again when a cause and what it holds back begin.
func TestWhatHoldsOthersBackLeadsBesideEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := &elsewhere{}
		r := remoteTo(t, am)
		put := func(alerts ...Alert) {
			t.Helper()
			if err := r.Put(t.Context(), alerts...); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		a := at("a.example")
		put(a)
		put(over(a))
		cause, child := causeAlert("target/mail.example"), of("RecordMissing", "target/mail.example", 1)
		put(child, cause)
		order, _ := am.heard()
		if slices.Contains(order, child.Labels["domain"]+" fires") || !slices.Contains(order, cause.Labels["domain"]+" fires") {
			t.Errorf("heard %q at once, want the cause and not yet what it holds back", order)
		}
		time.Sleep(remoteLead)
		synctest.Wait()
		if order, _ := am.heard(); !slices.Contains(order, child.Labels["domain"]+" fires") {
			t.Errorf("heard %q, want what the cause holds back too", order)
		}
	})
}

func TestEndpointsThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		endpoints []Endpoint
		want      string
	}{
		{nil, "no alertmanagers"},
		{[]Endpoint{{URL: "127.0.0.1:9093"}}, "alertmanagers[0].url: want http://"},
		{[]Endpoint{{URL: "http://127.0.0.1:9093"}, {URL: "http://127.0.0.1:9093/"}}, "alertmanagers[1].url"},
	} {
		if _, err := NewRemote(c.endpoints, RemoteOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.endpoints, err, c.want)
		}
	}
}

// alertmanagerProcess runs the real one.
type alertmanagerProcess struct {
	t       *testing.T
	address string
	dir     string
	config  string
	process *exec.Cmd
}

func newAlertmanagerProcess(t *testing.T, o *oncall) *alertmanagerProcess {
	t.Helper()
	text, err := os.ReadFile("../configs/alertmanager/external.yml")
	if err != nil {
		t.Fatal(err)
	}
	p := &alertmanagerProcess{t: t, dir: t.TempDir(), address: freeAddress(t)}
	p.config = filepath.Join(p.dir, "alertmanager.yml")
	// The group_wait is what an Alertmanager that has just started, on a busy machine, has to hear of the cause before it
	// looks at its groups.
	swift := strings.NewReplacer("http://127.0.0.1:8080/hook", o.URL, "group_wait: 30s", "group_wait: 4s", "group_interval: 5m", "group_interval: 1s").Replace(string(text))
	if err := os.WriteFile(p.config, []byte(swift), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (p *alertmanagerProcess) start() {
	p.t.Helper()
	p.process = exec.Command(tool(p.t, "prometheus-alertmanager"), "--config.file="+p.config, "--storage.path="+p.dir,
		"--web.listen-address="+p.address, "--cluster.listen-address=")
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// stop lets it write down what it has told, which it does at its end and every quarter of an hour.
func (p *alertmanagerProcess) stop() {
	p.t.Helper()
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	_ = p.process.Wait()
	p.process = nil
}

func (p *alertmanagerProcess) kill() {
	if p.process != nil {
		_ = p.process.Process.Kill()
		_ = p.process.Wait()
		p.process = nil
	}
}

// tool finds a program that .ci/servers installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run .ci/servers (make test does)", err)
	}
	return path
}

func TestExternalConfigurationIsOneForAlertmanager(t *testing.T) {
	if out, err := exec.Command(tool(t, "amtool"), "check-config", "../configs/alertmanager/external.yml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile("../configs/alertmanager/external.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range ownInhibitions() {
		for _, m := range append(rule.SourceMatchers, rule.TargetMatchers...) {
			if !strings.Contains(string(text), strings.ReplaceAll(m.String(), `\|`, "|")) {
				t.Errorf("the rules of the embedded one hold %s, those for external ones do not", m)
			}
		}
	}
}

// TestRealAlertmanagers sends to two real ones. One starts late, the other is down when alerts end.
func TestRealAlertmanagers(t *testing.T) {
	first, second := newOncall(t), newOncall(t)
	one, two := newAlertmanagerProcess(t, first), newAlertmanagerProcess(t, second)
	one.start()
	r, err := NewRemote([]Endpoint{{URL: "http://" + one.address}, {URL: "http://" + two.address}}, RemoteOptions{Resend: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); _ = r.Close() })
	put := func(alerts ...Alert) {
		t.Helper()
		if err := r.Put(t.Context(), alerts...); err != nil {
			t.Fatal(err)
		}
	}
	heard := func(o *oncall, want string) {
		t.Helper()
		until(t, func() bool { return slices.Contains(o.told(), want) }, func() string { return fmt.Sprintf("told %q, want %q", o.told(), want) })
	}
	var children []Alert
	for n := range 20 {
		children = append(children, of("RecordMissing", "target/mail.example", n))
	}
	put(append(children, causeAlert("target/mail.example"))...)
	heard(first, "firing: mail.example=firing")
	two.start()
	heard(second, "firing: mail.example=firing")
	one.stop()
	for i := range children {
		children[i] = over(children[i])
	}
	put(append(children, over(causeAlert("target/mail.example")))...)
	heard(second, "resolved: mail.example=resolved")
	one.start()
	heard(first, "resolved: mail.example=resolved")
	for _, o := range []*oncall{first, second} {
		if got := o.told(); len(got) != 2 {
			t.Errorf("told %q, want one page and its end", got)
		}
	}
	// Who hears no more of a firing alert ends it: we might be dead.
	put(at("b.example"))
	heard(second, "firing: b.example=firing")
	cancel()
	running.Wait()
	heard(second, "resolved: b.example=resolved")
}
