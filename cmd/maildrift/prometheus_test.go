package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
)

// scraper is a real Prometheus that scrapes a daemon every second.
type scraper struct {
	*process
	t     *testing.T
	base  string
	began time.Time
}

// startPrometheus starts one with our rules, and with what else it is to be told.
func startPrometheus(t *testing.T, target string, flags ...string) *scraper {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	rules, err := filepath.Abs("../../configs/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q, %q]\nscrape_configs:\n- {job_name: maildrift, static_configs: [{targets: [%q]}]}\n",
		rules+"/maildrift.rules.yml", rules+"/maildrift.recording.rules.yml", target)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &scraper{t: t, base: "http://" + addr, began: time.Now()}
	p.process = startProcess(t, "prometheus", append(flags, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=warn")...)
	eventually(t, 30*time.Second, "Prometheus is ready", func() bool {
		resp, err := http.Get(p.base + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// ask asks Prometheus' API.
func (p *scraper) ask(path string, query url.Values, into any) error {
	resp, err := http.Get(p.base + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// curve is one series of an answer.
type curve struct {
	Metric map[string]string
	Values [][2]any
	// Histograms are the values of native histograms.
	Histograms []json.RawMessage
}

// curves asks for an expression over the time since the start.
func (p *scraper) curves(expr string) ([]curve, error) {
	var data struct{ Result []curve }
	err := p.ask("query_range", url.Values{
		"query": {expr}, "start": {p.began.Format(time.RFC3339)}, "end": {time.Now().Format(time.RFC3339)}, "step": {"1"},
	}, &data)
	return data.Result, err
}

// asked is one expression of a dashboard; expr is empty for a panel that asks somebody else.
type asked struct{ file, uid, panel, about, unit, expr string }

// expressions gives everything that the dashboards show and what they ask Prometheus for that, with their macros and variables filled in.
func expressions(t *testing.T, instance, domain string) []asked {
	t.Helper()
	files, err := filepath.Glob("../../configs/grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "8s", "$__interval", "2s", "[1h]", "[8s]", "$job", "maildrift", "$instance", instance, "$domain", domain)
	var out []asked
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID    string
			Panels []struct {
				Type, Title, Description string

				Targets     []struct{ Expr string }
				FieldConfig struct{ Defaults struct{ Unit string } }
			}
			Annotations struct {
				List []struct{ Name, Expr string }
			}
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				out = append(out, asked{filepath.Base(file), d.UID, p.Title, p.Description, p.FieldConfig.Defaults.Unit, fill.Replace(target.Expr)})
			}
			if len(p.Targets) == 0 && p.Type != "row" {
				out = append(out, asked{file: filepath.Base(file), uid: d.UID, panel: p.Title, about: p.Description})
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				out = append(out, asked{filepath.Base(file), d.UID, "annotation " + a.Name, "A mark in all charts.", "", fill.Replace(a.Expr)})
			}
		}
	}
	return out
}

// rising are panels that may not stay at zero while a resolver is silent, which also makes sweeps so slow that some are skipped.
var rising = []string{"maildrift-daemon/Skipped", "maildrift-daemon/Of the interval", "maildrift-resolvers/Silent", "maildrift-resolvers/Who is silent", "maildrift-resolvers/Withheld"}

// TestDashboardsAgainstPrometheus lets a real Prometheus scrape a real daemon through a change of a record and the end of a
// resolver, and asks it everything that the dashboards ask: nothing may be wrong, and nothing empty.
func TestDashboardsAgainstPrometheus(t *testing.T) {
	spf := func(text string) []string {
		return []string{txtLine("shop.example.", text), txtLine("_dmarc.shop.example.", "v=DMARC1; p=reject")}
	}
	s := newSetup(t, map[string][]string{"shop.example.": spf("v=spf1 mx -all")}, []monitor.Spec{{
		Domain: "shop.example", Expect: []monitor.ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DMARC}},
	}})
	classic := startPrometheus(t, s.daemon.addr)
	native := startPrometheus(t, s.daemon.addr, "--enable-feature=native-histograms")
	eventually(t, 60*time.Second, "both records are verified", func() bool {
		return sum(s.daemon.metrics(), "maildrift_records{", `phase="verified"`, `verdict="holding"`) == 2
	})
	eventually(t, 30*time.Second, "both have seen them hold", func() bool {
		return !slices.ContainsFunc([]*scraper{classic, native}, func(p *scraper) bool {
			c, err := p.curves("maildrift_transitions_total")
			return err != nil || len(c) == 0 || len(c[0].Values) < 2
		})
	})
	s.dns.edit(func(zones map[string][]string) { zones["shop.example."] = spf("v=spf1 mx ?all") }, "shop.example.")
	eventually(t, 60*time.Second, "somebody is told", func() bool { return slices.Contains(s.hook.told(0), "firing RecordDrifted shop.example spf") })
	s.dns.unboun[operatorsInTests-1].signal(syscall.SIGSTOP)
	eventually(t, 60*time.Second, "Prometheus knows both", func() bool {
		for _, expr := range []string{`maildrift_record_state{verdict="drifted"}`, `rate(maildrift_sweep_questions_total{fate="withheld"}[4s]) > 0`} {
			if c, err := native.curves(expr); err != nil || len(c) == 0 || len(c[0].Values) <= 8 {
				return false
			}
		}
		return true
	})
	all := expressions(t, s.daemon.addr, "shop.example")
	if len(all) < 40 {
		t.Errorf("only %d expressions were found", len(all))
	}
	pictures := map[string][]curve{}
	for name, p := range map[string]*scraper{"classic": classic, "native": native} {
		shown := p.checkPanels(t, name, all)
		if p == classic {
			pictures = shown
		}
		p.checkRules(t)
		p.checkVariables(t)
	}
	if c, err := native.curves("maildrift_lookup_duration_seconds"); err != nil || len(c) == 0 || len(c[0].Histograms) == 0 {
		t.Errorf("no native histograms: %+v, %v", c, err)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		drawDashboards(t, all, pictures)
	}
}

// checkPanels asks for all expressions and gives what each panel shows, by dashboard and title.
func (p *scraper) checkPanels(t *testing.T, name string, all []asked) map[string][]curve {
	t.Helper()
	shown := map[string][]curve{}
	for _, a := range all {
		if a.expr == "" {
			continue
		}
		c, err := p.curves(a.expr)
		switch {
		case err != nil:
			t.Errorf("%s: %s: %s: %s: %v", name, a.file, a.panel, a.expr, err)
		case len(c) == 0:
			t.Errorf("%s: %s: %s: %s has no result", name, a.file, a.panel, a.expr)
		}
		key := a.uid + "/" + a.panel
		shown[key] = append(shown[key], c...)
	}
	for _, panel := range rising {
		if !slices.ContainsFunc(shown[panel], curve.rises) {
			t.Errorf("%s: %s is never above zero", name, panel)
		}
	}
	return shown
}

// rises says whether it is ever above zero.
func (c curve) rises() bool {
	return slices.ContainsFunc(c.Values, func(v [2]any) bool {
		y, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
		return err == nil && y > 0
	})
}

// checkRules asks whether Prometheus can evaluate our rules.
func (p *scraper) checkRules(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Type, Health, LastError, Query string }
		}
	}
	if err := p.ask("rules", nil, &data); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			rules++
			if r.Health != "ok" {
				t.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
			if r.Type != "recording" {
				continue
			}
			if c, err := p.curves(r.Name); err != nil || len(c) == 0 {
				t.Errorf("what %s records is empty: %v", r.Name, err)
			}
		}
	}
	if rules < 13 {
		t.Errorf("%d rules", rules)
	}
}

// checkVariables asks for what the variables of dashboards offer to choose from.
func (p *scraper) checkVariables(t *testing.T) {
	t.Helper()
	for label, series := range map[string]string{"job": "maildrift_build_info", "instance": `maildrift_build_info{job=~"maildrift"}`, "domain": "maildrift_record_state"} {
		var values []string
		if err := p.ask("label/"+label+"/values", url.Values{"match[]": {series}}, &values); err != nil || len(values) == 0 {
			t.Errorf("nothing to choose for %s: %v", label, err)
		}
	}
}
