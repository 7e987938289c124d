package alert_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"maildrift/alert"
)

// An alert fires, is told, ends, and its end is told.
func Example() {
	told := make(chan string)
	oncall := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m struct{ Status string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			m.Status = err.Error()
		}
		told <- m.Status
	}))
	defer oncall.Close()

	cfg, err := alert.ParseConfig([]byte(`
route: {receiver: oncall, group_wait: 10ms, group_interval: 20ms}
receivers:
- name: oncall
  webhook_configs: [{url: ` + oncall.URL + `}]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := alert.NewEngine(alert.Options{}, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	missing := alert.Alert{
		Labels:   map[string]string{"alertname": "RecordMissing", "record": "spf", "domain": "shop.example"},
		StartsAt: time.Now(),
	}
	if err := e.Put(ctx, missing); err != nil { // replay what the store knows, then run
		fmt.Println(err)
	}
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	fmt.Println(<-told)

	missing.EndsAt = time.Now()
	if err := e.Put(ctx, missing); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-told)
	cancel()
	fmt.Println(<-done)
	// Output:
	// firing
	// resolved
	// <nil>
}

func ExampleHeartbeat() {
	dms := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer dms.Close()
	h := alert.NewHeartbeat(dms.URL+"/ping/secret", nil, nil)
	fmt.Println(h.Beat(context.Background()))
	// Output: <nil>
}

func ExampleParseConfig() {
	cfg, err := alert.ParseConfig([]byte("receivers: [{name: mail-team}]"))
	fmt.Println(cfg.Receivers(), err)
	_, err = alert.ParseConfig([]byte("route: {receiver: mail-taem}\nreceivers: [{name: mail-team}]"))
	fmt.Println(err)
	// Output:
	// [mail-team] <nil>
	// alert configuration: undefined receiver "mail-taem" used in route: add it under receivers, or correct its name
}
