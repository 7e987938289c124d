package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"maildrift/monitor"
)

// operatorsInTests is how many Unbounds stand for independent operators.
const operatorsInTests = 5

// newSetup makes a world from real records, with maildrift watching it.
func newSetup(t *testing.T, zones map[string][]string, specs []monitor.Spec) *setup {
	t.Helper()
	s := &setup{dns: newRealDNS(t, zones, operatorsInTests), hook: newHook(t)}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	s.writeConfig(t, dir, addr)
	writeDomains(t, dir, specs)
	s.daemon = startDaemon(t, dir, addr)
	return s
}

// writeConfig writes a configuration whose times are short enough for a test.
func (s *setup) writeConfig(t *testing.T, dir, addr string) {
	t.Helper()
	var conf strings.Builder
	fmt.Fprintf(&conf, `listen: %s
data_dir: %s
include: ["domains/*.json"]
schedules:
  default: {every: 200ms}
authority: {port: %d, allow_private: true}
asking: {timeout: 1s, rate: 100000, window: 64}
confirm: {times: 2, wait: 300ms, disagreement_after: 20s}
flapping: {changes: 0} # what takes weeks takes seconds here
quarantine: {after: 0}
canaries:
  - {name: ".", type: NS}
resolvers:
  builtin: false
  list:
`, addr, filepath.Join(dir, "data"), s.dns.port)
	for i := range operatorsInTests {
		fmt.Fprintf(&conf, "    - {name: unbound%d, addresses: [\"%s:%d\"]}\n", i+1, unboundAddr(i), s.dns.port)
	}
	fmt.Fprintf(&conf, `alerting:
  route: {receiver: hook, group_wait: 100ms, group_interval: 200ms, repeat_interval: 12h}
  receivers:
    - name: hook
      webhook_configs: [{url: "%s"}]
`, s.hook.URL)
	if err := os.WriteFile(filepath.Join(dir, "maildrift.yml"), []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeDomains writes the included file of domains; JSON is YAML.
func writeDomains(t *testing.T, dir string, specs []monitor.Spec) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "domains"), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(map[string]any{"domains": specs}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "domains", "all.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// records counts the records in a phase.
func (d *daemonUnderTest) records(phase string) int {
	return int(sum(d.metrics(), "maildrift_records{", `phase="`+phase+`"`))
}

// waitVerified waits until every record is verified, and says which are not.
func (s *setup) waitVerified(t *testing.T, want int) {
	t.Helper()
	end := time.Now().Add(150 * time.Second)
	for s.daemon.records("verified") != want || s.daemon.records("pending") != 0 {
		if time.Now().After(end) {
			out, _ := s.daemon.run("domains", "list", "--standing", "pending")
			t.Fatalf("%d of %d records verified, %d pending\n%s", s.daemon.records("verified"), want, s.daemon.records("pending"), tail(out, 4000))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func count(specs []monitor.Spec) int {
	n := 0
	for _, s := range specs {
		n += len(s.Expect)
	}
	return n
}

// replaceLine changes the lines of a zone that begin so; an empty text deletes them.
func replaceLine(t *testing.T, zones map[string][]string, apex, begins, with string) {
	t.Helper()
	var out []string
	found := false
	for _, line := range zones[apex] {
		switch {
		case !strings.HasPrefix(line, begins):
			out = append(out, line)
		case !found && with != "":
			found = true
			out = append(out, with)
		default:
			found = true
		}
	}
	if !found {
		t.Fatalf("no line of %s begins %q", apex, begins)
	}
	zones[apex] = out
}

// TestEndToEnd is the main job on real servers and real records: NSD and several
// Unbounds, maildrift as users get it, a webhook.
func TestEndToEnd(t *testing.T) {
	records := readLines[published](t, sharedData(t, "real/records.jsonl"))
	// One of the sources names its records relative to zones that the data does not tell.
	records = slices.DeleteFunc(records, func(r published) bool { return !wholeName(sendingDomain(r.Name)) })
	zones := map[string][]string{}
	for _, r := range records {
		if _, ok := kindOf(r.Class); ok {
			zones[zoneOf(r.Name)] = append(zones[zoneOf(r.Name)], zoneLine(r))
		}
	}
	specs := specsOf(t, records)
	if len(specs) < 300 {
		t.Fatalf("%d domains, want at least 300", len(specs))
	}
	s := newSetup(t, zones, specs)
	began := time.Now()
	s.waitVerified(t, count(specs))
	t.Logf("%d domains, %d records verified in %s", len(specs), count(specs), time.Since(began).Round(time.Millisecond))
	if told := s.hook.told(0); len(told) != 0 {
		t.Fatalf("told before anything happened: %q", told)
	}
	for _, stage := range []struct {
		name string
		play func(t *testing.T)
	}{
		{"changes are told once and resolved once", s.changes},
		{"resolvers that lie or fail wake nobody", s.faults},
		{"kill -9 while firing", s.crash},
		{"amtool", s.amtool},
		{"commands", s.commands},
	} {
		t.Logf("stage: %s", stage.name)
		stage.play(t)
	}
}

// story is the four changes that the end-to-end test makes, and what is to be
// told about each.
var story = []struct{ apex, begins, with, record string }{
	{"govfsl.com.", `govfsl.com. 300 IN TXT "v=spf1`, `govfsl.com. 300 IN TXT "v=spf1 include:spf.protection.outlook.com -all"`, "RecordDrifted govfsl.com spf"},
	{
		"judiciary.uk.", "fp01._domainkey.judiciary.uk. 300 IN TXT",
		`fp01._domainkey.judiciary.uk. 300 IN TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="`,
		"RecordDrifted judiciary.uk dkim:fp01._domainkey",
	},
	{"cica.gov.uk.", "cica.gov.uk. 300 IN MX", "", "RecordMissing cica.gov.uk mx"},
	{"dutysolicitors.org.", `dutysolicitors.org. 300 IN TXT "MS=`, "", "RecordMissing dutysolicitors.org ownership"},
}

// storyAlerts gives the story's alerts in a status, sorted.
func storyAlerts(status string) []string {
	var out []string
	for _, c := range story {
		out = append(out, status+" "+c.record)
	}
	slices.Sort(out)
	return out
}

// breakAll makes the story's changes and gives a way to undo them.
func (s *setup) breakAll(t *testing.T) (undo func()) {
	t.Helper()
	before := map[string][]string{}
	var apexes []string
	s.dns.edit(func(zones map[string][]string) {
		for _, c := range story {
			before[c.apex] = slices.Clone(zones[c.apex])
			apexes = append(apexes, c.apex)
			replaceLine(t, zones, c.apex, c.begins, c.with)
		}
	})
	s.dns.edit(func(map[string][]string) {}, apexes...)
	return func() {
		s.dns.edit(func(zones map[string][]string) {
			for apex, lines := range before {
				zones[apex] = lines
			}
		}, apexes...)
	}
}

// waitTold waits until exactly these alerts were told since the mark, and that
// nothing more comes in the sweeps after.
func (s *setup) waitTold(t *testing.T, since int, want ...string) {
	t.Helper()
	s.awaitTold(t, since, want...)
	s.daemon.afterSweeps(1)
	if got := s.hook.told(since); !slices.Equal(got, want) {
		t.Fatalf("then told\n  %s\nwant no more than\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// awaitTold waits until exactly these alerts were told since the mark.
func (s *setup) awaitTold(t *testing.T, since int, want ...string) {
	t.Helper()
	slices.Sort(want)
	end := time.Now().Add(60 * time.Second)
	for !slices.Equal(s.hook.told(since), want) {
		if time.Now().After(end) {
			t.Fatalf("told\n  %s\nwant\n  %s", strings.Join(s.hook.told(since), "\n  "), strings.Join(want, "\n  "))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *setup) changes(t *testing.T) {
	mark := s.hook.mark()
	undo := s.breakAll(t)
	s.waitTold(t, mark, storyAlerts("firing")...)

	spf := s.hook.find(t, mark, "firing RecordDrifted govfsl.com spf").Annotations
	if !strings.Contains(spf["old"], "include:spf_c.oracle.com") || spf["new"] != "v=spf1 include:spf.protection.outlook.com -all" {
		t.Errorf("SPF: old %q, new %q", spf["old"], spf["new"])
	}
	if !strings.Contains(spf["change"], "- include:spf_c.oracle.com") {
		t.Errorf("SPF: the change does not name the lost include: %q", spf["change"])
	}
	dkim := s.hook.find(t, mark, "firing RecordDrifted judiciary.uk dkim:fp01._domainkey").Annotations
	if !strings.Contains(dkim["old"], "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GN") || !strings.Contains(dkim["new"], "k=ed25519") {
		t.Errorf("DKIM: old %q, new %q", dkim["old"], dkim["new"])
	}
	mx := s.hook.find(t, mark, "firing RecordMissing cica.gov.uk mx").Annotations
	if mx["old"] != "0 cica-gov-uk.mail.protection.outlook.com" || mx["new"] != "" {
		t.Errorf("MX: old %q, new %q", mx["old"], mx["new"])
	}
	token := s.hook.find(t, mark, "firing RecordMissing dutysolicitors.org ownership").Annotations
	if token["old"] != "MS=ms36435977" || token["new"] != "" {
		t.Errorf("ownership: old %q, new %q", token["old"], token["new"])
	}
	mark = s.hook.mark()
	undo()
	s.waitTold(t, mark, storyAlerts("resolved")...)
}

func (s *setup) faults(t *testing.T) {
	mark := s.hook.mark()
	s.dns.unboun[0].kill()
	s.dns.startUnbound(0, "  local-zone: \".\" always_nxdomain")
	s.daemon.afterSweeps(3)
	s.dns.unboun[1].signal(syscall.SIGSTOP)
	s.daemon.afterSweeps(3)
	if told := s.hook.told(mark); len(told) != 0 {
		t.Errorf("one resolver lies, one is silent; told %q", told)
	}
	for _, u := range s.dns.unboun {
		u.kill()
	}
	s.waitTold(t, mark, "firing MonitorBlind")
	for i := range s.dns.unboun {
		s.dns.startUnbound(i, "")
	}
	s.waitTold(t, mark, "firing MonitorBlind", "resolved MonitorBlind")
}

func (s *setup) crash(t *testing.T) {
	mark := s.hook.mark()
	undo := s.breakAll(t)
	s.waitTold(t, mark, storyAlerts("firing")...)
	s.daemon.kill()
	s.daemon = startDaemon(t, s.daemon.dir, s.daemon.addr)
	s.daemon.afterSweeps(3)
	if got := s.hook.told(mark); !slices.Equal(got, storyAlerts("firing")) {
		t.Errorf("after kill -9 and restart told\n  %s", strings.Join(got, "\n  "))
	}
	s.daemon.kill()
	undo() // mended while nobody watches
	s.daemon = startDaemon(t, s.daemon.dir, s.daemon.addr)
	s.waitTold(t, mark, append(storyAlerts("firing"), storyAlerts("resolved")...)...)
}

func (s *setup) amtool(t *testing.T) {
	amtool := func(args ...string) string {
		t.Helper()
		args = append([]string{"--alertmanager.url=http://" + s.daemon.addr + "/alertmanager"}, args...)
		out, err := exec.Command(lookTool(t, "amtool"), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("amtool %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	mark := s.hook.mark()
	amtool("silence", "add", "--comment", "test", "--author", "test", "--duration", "1h", "domain=cica.gov.uk")
	undo := s.breakAll(t)
	var told []string
	for _, a := range storyAlerts("firing") {
		if !strings.Contains(a, "cica.gov.uk") {
			told = append(told, a)
		}
	}
	s.waitTold(t, mark, told...)
	list := amtool("alert", "query", "--active", "--silenced", "--inhibited", "--output=extended")
	for _, c := range story {
		if domain := strings.Fields(c.record)[1]; !strings.Contains(list, domain) {
			t.Errorf("amtool does not list the alert of %s:\n%s", domain, list)
		}
	}
	if !strings.Contains(list, "Watchdog") {
		t.Errorf("amtool does not list the watchdog:\n%s", list)
	}
	undo()
	eventually(t, 60*time.Second, "all resolved", func() bool { return len(s.hook.told(mark)) >= 2*len(told) })
}

func (s *setup) commands(t *testing.T) {
	out, code := s.daemon.run("history", "cica.gov.uk", "--since", "1h")
	if code != 0 || !strings.Contains(out, "missing") || !strings.Contains(out, "verified") {
		t.Errorf("history ended with %d:\n%s", code, out)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	if out, code = s.daemon.run("backup", backup); code != 0 {
		t.Errorf("backup ended with %d:\n%s", code, out)
	}
	promtool := exec.Command(lookTool(t, "promtool"), "check", "metrics")
	page, err := os.Create(filepath.Join(t.TempDir(), "metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	s.daemon.page("/metrics", page)
	if _, err := page.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	promtool.Stdin = page
	if out, err := promtool.CombinedOutput(); err != nil || len(ownComplaints(string(out))) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	s.reloads(t)
	second := exec.Command(binary(t), "serve", "--config", filepath.Join(s.daemon.dir, "maildrift.yml"), "--listen", "127.0.0.1:0")
	began := time.Now()
	text, err := second.CombinedOutput()
	if err == nil || !strings.Contains(string(text), "in use") || time.Since(began) > 5*time.Second {
		t.Errorf("a second daemon on the same data: %v after %s\n%s", err, time.Since(began), text)
	}
	s.daemon.signal(syscall.SIGTERM)
	select {
	case <-s.daemon.done:
	case <-time.After(10 * time.Second):
		t.Fatal("SIGTERM did not end the daemon within 10 s")
	}
	if code := s.daemon.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with exit code %d\n%s", code, tail(s.daemon.output.String(), 2000))
	}
}

// reloads shows that a broken configuration changes nothing, and that SIGHUP takes a good one.
func (s *setup) reloads(t *testing.T) {
	t.Helper()
	path := filepath.Join(s.daemon.dir, "maildrift.yml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reload := func() (int, string) {
		resp, err := http.Post("http://"+s.daemon.addr+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	domains := s.daemon.metrics()["maildrift_domains"]
	for _, broken := range []string{"lisen: x\n", "alerting: {route: {receiver: nobody-knows}}\n"} {
		if err := os.WriteFile(path, append(slices.Clone(good), broken...), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, text := reload(); code != http.StatusBadRequest || !strings.Contains(text, path+":") {
			t.Errorf("a broken configuration gave %d: %s", code, text)
		}
		m := s.daemon.metrics()
		if m["maildrift_config_last_reload_successful"] != 0 || m["maildrift_domains"] != domains {
			t.Errorf("after the refusal: successful %v, %v domains, before %v", m["maildrift_config_last_reload_successful"], m["maildrift_domains"], domains)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s.daemon.signal(syscall.SIGHUP)
	eventually(t, 10*time.Second, "SIGHUP reloads", func() bool { return s.daemon.metrics()["maildrift_config_last_reload_successful"] == 1 })
}

// ownComplaints are promtool's lines about maildrift's own metrics.
func ownComplaints(out string) []string {
	var own []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "maildrift_") {
			own = append(own, line)
		}
	}
	return own
}
