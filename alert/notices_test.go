package alert

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"maildrift/monitor"
)

// TestWhatReceiversWereToldIsHandedOn has a receiver that fails for a while.
func TestWhatReceiversWereToldIsHandedOn(t *testing.T) {
	var mu sync.Mutex
	var notices []monitor.Notice
	told := func() []string {
		mu.Lock()
		defer mu.Unlock()
		var out []string
		for _, n := range notices {
			what := "taken"
			if n.Error != "" {
				what = "failed"
			}
			out = append(out, fmt.Sprintf("%s %s %s: %d firing, %d over, about %s %s", n.Receiver, n.Integration, what, n.Firing, n.Resolved, n.About[0].Alert, n.About[0].Domain))
		}
		return out
	}
	o := newOncall(t)
	failures := 3
	o.answer = func() int {
		if failures--; failures >= 0 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	e := start(t, Options{Told: func(n monitor.Notice) {
		mu.Lock()
		defer mu.Unlock()
		notices = append(notices, n)
	}}, swift(t, o, ""))
	a := firing("a.example")
	e.put(a)
	until(t, func() bool { return len(told()) == 2 }, func() string { return strings.Join(told(), "\n") })
	e.put(over(a))
	until(t, func() bool { return len(told()) == 3 }, func() string { return strings.Join(told(), "\n") })
	// Failing again and again is one notice.
	want := []string{
		"oncall webhook[0] failed: 1 firing, 0 over, about RecordMissing a.example",
		"oncall webhook[0] taken: 1 firing, 0 over, about RecordMissing a.example",
		"oncall webhook[0] taken: 0 firing, 1 over, about RecordMissing a.example",
	}
	for i, got := range told() {
		if got != want[i] {
			t.Errorf("notice %d: %s\nwant %s", i, got, want[i])
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(notices[0].Error, "127.0.0.1") || notices[1].Took <= 0 || notices[1].At.IsZero() {
		t.Errorf("%+v", notices)
	}
}
