package alert

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// wrong gives a firing alert about one record, which makes a group of its own.
func wrong(name, domain, record string) Alert {
	a := firing(domain)
	a.Labels["alertname"], a.Labels["record"] = name, record
	return a
}

func unmute(t *testing.T, e *running, id string) {
	t.Helper()
	call(t, e.Handler(), http.MethodDelete, "/api/v2/silence/"+id, "", nil)
}

func TestWhatStillFiresWhenASilenceEndsIsToldAsOne(t *testing.T) {
	o := newOncall(t)
	dir := t.TempDir()
	cfg := swift(t, o, "")
	e := start(t, Options{Dir: dir}, cfg)
	mended, spf, dkim, mx := wrong("RecordMissing", "a.example", "txt"), wrong("RecordMissing", "a.example", "spf"), wrong("RecordMissing", "a.example", "dkim:s1"), wrong("RecordDrifted", "a.example", "mx")
	id := mute(t, e, `domain="a.example"`, time.Hour)
	e.put(mended, spf, dkim, mx)
	time.Sleep(settle)
	e.put(over(mended))
	o.await(t) // nothing: it came and went in silence
	unmute(t, e, id)
	digest := "firing: a.example=firing a.example=firing a.example=firing"
	o.await(t, digest)
	e.stop()
	e = start(t, Options{Dir: dir}, cfg, spf, dkim, mx) // a restart neither repeats it nor tells them one by one
	o.await(t, digest)
	e.put(over(spf), over(dkim), over(mx))
	o.await(t, digest, "resolved: a.example=resolved a.example=resolved a.example=resolved")
	e.put(wrong("RecordMissing", "a.example", "spf").again())
	o.await(t, digest, "resolved: a.example=resolved a.example=resolved a.example=resolved", "firing: a.example=firing")
}

// again is the same alert, firing anew.
func (a Alert) again() Alert {
	a.StartsAt = time.Now()
	return a
}

func TestOneThatStillFiresIsToldByItsOwnGroup(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	told := wrong("RecordMissing", "a.example", "spf")
	e.put(told)
	o.await(t, "firing: a.example=firing")
	id := mute(t, e, `domain="a.example"`, time.Hour)
	other := wrong("RecordMissing", "a.example", "mx")
	e.put(other)
	time.Sleep(settle)
	unmute(t, e, id)
	o.await(t, "firing: a.example=firing", "firing: a.example=firing") // what was told before is not told again
	e.put(over(told), over(other))
	o.await(t, "firing: a.example=firing", "firing: a.example=firing", "resolved: a.example=resolved", "resolved: a.example=resolved")
}

func TestADigestThatFailsIsTriedAgain(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	id := mute(t, e, `domain="a.example"`, time.Hour)
	e.put(wrong("RecordMissing", "a.example", "spf"), wrong("RecordMissing", "a.example", "mx"))
	time.Sleep(settle)
	tries := 0
	o.mu.Lock()
	o.answer = func() int {
		if tries++; tries < 3 {
			return http.StatusBadRequest // which is not retried within one attempt
		}
		return http.StatusOK
	}
	o.mu.Unlock()
	unmute(t, e, id)
	o.await(t, "firing: a.example=firing a.example=firing")
}

func TestQuietWindows(t *testing.T) {
	o := newOncall(t)
	for _, c := range []struct {
		route string
		quiet bool
	}{
		{"", false},
		{"mute_time_intervals: [always]", true},
		{"mute_time_intervals: [never]", false},
		{"active_time_intervals: [always]", false},
		{"active_time_intervals: [never]", true},
	} {
		cfg := parse(t, fmt.Sprintf(`
route:
  receiver: oncall
  routes: [{receiver: oncall, matchers: [domain="a.example"], %s}]
receivers: [{name: oncall, webhook_configs: [{url: %q}]}]
time_intervals:
- {name: always, time_intervals: [{times: [{start_time: "00:00", end_time: "24:00"}]}]}
- {name: never, time_intervals: [{years: ["1999"]}]}
`, c.route, o.URL))
		e, err := NewEngine(Options{}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		d := newDigest(e, e.next)
		child := e.next.route.Routes[len(e.next.route.Routes)-1]
		if got := d.quiet(child.ID()); got != c.quiet {
			t.Errorf("%q is quiet: %v", c.route, got)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestASilenceDoesNotSwallowAChangeOfKind silences a record while it is gone, by a matcher that fits all of its
// alerts. Then something else stands there.
func TestASilenceDoesNotSwallowAChangeOfKind(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	gone := wrong("RecordMissing", "a.example", "spf")
	gone.StartsAt = time.Now().Add(-time.Hour)
	e.put(gone)
	o.await(t, "firing: a.example=firing")
	mute(t, e, `domain="a.example"`, time.Hour)
	time.Sleep(settle)
	drifted := wrong("RecordDrifted", "a.example", "spf").again()
	drifted.Annotations[EpisodeAnnotation] = gone.StartsAt.Format(time.RFC3339Nano)
	unrelated := wrong("RecordMissing", "a.example", "mx").again()
	e.put(over(gone), drifted, unrelated)
	until(t, func() bool { return len(o.told()) == 3 }, func() string { return fmt.Sprint(o.told()) })
	time.Sleep(settle)
	if got := o.told(); len(got) != 3 {
		t.Errorf("told %q, want the first, its end, and the change of kind", got)
	}
}

func TestASilenceForPlannedWorkCoversWhateverComes(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	mute(t, e, `domain="a.example"`, time.Hour)
	time.Sleep(settle)
	gone := wrong("RecordMissing", "a.example", "spf").again()
	e.put(gone)
	time.Sleep(settle)
	drifted := wrong("RecordDrifted", "a.example", "spf").again()
	drifted.Annotations[EpisodeAnnotation] = gone.StartsAt.Format(time.RFC3339Nano)
	e.put(over(gone), drifted)
	time.Sleep(settle)
	o.await(t)
}
