package alert

import (
	"cmp"
	htmltemplate "html/template"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"

	"github.com/prometheus/alertmanager/template"

	"maildrift/configs"
	"maildrift/monitor/mailrec"
)

// loadTemplates makes the template set of a configuration: Alertmanager's own, ours in the place of many of them,
// and the writer's in the place of any.
func loadTemplates(paths []string) (*template.Template, error) {
	t, err := template.FromGlobs(nil, func(text *texttemplate.Template, html *htmltemplate.Template) {
		text.Funcs(templateFuncs())
		html.Funcs(templateFuncs())
	})
	if err != nil {
		return nil, err
	}
	if err := t.Parse(strings.NewReader(configs.Templates)); err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := t.FromGlob(path); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// templateFuncs are what the templates need beyond Alertmanager's functions. They are pure.
func templateFuncs() texttemplate.FuncMap {
	return texttemplate.FuncMap{
		"worst": worst, "first": firstOf, "more": moreThan, "rows": rowsOf, "subject": subjectOf, "home": homeOf,
		"oneLine": oneLine, "cut": cutTo, "slack": slackText, "slackURL": slackURL, "markdown": markdownText,
	}
}

// worst gives alerts in the order in which they are to be read: firing ones, causes and escalations first, by severity and
// impact, then the oldest.
func worst(alerts []template.Alert) []template.Alert {
	rank := func(a template.Alert) []int {
		var impact mailrec.Impact
		_ = impact.UnmarshalText([]byte(a.Labels["impact"])) // none if it has none
		return []int{
			boolRank(a.Status == "firing"), boolRank(a.Labels["severity"] == Critical), boolRank(a.Labels["alertname"] == CauseName),
			boolRank(a.Labels[EscalationLabel] != ""), -int(impact),
		}
	}
	out := slices.Clone(alerts)
	slices.SortStableFunc(out, func(a, b template.Alert) int {
		return cmp.Or(slices.Compare(rank(a), rank(b)), a.StartsAt.Compare(b.StartsAt), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// boolRank puts true first.
func boolRank(b bool) int {
	if b {
		return 0
	}
	return 1
}

func firstOf(n int, alerts []template.Alert) []template.Alert { return alerts[:min(n, len(alerts))] }

// moreThan gives how many alerts there are beyond n; 0 if there are none.
func moreThan(n int, alerts []template.Alert) int { return max(len(alerts)-n, 0) }

// subjectOf is the first line of a message: how bad it is, how many, and the worst of it.
func subjectOf(d *template.Data) string {
	some := worst(d.Alerts)
	if len(some) == 0 {
		return "maildrift"
	}
	word, same := "OK", len(some)
	if len(d.Alerts.Firing()) > 0 {
		word, same = strings.ToUpper(cmp.Or(some[0].Labels["severity"], "alert")), len(d.Alerts.Firing())
	}
	out := "[" + word + "] " + oneLine(cmp.Or(some[0].Annotations["summary"], some[0].Labels["alertname"]))
	if same > 1 {
		out += " (+" + strconv.Itoa(same-1) + ")"
	}
	return out
}

// homeOf is where the pages are, from where the embedded Alertmanager is.
func homeOf(external string) string { return strings.TrimSuffix(external, "/alertmanager") + "/" }

// oneLine makes a text one line, so that it can be a subject.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// cutTo cuts what is longer than n characters, and says so.
func cutTo(n int, s string) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

var slackEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "ˋ")

// slackText makes a text inert in Slack: no mention, no link, and no end of the code block that it may stand in.
func slackText(s string) string { return slackEscapes.Replace(s) }

// slackURL makes an address one that ends where Slack's link does.
func slackURL(s string) string {
	return strings.NewReplacer("|", "%7C", ">", "%3E", "<", "%3C", " ", "%20").Replace(s)
}

// markdownText takes from a text what Markdown dialects act upon: links under another name, pictures and mentions. What
// only changes letters stays as it is, since not all dialects know how to escape it.
func markdownText(s string) string {
	return strings.NewReplacer("](", "] (", "@", "@\u2060", "\n", "  \n  ").Replace(s)
}

// row is one line of what an alert tells.
type row struct {
	Title, Value string
	// Mono says that it is a record, to be read letter by letter.
	Mono bool
	// Changes are the terms that differ, if the row is about them.
	Changes []changeLine
}

// changeLine is one term that differs.
type changeLine struct{ Class, Text string }

// Lines are the lines of the value.
func (r row) Lines() []string { return strings.Split(r.Value, "\n") }

// rowsOf takes an alert's description apart, as description in this package puts it together: whatever the language,
// "title: value" with further lines indented.
func rowsOf(a template.Alert) []row {
	var out []row
	for i, line := range strings.Split(strings.TrimRight(a.Annotations["description"], "\n"), "\n") {
		if more, ok := strings.CutPrefix(line, "    "); ok && len(out) > 0 {
			out[len(out)-1].Value += "\n" + more
			continue
		}
		title, value, ok := strings.Cut(line, ": ")
		if i > 0 && ok {
			out = append(out, row{Title: title, Value: value})
		}
	}
	out = slices.DeleteFunc(out, func(r row) bool { return r.Value == a.Annotations["domain_url"] }) // a link of its own
	for i := range out {
		r := &out[i]
		for _, key := range []string{"old", "new", "publish", "announced"} {
			r.Mono = r.Mono || r.Value == a.Annotations[key]
		}
		if r.Value != a.Annotations["change"] {
			continue
		}
		for _, line := range r.Lines() {
			class := map[bool]string{true: "minus", false: "plus"}[strings.HasPrefix(line, "-")]
			r.Changes = append(r.Changes, changeLine{class, line})
		}
	}
	return out
}
