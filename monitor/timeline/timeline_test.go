package timeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/timeline"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func txt(s string) rrset.Set { return rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(s))) }

func said(source string, minute int, text string) monitor.Interval {
	return monitor.Interval{Source: source, Authority: source[0] == 'n', From: at(minute), Outcome: resolve.Answered, Set: txt(text)}
}

func failed(source string, minute int, o resolve.Outcome) monitor.Interval {
	return monitor.Interval{Source: source, Authority: source[0] == 'n', From: at(minute), Outcome: o}
}

// lines gives a timeline as text.
func lines(tl timeline.Timeline) []string {
	var out []string
	for _, l := range tl.Lanes {
		for _, b := range l.Bars {
			out = append(out, fmt.Sprintf("%s %v-%v %s %d", l.Source, b.From.Sub(noon).Minutes(), b.To.Sub(noon).Minutes(), b.Class, b.Content))
		}
	}
	return out
}

func TestBuild(t *testing.T) {
	spf := mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}
	good, alike, bad := "v=spf1 a -all", "v=spf1  a  -all", "v=spf1 -all"
	intervals := []monitor.Interval{
		said("google", -600, bad), said("google", -60, good), said("google", 10, alike), said("google", 30, bad), failed("google", 40, resolve.NXDomain),
		said("ns1", -10, good), failed("ns1", 20, resolve.Timeout), failed("ns1", 25, resolve.ServFail),
		said("zz", 0, good), said("zz", 50, good),
	}
	got := timeline.Build(intervals, spf, txt(good), at(0), at(60))
	want := []string{
		"ns1 0-20 good 1", "ns1 20-25 failed -1", "ns1 25-60 failed -1",
		"google 0-10 good 1", "google 10-30 good 2", "google 30-40 differs 0", "google 40-60 absent -1",
		"zz 0-60 good 1",
	}
	if l := lines(got); !slices.Equal(l, want) {
		t.Errorf("got  %q\nwant %q", l, want)
	}
	if len(got.Contents) != 3 || got.Contents[1].Lines[0] != good || got.Contents[0].Class != timeline.Differs {
		t.Errorf("contents %+v", got.Contents)
	}
	before := timeline.Build(intervals[:2], mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Equal, Want: []string{bad}}, rrset.Set{}, at(-700), at(0))
	if l, want := lines(before), []string{"google -600--60 good 0", "google -60-0 differs 1"}; !slices.Equal(l, want) {
		t.Errorf("before it was verified %q, want %q", l, want)
	}
	if none := timeline.Build(nil, spf, rrset.Set{}, at(0), at(1)); len(none.Lanes) != 0 {
		t.Errorf("without history %+v", none)
	}
}

// TestFlapsThatCannotBeShownBecomeOne has a source that changes its mind every minute for a month.
func TestFlapsThatCannotBeShownBecomeOne(t *testing.T) {
	spf := mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}
	const month = 30 * 24 * 60
	var intervals []monitor.Interval
	for m := range month {
		intervals = append(intervals, said("google", m, fmt.Sprintf("v=spf1 ip4:192.0.2.%d -all", m%2)))
	}
	tl := timeline.Build(intervals, spf, txt("v=spf1 ip4:192.0.2.0 -all"), at(0), at(month))
	bars := tl.Lanes[0].Bars
	if len(bars) > 400 || bars[0].Class != timeline.Mixed {
		t.Errorf("%d bars, the first is %s", len(bars), bars[0].Class)
	}
	for i := 1; i < len(bars); i++ {
		if !bars[i].From.Equal(bars[i-1].To) {
			t.Fatalf("a hole between %v and %v", bars[i-1].To, bars[i].From)
		}
	}
}
