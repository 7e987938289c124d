package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/configs"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
)

// builtinPresets are read once for all tests.
var builtinPresets = sync.OnceValues(func() (preset.Set, error) { return preset.Load(configs.Presets) })

func presets(t testing.TB) preset.Set {
	t.Helper()
	set, err := builtinPresets()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func noEnv(string) (string, bool) { return "", false }

// load writes files into a folder, the first as maildrift.yml, and loads it.
func load(t testing.TB, files map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := Load(filepath.Join(dir, "maildrift.yml"), noEnv, presets(t))
	return cfg, stripDir(err, dir)
}

type textError string

func (e textError) Error() string { return string(e) }

// stripDir takes the folder out of an error's text.
func stripDir(err error, dir string) error {
	if err == nil {
		return nil
	}
	return textError(strings.ReplaceAll(err.Error(), dir+"/", ""))
}

func one(text string) map[string]string { return map[string]string{"maildrift.yml": text} }

const nothingToWatch = "maildrift.yml:2: domains[0].expect: nothing to watch: name a service, or list the records to expect"

func TestErrorsNameFileLineFieldAndFix(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "lisen: x", `maildrift.yml:1: lisen: unknown key; did you mean "listen"?`},
		{"unknown key deep", "confirm:\n  wiat: 3s", `maildrift.yml:2: confirm.wiat: unknown key; did you mean "wait"?`},
		{"unknown key far from any", "gate: {zzzzzzzz: 1}", `maildrift.yml:1: gate.zzzzzzzz: unknown key; known are hold, min_records, share`},
		{"key twice", "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2", `maildrift.yml:2: listen: given twice; the first is in line 1`},
		{"list for text", "listen: [a]", `maildrift.yml:1: listen: want one value, got a list`},
		{"text for mapping", "gate: closed", `maildrift.yml:1: gate: want a mapping of keys to values, got "closed"`},
		{"text for list of mappings", "domains: shop.example.com", `maildrift.yml:1: domains: want a list, got "shop.example.com"`},
		{"no number", "confirm: {times: two}", `maildrift.yml:1: confirm.times: want a whole number, got "two"`},
		{"no share", "gate: {share: much}", `maildrift.yml:1: gate.share: want a number, got "much"`},
		{"share too large", "gate: {share: 30}", `maildrift.yml:1: gate.share: want a share from 0 (gate off) to 1, got 30`},
		{"port too large", "authority: {port: 99999}", `maildrift.yml:1: authority.port: want a number from 0 to 65535, got "99999"`},
		{"no truth", "authority: {enabled: perhaps}", `maildrift.yml:1: authority.enabled: want true or false, got "perhaps"`},
		{"no duration", "confirm: {wait: soon}", `maildrift.yml:1: confirm.wait: "soon" is not a duration: write for example 30s, 15m, 48h or 400d`},
		{"duration without unit", "confirm: {wait: 30}", `maildrift.yml:1: confirm.wait: "30" is not a duration: write for example 30s, 15m, 48h or 400d`},
		{"too many confirmations", "confirm: {times: 99}", `maildrift.yml:1: confirm.times: want a number from 0 to 10, got 99`},
		{"no operators", "quorum: {min_operators: 0}", `maildrift.yml:1: quorum.min_operators: want a number from 1 to 1000, got 0`},
		{"timeout zero", "asking: {timeout: 0s}", `maildrift.yml:1: asking.timeout: at least 1ms, got 0s`},
		{"rate zero", "asking: {rate: 0}", `maildrift.yml:1: asking.rate: want more than 0 questions a second, got 0`},
		{"ipv6 maybe", "asking: {ipv6: maybe}", `maildrift.yml:1: asking.ipv6: want auto, on or off, got "maybe"`},
		{"pace", "asking: {pace: slow}", `maildrift.yml:1: asking.pace: unknown pace "slow": use every, ttl or auto`},
		{"spread too far", "asking: {spread: 1}", `maildrift.yml:1: asking.spread: want a share from 0 (all at once) to 0.9, got 1`},
		{"spread backwards", "asking: {spread: -0.1}", `maildrift.yml:1: asking.spread: want a share from 0 (all at once) to 0.9, got -0.1`},
		{"listen without port", "listen: localhost", `maildrift.yml:1: listen: "localhost" is not HOST:PORT, for example 127.0.0.1:9853`},
		{"external URL without host", "external_url: maildrift", `maildrift.yml:1: external_url: "maildrift" is not a URL, for example https://maildrift.example.com`},
		{"no data directory", `data_dir: ""`, `maildrift.yml:1: data_dir: name the directory for maildrift's data`},
		{"log level", "log: {level: loud}", `maildrift.yml:1: log.level: want debug, info, warn or error, got "loud"`},
		{"log format", "log: {format: xml}", `maildrift.yml:1: log.format: want text or json, got "xml"`},

		{"cron nonsense", "schedules: {default: {cron: hourly}}", `maildrift.yml:1: schedules.default.cron: "hourly" is not a cron expression (minute hour day month weekday): expected exactly 5 fields, found 1: [hourly]`},
		{"cron never", `schedules: {default: {cron: "0 0 30 2 *"}}`, `maildrift.yml:1: schedules.default.cron: "0 0 30 2 *" never comes: there is no such day`},
		{"cron panics in the library", `schedules: {default: {cron: "TZ=0"}}`, `maildrift.yml:1: schedules.default.cron: write the time zone under timezone:, not into the expression`},
		{"@every 0s", `schedules: {default: {cron: "@every 0s"}}`, `maildrift.yml:1: schedules.default.cron: @every 0s: want a duration of at least 1s, or use every: 250ms for shorter ones`},
		{"@every -1h", `schedules: {default: {cron: "@every -1h"}}`, `maildrift.yml:1: schedules.default.cron: @every -1h: want a duration of at least 1s, or use every: 250ms for shorter ones`},
		{"@every nothing", `schedules: {default: {cron: "@every"}}`, `maildrift.yml:1: schedules.default.cron: "@every" is not a cron expression (minute hour day month weekday): unrecognized descriptor: @every`},
		{"a step beyond the hour", "schedules:\n  default: {cron: \"*/99 * * * *\"}", `maildrift.yml:2: schedules.default.cron: "*/99" in the minute field: a step of 99 leads beyond 0 to 59 at once, so that it only ever comes at 0; write 0 if that is meant, a smaller step, or every: for an interval that is no part of the clock's`},
		{"a step of all hours", `schedules: {default: {cron: "0 1,*/24 * * *"}}`, `maildrift.yml:1: schedules.default.cron: "*/24" in the hour field: a step of 24 leads beyond 0 to 23 at once, so that it only ever comes at 0; write 0 if that is meant, a smaller step, or every: for an interval that is no part of the clock's`},
		{"a step beyond a range of words", `schedules: {default: {cron: "0 1 * * mon-FRI/5"}}`, `maildrift.yml:1: schedules.default.cron: "mon-FRI/5" in the weekday field: a step of 5 leads beyond 1 to 5 at once, so that it only ever comes at 1; write 1 if that is meant, a smaller step, or every: for an interval that is no part of the clock's`},
		{"an interval without unit is no missing one", "schedules: {default: {every: 5}}", `maildrift.yml:1: schedules.default.every: "5" is not a duration: write for example 30s, 15m, 48h or 400d`},
		{"every too short", `schedules: {default: {every: 1ms}}`, `maildrift.yml:1: schedules.default.every: every: 1ms is too short; at least 10ms`},
		{"both cron and every", `schedules: {default: {every: 1m, cron: "@hourly"}}`, `maildrift.yml:1: schedules.default: give either cron: or every:`},
		{"neither", `schedules: {default: {timezone: UTC}}`, `maildrift.yml:1: schedules.default: give either cron: or every:`},
		{"time zone", `schedules: {default: {cron: "@hourly", timezone: Mars/Olympus}}`, `maildrift.yml:1: schedules.default.timezone: "Mars/Olympus" is not a time zone, for example UTC or Asia/Shanghai`},
		{"resolver group", `schedules: {default: {cron: "@hourly", resolvers: defualt}}`, `maildrift.yml:1: schedules.default.resolvers: there is no resolver group "defualt"; did you mean "default"?`},

		{"drop unknown", "resolvers: {drop: [gogle]}", `maildrift.yml:1: resolvers.drop[0]: there is no built-in resolver "gogle"; did you mean "google"?`},
		{"none left", "resolvers: {builtin: false}", `maildrift.yml:1: resolvers: no resolvers are left; list some under resolvers.list`},
		{"no name", "resolvers:\n  list:\n    - {addresses: [192.0.2.1]}", `maildrift.yml:3: resolvers.list[0].name: give the resolver a name`},
		{"the name of the zones' own", "resolvers:\n  list:\n    - {name: authority, addresses: [192.0.2.1]}", `maildrift.yml:3: resolvers.list[0].name: "authority" stands for the zones' own servers in metrics: choose another name`},
		{"no address", "resolvers:\n  list:\n    - {name: a}", `maildrift.yml:3: resolvers.list[0].addresses: give at least one IP address`},
		{"host name for address", "resolvers:\n  list:\n    - {name: a, addresses: [dns.google]}", `maildrift.yml:3: resolvers.list[0].addresses[0]: "dns.google" is not an IP address with or without :PORT, for example 192.0.2.1 or [2001:db8::1]:5353`},
		{"twice", "resolvers:\n  list:\n    - {name: a, addresses: [192.0.2.1]}\n    - {name: a, addresses: [192.0.2.2]}", `maildrift.yml:4: resolvers.list[1].name: resolver "a" is listed twice; the first is resolvers.list[0]`},
		{"transport", "resolvers:\n  list:\n    - {name: a, addresses: [192.0.2.1], transport: carrier-pigeon}", `maildrift.yml:3: resolvers.list[0].transport: unknown transport "carrier-pigeon": use udp, tcp, dot or doh`},
		{"dot without name", "resolvers:\n  list:\n    - {name: a, addresses: [192.0.2.1], transport: dot}", `maildrift.yml:3: resolvers.list[0].tls_name: transport dot needs the name in the service's certificate`},
		{"doh without URL", "resolvers:\n  list:\n    - {name: a, addresses: [192.0.2.1], transport: doh}", `maildrift.yml:3: resolvers.list[0].url: transport doh needs the https:// URL of the service`},
		{"negative rate", "resolvers:\n  list:\n    - {name: a, addresses: [192.0.2.1], rate: -1}", `maildrift.yml:3: resolvers.list[0]: rate and window must not be negative`},
		{"group member", "resolvers: {groups: {cn: [alidsn]}}", "maildrift.yml:1: resolvers.groups.cn[0]: there is no resolver \"alidsn\"; did you mean \"alidns\"?\nmaildrift.yml:1: resolvers.groups.cn: the group has no resolvers"},
		{"empty group", "resolvers: {groups: {cn: []}}", `maildrift.yml:1: resolvers.groups.cn: the group has no resolvers`},

		{"canary name", "canaries: [{name: \"a b\", type: NS}]", `maildrift.yml:1: canaries[0].name: "a b" contains a blank: write one domain name`},
		{"canary type", "canaries: [{name: com, type: NSS}]", `maildrift.yml:1: canaries[0].type: unknown record type "NSS"`},
		{"canary want", "canaries: [{name: com, type: NS, want: nothing}]", `maildrift.yml:1: canaries[0].want: want data or nxdomain, got "nothing"`},

		{"service", "domains:\n  - domain: a.example.com\n    service: directmial", `maildrift.yml:3: domains[0].service: unknown mail service "directmial"; did you mean "directmail"?`},
		{"a URL", "domains:\n  - domain: https://example.com/", "maildrift.yml:2: domains[0].domain: \"https://example.com/\" is a URL, not a domain name: write the host part only\n" + nothingToWatch},
		{"an address", "domains:\n  - domain: me@example.com", "maildrift.yml:2: domains[0].domain: \"me@example.com\" is an e-mail address, not a domain name: write the part after the @\n" + nothingToWatch},
		{"a TLD", "domains:\n  - {domain: com, service: directmail}", `maildrift.yml:2: domains[0].domain: "com" is a top-level domain: name the domain that sends mail`},
		{"nothing to watch", "domains:\n  - domain: example.com", nothingToWatch},
		{"a service that is no word", "domains:\n  - {domain: example.com, service: [ses]}", `maildrift.yml:2: domains[0].service: want one value, got a list`},
		{"addresses that are no list", "resolvers:\n  list:\n    - {name: a, addresses: {v4: 192.0.2.1}}", `maildrift.yml:3: resolvers.list[0].addresses: want a list, got a mapping`},
		{
			"an unknown service and schedule behind a bad name", "domains:\n  - domain: https://example.com/\n    service: directmial\n    schedule: nightly",
			"maildrift.yml:2: domains[0].domain: \"https://example.com/\" is a URL, not a domain name: write the host part only\n" +
				"maildrift.yml:3: domains[0].service: unknown mail service \"directmial\"; did you mean \"directmail\"?\n" +
				"maildrift.yml:4: domains[0].schedule: there is no schedule \"nightly\"; known are default",
		},
		{
			"several expectations", "domains:\n  - domain: example.com\n    expect:\n      - {kind: dkim}\n      - {kind: spff}\n      - {kind: mx, match: eqal}",
			"maildrift.yml:5: domains[0].expect[1].kind: unknown record kind \"spff\": use ownership, spf, dkim, dmarc, mx, cname, ns, txt, a, aaaa, ptr, mta-sts, tls-rpt or bimi\n" +
				"maildrift.yml:4: domains[0].expect[0].host: a dkim record needs its host, for example selector1._domainkey\n" +
				"maildrift.yml:6: domains[0].expect[2].match: unknown match \"eqal\": use equal, contains, captured, present or maintained",
		},
		{"kind", "domains:\n  - domain: example.com\n    expect:\n      - {kind: spff}", `maildrift.yml:4: domains[0].expect[0].kind: unknown record kind "spff": use ownership, spf, dkim, dmarc, mx, cname, ns, txt, a, aaaa, ptr, mta-sts, tls-rpt or bimi`},
		{"selector", "domains:\n  - domain: example.com\n    expect:\n      - {kind: dkim}", `maildrift.yml:4: domains[0].expect[0].host: a dkim record needs its host, for example selector1._domainkey`},
		{"schedule", "domains:\n  - {domain: example.com, service: google-workspace, schedule: nightly}", `maildrift.yml:2: domains[0].schedule: there is no schedule "nightly"; known are default`},
		{"reserved label", "domains:\n  - {domain: example.com, service: google-workspace, labels: {severity: x}}", `maildrift.yml:2: domains[0].labels.severity: maildrift sets this label itself: choose another name`},
		{
			"twice by case and dot", "domains:\n  - {domain: Example.com, service: google-workspace}\n  - {domain: example.COM., service: google-workspace}",
			`maildrift.yml:3: domains[1].domain: domain example.com stands in maildrift.yml:2 already; keep one of them`,
		},
		{
			"twice by IDN", "domains:\n  - {domain: bücher.example, service: google-workspace}\n  - {domain: xn--bcher-kva.example, service: google-workspace}",
			`maildrift.yml:3: domains[1].domain: domain xn--bcher-kva.example stands in maildrift.yml:2 already; keep one of them`,
		},

		{"environment", "data_dir: ${NOWHERE}", `maildrift.yml:1: data_dir: environment variable NOWHERE is not set`},
		{"environment in Alertmanager's part", "alerting:\n  receivers:\n    - {name: a, webhook_configs: [{url: \"${HOOK}\"}]}", `maildrift.yml:3: alerting.receivers: environment variable HOOK is not set`},
		{"open brace", "data_dir: ${X", `maildrift.yml:1: data_dir: ${ without }; write $${ for the characters themselves`},
		{"heartbeat", "alerting: {heartbeat_url: nowhere}", `maildrift.yml:1: alerting.heartbeat_url: want an http:// or https:// URL`},
		{"Alertmanagers beside receivers", "alerting:\n  alertmanagers: [{url: \"http://127.0.0.1:9093\"}]\n  receivers: [{name: a}]", `maildrift.yml:2: alerting.alertmanagers: alerts go to these: move route, receivers, inhibit_rules, time_intervals, templates and global to their configuration (see configs/alertmanager/external.yml)`},
		{"an Alertmanager without a scheme", "alerting:\n  alertmanagers: [{url: \"127.0.0.1:9093\"}]", `maildrift.yml:2: alerting.alertmanagers[0].url: want http://HOST:PORT or https://…, with the path prefix if there is one`},
		{"an unknown key of an Alertmanager", "alerting:\n  alertmanagers: [{url: \"http://127.0.0.1:9093\", tls: {}}]", `maildrift.yml:2: alerting.alertmanagers[0].tls: unknown key; known are http_config, timeout, url`},
		{"a language", "alerting: {language: zh}", `maildrift.yml:1: alerting.language: there is no language "zh": use en or zh-CN`},
		{"failing too soon", "alerting: {notifier_failing_after: 1s}", `maildrift.yml:1: alerting.notifier_failing_after: 1s is too short: a receiver that fails once is tried again by itself; use 1m or more`},
		{"include outside", "include: [../other.yml]", `maildrift.yml:1: include[0]: "../other.yml" must lie in the folder of maildrift.yml or below it`},
		{"include absolute", "include: [/etc/passwd]", `maildrift.yml:1: include[0]: "/etc/passwd" must lie in the folder of maildrift.yml or below it`},
		{"include missing", "include: [fleet.yml]", `maildrift.yml:1: include[0]: there is no file "fleet.yml"`},
		{"empty file", "", `maildrift.yml: the file is empty: is it still being written?`},
		{"only comments", "# nothing\n", `maildrift.yml: the file is empty: is it still being written?`},
		{"a quorum that cannot be", "quorum: {min_operators: 99}", `maildrift.yml:1: schedules.default: it asks 12 resolver operators but quorum.min_operators is 99: nothing could ever be judged; add resolvers or lower it`},
		{"a broken schedule is not a missing one", "schedules: {default: {cron: x}}\ndomains: [{domain: example.com, service: google-workspace}]", `maildrift.yml:1: schedules.default.cron: "x" is not a cron expression (minute hour day month weekday): expected exactly 5 fields, found 1: [x]`},
		{"two documents", "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n", `maildrift.yml: more than one YAML document; keep one`},
		{"not YAML", "a: [", `maildrift.yml: line 1: did not find expected node content`},
		{"a list as file", "- a", `maildrift.yml:1: want a mapping of keys to values, got a list`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(t, one(tt.text)); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := load(t, map[string]string{
		"maildrift.yml": "lisen: x\nconfirm: {wait: soon}\ninclude: [\"d/*.yml\"]\ndomains:\n  - {domain: a.example.com, service: google-workspace}\n",
		"d/a.yml":       "domains:\n  - {domain: A.example.com., service: google-workspace}\n",
		"d/b.yml":       "listen: 127.0.0.1:1\n",
	})
	want := `maildrift.yml:1: lisen: unknown key; did you mean "listen"?
maildrift.yml:2: confirm.wait: "soon" is not a duration: write for example 30s, 15m, 48h or 400d
d/a.yml:2: domains[0].domain: domain a.example.com stands in maildrift.yml:5 already; keep one of them
d/b.yml:1: listen: unknown key; known are domains`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// TestWhatChecksFindIsToldWithTheRest in the place where it stands, but not what follows from a value that could not be taken.
func TestWhatChecksFindIsToldWithTheRest(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "maildrift.yml")
	text := "lisen: x\nalerting:\n  route:\n    receiver: a\n    routes:\n      - receiver: b\n  receivers:\n    - name: a\n      webhook_configs: [{url: \"${HOOK}\"}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, noEnv, presets(t), func(c *Config, wrong func(path, text string)) {
		if c.File != path || !strings.Contains(string(c.Alerting.YAML), "receiver: b") {
			t.Errorf("the check is given %+v", c)
		}
		wrong("alerting.route.routes[0].receiver", "there is no b")
		wrong("alerting.route.group_wait", "too short")
		wrong("alerting.receivers[0].webhook_configs[0].url", "no URL")
	})
	want := `maildrift.yml:1: lisen: unknown key; did you mean "listen"?
maildrift.yml:9: alerting.receivers: environment variable HOOK is not set
maildrift.yml:6: alerting.route.routes[0].receiver: there is no b
maildrift.yml:4: alerting.route.group_wait: too short`
	if got := stripDir(err, dir); cfg != nil || got == nil || got.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", got, want)
	}
}

// TestSweepsThatOverlapWithTheirConfirmationAreWarnedOf since those that come meanwhile are skipped.
func TestSweepsThatOverlapWithTheirConfirmationAreWarnedOf(t *testing.T) {
	for text, want := range map[string]string{
		"schedules: {default: {every: 30s}}":                             "",
		"schedules: {default: {every: 5s}}\nconfirm: {wait: 2s}":         "",
		"schedules: {default: {every: 5s}}\nconfirm: {times: 0}":         "",
		"schedules: {default: {every: 5s}}":                              "schedule default sweeps every 5s, but what seems to have changed is asked about again after 30s (confirm.wait): ",
		"schedules: {fast: {cron: \"* * * * *\"}}\nconfirm: {wait: 90s}": "schedule fast sweeps every 1m, but what seems to have changed is asked about again after 1m30s (confirm.wait): ",
	} {
		cfg, err := load(t, one(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.Warnings, "\n"); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: warnings %q, want %q", text, got, want)
		}
	}
}

func TestPresetsOfOnesOwn(t *testing.T) {
	const domain = "domains:\n  - {domain: a.example.com, service: inhouse}\n"
	const inhouse = "id: inhouse\ntitle: In-house\nsummary: Ours.\nrecords:\n  - {key: mx, title: takes mail, kind: mx, host: \"@\", want: [10 mx.example.net]}\n"
	tests := []struct {
		ask   string
		files map[string]string
		want  string
	}{
		{"a service of one's own", map[string]string{"maildrift.yml": "presets: [p/*.yml]\n" + domain, "p/inhouse.yml": inhouse}, ""},
		{"one file", map[string]string{"maildrift.yml": "presets: p/inhouse.yml\n" + domain, "p/inhouse.yml": inhouse}, ""},
		{"named twice", map[string]string{"maildrift.yml": "presets: [p/inhouse.yml, p/*.yml]\n" + domain, "p/inhouse.yml": inhouse}, ""},
		{"in place of a built-in one", map[string]string{"maildrift.yml": "presets: [p/*.yml]", "p/ses.yml": "id: ses\nreplace: true\n"}, ""},
		{"a built-in one's ID", map[string]string{"maildrift.yml": "presets: [p/*.yml]", "p/ses.yml": "title: X\nid: ses\n"}, `p/ses.yml:2: there is a preset "ses" already (presets/ses.yml)`},
		{"one ID twice", map[string]string{"maildrift.yml": "presets: [p/*.yml, q/*.yml]", "p/x.yml": "id: x\n", "q/x.yml": "id: x\n"}, `q/x.yml:1: there is a preset "x" already (p/x.yml)`},
		{"a misspelt key", map[string]string{"maildrift.yml": "presets: [p/*.yml]", "p/x.yml": "id: x\ntitel: X\n"}, "p/x.yml:2: field titel not found"},
		{"all that is wrong with one, and nothing of whom it is for", map[string]string{
			"maildrift.yml": "presets: [p/*.yml]\n" + domain,
			"p/inhouse.yml": "id: inhouse\nparams:\n  - {name: a, title: A}\nrecords:\n  - {key: mx, kind: mx, host: \"@\"}\n  - {key: a, title: A, kind: a, host: \"@\", when: [b]}\n",
		}, "p/inhouse.yml:3: parameter a: it needs an example\np/inhouse.yml:5: record mx: it needs a key, a title and a host\np/inhouse.yml:6: record a: when: unknown parameter \"b\""},
		{"misspelt keys", map[string]string{"maildrift.yml": "presets: [p/*.yml]", "p/x.yml": "id: x\ntitel: X\nlisen: X\n"}, "p/x.yml:3: field lisen not found"},
		{"an unknown kind", map[string]string{"maildrift.yml": "presets: [p/*.yml]", "p/x.yml": "id: x\nrecords:\n  - {key: mx, kind: mxx}\n"}, `p/x.yml:3: unknown record kind "mxx"`},
		{"no file", map[string]string{"maildrift.yml": "\npresets: [p/x.yml]"}, `maildrift.yml:2: presets[0]: there is no file "p/x.yml"`},
		{"outside", map[string]string{"maildrift.yml": "presets: [../x.yml]"}, `maildrift.yml:1: presets[0]: "../x.yml" must lie in the folder of maildrift.yml or below it`},
	}
	for _, tt := range tests {
		t.Run(tt.ask, func(t *testing.T) {
			cfg, err := load(t, tt.files)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "unknown mail service") {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Domains) > 0 && cfg.Domains[0].Records[0].Want[0] != "10 mx.example.net" {
				t.Errorf("records %+v", cfg.Domains[0].Records)
			}
			if _, err := cfg.Presets.Get("directmail"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheShippedExampleHoldsAndShowsTheDefaults(t *testing.T) {
	example, err := load(t, one(string(configs.Example)))
	if err != nil {
		t.Fatal(err)
	}
	if len(example.Warnings) != 0 {
		t.Errorf("the example warns: %v", example.Warnings)
	}
	empty, err := load(t, one("domains: []"))
	if err != nil {
		t.Fatal(err)
	}
	if example.Rules != empty.Rules || example.Gate != empty.Gate || example.Quarantine != empty.Quarantine || example.Asking != empty.Asking || example.Authority != empty.Authority ||
		example.Retention != empty.Retention || example.Metrics.PerRecordLimit != empty.Metrics.PerRecordLimit || !maps.Equal(example.Metrics.PerRecordLabels, empty.Metrics.PerRecordLabels) || example.Log != empty.Log || example.Recheck != empty.Recheck ||
		example.Listen != empty.Listen || example.DataDir != empty.DataDir || example.ExternalURL != empty.ExternalURL ||
		example.Alerting.Resend != empty.Alerting.Resend || !slices.Equal(example.Canaries, empty.Canaries) ||
		example.Schedules["default"].Text != empty.Schedules["default"].Text {
		t.Errorf("the example shows other values than the defaults:\n%+v\n%+v", example, empty)
	}
}

func TestBuiltinResolvers(t *testing.T) {
	cfg, err := load(t, one("domains: []"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cfg.Groups["default"]); n < 12 {
		t.Errorf("%d operators by default, want at least 12", n)
	}
	operators := map[resolve.Operator]bool{}
	for _, s := range cfg.Groups["default"] {
		if operators[s.Operator] {
			t.Errorf("operator %s has two votes by default", s.Operator)
		}
		operators[s.Operator] = true
	}
	ids := map[string]bool{}
	for _, r := range builtinResolvers() {
		if ids[r.Name] {
			t.Errorf("%s is listed twice", r.Name)
		}
		ids[r.Name] = true
		for _, a := range r.Addresses {
			ap, err := parseAddr(a, r.Transport)
			if err != nil || !ap.Addr().IsGlobalUnicast() || ap.Addr().IsPrivate() || ap.Port() != 53 {
				t.Errorf("%s: address %s: %v", r.Name, a, err)
			}
		}
		if r.Rate <= 0 || r.Rate > 100 {
			t.Errorf("%s: rate %v is no gentle one", r.Name, r.Rate)
		}
	}
	if len(Builtin()) < 12 {
		t.Errorf("Builtin gives %d resolvers", len(Builtin()))
	}
}

func TestResolversAreAddedDroppedReplacedAndGrouped(t *testing.T) {
	cfg, err := load(t, one(`
resolvers:
  drop: [yandex]
  list:
    - {name: office, operator: us, addresses: ["192.0.2.1:5353", 192.0.2.2], rate: 7, window: 3, timeout: 250ms}
    - {name: google, addresses: [192.0.2.8], transport: dot, tls_name: dns.example}
    - {name: web, addresses: [192.0.2.9], transport: doh, url: "https://dns.example/dns-query"}
  groups:
    cn: [alidns, dnspod]
schedules:
  default: {cron: "@hourly"}
  china: {every: 250ms, resolvers: cn}
domains:
  - {domain: example.com, service: google-workspace, schedule: china}
`))
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*resolve.Source{}
	for _, s := range cfg.Groups["default"] {
		byID[s.ID] = s
	}
	office := byID["office"]
	if office == nil || office.Operator != "us" || office.Addrs[0].String() != "192.0.2.1:5353" || office.Addrs[1].Port() != 53 || office.Rate != 7 || office.Timeout != 250*time.Millisecond {
		t.Errorf("office is %+v", office)
	}
	if g := byID["google"]; g.Transport != resolve.DoT || g.Addrs[0].Port() != 853 || g.ServerName != "dns.example" {
		t.Errorf("google is %+v, want the replacement", g)
	}
	if w := byID["web"]; w.Transport != resolve.DoH || w.Addrs[0].Port() != 443 {
		t.Errorf("web is %+v", w)
	}
	if byID["yandex"] != nil || byID["alidns"] != nil {
		t.Error("a dropped one, or one that no default has, is asked")
	}
	if len(cfg.Groups["cn"]) != 2 || cfg.Schedules["china"].Resolvers != "cn" {
		t.Errorf("group cn is %v", cfg.Groups["cn"])
	}
}

func TestFewOperatorsAreWarnedOf(t *testing.T) {
	cfg, err := load(t, one("quorum: {min_operators: 1}\nlisten: 0.0.0.0:9853\nresolvers: {builtin: false, list: [{name: a, addresses: [192.0.2.1]}, {name: b, operator: a, addresses: [192.0.2.2]}]}\nauthority: {enabled: false}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) != 3 || !strings.Contains(cfg.Warnings[0], "asks only 1 resolver operators") || !strings.Contains(cfg.Warnings[2], "--allow-remote") {
		t.Errorf("warnings %q", cfg.Warnings)
	}
}

func TestF89F92Forms(t *testing.T) {
	cfg, err := load(t, one("\ufeffdomains:\r\n  - domain: Example.com.\r\n    service: google-workspace\r\n    expect:\r\n      - {kind: ownership, value: x}\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := cfg.Domains[0]
	if d.Name != "example.com" || d.Origin.Line != 2 || !strings.HasSuffix(d.Origin.File, "maildrift.yml") {
		t.Errorf("%s at %+v", d.Name, d.Origin)
	}
	if r, ok := d.Record("ownership"); !ok || !slices.Equal(r.Want, []string{"x"}) {
		t.Errorf("one value without its list is %v", r.Want)
	}
}

func TestF95AYAMLBombEndsSoon(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 12 {
		bomb.WriteString("a" + string(rune('b'+i)) + ": &a" + string(rune('b'+i)) + " [")
		prev := "*a0"
		if i > 0 {
			prev = "*a" + string(rune('b'+i-1))
		}
		bomb.WriteString(strings.TrimSuffix(strings.Repeat(prev+",", 10), ",") + "]\n")
	}
	bomb.WriteString("include: *am\n")
	began := time.Now()
	if _, err := load(t, one(bomb.String())); err == nil || time.Since(began) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if _, err := load(t, one(strings.Repeat("[", 20000)+strings.Repeat("]", 20000))); err == nil {
		t.Error("20,000 levels are accepted")
	}
}

// TestF95AliasesStandForSoMuchOnly: a short file may not stand for a long one.
func TestF95AliasesStandForSoMuchOnly(t *testing.T) {
	const records = 1000
	short := "domains:\n  - {domain: a.example, expect: &all [" + strings.Repeat("{kind: txt, value: x}, ", records) + "]}\n" +
		strings.Repeat("  - {domain: b.example, expect: *all}\n", records)
	_, err := load(t, one(short))
	if err == nil || !strings.Contains(err.Error(), "too large: aliases stand for more than 1000000 values; write out what they stand for") {
		t.Errorf("a thousand times a thousand records in %d KB: %.300v", len(short)/1024, err)
	}
}

func TestTheHashTellsWhetherAnythingChanged(t *testing.T) {
	files := map[string]string{"maildrift.yml": "include: [d.yml]", "d.yml": "domains: [{domain: example.com, service: google-workspace}]"}
	a, err := load(t, files)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := load(t, files)
	files["d.yml"] += " "
	c, _ := load(t, files)
	if a.Hash != b.Hash || a.Hash == c.Hash {
		t.Errorf("hashes %s, %s, %s", a.Hash, b.Hash, c.Hash)
	}
}

func TestF99SecretsAreNotShown(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "url"), []byte("https://example.com/secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := load(t, one("alerting: {heartbeat_url_file: "+filepath.Join(dir, "url")+"}"))
	if err != nil {
		t.Fatal(err)
	}
	shown, _ := cfg.Alerting.Heartbeat.MarshalText()
	if string(cfg.Alerting.Heartbeat) != "https://example.com/secret" || strings.Contains(cfg.Alerting.Heartbeat.String()+string(shown), "secret") {
		t.Errorf("shown as %s, %s", cfg.Alerting.Heartbeat, shown)
	}
}

func TestF69DaylightSaving(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	schedule := func(cron string) Schedule {
		next, err := parseSchedule(cron, 0, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return Schedule{next: next, location: berlin, fixedHour: namesHour(cron)}
	}
	runs := func(s Schedule, from, to time.Time) []string {
		var out []string
		for at := s.Next(from); at.Before(to); at = s.Next(at) {
			out = append(out, at.UTC().Format("15:04"))
		}
		return out
	}
	// Clocks jump from 02:00 to 03:00 at 01:00 UTC on 2026-03-29, and from 03:00 back to 02:00 at 01:00 UTC on 2026-10-25.
	spring := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)
	autumn := time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)
	tests := []struct {
		cron string
		from time.Time
		want []string
	}{
		{"30 2 * * *", spring, []string{"01:00"}},
		{"0 2 * * *", spring, []string{"01:00"}},
		{"30 1 * * *", spring, []string{"00:30"}},
		{"30 3 * * *", spring, []string{"01:30"}},
		{"30 2 * * *", autumn, []string{"00:30"}},
		{"30 3 * * *", autumn, []string{"02:30"}},
		{"30 * * * *", spring, []string{"23:30", "00:30", "01:30", "02:30", "03:30"}},
		{"30 * * * *", autumn, []string{"22:30", "23:30", "00:30", "01:30", "02:30"}},
	}
	for _, tt := range tests {
		if got := runs(schedule(tt.cron), tt.from, tt.from.Add(5*time.Hour)); !slices.Equal(got, tt.want) {
			t.Errorf("%q from %s runs at %v UTC, want %v", tt.cron, tt.from.Format("2006-01-02"), got, tt.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(string(configs.Example))
	f.Add("domains: [{domain: a.b, expect: [{kind: spf}]}]")
	f.Add("a: &a [*a]")
	set := presets(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "maildrift.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path, noEnv, set)
		if err != nil && cfg != nil {
			t.Error("half a configuration came with an error")
		}
	})
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"* * * * *", "@every 1s", "@yearly", "TZ=", "0 0 30 2 *", "1-0/0 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := parseSchedule(expr, 0, time.UTC)
		if err != nil {
			return
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 3 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q: after %s comes %s", expr, at, next)
			}
			at = next
		}
	})
}

func TestFlappingFollowsTheSchedules(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"schedules: {default: {cron: \"*/15 * * * *\"}}":                                  {time.Hour, 30 * time.Minute},
		"schedules: {default: {every: 1s}}":                                               {20 * time.Second, 10 * time.Second},
		"schedules: {default: {every: 1s}, slow: {every: 1m}}":                            {20 * time.Minute, 10 * time.Minute},
		"schedules: {default: {every: 1s}}\nflapping: {within: 2h}":                       {2 * time.Hour, 30 * time.Minute},
		"schedules: {default: {every: 1s}}\nflapping: {changes: 0, within: 5m, calm: 1m}": {5 * time.Minute, time.Minute},
	} {
		cfg, err := load(t, one(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]time.Duration{cfg.Rules.FlapWithin, cfg.Rules.FlapCalm}; got != want {
			t.Errorf("%s: within and calm are %v, want %v", text, got, want)
		}
	}
}

func TestPace(t *testing.T) {
	for text, want := range map[string]pace.Policy{"asking: {rate: 20}": pace.Auto, "asking: {pace: every}": pace.Every, "asking: {pace: ttl}": pace.TTL, "asking: {pace: auto}": pace.Auto} {
		cfg, err := load(t, one(text))
		if err != nil || cfg.Asking.Pace != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestSpread(t *testing.T) {
	for text, want := range map[string]float64{"asking: {rate: 20}": 0.5, "asking: {spread: 0}": 0, "asking: {spread: 0.9}": 0.9} {
		cfg, err := load(t, one(text))
		if err != nil || cfg.Asking.Spread != want {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}
