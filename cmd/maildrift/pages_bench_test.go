package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web"
	"maildrift/store"
)

// mute asks nobody and tells nobody.
type mute struct{}

func (mute) Ask(_ context.Context, _ []resolve.Query, _ func(resolve.Observation)) {}
func (mute) Find(context.Context, []rrset.Name) map[rrset.Name]resolve.Zone        { return nil }
func (mute) Forget(rrset.Name)                                                     {}
func (mute) Notify(context.Context, []monitor.Incident) error                      { return nil }

// fleetSite is the handler over an engine of so many domains with a real store.
func fleetSite(b *testing.B, domains int) (http.Handler, *monitor.Engine, *store.Store) {
	b.Helper()
	presets, err := loadPresets()
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	var all []*monitor.Domain
	for i := range domains {
		d, err := monitor.Spec{Domain: fmt.Sprintf("d%06d.example.com", i), Service: "directmail", Labels: map[string]string{"team": fmt.Sprint(i % 50)}}.Resolve(presets)
		if err != nil {
			b.Fatal(err)
		}
		d.Origin = monitor.Origin{File: "fleet.yml", Line: i + 1}
		all = append(all, d)
	}
	settings := monitor.Settings{
		Groups: map[string]monitor.Group{"default": {Name: "default", Schedule: hourly{}}}, Rules: judge.DefaultRules(), Presets: &presets,
	}
	engine, err := monitor.New(b.Context(), monitor.Options{Asker: mute{}, Authorities: mute{}, Journal: st, Notifier: mute{}}, monitor.Memory{}, settings, all)
	if err != nil {
		b.Fatal(err)
	}
	handler, err := web.New(web.Options{Engine: engine, History: kept{st}, Ready: func() error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	return handler, engine, st
}

type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

// firstByte notes when an answer begins.
type firstByte struct {
	httptest.ResponseRecorder
	at time.Time
}

func (f *firstByte) Write(p []byte) (int, error) {
	if f.at.IsZero() {
		f.at = time.Now()
	}
	return f.ResponseRecorder.Write(p)
}

// render asks for a page again and again, each time after what is to be done before, and reports the time to its first byte besides that to its end.
func render(b *testing.B, h http.Handler, path string, before func()) {
	b.Helper()
	var first time.Duration
	for b.Loop() {
		if before != nil {
			b.StopTimer()
			before()
			b.StartTimer()
		}
		began := time.Now()
		w := &firstByte{ResponseRecorder: httptest.ResponseRecorder{Body: &bytes.Buffer{}}}
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, http.NoBody))
		if w.Code != http.StatusOK {
			b.Fatalf("%s: %d\n%s", path, w.Code, w.Body)
		}
		first += w.at.Sub(began)
	}
	b.ReportMetric(float64(first.Microseconds())/1000/float64(b.N), "ms/first-byte")
}

// BenchmarkPageOverview is the overview of 100,000 domains: while nothing happens, after a change (the engine copies its
// state, the page counts anew), and searching.
func BenchmarkPageOverview(b *testing.B) {
	h, engine, _ := fleetSite(b, 100_000)
	changed := func() {
		id := monitor.RecordID{Domain: "d000001.example.com"}
		if err := engine.Pause(b.Context(), id, time.Now().Add(time.Hour), "bench", "bench"); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("calm", func(b *testing.B) { render(b, h, "/", nil) })
	b.Run("after a change", func(b *testing.B) { render(b, h, "/", changed) })
	b.Run("search", func(b *testing.B) { render(b, h, "/?q=d0999&label=team=7", nil) })
	b.Run("last page", func(b *testing.B) { render(b, h, "/?cursor=d099900.example.com", nil) })
}

// BenchmarkPageDomainFiveYears is the page of a domain with five years of history: 23,400 answers of 15 sources and 1,560
// changes.
func BenchmarkPageDomainFiveYears(b *testing.B) {
	h, engine, st := fleetSite(b, 1)
	d := engine.Snapshot().Domains[0]
	began := time.Now().AddDate(-5, 0, 0)
	for week := range 260 {
		var batch monitor.Batch
		at := began.AddDate(0, 0, 7*week)
		for _, r := range d.Records {
			id := monitor.RecordID{Domain: d.Name, Key: r.Key}
			set, err := rrset.Parse(rrset.TXT, fmt.Sprintf("v=spf1 ip4:192.0.2.%d -all", week%250))
			if err != nil {
				b.Fatal(err)
			}
			for source := range 15 {
				batch.Intervals = append(batch.Intervals, monitor.Interval{ID: id, Source: fmt.Sprintf("resolver%02d", source), From: at, Outcome: resolve.Answered, Set: set, TTL: 300})
			}
			batch.Transitions = append(batch.Transitions, monitor.Transition{ID: id, New: set, Transition: judge.Transition{At: at}})
		}
		if err := st.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	path := "/domains/" + string(d.Name)
	b.Run("last week", func(b *testing.B) { render(b, h, path, nil) })
	b.Run("five years", func(b *testing.B) { render(b, h, path+"?since=5y", nil) })
}
