package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// bench is the demo's daemon with its lab, all verified, for commands to be tried on.
type bench struct {
	*play
	t   *testing.T
	url string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ctx := t.Context()
	p := &play{printer: newPrinter(&strings.Builder{}), began: time.Now(), inbox: &inbox{}, address: anyAddr}
	if err := p.build(ctx, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	running := make(chan struct{})
	p.daemon.onReady = func() { close(running) }
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { ended <- p.daemon.run(runCtx, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.inbox.close()
		p.lab.Close()
	})
	<-running
	s := &bench{play: p, t: t, url: "http://" + p.daemon.listener.Addr().String()}
	s.must(p.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"))
	s.await("dmarc is verified", "dmarc", func(st *monitor.RecordState) bool { return st != nil && st.Phase == judge.Verified })
	return s
}

func (s *bench) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// await waits for a state of a record of the demo's apex.
func (s *bench) await(what, key string, done func(*monitor.RecordState) bool) {
	s.t.Helper()
	err := s.until(s.t.Context(), what, func(snap *monitor.Snapshot) bool {
		return done(snap.States.Get(monitor.RecordID{Domain: demoApex, Key: key}))
	})
	s.must(err)
}

// cmd runs a command against the daemon.
func (s *bench) cmd(args ...string) said {
	s.t.Helper()
	return command(s.t, append(args, "--url", s.url)...)
}

func (s *bench) told() string {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	var out []string
	for _, n := range s.inbox.notes {
		out = append(out, n.Status+" "+n.Labels["alertname"]+" "+n.Labels["record"])
	}
	return strings.Join(out, "; ")
}

func TestPlannedWorkFromTheCommandLine(t *testing.T) {
	s := newBench(t)
	const shop, strict = string(demoApex), "v=DMARC1; p=quarantine"
	s.cmd("expect", shop, "dmarc", strict, "--until", "8s").expect(t, exitUsage, "", "--why")
	s.cmd("expect", shop, "dmarc", "--until", "8s", "--why", "x").expect(t, exitUsage, "", "name the new value")
	s.cmd("expect", shop, "dmarc", "v=DMARC1; p=nonsense", "--until", "8s", "--why", "x").expect(t, exitProblems, "", "receivers could not use it")
	s.cmd("expect", shop, "spf", strict, "--until", "8s", "--why", "x").expect(t, exitProblems, "", "the domain has dmarc")
	s.cmd("expect", shop, "dmarc", strict, "--until", "8s", "--why", "next step").expect(t, exitGood, "dmarc of shop.example may change until", "")
	s.cmd("domains", "show", shop).expect(t, exitGood, "not seen yet", "")
	s.must(s.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, strict))
	s.await("the new value is the baseline", "dmarc", func(st *monitor.RecordState) bool {
		return len(st.Baseline.Lines()) == 1 && st.Baseline.Lines()[0] == strict
	})
	if got := s.told(); got != "" {
		t.Errorf("an announced change called somebody: %s", got)
	}

	s.cmd("pause", shop, "--for", "1h", "--why", "work").expect(t, exitGood, "paused until", "")
	s.lab.Delete(demoApex, "_dmarc."+demoApex, rrset.TXT)
	s.await("the record is missing", "dmarc", func(st *monitor.RecordState) bool { return st.Verdict == judge.Missing })
	if got := s.told(); got != "" {
		t.Errorf("told in a pause: %s", got)
	}
	s.cmd("status").expect(t, exitGood, "nothing is wrong but for what is paused\n", "")
	s.cmd("status").expect(t, exitGood, ": work): dmarc wrong, and told to nobody until then\n", "")
	s.cmd("silence", "add", shop, "--for", "1h", "--why", "ticket 1").expect(t, exitGood, "silences 0 alerts", "")
	s.cmd("silence", "add", "--match", "record=spf", "--for", "soon", "--why", "x").expect(t, exitUsage, "", `"soon" is neither a duration`)
	list := s.cmd("silence", "list")
	list.expect(t, exitGood, `domain="shop.example"`, "")
	s.cmd("resume", shop, "--why", "done").expect(t, exitGood, "no longer paused", "")
	s.await("the alert is open", "dmarc", func(st *monitor.RecordState) bool { return st.Incident != nil })
	time.Sleep(time.Second)
	if got := s.told(); got != "" {
		t.Errorf("told in a silence: %s", got)
	}
	id, _, _ := strings.Cut(list.out, " ")
	s.cmd("silence", "expire", id).expect(t, exitGood, "has ended", "")
	s.must(s.untilTold(t.Context(), "firing", "RecordMissing"))

	audit := s.cmd("audit")
	for _, want := range []string{"expect", "next step", "pause", "resume", "silence", "ticket 1", "unsilence"} {
		audit.expect(t, exitGood, want, "")
	}
	if n := strings.Count(s.cmd("audit", shop, "--record", "dmarc").out, "expect"); n != 1 {
		t.Errorf("the audit trail of one record tells %d announcements, want 1", n)
	}
}

func TestAlertTestFromTheCommandLine(t *testing.T) {
	s := newBench(t)
	s.cmd("alert", "test").expect(t, exitGood, "ok      you webhook[0]", "")
	if got := s.told(); got != "firing RecordMissing spf; resolved RecordMissing spf" {
		t.Errorf("the receiver heard %q", got)
	}
	s.cmd("alert", "test", "nobody").expect(t, exitProblems, "", "the configuration has you")
	s.cmd("alert", "test", "--severity", "loud").expect(t, exitUsage, "", "critical or warning")

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refusing.Close)
	path := filepath.Join(t.TempDir(), "maildrift.yml")
	s.must(os.WriteFile(path, fmt.Appendf(nil, "alerting:\n  receivers: [{name: a, webhook_configs: [{url: %q}]}]\n", refusing.URL+"/secret-path"), 0o600))
	said := command(t, "alert", "test", "--config", path)
	said.expect(t, exitProblems, "FAILED  a webhook[0]", "")
	if said.expect(t, exitProblems, "401", ""); strings.Contains(said.out, "secret-path") {
		t.Error("the address of the receiver is shown")
	}
	s.must(os.WriteFile(path, fmt.Appendf(nil, "alerting:\n  alertmanagers: [{url: %q}]\n", refusing.URL), 0o600))
	command(t, "alert", "test", "--config", path).expect(t, exitProblems, "FAILED  alertmanager", "")
	s.must(os.WriteFile(path, fmt.Appendf(nil, "alerting:\n  alertmanagers: [{url: %q, http_config: {basic_aut: {}}}]\n", refusing.URL), 0o600))
	command(t, "config", "check", path).expect(t, exitUsage, "", "basic_aut not found")
}
