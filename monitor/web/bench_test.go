package web_test

import (
	"net/http"
	"testing"

	"maildrift/monitor"
)

// BenchmarkOverview100000Domains is the page that people open first, once with a
// snapshot that nobody has looked at and once more with the same.
func BenchmarkOverview100000Domains(b *testing.B) {
	w := newWorld(b)
	w.engine.registerMany(100_000)
	for name, fresh := range map[string]bool{"new snapshot": true, "same snapshot": false} {
		b.Run(name, func(b *testing.B) {
			h := w.handler()
			for b.Loop() {
				if fresh {
					w.engine.change(func(*monitor.Snapshot) {})
				}
				if resp := askHandler(h, http.MethodGet, "/"); resp.Code != http.StatusOK {
					b.Fatal(resp.Code)
				}
			}
		})
	}
}
