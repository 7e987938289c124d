package alert

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	// secretKey matches keys whose values must not reach a log: webhook URLs
	// are credentials, too.
	secretKey = regexp.MustCompile(`(?i)(url|token|secret|password|key|credentials|authorization|webhook|params|headers)$`)
	anyURL    = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	// excerpt is how yaml.v2 quotes the value that it could not use.
	excerpt      = regexp.MustCompile("`[^`]*`")
	parseFailure = regexp.MustCompile(`parse "(?:[^"\\]|\\.)*"`)
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
)

// hints says how to repair what Alertmanager only states.
var hints = []struct{ about, hint string }{
	{"undefined receiver", "add it under receivers, or correct its name"},
	{"undefined time interval", "add it under time_intervals, or correct its name"},
	{"root route must specify a default receiver", "set route.receiver"},
	{"root route must not have any", "move it to a child under route.routes"},
	{"cannot have continue in root route", "remove route.continue"},
	{"no global SMTP smarthost set", "set global.smtp_smarthost, or smarthost in email_configs, to HOST:PORT"},
	{"no global SMTP from set", "set global.smtp_from, or from in email_configs"},
	{"no Slack API URL", "set api_url in slack_configs, or global.slack_api_url"},
	{"unknown field", "see https://prometheus.io/docs/alerting/latest/configuration/ for its name and place"},
	{"is not unique", "give each a name of its own"},
	{"group_interval cannot be zero", "set a duration such as 5m"},
	{"repeat_interval cannot be zero", "set a duration such as 12h"},
	{"unsupported scheme", "start the URL with http:// or https://"},
	{"missing host", "write the URL as https://HOST/PATH"},
	{"missing name in receiver", "set name, so that routes can lead to it"},
	{"not a valid duration string", "write for example 30s, 5m or 12h"},
	{"bad matcher format", `write NAME="VALUE", or with !=, =~ or !~`},
	{"is not a valid weekday", "write monday to sunday, or a range such as monday:friday"},
}

// explain turns an error of Alertmanager's into one for the person who wrote
// the configuration: what, where, how to repair it, and no secret of hers.
func (c *Config) explain(err error) error {
	text := err.Error()
	// The longest first, since one secret may contain another.
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s, "<secret>")
		text = strings.ReplaceAll(text, strings.Trim(strconv.Quote(s), `"`), "<secret>")
	}
	text = parseFailure.ReplaceAllString(text, "parse <secret>")
	text = excerpt.ReplaceAllString(text, "<value>")
	text = withoutURLs(text)
	text = unknownField.ReplaceAllString(text, `unknown field "$1"`)
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "yaml: unmarshal errors:", "")), " ")
	for _, h := range hints {
		if strings.Contains(text, h.about) {
			text += ": " + h.hint
			break
		}
	}
	return errors.New("alert configuration: " + text)
}

// withoutURLs replaces URLs, which often are credentials, by their scheme.
func withoutURLs(text string) string {
	return anyURL.ReplaceAllStringFunc(text, func(u string) string {
		scheme, _, _ := strings.Cut(u, "://")
		return scheme + "://…"
	})
}

// secretsIn collects the values of a document that may be secret, longest first.
func secretsIn(n *yaml.Node) []string {
	var out []string
	walkSecrets(n, false, &out)
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(out)
}

func walkSecrets(n *yaml.Node, secret bool, out *[]string) {
	switch n.Kind {
	case yaml.ScalarNode:
		// Very short values would tear other words apart.
		if secret && len(n.Value) >= 4 {
			*out = append(*out, n.Value)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			walkSecrets(n.Content[i+1], secret || secretKey.MatchString(n.Content[i].Value), out)
		}
	case yaml.DocumentNode, yaml.SequenceNode:
		for _, child := range n.Content {
			walkSecrets(child, secret, out)
		}
	case yaml.AliasNode:
		// Its anchor is elsewhere in the document, and walked there.
	}
}
