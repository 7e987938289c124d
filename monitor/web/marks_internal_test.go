package web

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// written gives spans as text, what is marked in brackets.
func written(lines [][]span) string {
	var out []string
	for _, line := range lines {
		text := ""
		for _, s := range line {
			if s.Mark {
				text += "[" + s.Text + "]"
			} else {
				text += s.Text
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "|")
}

func TestMarked(t *testing.T) {
	key := strings.Repeat("A", 60)
	for _, row := range []struct {
		name, was, is, wantWas, wantIs string
	}{
		{"a term is gone", "v=spf1 include:a.example -all", "v=spf1 -all", "v=spf1 [include:a.example] -all", "v=spf1 -all"},
		{"a term is another", "v=spf1 mx -all", "v=spf1 mx ~all", "v=spf1 mx [-all]", "v=spf1 mx [~all]"},
		{"the order is another", "v=spf1 a mx", "v=spf1 mx a", "v=spf1 a mx", "v=spf1 mx a"},
		{"a term is there twice", "a a b", "a b", "a [a] b", "a b"},
		{"tags", "v=DMARC1; p=reject;rua=x", "v=DMARC1; p=none; rua=x", "v=DMARC1; [p=reject];rua=x", "v=DMARC1; [p=none]; rua=x"},
		{"a key differs in its middle", "v=DKIM1; p=" + key + "BB" + key, "v=DKIM1; p=" + key + "CC" + key, "v=DKIM1; p=" + key + "[BB]" + key, "v=DKIM1; p=" + key + "[CC]" + key},
		{"a key lost its end", "p=" + key + "XYZ", "p=" + key, "p=" + key + "[XYZ]", "p=" + key},
		{"two records and one", "10 mx1.example|20 mx2.example", "10 mx1.example", "10 mx1.example|[20] [mx2.example]", "10 mx1.example"},
		{"nothing", "", "v=spf1", "", "[v=spf1]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			was, is := strings.Split(row.was, "|"), strings.Split(row.is, "|")
			if got := written(marked(was, is)); got != row.wantWas {
				t.Errorf("was: %q, want %q", got, row.wantWas)
			}
			if got := written(marked(is, was)); got != row.wantIs {
				t.Errorf("is: %q, want %q", got, row.wantIs)
			}
		})
	}
}

// FuzzMarked holds that marking never changes a text.
func FuzzMarked(f *testing.F) {
	f.Add("v=spf1 include:a.example -all", "v=spf1 ~all")
	f.Add("p="+strings.Repeat("é", 50), "p="+strings.Repeat("é", 49)+"è")
	f.Fuzz(func(t *testing.T, was, is string) {
		if !utf8.ValidString(was) || !utf8.ValidString(is) {
			return // lines are printable, see rrset.Printable
		}
		var text strings.Builder
		for _, s := range marked([]string{was}, []string{is})[0] {
			text.WriteString(s.Text)
		}
		if text.String() != was {
			t.Errorf("%q became %q", was, text.String())
		}
	})
}
