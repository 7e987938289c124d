package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"maildrift/monitor/config"
	"maildrift/store"
)

// TestWhatIsDoneToTheDaemonIsInTheAuditTrail: copies, compactions, and configurations that are taken or refused.
func TestWhatIsDoneToTheDaemonIsInTheAuditTrail(t *testing.T) {
	s := newBench(t)
	s.cmd("backup", filepath.Join(t.TempDir(), "copy.db")).expect(t, exitGood, "bytes", "")
	s.cmd("compact").expect(t, exitGood, ", was ", "")
	path := s.daemon.flags.config
	good, err := os.ReadFile(path)
	s.must(err)
	s.must(os.WriteFile(path, append(good, "lisen: x\nasking: {rate: fast}\n"...), 0o600))
	if _, err := s.daemon.reload(t.Context(), "SIGHUP"); err == nil {
		t.Error("a broken configuration is taken")
	}
	s.must(os.WriteFile(path, append(good, "metrics: {per_record_limit: 7}\n"...), 0o600))
	changed, err := s.daemon.reload(t.Context(), "SIGHUP")
	if s.must(err); !strings.Contains(changed, "0 added, 0 removed, 0 changed; until the next start without its metrics") {
		t.Errorf("what a reload says that it changes: %s", changed)
	}
	r := &remote{url: s.url}
	c, err := r.client()
	s.must(err)
	s.must(c.Reload(t.Context()))

	audit := s.cmd("audit").out
	for _, want := range []string{
		`UTC  \S+ +backup\s+what +\d+ bytes`,
		`UTC  \S+ +compact\s+what +\d+ bytes, were \d+`,
		`SIGHUP +reload-failed\s+what +\S+maildrift.yml:\d+: lisen: unknown key; did you mean "listen"\?; and 1 more`,
		`SIGHUP +reload\s+what +configuration [0-9a-f]{12} in place of [0-9a-f]{12}, with 2 domains: 0 added, 0 removed, 0 changed; until the next start without its metrics`,
		`UTC  \S+ +reload\s+what +configuration [0-9a-f]{12}, as before, with 2 domains; until`,
	} {
		if !regexp.MustCompile(want).MatchString(audit) {
			t.Errorf("the audit trail lacks %s:\n%s", want, audit)
		}
	}
}

func TestWhatAReloadChanges(t *testing.T) {
	load := func(text string) *config.Config {
		presets, err := loadPresets()
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(written(t, text), os.LookupEnv, presets)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	before := load("domains:\n  - {domain: a.example.com, service: google-workspace}\n  - {domain: b.example.com, service: google-workspace}\n  - {domain: c.example.com, expect: [{kind: spf}]}\n")
	after := load("domains:\n  - {domain: d.example.com, service: google-workspace}\n  - {domain: A.example.com., service: google-workspace}\n  - {domain: c.example.com, expect: [{kind: mx}]}\n  - {domain: e.example.com, expect: [{kind: mx}]}\n")
	got := changesOf(before, after)
	if got.added != 2 || got.removed != 1 || got.changed != 2 || got.domains != 4 {
		t.Errorf("%+v", got)
	}
	want := "configuration " + after.Hash[:12] + " in place of " + before.Hash[:12] + ", with 4 domains: 2 added, 1 removed, 2 changed"
	if got.String() != want {
		t.Errorf("%s, want %s", got, want)
	}
	same := changesOf(before, before)
	if want := "configuration " + before.Hash[:12] + ", as before, with 3 domains"; same.String() != want {
		t.Errorf("%s, want %s", same, want)
	}
	network := newNetwork(before, slog.New(slog.DiscardHandler))
	defer network.close()
	asked := network.current()
	if old := network.swap(before, after); old != nil || network.current() != asked {
		t.Error("a reload that asks for nothing else of resolvers forgets what is known of them")
	}
	faster := load("asking: {rate: 7}\n")
	if old := network.swap(after, faster); old != asked || network.current() == asked {
		t.Error("a rate that is set anew is not taken")
	} else {
		old.retire()
	}
	others := load("asking: {rate: 7}\nresolvers: {builtin: false, list: [{name: mine, addresses: [127.0.0.1]}, {name: yours, addresses: [127.0.0.2]}]}\n")
	if old := network.swap(faster, others); old == nil {
		t.Error("other resolvers are not taken")
	} else {
		old.retire()
	}
	later := load("log: {level: debug}\nmetrics: {per_record_limit: 7}\nalerting: {language: zh-CN, runbooks: \"https://wiki.example/\"}\n")
	if got := waiting(before, after); len(got) > 0 {
		t.Errorf("%q are said to wait for the next start", got)
	}
	same.waiting = waiting(before, later)
	if want := "; until the next start without its log, metrics, alerting.runbooks, alerting.language"; !strings.HasSuffix(same.String(), want) {
		t.Errorf("%s, want %s", same, want)
	}
	if got := refusalOf(errors.Join(errors.New("one"), errors.New("two"), errors.New("three"))); got != "one; and 2 more" {
		t.Error(got)
	}
}

// TestACompactionThatGivesNothingBackSaysSo: a small file becomes a little larger.
func TestACompactionThatGivesNothingBackSaysSo(t *testing.T) {
	if got := sizes(65536, 69632); got != "68.0 KiB, was 64.0 KiB: larger by 4096 bytes, since there was no room to give back; nothing is wrong with it" {
		t.Error(got)
	}
	if got := sizes(65536, 65536); got != "64.0 KiB, was 64.0 KiB: there was no room to give back" {
		t.Error(got)
	}
	if got := sizes(65536, 32768); got != "32.0 KiB, was 64.0 KiB" {
		t.Error(got)
	}
	path := filepath.Join(t.TempDir(), "maildrift.db")
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	said := command(t, "compact", path)
	if said.code != exitGood || !strings.Contains(said.out, "there was no room to give back") {
		t.Errorf("%+v", said)
	}
	if s, err = store.Open(t.Context(), path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := s.Audit(t.Context(), store.Query{}); err != nil || len(got) != 1 || got[0].Action != "compact" || got[0].By != whoCalls() || got[0].Detail == "" {
		t.Errorf("the audit trail: %+v, %v", got, err)
	}
}
