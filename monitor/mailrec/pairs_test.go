package mailrec

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor/rrset"
)

// corpusPair is one entry of testdata/pairs.yml.
type corpusPair struct {
	Is   string
	A, B texts
	Why  string
}

// texts is one record or several.
type texts []string

func (l *texts) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*l = texts{n.Value}
		return nil
	}
	return n.Decode((*[]string)(l))
}

func TestPairs(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "pairs.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]corpusPair
	if err := yaml.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	keys := pairKeys(t)
	n, seen := 0, map[string]bool{}
	for kind, pairs := range all {
		var k Kind
		if err := k.UnmarshalText([]byte(kind)); err != nil {
			t.Fatal(err)
		}
		for _, p := range pairs {
			n++
			name := fmt.Sprintf("%s/%q became %q", kind, p.A, p.B)
			if seen[name] {
				t.Errorf("twice: %s", name)
			}
			seen[name] = true
			t.Run(kind+"/"+p.Is+"/"+p.Why, func(t *testing.T) {
				a, b := pairSet(t, k, p.A, keys), pairSet(t, k, p.B, keys)
				mustBeConsistent(t, k, a, b)
				got, f := Relate(k, a, b)
				if got.String() != p.Is {
					t.Errorf("%q became %q: %s (%s, notes %q), want %s", p.A, p.B, got, f.Reason, f.Notes, p.Is)
				}
				if (got == Identical || got == Cosmetic && f.Class == Same) != (f.Reason == "") {
					t.Errorf("%s because %q", got, f.Reason)
				}
			})
		}
	}
	if n < 200 {
		t.Errorf("%d pairs", n)
	}
	t.Logf("%d pairs", n)
}

// mustBeConsistent holds a pair against itself and its reverse: nothing differs from itself, what
// says the same does so both ways, and what is stricter is not so both ways.
func mustBeConsistent(t *testing.T, k Kind, a, b rrset.Set) {
	t.Helper()
	for _, set := range []rrset.Set{a, b} {
		if r, f := Relate(k, set, set); r != Identical {
			t.Errorf("%v differs from itself: %s, %s", set.Lines(), r, f.Reason)
		}
	}
	there, _ := Relate(k, a, b)
	back, f := Relate(k, b, a)
	if (there == Identical) != (back == Identical) || there == Tightened && back == Tightened {
		t.Errorf("%v became %v: %s, and back: %s (%s)", a.Lines(), b.Lines(), there, back, f.Reason)
	}
}

// pairKeys are what stands in braces in the corpus.
func pairKeys(t *testing.T) *strings.Replacer {
	long := rsaKey(t, 2048)
	ed := base64.StdEncoding.EncodeToString(make([]byte, 32))
	return strings.NewReplacer("{2048}", long, "{2048b}", rsaKeyNumber(t, 2048, 2), "{1024}", rsaKey(t, 1024), "{512}", rsaKey(t, 512),
		"{ed}", ed, "{edb}", "B"+ed[1:], "{2048 cut}", long[:240], "{2048 lower}", strings.ToLower(long), "{2048 upper}", strings.ToUpper(long),
		"{2048 half1}", long[:200], "{2048 half2}", long[200:], "{2048 junk}", long[:100]+"#!"+long[102:])
}

// pairSet makes the RRset of some records.
func pairSet(t *testing.T, k Kind, records texts, keys *strings.Replacer) rrset.Set {
	t.Helper()
	if len(records) == 0 {
		return rrset.Set{Type: k.Type()}
	}
	if k.Type() != rrset.TXT {
		set, err := rrset.Parse(k.Type(), records...)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	var data [][]byte
	for _, text := range records {
		text = keys.Replace(text)
		if !strings.HasPrefix(text, `"`) {
			data = append(data, rrset.TXTData([]byte(text)))
			continue
		}
		data = append(data, txtStrings(t, text))
	}
	return rrset.NewSet(rrset.TXT, data...)
}

// txtStrings makes TXT data of quoted strings, split where they are.
func txtStrings(t *testing.T, text string) []byte {
	t.Helper()
	var out []byte
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		var one strings.Builder
		n, ok := unquoteOne(&one, text[1:])
		if !ok || text[0] != '"' {
			t.Fatalf("not quoted strings: %s", text)
		}
		out = append(out, rrset.TXTData([]byte(one.String()))...)
		text = text[1+n:]
	}
	return out
}
