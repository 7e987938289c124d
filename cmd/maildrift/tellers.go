package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commoncfg "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"maildrift/alert"
	"maildrift/monitor/config"
	"maildrift/monitor/metrics"
)

// teller is what tells people: the embedded Alertmanager, or those elsewhere.
type teller interface {
	alert.Putter
	Run(ctx context.Context) error
	Close() error
	Handler() http.Handler
	Deliveries() []alert.Delivery
	Undeliverable() error
	Try(ctx context.Context, receiver string, a alert.Alert) ([]alert.Trial, error)
}

// newTeller makes what a configuration asks for. With a nil registry and an empty directory it leaves no trace.
func newTeller(d *daemon, dir string, registry *prometheus.Registry) (teller, error) {
	if len(d.cfg.Alerting.Alertmanagers) > 0 {
		return newRemote(d)
	}
	conf, err := alertConfig(d.cfg)
	if err != nil {
		return nil, err
	}
	o := alert.Options{Dir: dir, ExternalURL: d.cfg.ExternalURL + "/alertmanager", Logger: d.log, Told: d.noted}
	if registry != nil {
		o.Registerer = registry
	}
	return alert.NewEngine(o, conf)
}

func newRemote(d *daemon) (teller, error) {
	endpoints, err := remoteEndpoints(d.cfg)
	if err != nil {
		return nil, err
	}
	r, err := alert.NewRemote(endpoints, alert.RemoteOptions{
		Resend: d.cfg.Alerting.Resend, FailingAfter: d.cfg.Alerting.FailingAfter, Logger: d.log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s:%d: alerting.%w", d.cfg.File, d.cfg.Alerting.Line, err)
	}
	return r, nil
}

// remoteEndpoints reads how Alertmanagers elsewhere are reached, as Prometheus' configuration writes it.
func remoteEndpoints(cfg *config.Config) ([]alert.Endpoint, error) {
	var out []alert.Endpoint
	for i, am := range cfg.Alerting.Alertmanagers {
		e, err := endpointOf(cfg, am)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: alerting.alertmanagers[%d].http_config: %w", cfg.File, cfg.Alerting.Line, i, err)
		}
		out = append(out, e)
	}
	return out, nil
}

func endpointOf(cfg *config.Config, am config.Alertmanager) (alert.Endpoint, error) {
	e := alert.Endpoint{URL: am.URL, Timeout: am.Timeout, HTTP: commoncfg.DefaultHTTPClientConfig}
	if len(am.HTTP) > 0 {
		dec := yaml.NewDecoder(bytes.NewReader(am.HTTP))
		dec.KnownFields(true)
		if err := dec.Decode(&e.HTTP); err != nil {
			return e, inOneLine(err)
		}
	}
	if err := e.HTTP.Validate(); err != nil {
		return e, err
	}
	e.HTTP.SetDirectory(filepath.Dir(cfg.File))
	return e, nil
}

// typeProblem is how YAML decoders speak of a field: by a line of a text that nobody has seen, and the name of a Go type.
var typeProblem = regexp.MustCompile(`^line \d+: (?:field (\S+) not found in type \S+$)?`)

// inOneLine says what a YAML decoder says for the person who wrote the text.
func inOneLine(err error) error {
	var unfit *yaml.TypeError
	if !errors.As(err, &unfit) {
		return err
	}
	var parts []string
	for _, p := range unfit.Errors {
		if m := typeProblem.FindStringSubmatch(p); m != nil && m[1] != "" {
			p = "field " + m[1] + " not found: see what an http_config may have"
		}
		parts = append(parts, typeProblem.ReplaceAllString(p, ""))
	}
	return errors.New(strings.Join(parts, "; "))
}

// loadConfig reads a configuration as serve needs it, with how people are told.
func loadConfig(file string) (*config.Config, error) {
	presets, err := loadPresets()
	if err != nil {
		return nil, err
	}
	return config.Load(file, os.LookupEnv, presets, checkAlerting)
}

// checkAlerting is a config.Check that says all that is wrong with how a configuration tells people.
func checkAlerting(cfg *config.Config, wrong func(path, text string)) {
	if len(cfg.Alerting.Alertmanagers) > 0 {
		checkRemote(cfg, wrong)
		return
	}
	for _, f := range alert.Faults(filepath.Dir(cfg.File), cfg.Alerting.YAML) {
		wrong(strings.TrimSuffix("alerting."+f.Path, "."), f.Text)
	}
}

// checkRemote looks at each Alertmanager by itself, and at all together if each is good.
func checkRemote(cfg *config.Config, wrong func(path, text string)) {
	good := true
	told := func(i int, err error) {
		place, text, _ := strings.Cut(err.Error(), ": ")
		wrong("alerting."+strings.Replace(place, "[0]", fmt.Sprintf("[%d]", i), 1), text)
		good = false
	}
	var endpoints []alert.Endpoint
	for i, am := range cfg.Alerting.Alertmanagers {
		e, err := endpointOf(cfg, am)
		if err != nil {
			wrong(fmt.Sprintf("alerting.alertmanagers[%d].http_config", i), err.Error())
			good = false
			continue
		}
		if _, err := alert.NewRemote([]alert.Endpoint{e}, alert.RemoteOptions{}); err != nil {
			told(i, err)
		}
		endpoints = append(endpoints, e)
	}
	if good {
		if _, err := alert.NewRemote(endpoints, alert.RemoteOptions{}); err != nil {
			told(0, err)
		}
	}
}

// notifiers says how each receiver fares.
func (d *daemon) notifiers() []metrics.Notifier {
	if d.alerts == nil {
		return nil
	}
	now := time.Now()
	var out []metrics.Notifier
	for _, x := range d.alerts.Deliveries() {
		out = append(out, metrics.Notifier{Receiver: x.Receiver, Integration: x.Integration, Known: !x.LastAttempt.IsZero(), Failing: x.FailingFor(now)})
	}
	return out
}
