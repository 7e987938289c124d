package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// sharedData finds the project's outside test data, which lies beside the checkout.
func sharedData(t *testing.T, path string) string {
	t.Helper()
	base := os.Getenv("MAILDRIFT_SHARED")
	if base == "" {
		base = "../../../shared"
	}
	full := filepath.Join(base, "testdata", path)
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("the outside test data is missing: %v; put it beside the checkout or name its folder in MAILDRIFT_SHARED", err)
	}
	return full
}

// readLines decodes a file of JSON lines.
func readLines[T any](t *testing.T, path string) []T {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	dec := json.NewDecoder(bytes.NewReader(b))
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
	return out
}

// published is a record as the real zones have it.
type published struct {
	Name, Type, Value, Class string
}

// kindOf maps the data's classes to kinds; ok is false for what is no mail record.
func kindOf(class string) (mailrec.Kind, bool) {
	switch class {
	case "spf":
		return mailrec.SPF, true
	case "mx":
		return mailrec.MX, true
	case "dmarc":
		return mailrec.DMARC, true
	case "dkim":
		return mailrec.DKIM, true
	case "dkim-cname", "dmarc-cname", "policy-cname":
		return mailrec.CNAME, true
	case "ownership":
		return mailrec.Ownership, true
	case "txt-other":
		return mailrec.TXT, true
	case "mta-sts":
		return mailrec.MTASTS, true
	case "tlsrpt":
		return mailrec.TLSRPT, true
	}
	return 0, false
}

// sendingDomain is the domain that a mail record's owner name speaks of.
func sendingDomain(name string) string {
	labels := strings.Split(name, ".")
	for i, l := range labels {
		if l == "_domainkey" || l == "_dmarc" || l == "_mta-sts" || l == "_tls" || l == "_report" {
			return strings.Join(labels[i+1:], ".")
		}
	}
	return name
}

// wholeName says whether a name ends in a top-level domain that exists.
func wholeName(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return strings.Contains(name, ".") && (icann || strings.Contains(suffix, "."))
}

// zoneOf is the apex of the zone that a name is put into.
func zoneOf(name string) string {
	name = strings.TrimPrefix(name, "*.")
	apex, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		apex = name // a public suffix is a zone of its own
	}
	return apex + "."
}

// zoneLine writes a record as a master file has it.
func zoneLine(r published) string {
	name := r.Name + "."
	switch r.Type {
	case "TXT":
		return txtLine(name, r.Value)
	case "MX":
		pref, host, _ := strings.Cut(r.Value, " ")
		return fmt.Sprintf("%s 300 IN MX %s %s.", name, pref, strings.TrimSuffix(host, "."))
	}
	return fmt.Sprintf("%s 300 IN %s %s.", name, r.Type, zoneEscape.Replace(strings.TrimSuffix(r.Value, ".")))
}

// zoneEscape escapes what has a meaning of its own in a master file: people have
// published whole DMARC records as the target of a CNAME.
var zoneEscape = strings.NewReplacer(";", `\;`, "@", `\@`, `"`, `\"`, " ", `\ `)

// parseReal makes a set of values as they were really published, which for names
// may hold any character.
func parseReal(typ rrset.Type, values []string) (rrset.Set, error) {
	if typ != rrset.CNAME {
		return rrset.Parse(typ, values...)
	}
	var data [][]byte
	for _, v := range values {
		wire := make([]byte, 512)
		n, err := dns.PackDomainName(zoneEscape.Replace(strings.ToLower(strings.TrimSuffix(v, ".")))+".", wire, 0, nil, false)
		if err != nil {
			return rrset.Set{}, err
		}
		data = append(data, wire[:n])
	}
	return rrset.NewSet(typ, data...), nil
}

// specsOf registers every mail record of some domains as it is: whatever is
// published when it is verified must stay.
func specsOf(t *testing.T, records []published) []monitor.Spec {
	t.Helper()
	type key struct{ name, class string }
	values := map[key][]string{}
	for _, r := range records {
		values[key{r.Name, r.Class}] = append(values[key{r.Name, r.Class}], r.Value)
	}
	byDomain := map[string]*monitor.Spec{}
	done := map[key]bool{}
	for _, r := range records {
		kind, ok := kindOf(r.Class)
		k := key{r.Name, r.Class}
		if !ok || done[k] {
			continue
		}
		done[k] = true
		domain := sendingDomain(r.Name)
		if byDomain[domain] == nil {
			byDomain[domain] = &monitor.Spec{Domain: domain}
		}
		byDomain[domain].Expect = append(byDomain[domain].Expect, expectAsIs(t, domain, r, kind, values[k]))
	}
	var specs []monitor.Spec
	for _, d := range sorted(byDomain) {
		specs = append(specs, *byDomain[d])
	}
	return specs
}

func expectAsIs(t *testing.T, domain string, r published, kind mailrec.Kind, values []string) monitor.ExpectSpec {
	t.Helper()
	host := strings.TrimSuffix(strings.TrimSuffix(r.Name, domain), ".")
	if host == "" {
		host = "@"
	}
	e := monitor.ExpectSpec{Key: strings.TrimSuffix(r.Class+":"+host, ":@"), Kind: kind, Host: host, Match: "captured"}
	if kind == mailrec.Ownership {
		// A service knows its token; other services' tokens beside it are none of its business.
		e.Match, e.Value = "equal", values
		return e
	}
	set, err := parseReal(kind.Type(), values)
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	// Some of these are broken as published. They are to be captured all the same.
	asIs := mailrec.Expectation{Kind: kind, Match: mailrec.Captured}
	e.AllowInvalid = asIs.Check(set).Class != mailrec.Same
	return e
}

// hook is a webhook that writes down what Alertmanager tells it. A notification
// is about a group and lists all of its alerts, so only what changed since the last one is news; one
// without news should not have been sent.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	alerts []hooked
	status map[string]string
	// killed is when the daemon was killed last, if that was said; what was in flight then may come once more, which
	// repeats counts.
	killed  time.Time
	repeats int
}

// inFlight is within how long after a kill a delivery may be repeated: the restart, and the delivery itself.
const inFlight = 20 * time.Second

// forgive says that the daemon has just been killed.
func (h *hook) forgive() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed = time.Now()
}

func (h *hook) forgiven() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.repeats
}

// hooked is one alert in one notification.
type hooked struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Fingerprint string            `json:"fingerprint"`
}

func (a hooked) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", a.Status, a.Labels["alertname"], a.Labels["domain"], a.Labels["record"]))
}

func newHook(t *testing.T) *hook {
	h := &hook{status: map[string]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []hooked `json:"alerts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			// The daemon was killed while it sent this.
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.take(body.Alerts)
	}))
	t.Cleanup(h.Close)
	return h
}

// take writes down what is new in a notification.
func (h *hook) take(alerts []hooked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	news := false
	for _, a := range alerts {
		if h.status[a.Fingerprint] != a.Status {
			news = true
			h.status[a.Fingerprint] = a.Status
			h.alerts = append(h.alerts, a)
		}
	}
	if !news && time.Since(h.killed) < inFlight {
		h.repeats++
		return
	}
	if !news {
		for _, a := range alerts {
			a.Status = "repeated " + a.Status
			h.alerts = append(h.alerts, a)
		}
	}
}

// told gives what was told since the mark, sorted.
func (h *hook) told(since int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, a := range h.alerts[since:] {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return out
}

func (h *hook) since(mark int) []hooked {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.alerts[mark:])
}

func (h *hook) mark() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.alerts)
}

// find gives the first alert told since the mark that reads so.
func (h *hook) find(t *testing.T, since int, want string) hooked {
	t.Helper()
	for _, a := range h.since(since) {
		if a.String() == want {
			return a
		}
	}
	t.Fatalf("%q was not told", want)
	return hooked{}
}

// builtBinary builds maildrift once as users get it.
var builtBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "maildrift-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "maildrift")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=e2e", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func binary(t *testing.T) string {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// daemonUnderTest is maildrift serve as a process.
type daemonUnderTest struct {
	*process
	t    *testing.T
	dir  string
	addr string
}

// setup is the world of an end-to-end test.
type setup struct {
	dns    *realDNS
	hook   *hook
	daemon *daemonUnderTest
}

// start starts maildrift in dir, which holds its configuration and its data.
func startDaemon(t *testing.T, dir, addr string) *daemonUnderTest {
	t.Helper()
	d := &daemonUnderTest{t: t, dir: dir, addr: addr}
	d.process = startProcess(t, binary(t), "serve", "--config", filepath.Join(dir, "maildrift.yml"))
	eventually(t, 30*time.Second, "maildrift is ready", func() bool {
		select {
		case <-d.done:
			t.Fatalf("maildrift ended: %s", d.output)
		default:
		}
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return d
}

// page copies a page to a writer.
func (d *daemonUnderTest) page(path string, to io.Writer) {
	d.t.Helper()
	resp, err := http.Get("http://" + d.addr + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(to, resp.Body); err != nil {
		d.t.Fatal(err)
	}
}

// metrics gives the value of every series of /metrics.
func (d *daemonUnderTest) metrics() map[string]float64 {
	d.t.Helper()
	resp, err := http.Get("http://" + d.addr + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "} ")
		if ok {
			name += "}"
		} else if name, value, ok = strings.Cut(lines.Text(), " "); !ok {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err == nil {
			out[name] = v
		}
	}
	return out
}

// sum adds up the series whose name begins so and contains all parts.
func sum(series map[string]float64, begins string, parts ...string) float64 {
	total := 0.0
	for name, v := range series {
		if strings.HasPrefix(name, begins) && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(name, p) }) {
			total += v
		}
	}
	return total
}

// sweeps gives how many good sweeps there were.
func (d *daemonUnderTest) sweeps() float64 {
	return sum(d.metrics(), "maildrift_sweeps_total")
}

// afterSweeps waits until n more whole sweeps have passed.
func (d *daemonUnderTest) afterSweeps(n int) {
	d.t.Helper()
	from := d.sweeps()
	eventually(d.t, 120*time.Second, fmt.Sprintf("%d more sweeps", n), func() bool { return d.sweeps() >= from+float64(n)+1 })
}

// run runs another maildrift command and gives its output and exit code.
func (d *daemonUnderTest) run(args ...string) (string, int) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(d.t), args...)
	cmd.Env = append(os.Environ(), "MAILDRIFT_URL=http://"+d.addr)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
