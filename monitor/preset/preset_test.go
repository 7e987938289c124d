package preset_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"maildrift/configs"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

const sample = rrset.Name("notice.example.com")

func get(t testing.TB, id string) preset.Preset {
	t.Helper()
	p, err := shipped(t).Get(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// examples gives every parameter its example.
func examples(p preset.Preset) map[string]string {
	params := map[string]string{}
	for _, q := range p.Params {
		params[q.Name] = q.Example
	}
	return params
}

func expand(t testing.TB, id string, params map[string]string) []preset.Expected {
	t.Helper()
	expected, err := get(t, id).Expand(sample, params)
	if err != nil {
		t.Fatal(err)
	}
	return expected
}

func keys(expected []preset.Expected) string {
	var out []string
	for _, e := range expected {
		out = append(out, e.Key)
	}
	return strings.Join(out, " ")
}

func find(t testing.TB, expected []preset.Expected, key string) preset.Expected {
	t.Helper()
	for _, e := range expected {
		if e.Key == key {
			return e
		}
	}
	t.Fatalf("no record %s among %s", key, keys(expected))
	return preset.Expected{}
}

// TestWhatIsPublishedVerifies publishes exactly what each preset says, and then takes
// each record away again.
func TestWhatIsPublishedVerifies(t *testing.T) {
	for _, p := range shipped(t).List() {
		for _, way := range samples(p)[1:] {
			expected, err := p.Expand(sample, way.params)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range expected {
				t.Run(p.ID+" "+way.title+" "+e.Key, func(t *testing.T) { verifies(t, e) })
			}
		}
	}
}

func verifies(t *testing.T, e preset.Expected) {
	if len(e.Publish) == 0 {
		if e.Expectation.Match != mailrec.Present {
			t.Error("nothing to publish, but not the service's own record")
		}
		return
	}
	var lines []string
	for _, line := range e.Publish {
		if line.Placeholder || line.Name != e.Name || line.Type != e.Expectation.Kind.Type() {
			t.Errorf("publishes %+v", line)
		}
		lines = append(lines, line.Value)
	}
	set, err := rrset.Parse(e.Expectation.Kind.Type(), lines...)
	if err != nil {
		t.Fatal(err)
	}
	if f := e.Expectation.Check(set); f.Class != mailrec.Same {
		t.Errorf("what is to be published is %s: %s", f.Class, f.Reason)
	}
	gone := e.Expectation.Compare(e.Expectation.Select(set), rrset.NewSet(set.Type))
	if gone.Class != mailrec.Absent || gone.Impact < mailrec.Degraded {
		t.Errorf("taken away it is %s, %s", gone.Class, gone.Impact)
	}
}

func TestDirectMailGenerations(t *testing.T) {
	tests := []struct {
		ask    string
		params map[string]string
		want   string
	}{
		{"a new domain", nil, "spf dkim:aliyun-cn-hangzhou dmarc mx"},
		{"an old domain", map[string]string{"generation": "old"}, "ownership spf mx"},
		{"an old domain with a key at default", map[string]string{"generation": "old", "selector": "default"}, "ownership spf dkim:default mx"},
		{"a new domain with a token", map[string]string{"ownership": "0123456789abcdef0123"}, "ownership spf dkim:aliyun-cn-hangzhou dmarc mx"},
		{"another region", map[string]string{"region": "eu-central-1"}, "spf dkim:aliyun-eu-central-1 dmarc mx"},
		{"tracking", map[string]string{"tracking": "dmtrace"}, "spf dkim:aliyun-cn-hangzhou dmarc mx cname:dmtrace"},
		{"an empty parameter is none", map[string]string{"tracking": " "}, "spf dkim:aliyun-cn-hangzhou dmarc mx"},
	}
	for _, tt := range tests {
		if got := keys(expand(t, "directmail", tt.params)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.ask, got, tt.want)
		}
	}
}

func TestDirectMailBesideAlibabaMail(t *testing.T) {
	spf := find(t, expand(t, "directmail", nil), "spf")
	set, err := rrset.Parse(rrset.TXT, "v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all")
	if err != nil {
		t.Fatal(err)
	}
	if f := spf.Expectation.Check(set); f.Class != mailrec.Same {
		t.Errorf("the merged record is %s: %s", f.Class, f.Reason)
	}
	two, err := rrset.Parse(rrset.TXT, "v=spf1 include:spf.qiye.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com -all")
	if err != nil {
		t.Fatal(err)
	}
	if f := spf.Expectation.Check(two); f.Class != mailrec.Differs || !strings.Contains(f.Reason, "permerror") {
		t.Errorf("two records are %s: %s", f.Class, f.Reason)
	}
}

func TestWithoutAPastedKeyTheKeyMustBeUsable(t *testing.T) {
	dkim := find(t, expand(t, "directmail", nil), "dkim:aliyun-cn-hangzhou")
	if dkim.Expectation.Match != mailrec.Captured || !dkim.Expectation.Usable || !dkim.Publish[0].Placeholder {
		t.Errorf("got %+v", dkim)
	}
}

func TestHostsAsPanelsWantThem(t *testing.T) {
	tests := []struct{ domain, key, host, name string }{
		{"example.com", "mx", "@", "example.com"},
		{"example.com", "dmarc", "_dmarc", "_dmarc.example.com"},
		{"sub.example.com", "mx", "sub", "sub.example.com"},
		{"sub.example.com", "ownership", "aliyundm.sub", "aliyundm.sub.example.com"},
		{"mail.example.co.uk", "dmarc", "_dmarc.mail", "_dmarc.mail.example.co.uk"},
	}
	for _, tt := range tests {
		expected, err := get(t, "directmail").Expand(rrset.MustName(tt.domain), map[string]string{"ownership": "0123456789abcdef0123"})
		if err != nil {
			t.Fatal(err)
		}
		e := find(t, expected, tt.key)
		if e.Publish[0].Host != tt.host || string(e.Name) != tt.name {
			t.Errorf("%s of %s is published at %q (%s), want %q (%s)", tt.key, tt.domain, e.Publish[0].Host, e.Name, tt.host, tt.name)
		}
	}
}

func TestWrongParametersAreExplained(t *testing.T) {
	ses := examples(get(t, "ses"))
	with := func(name, value string) map[string]string {
		params := map[string]string{}
		for k, v := range ses {
			params[k] = v
		}
		params[name] = value
		return params
	}
	tests := []struct {
		id     string
		params map[string]string
		says   []string
	}{
		{"directmail", map[string]string{"regoin": "cn-hangzhou"}, []string{`did you mean "region"?`}},
		{"directmail", map[string]string{"region": "cn-hangzou"}, []string{`did you mean "cn-hangzhou"?`}},
		{"directmail", map[string]string{"region": "mars"}, []string{"there are cn-hangzhou, ap-southeast-1"}},
		{"directmail", map[string]string{"ownership": "nope"}, []string{"ownership token", "for example ownership: 0123456789abcdef0123"}},
		{"directmail", map[string]string{"dkim": "v=DKIM1; p=AAAA"}, []string{"record dkim:", "RSA public key"}},
		{"directmail", map[string]string{"dmarc": "v=DMARC1; adkim=s"}, []string{"no valid policy"}},
		{"directmail", map[string]string{"selector": "a b"}, []string{"DKIM selector"}},
		{"ses", nil, []string{"tokens", "is missing", "for example tokens: aaaabbbb"}},
		{"ses", with("tokens", "short"), []string{`"short" is not`}},
		{"ses", with("tokens", ses["tokens"]+","+ses["tokens"]), []string{"two records"}},
		{"ses", with("mail_from", "bounce.notice.example.com"), []string{"already ends in notice.example.com"}},
		{"sendgrid", map[string]string{"account": "1"}, []string{"account"}},
		{"custom", map[string]string{"x": "y"}, []string{"takes none"}},
	}
	for _, tt := range tests {
		_, err := get(t, tt.id).Expand(sample, tt.params)
		for _, says := range tt.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s %v: %v; want an error with %q", tt.id, tt.params, err, says)
			}
		}
	}
}

func TestUnknownServiceIsExplained(t *testing.T) {
	for id, says := range map[string]string{"directmial": `did you mean "directmail"?`, "SES": `did you mean "ses"?`, "hotmail-plus": "there are alibaba-mail, brevo, custom, directmail"} {
		if _, err := shipped(t).Get(id); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v; want an error with %q", id, err, says)
		}
	}
}

func TestSESWithdrawsAfterThreeDays(t *testing.T) {
	for _, id := range []string{"ses", "resend"} {
		if d := get(t, id).Deadline; d != 72*time.Hour {
			t.Errorf("the deadline of %s is %s", id, d)
		}
	}
}

func TestMicrosoftDoesNotWatchTheIdleSelector(t *testing.T) {
	got := keys(expand(t, "microsoft365", map[string]string{"tenant": "contoso"}))
	if strings.Contains(got, "dkim:") {
		t.Errorf("without an active selector: %s", got)
	}
	got = keys(expand(t, "microsoft365", map[string]string{"tenant": "contoso", "active_selector": "selector2"}))
	if !strings.Contains(got, "dkim:selector2") || strings.Contains(got, "dkim:selector1") {
		t.Errorf("with an active selector: %s", got)
	}
}

func TestLoadNamesFileAndLine(t *testing.T) {
	tests := []struct{ ask, text, says string }{
		{"unknown field", "id: x\ntitel: X\n", "p/x.yml:2: field titel not found"},
		{"no YAML", "id: [\n", "p/x.yml:"},
		{"empty", "", "p/x.yml:1:"},
		{"another ID", "title: X\nid: y\n", `p/x.yml:2: the ID is "y"`},
		{"unknown kind", "id: x\nrecords:\n  - {key: a, title: A, kind: spff, host: \"@\"}\n", `unknown record kind "spff"`},
		{"bad pattern", "id: x\nparams:\n  - {name: a, title: A, pattern: \"(\", example: b}\n", "p/x.yml:3: parameter a"},
		{"example does not fit", "id: x\nparams:\n  - {name: a, title: A, pattern: \"[0-9]\", example: b}\n", "own example"},
		{"parameter twice", "id: x\nparams:\n  - {name: a, title: A, example: b}\n  - {name: a, title: A, example: b}\n", "p/x.yml:4: parameter a: it is defined twice"},
		{"unknown placeholder", "id: x\nrecords:\n  - {key: a, title: A, kind: txt, host: \"{{b}}\"}\n", "p/x.yml:3: record a"},
		{"unclosed placeholder", "id: x\nrecords:\n  - {key: a, title: A, kind: txt, host: \"{{b\"}\n", "without }}"},
		{"unknown condition of a parameter", "id: x\nparams:\n  - {name: a, title: A, example: b, required_when: [c]}\n", "p/x.yml:3: parameter a: required_when: unknown parameter"},
		{"nothing to replace", "id: x\nreplace: true\n", `p/x.yml:2: there is no preset "x" to replace`},
		{"unknown condition", "id: x\nrecords:\n  - {key: a, title: A, kind: txt, host: \"@\", when: [b]}\n", "when: unknown parameter"},
		{"invalid wanted value", "id: x\nrecords:\n  - {key: a, title: A, kind: spf, host: \"@\", want: [v=spf1 foo]}\n", "foo"},
		{"two records of one key", "id: x\nrecords:\n  - {key: a, title: A, kind: spf, host: \"@\", match: present}\n  - {key: a, title: A, kind: mx, host: \"@\", match: present}\n", `two records "a"`},
		{"a missing table row", "id: x\nparams:\n  - {name: r, title: R, values: [a, b], default: a}\ntables: {r: {a: {m: mx.example}}}\nrecords:\n  - {key: mx, title: A, kind: mx, host: \"@\", want: [\"{{table.r.m}}\"]}\n", `no table row for r "b"`},
	}
	for _, tt := range tests {
		t.Run(tt.ask, func(t *testing.T) {
			_, err := preset.Load(fstest.MapFS{"p/x.yml": {Data: []byte(tt.text)}})
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "p/x.yml:") {
				t.Errorf("got %v; want an error with %q", err, tt.says)
			}
		})
	}
}

func TestAPresetOfOnesOwn(t *testing.T) {
	set := shipped(t)
	more, err := set.With("presets.d/inhouse.yml", []byte("id: inhouse\ntitle: In-house\nsummary: Ours.\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := more.Get("inhouse"); err != nil {
		t.Error(err)
	}
	if _, err := set.Get("inhouse"); err == nil {
		t.Error("the set that was added to has changed")
	}
	tests := []struct{ ask, text, says string }{
		{"a built-in one's ID", "title: Mine\nid: ses\n", `presets.d/ses.yml:2: there is a preset "ses" already (presets/ses.yml)`},
		{"in its place", "title: Mine\nid: ses\nreplace: true\n", ""},
		{"unknown field", "id: ses\nreplaces: true\n", "presets.d/ses.yml:2: field replaces not found"},
	}
	for _, tt := range tests {
		got, err := more.With("presets.d/ses.yml", []byte(tt.text))
		if tt.says == "" {
			if p, _ := got.Get("ses"); err != nil || p.Title != "Mine" || len(got.List()) != len(more.List()) {
				t.Errorf("%s: %v, %v", tt.ask, p.Title, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.ask, err, tt.says)
		}
	}
}

func TestWhatIsRequiredDependsOnTheWay(t *testing.T) {
	tests := []struct {
		id     string
		params map[string]string
		want   string
	}{
		{"ses", nil, "parameter tokens (the three DKIM tokens"},
		{"ses", map[string]string{"signing": "byodkim"}, "parameter selector (DKIM selector of your own key) is missing, for example selector: mine"},
		{"ses", map[string]string{"signing": "byodkim", "selector": "mine"}, ""},
		{"sendgrid", map[string]string{"security": "manual", "return_path": "mail"}, ""},
		{"resend", map[string]string{"tracking": "links"}, "parameter tracking_target"},
		{"mailgun", map[string]string{"security": "classic", "selector": "k1"}, ""},
	}
	for _, tt := range tests {
		_, err := get(t, tt.id).Expand(sample, tt.params)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s %v: %v, want %q", tt.id, tt.params, err, tt.want)
		}
	}
	filled := get(t, "ses").WithExamples(map[string]string{"signing": "byodkim"})
	if filled["selector"] != "mine" || filled["tokens"] != "" {
		t.Errorf("filled with examples: %v", filled)
	}
}

func TestShippedPresets(t *testing.T) {
	var ids []string
	for _, p := range shipped(t).List() {
		ids = append(ids, p.ID)
		if p.Title == "" || p.Summary == "" {
			t.Errorf("%s has no title or summary", p.ID)
		}
	}
	if got := strings.Join(ids, " "); got != "alibaba-mail brevo custom directmail google-workspace hosted-dmarc hubspot mailchimp mailersend mailgun mailjet mandrill "+
		"microsoft365 postmark resend sendgrid ses shopify sparkpost tencent-ses valimail zoho" {
		t.Errorf("presets are %s", got)
	}
}

func FuzzLoad(f *testing.F) {
	for _, id := range []string{"directmail", "ses", "microsoft365"} {
		text, err := configs.Presets.ReadFile("presets/" + id + ".yml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.Replace(string(text), "id: "+id, "id: x", 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := preset.Load(fstest.MapFS{"x.yml": {Data: []byte(text)}})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.yml:") {
				t.Errorf("the error names no file: %v", err)
			}
			return
		}
		for _, p := range set.List() {
			if expected, err := p.Expand(sample, examples(p)); err == nil {
				for _, e := range expected {
					if err := e.Expectation.Validate(); err != nil {
						t.Errorf("%s: %v", e.Key, err)
					}
				}
			}
		}
	})
}
