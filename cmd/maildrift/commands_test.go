package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"maildrift/configs"
	"maildrift/monitor/config"
	"maildrift/monitor/dnslab"
	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Kept alive by HTTP clients of the tests themselves.
		goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

// said is what a command printed and how it ended.
type said struct {
	code     int
	out, err string
}

// command runs maildrift in this process.
func command(t *testing.T, args ...string) said {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &out, &errs)
	return said{code, out.String(), errs.String()}
}

// expect checks the exit code and that both streams hold what they should.
func (s said) expect(t *testing.T, code int, out, errs string) {
	t.Helper()
	if s.code != code || !strings.Contains(s.out, out) || !strings.Contains(s.err, errs) {
		t.Errorf("exit code %d, want %d\nstdout (want %q):\n%s\nstderr (want %q):\n%s", s.code, code, out, s.out, errs, s.err)
	}
}

func TestHelpNamesAllCommandsWithExamples(t *testing.T) {
	help := command(t, "--help")
	help.expect(t, exitGood, "before receivers start to reject mail", "")
	root := newRoot()
	for _, c := range root.Commands() {
		if !strings.Contains(help.out, "\n  "+c.Name()) {
			t.Errorf("the help text does not name %s", c.Name())
		}
		for _, sub := range append(c.Commands(), c) {
			if sub.Short == "" {
				t.Errorf("%s has no description", sub.CommandPath())
			}
			if !sub.HasSubCommands() && sub.Example == "" && !slices.Contains([]string{"version", "list", "example", "help"}, sub.Name()) {
				t.Errorf("%s has no example", sub.CommandPath())
			}
		}
	}
}

func TestUsage(t *testing.T) {
	command(t, "version").expect(t, exitGood, "maildrift unknown (go", "")
	command(t, "chekc").expect(t, exitUsage, "", `unknown command "chekc" for "maildrift"; did you mean check?`)
	command(t, "check").expect(t, exitUsage, "", "maildrift check needs the domain to check")
	command(t, "check", "--frobnicate", "x").expect(t, exitUsage, "", "unknown flag: --frobnicate\nSee 'maildrift check --help'")
	command(t, "check", "not a domain").expect(t, exitUsage, "", "contains a blank")
	command(t, "check", "example.com", "--format", "xml").expect(t, exitUsage, "", `unknown format "xml": use table, json or yaml`)
	command(t, "check", "example.com", "--preset", "directmial").expect(t, exitUsage, "", `did you mean "directmail"?`)
	command(t, "check", "example.com", "--resolver", "dns.google").expect(t, exitUsage, "", "is not an IP address")
	command(t, "serve", "--config", "/nonexistent.yml").expect(t, exitUsage, "", "name the configuration with --config FILE")
	command(t, "domains").expect(t, exitUsage, "Register domains", "name one of the commands")
	command(t, "domains", "list", "--url", "http://127.0.0.1:1").expect(t, exitProblems, "", "127.0.0.1:1")
	command(t, "domains", "accept", "a.example.com", "spf").expect(t, exitUsage, "", "say --why")
	command(t, "completion", "bash").expect(t, exitGood, "bash completion", "")
	command(t, "presets", "list").expect(t, exitGood, "directmail", "")
	command(t, "presets", "show", "directmail", "--domain", "notice.example.com").expect(t, exitGood, "notice.example.com. TXT v=spf1 include:spf1.dm.aliyun.com -all", "")
	command(t, "presets", "show", "directmial").expect(t, exitUsage, "", `did you mean "directmail"?`)
	command(t, "resolvers", "list").expect(t, exitGood, "8.8.8.8:53", "")
	command(t, "config", "example").expect(t, exitGood, "quorum:", "")
	command(t, "config", "reference", "asking").expect(t, exitGood, "asking.spread  number: share, 0 to 0.9; default 0.5\n", "")
	command(t, "config", "reference", "resolvers.list", "--format", "json").expect(t, exitGood, `"path": "resolvers.list[].rate"`, "")
	command(t, "config", "reference", "askin").expect(t, exitUsage, "", `there is no field "askin"`)
}

func TestConfigCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	command(t, "config", "check", write("good.yml", string(configs.Example))).expect(t, exitGood, "is good: 0 domains", "")
	bad := write("bad.yml", "domains:\n  - domain: a.example.com\n    service: directmial\n")
	command(t, "config", "check", bad).expect(t, exitUsage, "", bad+`:3: domains[0].service: unknown mail service "directmial"; did you mean "directmail"?`)
	advised := write("advised.yml", "domains:\n  - {domain: shop.example, service: directmail, params: {purpose: batch, generation: old}}\n")
	command(t, "config", "check", advised).expect(t, exitGood, "advice: "+advised+":2: directmail-subdomain: shop.example is a main domain", "")
	route := write("route.yml", "alerting:\n  route: {receiver: nobody-knows}\n")
	command(t, "config", "check", route).expect(t, exitUsage, "", route+":")
	fast := write("fast.yml", "schedules: {default: {every: 5s}}\n")
	command(t, "config", "check", fast).expect(t, exitGood, "warning: schedule default sweeps every 5s, but what seems to have changed is asked about again after 30s (confirm.wait)", "")
	command(t, "plan", "--domains", "10", "--config", fast).expect(t, exitGood, "overlaps: schedule default sweeps every 5s", "")

	// Everything at once, Alertmanager's part too.
	for name, want := range map[string][]string{
		"all.yml": {
			"all.yml:1: lisen: unknown key; did you mean \"listen\"?",
			"all.yml:2: schedules.default.cron: \"*/99\" in the minute field: a step of 99",
			"all.yml:4: domains[0].domain: \"https://a.example.com/\" is a URL",
			"all.yml:5: domains[0].service: unknown mail service \"directmial\"",
			"all.yml:8: alerting.route.receiver: undefined receiver \"on-cal\" used in route: add it under receivers, or correct its name",
			"all.yml:11: alerting.receivers[0].webhook_configs[0].max_alrets: unknown field \"max_alrets\"",
			"all.yml:12: alerting.receivers[1].email_configs[0]: no global SMTP smarthost set: set global.smtp_smarthost",
		},
		"elsewhere.yml": {
			"elsewhere.yml:3: alerting.alertmanagers[0].http_config: field basic_aut not found: see what an http_config may have",
			"elsewhere.yml:4: alerting.alertmanagers[1]: unable to read CA cert",
		},
	} {
		text := map[string]string{
			"all.yml": `lisen: x
schedules: {default: {cron: "*/99 * * * *"}}
domains:
  - domain: https://a.example.com/
    service: directmial
alerting:
  route:
    receiver: on-cal
  receivers:
    - name: on-call
      webhook_configs: [{url: "http://127.0.0.1:1/", max_alrets: 3}]
    - {name: mail, email_configs: [{to: a@b.example}]}
`,
			"elsewhere.yml": `alerting:
  alertmanagers:
    - {url: "http://127.0.0.1:1", http_config: {basic_aut: {}}}
    - {url: "http://127.0.0.1:2", http_config: {tls_config: {ca_file: none.pem}}}
`,
		}[name]
		got := command(t, "config", "check", write(name, text))
		lines := strings.Split(strings.ReplaceAll(got.err, dir+"/", ""), "\n")
		for i, w := range want {
			if i >= len(lines) || !strings.HasPrefix(strings.TrimPrefix(lines[i], "maildrift: "), w) {
				t.Errorf("line %d does not begin with %q:\n%s", i+1, w, got.err)
				break
			}
		}
		if got.code != exitUsage || len(lines) > len(want)+2 {
			t.Errorf("exit code %d, %d lines:\n%s", got.code, len(lines), got.err)
		}
	}
}

func TestPresetsOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "maildrift.yml")
	for path, text := range map[string]string{
		file:                              "presets: inhouse.yml\n",
		filepath.Join(dir, "inhouse.yml"): "id: inhouse\ntitle: In-house\nsummary: Ours.\nrecords:\n  - {key: mx, title: takes mail, kind: mx, host: \"@\", want: [10 mx.example.net]}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command(t, "presets", "list", "--config", file).expect(t, exitGood, "In-house", "")
	command(t, "presets", "show", "inhouse", "--config", file).expect(t, exitGood, "notice.example.com. MX 10 mx.example.net", "")
	command(t, "presets", "show", "inhouse").expect(t, exitUsage, "", `unknown mail service "inhouse"`)
	command(t, "presets", "show", "ses").expect(t, exitGood, "required with signing=easy", "")
	command(t, "presets", "list", "--config", filepath.Join(dir, "none.yml")).expect(t, exitUsage, "", "none.yml")
}

// TestAdviceIsShown registers a domain with a daemon that advises something.
func TestAdviceIsShown(t *testing.T) {
	const answer = `{"name":"shop.example","spec":{"domain":"shop.example","senders":["a@shop.example"]},"records":[],"advice":[{"id":"directmail-x","text":"It is so.","do":"Do this.",
		"publish":[{"name":"shop.example","type":"TXT","value":"v=spf1 -all"}],"source":"a page"}]}`
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete && r.URL.Query().Get("force") != "true" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"status":409,"detail":"domain shop.example has sender addresses: a@shop.example"}`)
			return
		}
		io.WriteString(w, answer)
	}))
	defer daemon.Close()
	const text = "Advice of the mail service:\n  directmail-x It is so.\n    Do this.\n    shop.example. TXT v=spf1 -all\n    (a page)\n"
	command(t, "domains", "add", "shop.example", "--url", daemon.URL).expect(t, exitGood, text, "")
	command(t, "domains", "show", "shop.example", "--url", daemon.URL).expect(t, exitGood, text, "")
	command(t, "domains", "show", "shop.example", "--url", daemon.URL).expect(t, exitGood, "sender addresses: a@shop.example\n", "")
	command(t, "domains", "add", "shop.example", "--format", "json", "--url", daemon.URL).expect(t, exitGood, `"id": "directmail-x"`, "")
	command(t, "domains", "senders", "shop.example", "a@shop.example", "--url", daemon.URL).expect(t, exitGood, "has the sender addresses a@shop.example", "")
	command(t, "domains", "remove", "shop.example", "--url", daemon.URL).expect(t, exitProblems, "", "has sender addresses: a@shop.example")
	command(t, "domains", "remove", "shop.example", "--force", "--url", daemon.URL).expect(t, exitGood, "no longer watched", "")
}

// labWithShop is a lab in which shop.example is a sending domain, and the flags
// that make check ask it.
func labWithShop(t *testing.T) (*dnslab.Lab, []*dnslab.Resolver, []string) {
	t.Helper()
	lab, err := dnslab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	set := func(name rrset.Name, typ rrset.Type, lines ...string) {
		if err := lab.Set("shop.example", name, typ, 60, lines...); err != nil {
			t.Fatal(err)
		}
	}
	set("shop.example", rrset.TXT, "v=spf1 include:_spf.mail.example -all", "google-site-verification=abc")
	if err := lab.Set("mail.example", "_spf.mail.example", rrset.TXT, 60, "v=spf1 ip4:192.0.2.0/24 ~all"); err != nil {
		t.Fatal(err)
	}
	set("shop.example", rrset.MX, "10 mx.mail.example")
	set("_dmarc.shop.example", rrset.TXT, "v=DMARC1; p=reject")
	set("s1._domainkey.shop.example", rrset.TXT, demoKey)
	var resolvers []*dnslab.Resolver
	args := []string{"--timeout", "300ms", "--allow-private", "--authority-port"}
	args = append(args, itoa(int(lab.Port())))
	for _, name := range []string{"one", "two", "three"} {
		r, err := lab.Resolver(name)
		if err != nil {
			t.Fatal(err)
		}
		resolvers = append(resolvers, r)
		args = append(args, "--resolver", r.Addr().String())
	}
	return lab, resolvers, args
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestCheck(t *testing.T) {
	t.Parallel()
	lab, resolvers, flags := labWithShop(t)
	check := func(more ...string) said {
		return command(t, append(append([]string{"check", "shop.example", "--selector", "s1"}, flags...), more...)...)
	}
	check().expect(t, exitGood, "3 of 3 operators; 2 of 2 of the zone's own servers", "")
	check().expect(t, exitGood, "mail of the service: SPF pass, DKIM pass, DMARC passes with policy reject\n    Gmail                  accepted\n", "")
	command(t, append([]string{"check", "shop.example"}, flags...)...).expect(t, exitGood, "name the DKIM selector with --selector", "")

	var results []checkResult
	if err := json.Unmarshal([]byte(check("--format", "json").out), &results); err != nil || len(results) != 4 {
		t.Errorf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		if r.Status != "good" || len(r.Votes) != 5 || len(r.Lines) == 0 {
			t.Errorf("%+v", r)
		}
	}
	check().expect(t, exitGood, "policy   reject applies to mail from shop.example, by p of _dmarc.shop.example", "")
	// What the mail stands on: the exchange has no address, and both servers are in one network.
	deep := check("--deep", "--sending-address", "198.51.100.7")
	deep.expect(t, exitProblems, "critical  mx.mail.example: the exchange has no address", "")
	deep.expect(t, exitProblems, "critical  198.51.100.7 PTR: the sending address has no name", "")
	deep.expect(t, exitProblems, "warning   shop.example NS: all of the zone's servers are in the network 127.53.0.0/24", "")
	check("--deep", "--sending-address", "nowhere").expect(t, exitUsage, "", "--sending-address")
	// One resolver of three may lie.
	resolvers[0].Lie(true)
	check().expect(t, exitGood, "3 of 3 operators, 1 see it wrong", "")
	resolvers[0].Lie(false)
	resolvers[0].Flush()

	// A record is only as good as what it includes.
	lab.Delete("mail.example", "_spf.mail.example", rrset.TXT)
	for _, r := range resolvers {
		r.Flush()
	}
	check().expect(t, exitProblems, "_spf.mail.example does not exist: receivers give up with permerror", "")
	check().expect(t, exitProblems, "rejected 550 5.7.27 SPF does not pass", "")
	lab.Delete("shop.example", "_dmarc.shop.example", rrset.TXT)
	if err := lab.Set("shop.example", "shop.example", rrset.TXT, 60, "v=spf1 inlcude:_spf.mail.example -all"); err != nil {
		t.Fatal(err)
	}
	for _, r := range resolvers {
		r.Flush()
	}
	if err := lab.Set("shop.example", "_dmarc.shop.example", rrset.TXT, 60, "v=DMARC1; p=none; rua=mailto:a@elsewhere.example"); err != nil {
		t.Fatal(err)
	}
	for _, r := range resolvers {
		r.Flush()
	}
	check().expect(t, exitProblems, "reports  elsewhere.example has not agreed to get reports about shop.example", "")
	lab.Delete("shop.example", "_dmarc.shop.example", rrset.TXT)
	for _, r := range resolvers {
		r.Flush()
	}
	bad := check()
	bad.expect(t, exitProblems, "MISSING", "")
	bad.expect(t, exitProblems, "no DMARC policy applies to shop.example", "")
	bad.expect(t, exitProblems, `inlcude:_spf.mail.example`, "")
	check("--authority=false").expect(t, exitProblems, "MISSING", "")

	for _, r := range resolvers {
		r.Cut(true)
	}
	lab.CutAuthorities(true)
	check().expect(t, exitUnknown, "0 of 3 operators", "")
}

func TestCheckWithOneResolverBelievesIt(t *testing.T) {
	_, resolvers, _ := labWithShop(t)
	command(t, "check", "shop.example", "--authority=false", "--resolver", resolvers[0].Addr().String()).
		expect(t, exitGood, "1 of 1 operators", "")
	command(t, "check", "nowhere.example", "--authority=false", "--resolver", resolvers[0].Addr().String()).
		expect(t, exitProblems, "MISSING", "")
}

func TestResolversTest(t *testing.T) {
	_, resolvers, _ := labWithShop(t)
	flags := []string{"resolvers", "test", "--timeout", "300ms"}
	for _, r := range resolvers {
		flags = append(flags, "--resolver", r.Addr().String())
	}
	command(t, flags...).expect(t, exitGood, "ok", "")
	resolvers[1].Lie(true)
	command(t, flags...).expect(t, exitProblems, "answers nxdomain for . NS", "")
	for _, r := range resolvers {
		r.Cut(true)
	}
	command(t, flags...).expect(t, exitUnknown, "timeout", "")
}

func TestDemo(t *testing.T) {
	t.Parallel()
	s := command(t, "demo", "--once")
	s.expect(t, exitGood, "Told: 3 pages, 3 all-clears", "")
	for _, want := range []string{
		"notice.shop.example. TXT v=spf1 include:spf1.dm.aliyun.com -all",
		"CALLED  SPF record of notice.shop.example has changed",
		"CALLED  DKIM (aliyun-cn-hangzhou) record of notice.shop.example is gone",
		"cause     There is no such record",
		"receivers Gmail: rejected with 550 5.7",
		"CALLED  maildrift cannot see",
		"ALL CLEAR  SPF record",
	} {
		if !strings.Contains(s.out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, s.out)
		}
	}
}

// TestNoHeartbeatWhenNobodyCanBeCalled counts the beats that arrive.
func TestNoHeartbeatWhenNobodyCanBeCalled(t *testing.T) {
	beats := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { beats++ }))
	t.Cleanup(server.Close)
	var trouble error
	h := &heart{deliverable: func() error { return trouble }}
	h.set(&config.Config{Alerting: config.Alerting{Heartbeat: config.Secret(server.URL)}}, slog.New(slog.DiscardHandler))
	if err := h.Beat(t.Context()); err != nil || beats != 1 {
		t.Errorf("%d beats, %v", beats, err)
	}
	trouble = errors.New("alerts do not reach receiver on-call")
	if err := h.Beat(t.Context()); err == nil || beats != 1 || !strings.Contains(err.Error(), "on-call") {
		t.Errorf("%d beats, %v", beats, err)
	}
}
