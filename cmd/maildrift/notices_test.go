package main

import (
	"testing"
	"time"

	"maildrift/monitor/health"
	"maildrift/monitor/resolve"
)

// TestWhoIsLeftAloneIsSaidAsItIsNow: by the page a resolver is back when it is, and not when the next sweep asks it.
func TestWhoIsLeftAloneIsSaidAsItIsNow(t *testing.T) {
	before, now := time.Now().Add(-time.Hour), time.Now()
	got := leftAloneNow([]health.Source{{ID: "back", LeftAlone: before}, {ID: "silent"}, {ID: health.Authority}},
		[]resolve.Silence{{Source: &resolve.Source{ID: "silent"}, Since: now}})
	if !got[0].LeftAlone.IsZero() || !got[1].LeftAlone.Equal(now) || !got[2].LeftAlone.IsZero() {
		t.Errorf("%+v", got)
	}
}
