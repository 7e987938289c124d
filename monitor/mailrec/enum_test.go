package mailrec

import (
	"encoding"
	"fmt"
	"strings"
	"testing"
)

// word is an enum with words.
type word interface {
	comparable
	fmt.Stringer
	encoding.TextMarshaler
}

func testWords[W word](t *testing.T, all []W, parse func([]byte) (W, error)) {
	t.Helper()
	for _, w := range all {
		text, err := w.MarshalText()
		if err != nil || string(text) != w.String() {
			t.Errorf("%s is written %q, %v", w, text, err)
		}
		if back, err := parse(text); err != nil || back != w {
			t.Errorf("%s comes back as %s, %v", w, back, err)
		}
	}
	if w, err := parse([]byte("nonsense")); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("nonsense is read as %s, %v", w, err)
	}
}

func TestWordsComeBack(t *testing.T) {
	testWords(t, []Class{Same, Differs, Absent}, func(b []byte) (c Class, err error) { err = c.UnmarshalText(b); return c, err })
	testWords(t, []Impact{None, Weakened, Degraded, Rejected}, func(b []byte) (i Impact, err error) { err = i.UnmarshalText(b); return i, err })
	testWords(t, []Match{Equal, Contains, Captured, Present, Maintained}, func(b []byte) (m Match, err error) { err = m.UnmarshalText(b); return m, err })
	testWords(t, Kinds(), func(b []byte) (k Kind, err error) { err = k.UnmarshalText(b); return k, err })
}
