package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func TestConfigDefaults(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		receiver   string
		groupBy    []string
	}{
		{"nothing", "", "default", defaultGroupBy()},
		{"only a comment", "# later\n", "default", defaultGroupBy()},
		{"flow style", "{}", "default", defaultGroupBy()},
		{"empty sections", "route:\nreceivers: []\n", "default", defaultGroupBy()},
		{"empty route in flow style", "{global: {resolve_timeout: 1m}, route: {}}", "default", defaultGroupBy()},
		{"one receiver", "receivers: [{name: \"on call\"}]", "on call", defaultGroupBy()},
		{"several, one called default", "receivers: [{name: a}, {name: default}]", "default", defaultGroupBy()},
		{"a route without receivers", "route: {receiver: default}", "default", defaultGroupBy()},
		{"grouping of one's own", "route: {receiver: default, group_by: [domain]}", "default", []string{"domain"}},
		{"all in one group", "route: {receiver: default, group_by: []}", "default", []string{}},
		{"no grouping at all", "route: {receiver: default, group_by: ['...']}", "default", []string{"..."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := parse(t, tc.text)
			if got := c.am.Route.Receiver; got != tc.receiver {
				t.Errorf("receiver %q, want %q", got, tc.receiver)
			}
			if diff := cmp.Diff(tc.groupBy, c.am.Route.GroupByStr); diff != "" {
				t.Errorf("group_by (-want +got):\n%s", diff)
			}
		})
	}
	c := parse(t, "")
	r := c.am.Route
	got := []*model.Duration{r.GroupWait, r.GroupInterval, r.RepeatInterval}
	want := []*model.Duration{dur(30 * time.Second), dur(5 * time.Minute), dur(12 * time.Hour)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"default"}, c.Receivers()); diff != "" {
		t.Errorf("receivers (-want +got):\n%s", diff)
	}
}

func dur(d time.Duration) *model.Duration {
	m := model.Duration(d)
	return &m
}

func TestConfigErrorsHelpAndKeepSecrets(t *testing.T) {
	const secret = "https://hooks.example/T0K3N/abc"
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"not YAML", "route: [", []string{"line 1"}},
		{"not a mapping", "- a", []string{"want a mapping"}},
		{"unknown field", "receivers:\n- name: a\n  webhok_configs: []", []string{"line 3", `unknown field "webhok_configs"`, "for its name and place"}},
		{"undefined receiver", "route: {receiver: nobody}\nreceivers: [{name: a}]", []string{`"nobody"`, "add it under receivers"}},
		{"no route for several receivers", "receivers: [{name: a}, {name: b}]", []string{"route is missing", `["a" "b"]`, "add route:"}},
		{"zero interval", "route: {receiver: default, group_interval: 0s}", []string{"group_interval cannot be zero", "5m"}},
		{"tracing", "tracing: {endpoint: x}", []string{"line 1", "tracing is not available"}},
		{"undefined time interval", "route: {receiver: default, routes: [{active_time_intervals: [x]}]}", []string{`"x"`, "time_intervals"}},
		{"bad URL", "receivers:\n- name: a\n  webhook_configs: [{url: '://hooks.example/T0K3N/abc'}]", []string{"invalid URL"}},
		{"URL of the wrong type", "receivers:\n- name: a\n  slack_configs: [{api_url: [" + secret + "]}]", []string{"line 3"}},
		{"secret as a field", "receivers:\n- name: a\n  webhook_configs: [{'" + secret + "': 1}]", []string{"unknown field"}},
		{"smtp", "receivers: [{name: a, email_configs: [{to: a@b.example}]}]", []string{"smarthost"}},
		{"missing CA file", "receivers: [{name: a, webhook_configs: [{url: '" + secret + "', http_config: {tls_config: {ca_file: /no/ca.pem}}}]}]", []string{"/no/ca.pem", `receiver "a"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseConfig([]byte(tc.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(tc.want, "alert configuration: ") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "T0K3N") {
				t.Errorf("secret in %q", err)
			}
		})
	}
}

func TestConfigPrintsWithoutSecrets(t *testing.T) {
	c := parse(t, "receivers: [{name: a, webhook_configs: [{url: 'https://hooks.example/T0K3N'}]}]")
	if s := c.String(); strings.Contains(s, "T0K3N") || !strings.Contains(s, "<secret>") {
		t.Error(s)
	}
}

func TestConfigFilesAreRelativeToItsDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.tmpl"), []byte(`{{ define "x" }}{{ end }`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseConfigIn(dir, []byte("templates: ['*.tmpl']")); err == nil || !strings.Contains(err.Error(), "templates:") {
		t.Errorf("broken template: error %v", err)
	}
	_, err := ParseConfigIn(dir, []byte("receivers: [{name: a, webhook_configs: [{url: 'http://h.example', http_config: {tls_config: {ca_file: ca.pem}}}]}]"))
	if want := filepath.Join(dir, "ca.pem"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one about %s", err, want)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{"", "{}", "route: {receiver: default}", "receivers: [{name: a}]", "route:\n- 1", "a: &a [*a]", "receivers: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConfig([]byte(s))
		if (c == nil) == (err == nil) {
			t.Errorf("config %v, error %v", c, err)
		}
	})
}
