package mailrec

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"maildrift/monitor/rrset"
)

// driftEvent is one change that a real organisation made to its zones.
type driftEvent struct {
	Seq                   int
	Name, Type, Class, Op string
	Old, New              []string
}

// TestRealDrift reads 13 months of changes: what was removed is absent, what was changed
// differs and shows both values, and what was merely added to is the same.
func TestRealDrift(t *testing.T) {
	f, err := os.Open(filepath.Join(shared(t), "drift", "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	classes := map[Class]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e driftEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		k, watched := realKinds[e.Class]
		if !watched || k.Type().String() != e.Type || e.Op == "added" {
			continue
		}
		classes[e.judge(t, k)]++
	}
	if classes[Differs] < 30 || classes[Absent] < 200 {
		t.Errorf("only %v events", classes)
	}
	t.Logf("%v", classes)
}

func (e driftEvent) judge(t *testing.T, k Kind) Class {
	t.Helper()
	was, now := answer(t, k.Type(), e.Old...), rrset.NewSet(k.Type())
	if len(e.New) > 0 {
		now = answer(t, k.Type(), e.New...)
	}
	expect := Expectation{Kind: k, Match: Captured, AllowInvalid: true}
	f := expect.Compare(expect.Select(was), now)
	mustBeSound(t, f)
	want := Differs
	switch {
	case e.Op == "removed":
		want = Absent
	case k == TXT && len(missing(e.Old, e.New)) == 0:
		want = Same
	}
	if f.Class != want || want == Differs && len(f.Changes) == 0 {
		t.Errorf("event %d, %s %s: %q became %q: %s, %q; want %s", e.Seq, e.Name, k, e.Old, e.New, f.Class, f.Reason, want)
	}
	return f.Class
}
