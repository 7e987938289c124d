package alert

import (
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

const (
	// WatchdogName is the alertname of the alert that always fires, so that
	// silence means trouble.
	WatchdogName = "Watchdog"
	// nowhere is the receiver without integrations that keeps it from paging.
	nowhere = "maildrift-nowhere"

	// CauseName is the alertname of the alert about what makes many records go wrong. While it fires it holds back
	// the others with the same CauseLabel.
	CauseName = "CauseFound"
	// CauseLabel names the cause that an alert is about, or is held back by.
	CauseLabel = "cause"
	// EscalationLabel tells the alerts apart that one thing leads to as its time runs out: empty at first, then the
	// Escalations in turn. A later one holds back those before it.
	EscalationLabel = "escalation"

	defaultReceivers = "\nreceivers: [{name: default}]\n"
	defaultRoute     = "\nroute: {receiver: %s, group_wait: 30s, group_interval: 5m, repeat_interval: 12h}\n"
)

// defaultGroupBy makes one message of one kind of trouble with one record,
// however many domains it befalls.
// Alerts about causes are told cause by cause.
func defaultGroupBy() []string { return []string{model.AlertNameLabel, "record", CauseLabel} }

// Escalations are the values of EscalationLabel in their order, percents of the time that there was.
func Escalations() []string { return []string{"50", "80", "95"} }

// Config is a validated Alertmanager configuration. It does not change; use it
// for as many engines and reloads as you like.
type Config struct {
	am      *config.Config
	secrets []string
	// failingAfter is after how long a receiver counts as failing.
	failingAfter time.Duration
}

// ParseConfig is ParseConfigIn for a configuration without relative file names.
func ParseConfig(text []byte) (*Config, error) {
	return ParseConfigIn("", text)
}

// ParseConfigIn reads an Alertmanager configuration (global, route, receivers,
// inhibit_rules, time_intervals, templates) and takes the file names in it as
// relative to dir; an empty dir is the working directory. What is missing gets
// defaults:
//   - no receivers: one called "default", which tells nobody;
//   - no route: everything to the only receiver (or to the one called
//     "default"), with group_wait 30s, group_interval 5m, repeat_interval 12h;
//   - no group_by in the top route: [alertname, record, cause];
//   - when the top route's receiver cannot be told, NotifierFailing goes to all others;
//   - messages read as configs/alertmanager/maildrift.tmpl has them, and mails have a text part;
//   - rules, beside those of the writer, by which the alert about a cause and later escalations inhibit what they
//     stand for;
//   - the Watchdog alert reaches only receivers whose own route matches it,
//     never the default one.
//
// Receivers are built on trial, so that a missing certificate shows here. The
// errors say what to change, and contain no URLs, tokens or passwords.
func ParseConfigIn(dir string, text []byte) (*Config, error) {
	c := &Config{failingAfter: DefaultFailingAfter}
	if err := c.parse(dir, text); err != nil {
		return nil, c.explain(err)
	}
	return c, nil
}

// parse reads a configuration. The error is as Alertmanager says it.
func (c *Config) parse(dir string, text []byte) error {
	parseAsAlertmanagerDoes()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return err
	}
	c.secrets = secretsIn(&doc)
	whole, err := completed(&doc, text)
	if err != nil {
		return err
	}
	if c.am, err = config.Load(string(whole)); err != nil {
		return err
	}
	if err := setDirectory(c.am, dir); err != nil {
		return err
	}
	setGrouping(c.am.Route)
	setTextPart(c.am)
	routeAround(c.am)
	muffleWatchdog(c.am)
	c.am.InhibitRules = append(c.am.InhibitRules, ownInhibitions()...)
	_, err = buildRouting(c, &url.URL{}, slog.New(slog.DiscardHandler))
	return err
}

// Receivers returns the names of the receivers, sorted.
func (c *Config) Receivers() []string {
	var out []string
	for _, r := range c.am.Receivers {
		if r.Name != nowhere {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return out
}

// String is the whole configuration with its defaults as YAML, secrets masked.
func (c *Config) String() string { return c.am.String() }

// parseAsAlertmanagerDoes selects Alertmanager's matcher syntax of today, which
// its main function does and its packages by themselves do not. The choice is a
// variable of theirs, hence only once.
var parseAsAlertmanagerDoes = sync.OnceFunc(func() {
	compat.InitFromFlags(slog.New(slog.DiscardHandler), featurecontrol.NoopFlags{})
})

// completed is text with the sections that it lacks. They go to its end, so
// that line numbers in errors stay those of the writer.
func completed(doc *yaml.Node, text []byte) ([]byte, error) {
	top, err := topLevel(doc)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"tracing", "event_recorder"} {
		if at := top.value(key); at != nil {
			return nil, fmt.Errorf("line %d: %s is not available in the embedded Alertmanager: remove it", at.Line, key)
		}
	}
	receivers, route := top.value("receivers"), top.value("route")
	if receivers != nil && route != nil {
		return text, nil
	}
	if text, err = top.asBlock(text); err != nil {
		return nil, err
	}
	name := "default"
	if receivers == nil {
		text = append(text, defaultReceivers...)
	} else if name, err = onlyReceiver(receivers); err != nil && route == nil {
		return nil, err
	}
	if route == nil {
		text = fmt.Appendf(text, defaultRoute, yamlString(name))
	}
	return text, nil
}

// onlyReceiver picks the receiver for a configuration that has no route. With
// several the choice is the writer's: a wrong guess would page the wrong people.
func onlyReceiver(receivers *yaml.Node) (string, error) {
	var names []string
	for _, r := range receivers.Content {
		if n := (mapping{r}).value("name"); n != nil {
			names = append(names, n.Value)
		}
	}
	switch {
	case len(names) == 1:
		return names[0], nil
	case slices.Contains(names, "default"):
		return "default", nil
	}
	return "", fmt.Errorf("route is missing and there are %d receivers %q: add route: {receiver: NAME}", len(names), names)
}

// setGrouping is the default for a top route without group_by. "group_by: []",
// all in one group, is a wish and stays.
func setGrouping(top *config.Route) {
	if top.GroupByStr != nil {
		return
	}
	top.GroupByStr = defaultGroupBy()
	for _, l := range top.GroupByStr {
		top.GroupBy = append(top.GroupBy, model.LabelName(l))
	}
}

// setTextPart gives mails that have none a part of plain text, which is what is read on a watch, by a screen reader,
// and where HTML is not let in.
func setTextPart(c *config.Config) {
	for _, r := range c.Receivers {
		for _, m := range r.EmailConfigs {
			if m.Text == "" {
				m.Text = `{{ template "maildrift.email.text" . }}`
			}
		}
	}
}

// muffleWatchdog adds a first route that sends the Watchdog nowhere and goes
// on: routes of the writer that match it still get it, only the fall-back to
// the top route's receiver is gone.
func muffleWatchdog(c *config.Config) {
	only := &labels.Matcher{Type: labels.MatchEqual, Name: model.AlertNameLabel, Value: WatchdogName}
	c.Receivers = append(c.Receivers, config.Receiver{Name: nowhere})
	c.Route.Routes = append([]*config.Route{{
		Receiver: nowhere,
		Matchers: amcommon.Matchers{only},
		Continue: true,
	}}, c.Route.Routes...)
}

// ownInhibitions are the rules by which one page stands for many.
func ownInhibitions() []amcommon.InhibitRule {
	must := func(t labels.MatchType, name, value string) *labels.Matcher {
		m, err := labels.NewMatcher(t, name, value)
		if err != nil {
			panic(err) // all of them stand below
		}
		return m
	}
	rules := []amcommon.InhibitRule{{
		SourceMatchers: amcommon.Matchers{must(labels.MatchEqual, model.AlertNameLabel, CauseName)},
		TargetMatchers: amcommon.Matchers{
			must(labels.MatchNotEqual, model.AlertNameLabel, CauseName), must(labels.MatchNotEqual, CauseLabel, ""),
		},
		Equal: []string{CauseLabel},
	}}
	lower := must(labels.MatchEqual, EscalationLabel, "")
	for _, level := range Escalations() {
		rules = append(rules, amcommon.InhibitRule{
			SourceMatchers: amcommon.Matchers{must(labels.MatchEqual, EscalationLabel, level)},
			TargetMatchers: amcommon.Matchers{lower},
			Equal:          []string{model.AlertNameLabel, "domain", "record", "value"},
		})
		lower = must(labels.MatchRegexp, EscalationLabel, lower.Value+"|"+level)
	}
	return rules
}

// setDirectory makes file names absolute. Alertmanager does so only for
// configurations that it reads from a file itself.
func setDirectory(c *config.Config, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("directory of the configuration: %w", err)
	}
	for i, t := range c.Templates {
		if !filepath.IsAbs(t) {
			c.Templates[i] = filepath.Join(dir, t)
		}
	}
	c.Global.HTTPConfig.SetDirectory(dir)
	for _, r := range c.Receivers {
		eachHTTPConfig(reflect.ValueOf(r), func(h *commoncfg.HTTPClientConfig) { h.SetDirectory(dir) })
	}
	return nil
}

// eachHTTPConfig finds the HTTPConfig of every integration of a receiver. By
// reflection, since there are eighteen kinds and more to come.
func eachHTTPConfig(receiver reflect.Value, do func(*commoncfg.HTTPClientConfig)) {
	for _, list := range receiver.Fields() {
		if list.Kind() != reflect.Slice {
			continue
		}
		for i := range list.Len() {
			f := reflect.Indirect(list.Index(i)).FieldByName("HTTPConfig")
			if !f.IsValid() {
				continue
			}
			if h, ok := f.Interface().(*commoncfg.HTTPClientConfig); ok && h != nil {
				do(h)
			}
		}
	}
}
