package main

import (
	"reflect"
	"testing"
	"time"

	"maildrift/monitor/health"
	"maildrift/monitor/resolve"
)

// TestWhoIsLeftAloneIsSaidAsItIsNow: by the page a resolver is back when it is, and not when the next sweep asks it.
func TestWhoIsLeftAloneIsSaidAsItIsNow(t *testing.T) {
	before, now := time.Now().Add(-time.Hour), time.Now()
	got := leftAloneNow([]health.Source{{ID: "back", LeftAlone: before, Withheld: 3, Why: "x"}, {ID: "silent", Withheld: 5}, {ID: "picky"}, {ID: health.Authority}},
		[]resolve.Silence{{Source: &resolve.Source{ID: "silent"}, Since: now, Outcome: resolve.Timeout}, {Source: &resolve.Source{ID: "picky"}, Since: now, Outcome: resolve.Refused}})
	want := []health.Source{
		{ID: "back"}, {ID: "silent", LeftAlone: now, Withheld: 5, Why: "it answers nothing"},
		{ID: "picky", LeftAlone: now, Why: "it refuses everything"}, {ID: health.Authority},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
