package alert

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAllFaultsOfAConfigurationAreSaid at once, each with its field.
func TestAllFaultsOfAConfigurationAreSaid(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Fault
	}{
		{"none", "route: {receiver: a}\nreceivers: [{name: a}]", nil},
		{"nothing at all", "", nil},
		{
			"in receivers, routes, rules and intervals", `
global: {smtp_smarthost: "mail.example:25", smtp_from: a@b.example}
route:
  receiver: on-cal
  routes:
    - {receiver: on-call, group_wiat: 3s, active_time_intervals: [night]}
    - {receiver: mail, routes: [{receiver: nobody}]}
receivers:
  - name: on-call
    webhook_configs:
      - {url: "http://h.example/T0K3N", http_config: {tls_config: {ca_file: /no/ca.pem}}}
      - {url: "://T0K3N", max_alerts: many}
      - {url: "http://h.example/fine"}
    webhok_configs: [{url: "http://h.example/"}]
  - name: mail
    email_configs: [{to: a@b.example}]
    slack_configs: [{channel: x}]
  - name: mail
  - {}
inhibit_rules:
  - {source_matchers: ["a=b"], equal: [x]}
  - {source_matchers: ["="]}
time_intervals:
  - {name: day, time_intervals: [{weekdays: [someday]}]}
templates: [/no/where/x.tmpl]
`,
			[]Fault{
				{"receivers[2].name", `"mail" is used twice, the first is receivers[1]: give each a name of its own`},
				{"route.receiver", `undefined receiver "on-cal" used in route: add it under receivers, or correct its name`},
				{"route.routes[0].group_wiat", `unknown field "group_wiat": see https://prometheus.io/docs/alerting/latest/configuration/ for its name and place`},
				{"route.routes[1].routes[0].receiver", `undefined receiver "nobody" used in route: add it under receivers, or correct its name`},
				{"receivers[0].webhook_configs[0]", `receiver "on-call": unable to read CA cert: unable to read file /no/ca.pem: open /no/ca.pem: no such file or directory`},
				{"receivers[0].webhook_configs[1]", "invalid URL: parse <secret>: missing protocol scheme"},
				{"receivers[0].webhok_configs", `unknown field "webhok_configs": see https://prometheus.io/docs/alerting/latest/configuration/ for its name and place`},
				{"receivers[1].slack_configs[0]", "no Slack API URL nor App token set either inline or in a file: set api_url in slack_configs, or global.slack_api_url"},
				{"receivers[3]", "missing name in receiver: set name, so that routes can lead to it"},
				{"inhibit_rules[1]", `bad matcher format: =: write NAME="VALUE", or with !=, =~ or !~`},
				{"time_intervals[0]", "someday is not a valid weekday: write monday to sunday, or a range such as monday:friday"},
			},
		},
		{
			"a broken global section does not hide what is wrong elsewhere, nor make it up", `
global: {resolve_timeout: soon, smtp_smarthost: "mail.example:25", smtp_from: a@b.example}
route: {receiver: a}
receivers: [{name: a, email_configs: [{to: a@b.example}]}, {name: b, webhook_configs: [{}]}]
`,
			[]Fault{
				{"global", `not a valid duration string: "soon": write for example 30s, 5m or 12h`},
				{"receivers[1].webhook_configs[0]", "one of url or url_file must be configured"},
			},
		},
		{"no route for several receivers", "receivers: [{name: a, webhook_configs: [{}]}, {name: b}]", []Fault{
			{"receivers", `route is missing and there are 2 receivers ["a" "b"]: add route: {receiver: NAME}`},
			{"receivers[0].webhook_configs[0]", "one of url or url_file must be configured"},
		}},
		{"no mapping", "- a", []Fault{{"", "want a mapping of Alertmanager's sections: global, route, receivers, …"}}},
		{"a section of the wrong kind", "receivers: x\nroute: {receiver: a}", []Fault{{"receivers", "want a list of receivers"}}},
		{"aliases", "route: {receiver: a, routes: [&r {receiver: b}, *r]}\nreceivers: [{name: a}]", []Fault{
			{"route.routes[0].receiver", `undefined receiver "b" used in route: add it under receivers, or correct its name`},
			{"route.routes[1].receiver", `undefined receiver "b" used in route: add it under receivers, or correct its name`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Faults("", []byte(tt.text))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, f := range got {
				if strings.Contains(f.Text, "T0K3N") {
					t.Errorf("a secret in %q", f.Text)
				}
			}
		})
	}
}

func FuzzFaults(f *testing.F) {
	for _, s := range []string{"", "{}", "route: {receiver: default}", "route:\n- 1", "a: &a [*a]", "receivers: [{name: a, webhook_configs: [{}]}, 3, []]", "route: {routes: [{routes: [x]}]}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := ParseConfig([]byte(s))
		if got := Faults("", []byte(s)); (err == nil) != (len(got) == 0) {
			t.Errorf("error %v, faults %v", err, got)
		}
	})
}
