package monitor

import (
	"encoding/json"
	"slices"
	"testing"
)

// FuzzStringListOfOne holds a list that is written as one text against the text as the library reads it.
func FuzzStringListOfOne(f *testing.F) {
	for _, text := range []string{"", "v=spf1 -all", `a"b\c`, "a\nb", "ü", "\xff", "<>&\u2028"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{string(written), `"` + text + `"`} {
			var want string
			var got StringList
			wantErr, gotErr := json.Unmarshal([]byte(form), &want), json.Unmarshal([]byte(form), &got)
			if (wantErr == nil) != (gotErr == nil) || wantErr == nil && !slices.Equal(got, StringList{want}) {
				t.Errorf("%s was read as %q, %v; want %q, %v", form, got, gotErr, want, wantErr)
			}
		}
	})
}

func TestStringListOfSeveral(t *testing.T) {
	for form, want := range map[string]StringList{`["a","b"]`: {"a", "b"}, `[]`: {}, `["a\"b"]`: {`a"b`}} {
		var got StringList
		if err := json.Unmarshal([]byte(form), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s was read as %q, %v", form, got, err)
		}
	}
	var got StringList
	if err := json.Unmarshal([]byte(`7`), &got); err == nil {
		t.Errorf("a number was read as %q", got)
	}
}
