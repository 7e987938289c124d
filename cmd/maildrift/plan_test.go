package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor/config"
)

// planConfig is a small fleet: two domains at a service share what they include, one resolver operator has two addresses
// and one may be asked faster.
const planConfig = `
schedules:
  default: {cron: "*/15 * * * *"}
  night: {cron: "0 2,3 * * *", timezone: Europe/Berlin, resolvers: few}
resolvers:
  builtin: false
  list:
    - {name: office, addresses: [192.0.2.1], rate: 200}
    - {name: alpha, addresses: [192.0.2.2]}
    - {name: beta4, operator: beta, addresses: [192.0.2.3], rate: 10}
    - {name: beta6, operator: beta, addresses: [192.0.2.4], rate: 30}
  groups: {few: [office, alpha]}
domains:
  - {domain: notice.example.com, service: directmail, params: {region: cn-hangzhou}}
  - {domain: shop.example.com, service: directmail, params: {region: cn-hangzhou}}
  - domain: example.com
    expect:
      - {kind: spf, match: contains, value: "include:_spf.example.net ~include:%{d}.example.net redirect=shop.example.com"}
      - {kind: ownership, value: "x=1"}
      - {kind: mx}
  - {domain: late.example.org, schedule: night, expect: [{kind: spf}, {kind: txt}, {kind: mx}]}
`

// written writes a configuration and gives its place.
func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "maildrift.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestPlanIsSaid shows what people read. UPDATE_GOLDEN=1 writes the file.
func TestPlanIsSaid(t *testing.T) {
	t.Parallel()
	presets, err := loadPresets()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, tt := range []struct {
		title, config string
		flags         planFlags
	}{
		{"a small fleet", planConfig, planFlags{ttl: time.Hour}},
		{"a hundred thousand domains", planConfig, planFlags{ttl: time.Hour, domains: 100_000}},
		{"of which the zones are on ten servers", planConfig, planFlags{ttl: time.Hour, domains: 100_000, nameservers: 10}},
		{"with TTL sense off", planConfig + "asking: {pace: every}", planFlags{ttl: time.Hour, domains: 5000}},
		{"without the authority", planConfig + "authority: {enabled: false}", planFlags{ttl: time.Hour, domains: 5000}},
		{"schedules that get in each other's way", planConfig + "asking: {pace: every, rate: 1}", planFlags{ttl: time.Hour, domains: 350}},
		{"no domains", "asking: {rate: 100}", planFlags{ttl: time.Hour}},
		{"no domains to scale", "resolvers: {builtin: false, list: [{name: mine, addresses: [192.0.2.1], rate: 2000}, {name: yours, addresses: [192.0.2.2], rate: 1000}]}", planFlags{ttl: time.Hour, domains: 100_000}},
	} {
		cfg, err := config.Load(written(t, tt.config), os.LookupEnv, presets)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "=== %s\n", tt.title)
		p := &printer{out: &got}
		if err := p.plan(tt.flags.plan(cfg, cfg.Domains, time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC))); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "plan.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got.String() != string(want) {
		t.Errorf("the plan is said otherwise (%v); look at it and run with UPDATE_GOLDEN=1:\n%s", err, got.String())
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	file := written(t, planConfig)
	command(t, "plan", "--config", file).expect(t, exitGood, "fits: a sweep fits into its interval of 15m", "")
	command(t, "plan", "--config", file, "--domains", "100000").expect(t, exitProblems, "too slow: a sweep cannot finish in its interval of 15m", "")
	command(t, "plan", "--config", filepath.Join(t.TempDir(), "none.yml")).expect(t, exitUsage, "", "name the configuration with --config FILE")
	command(t, "plan", "--config", written(t, "asking: {pace: slow}")).expect(t, exitUsage, "", `asking.pace: unknown pace "slow": use every, ttl or auto`)
	command(t, "plan", "--config", file, "--domains", "-1").expect(t, exitUsage, "", "must not be negative")
	command(t, "plan", "--config", file, "--nameservers", "4").expect(t, exitGood, "each nameserver", "")
	command(t, "plan", "--config", file, "--total-nameservers", "4").expect(t, exitGood, "each nameserver", "")
	help := command(t, "plan", "--help").out
	if !strings.Contains(help, "how many different nameservers all the zones have together, a number, not their names") || strings.Contains(help, " --nameservers") {
		t.Errorf("the help is not clear about nameservers:\n%s", help)
	}
	command(t, "plan", "--config", file, "--ttl", "1000h").expect(t, exitUsage, "", "a TTL is at most 168h")
	var made plan
	shown := command(t, "plan", "--config", file, "--format", "json", "--ttl", "10m")
	if err := json.Unmarshal([]byte(shown.out), &made); err != nil || !made.Fits || made.TTL != 600 || len(made.Groups) != 2 || made.Groups[0].Domains != 3 {
		t.Errorf("%v: %s", err, shown.out)
	}
	var same map[string]any
	if err := yaml.Unmarshal([]byte(command(t, "plan", "--config", file, "--format", "yaml").out), &same); err != nil || same["fits"] != true {
		t.Errorf("as YAML: %v, %v", same, err)
	}
}

// TestPlanOfADaemon counts the domains that were added to a running one.
func TestPlanOfADaemon(t *testing.T) {
	lines := `{"domain":"added.example.com","expect":[{"kind":"spf"},{"kind":"mx"}]}` + "\n"
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/export" || r.URL.Query().Get("origin") != "api" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, lines)
	}))
	defer daemon.Close()
	file := written(t, planConfig)
	command(t, "plan", "--config", file, "--url", daemon.URL).expect(t, exitGood, "4 domains, 13 records", "")
	lines = `{"domain":"added.example.com","service":"inhouse"}`
	command(t, "plan", "--config", file, "--url", daemon.URL).expect(t, exitUnknown, "", `domain added.example.com of `+daemon.URL+`, with this configuration: service: unknown mail service "inhouse"`)
	lines = `{"domain":`
	command(t, "plan", "--config", file, "--url", daemon.URL).expect(t, exitUnknown, "", "read the domains of")
	command(t, "plan", "--config", file, "--url", "http://127.0.0.1:1").expect(t, exitUnknown, "", "127.0.0.1:1")
}
