package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
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
		e := alert.Endpoint{URL: am.URL, Timeout: am.Timeout, HTTP: commoncfg.DefaultHTTPClientConfig}
		if len(am.HTTP) > 0 {
			dec := yaml.NewDecoder(bytes.NewReader(am.HTTP))
			dec.KnownFields(true)
			if err := dec.Decode(&e.HTTP); err != nil {
				return nil, fmt.Errorf("%s:%d: alerting.alertmanagers[%d].http_config: %w", cfg.File, cfg.Alerting.Line, i, err)
			}
		}
		if err := e.HTTP.Validate(); err != nil {
			return nil, fmt.Errorf("%s:%d: alerting.alertmanagers[%d].http_config: %w", cfg.File, cfg.Alerting.Line, i, err)
		}
		e.HTTP.SetDirectory(filepath.Dir(cfg.File))
		out = append(out, e)
	}
	return out, nil
}

// checkAlerting says what is wrong with how a configuration tells people.
func checkAlerting(cfg *config.Config) error {
	if len(cfg.Alerting.Alertmanagers) == 0 {
		_, err := alertConfig(cfg)
		return err
	}
	endpoints, err := remoteEndpoints(cfg)
	if err != nil {
		return err
	}
	if _, err := alert.NewRemote(endpoints, alert.RemoteOptions{}); err != nil {
		return fmt.Errorf("%s:%d: alerting.%w", cfg.File, cfg.Alerting.Line, err)
	}
	return nil
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
