package web

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"maildrift/monitor"
)

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"90m":                       now.Add(-90 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"0s":                        now,
		"2026-01-31":                time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC),
		"2026-01-31T12:00:00Z":      time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		"2026-01-31T12:00:00.5Z":    time.Date(2026, 1, 31, 12, 0, 0, 5e8, time.UTC),
		"2026-01-31T12:00:00+08:00": time.Date(2026, 1, 31, 4, 0, 0, 0, time.UTC),
	} {
		if got, err := ParseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-7d", "7", "1.5h", "2026-02-30", "99999999999y", "\x00"} {
		if got, err := ParseMoment(text, now); err == nil {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

// TestF142StrictJSON is about what two readers may understand differently.
func TestF142StrictJSON(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true, ` [1, "a", null, {"a":{"a":1}}] `: true, `"x"`: true, `1e400`: false,
		`{"a":1,"a":2}`: false, `{"b":{"a":1,"a":2}}`: false, `[{"a":1,"\u0061":2}]`: false,
		`{} {}`: false, `{}x`: false, ``: false, `{`: false, `{"a"`: false, `[1`: false, `NaN`: false, `{'a':1}`: false,
		strings.Repeat("[", 32) + strings.Repeat("]", 32): true, strings.Repeat("[", 33) + strings.Repeat("]", 33): false,
		strings.Repeat("[", 1<<20): false,
	} {
		var v any
		if err := unmarshalStrict([]byte(text), &v); (err == nil) != ok {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func FuzzStrictJSON(f *testing.F) {
	f.Add([]byte(`{"domain":"a.example","expect":[{"kind":"spf","value":["v=spf1 -all"]}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var strict, lax any
		if unmarshalStrict(b, &strict) != nil {
			return
		}
		if err := json.Unmarshal(b, &lax); err != nil {
			t.Errorf("taken although it is no JSON: %v", err)
		}
	})
}

func FuzzReadEntries(f *testing.F) {
	f.Add([]byte("{\"domain\":\"a.example\"}\n\n{\"domain\":\"b.example\",\"params\":{\"x\":\"y\"}}"))
	f.Add([]byte(`[{"domain":"a.example"},{}]`))
	f.Add([]byte("\ufeff[]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range readEntries(b) {
			if e.place == "" {
				t.Error("an entry without a place")
			}
			if e.err != nil {
				continue
			}
			again, err := json.Marshal(e.spec)
			if err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			var back monitor.Spec
			if err := decodeSpec(again, &back); err != nil {
				t.Errorf("%s is not read again: %v", again, err)
			}
		}
	})
}

func FuzzParseMoment(f *testing.F) {
	f.Add("7d")
	f.Add("2026-01-31T12:00:00Z")
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if at, err := ParseMoment(s, now); err != nil && !at.IsZero() {
			t.Errorf("%q gives %v and %v", s, at, err)
		}
	})
}

// TestAnyHostHeaderIsJudged looks for hosts that make the check panic or that are let in
// although they name another host.
func TestAnyHostHeaderIsJudged(t *testing.T) {
	s := &site{Options: Options{AllowedHosts: []string{"watch.example.com"}}}
	if err := quick.Check(func(host string) bool { return !s.allowsHost(host + ".evil.example") }, nil); err != nil {
		t.Error(err)
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for want, at := range map[string]time.Time{
		"never": {}, "0 s ago": now, "59 s ago": now.Add(-59 * time.Second), "1 min ago": now.Add(-61 * time.Second),
		"2 h ago": now.Add(-2 * time.Hour), "47 h ago": now.Add(-47 * time.Hour), "2 days ago": now.Add(-49 * time.Hour),
		"in 5 min": now.Add(5 * time.Minute),
	} {
		if got := ago(now, at); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestEveryAlertHasWords would show an alert's name to people who want a sentence.
func TestEveryAlertHasWords(t *testing.T) {
	for _, name := range []monitor.AlertName{monitor.AlertMissing, monitor.AlertDrifted, monitor.AlertDisagreement, monitor.AlertOverdue, monitor.AlertBlind} {
		if words := alertWords(name); words == string(name) || words == "" {
			t.Errorf("%s has no words", name)
		}
	}
}

func TestRowsOfOneMomentAreNeverTornApart(t *testing.T) {
	if err := quick.Check(func(steps []uint8, limit uint8, newest bool) bool {
		var rows []time.Time
		at := time.Unix(0, 0)
		for _, step := range steps {
			at = at.Add(time.Duration(step%3) * time.Second)
			rows = append(rows, at)
		}
		return len(readAll(t, rows, int(limit%5)+1, newest)) == len(rows)
	}, nil); err != nil {
		t.Error(err)
	}
}

// readAll reads rows part by part, as a client does.
func readAll(t *testing.T, rows []time.Time, limit int, newest bool) []time.Time {
	t.Helper()
	q := Query{Limit: limit, Newest: newest}
	var out []time.Time
	for range len(rows) + 1 {
		part, more, err := readPart(context.Background(), q, func(_ context.Context, q Query) ([]time.Time, error) {
			got := slices.DeleteFunc(slices.Clone(rows), func(at time.Time) bool {
				return !q.Since.IsZero() && at.Before(q.Since) || !q.Until.IsZero() && !at.Before(q.Until)
			})
			if q.Newest {
				slices.Reverse(got)
			}
			return got[:min(len(got), q.Limit)], nil
		}, func(at time.Time) time.Time { return at })
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, part...)
		if more.IsZero() {
			break
		}
		if q.Since = more; newest {
			q.Since, q.Until = time.Time{}, more
		}
	}
	return out
}
