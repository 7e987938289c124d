package alert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/verdict"
)

// phrasesInCode are the phrases that are said: the first arguments of f, the titles of rows, and nouns that are counted.
func phrasesInCode(t *testing.T) []string {
	t.Helper()
	var out []string
	add := func(x ast.Expr, build func(string) []string) {
		if lit, ok := x.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, build(text)...)
		}
	}
	plain := func(s string) []string { return []string{s} }
	noun := func(s string) []string { return []string{"1 " + s, "%d " + s + "s"} }
	for _, name := range []string{"words.go", "tongue.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "f" {
					add(n.Args[0], plain)
				} else if ok && f.Sel.Name == "count" {
					add(n.Args[1], noun)
				}
			case *ast.CompositeLit: // {"Title", value}
				if len(n.Elts) == 2 && n.Type == nil || isRow(n.Type) {
					add(n.Elts[0], plain)
				}
			}
			return true
		})
	}
	for a := verdict.Accept; a <= verdict.Refuse; a++ {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func isRow(x ast.Expr) bool {
	a, ok := x.(*ast.ArrayType)
	if !ok {
		return false
	}
	elt, ok := a.Elt.(*ast.Ident)
	return ok && elt.Name == "string" && a.Len != nil
}

var verbs = regexp.MustCompile(`%(\[\d+\])?[a-z]`)

// TestEveryPhraseIsTranslated finds phrases that a language lacks, that nobody says, or that speak of something else.
func TestEveryPhraseIsTranslated(t *testing.T) {
	said := phrasesInCode(t)
	if len(said) < 90 {
		t.Fatalf("only %d phrases were found", len(said))
	}
	zh := chinese()
	for _, p := range said {
		own, ok := zh[p]
		if !ok {
			t.Errorf("Chinese lacks %q", p)
			continue
		}
		if a, b := used(p), used(own); !slices.Equal(a, b) {
			t.Errorf("%q has the verbs %v, %q has %v", p, a, own, b)
		}
	}
	endings := []string{"recovered", "replaced", "removed", "the expectation was changed", "announced anew", "the change was made"}
	for p := range zh {
		if !slices.Contains(said, p) && !slices.Contains(endings, p) {
			t.Errorf("nobody says %q", p)
		}
	}
}

// used gives what a phrase fills in, by position.
func used(phrase string) []string {
	var out []string
	for i, v := range verbs.FindAllStringSubmatch(phrase, -1) {
		at := v[1]
		if at == "" {
			at = "[" + strconv.Itoa(i+1) + "]"
		}
		out = append(out, at+v[0][len(v[0])-1:])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestChineseWords shows every alert in Chinese. UPDATE_GOLDEN=1 writes the file.
func TestChineseWords(t *testing.T) {
	w := words
	w.Language = Chinese
	var all strings.Builder
	for _, i := range incidents(t) {
		a := w.Alert(i, noon)
		all.WriteString("== " + a.Labels["alertname"] + "\n" + a.Annotations["description"] + "\n")
		if english := words.Alert(i, noon); len(rowsOfText(a)) != len(rowsOfText(english)) || a.Annotations["priority"] != english.Annotations["priority"] {
			t.Errorf("%s tells another number of things in Chinese:\n%s\n%s", i.Name, a.Annotations["description"], english.Annotations["description"])
		}
	}
	const path = "testdata/words.zh-CN.golden"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != all.String() {
		t.Errorf("the words changed (%v); look at them and run with UPDATE_GOLDEN=1:\n%s", err, all.String())
	}
}

// rowsOfText gives the titles of a description.
func rowsOfText(a Alert) []string {
	var out []string
	for _, line := range strings.Split(a.Annotations["description"], "\n")[1:] {
		if title, _, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
			out = append(out, title)
		}
	}
	return out
}

func TestLanguages(t *testing.T) {
	for text, want := range map[string]Language{"": English, "en": English, "zh-CN": Chinese} {
		if got, err := ParseLanguage(text); err != nil || got != want {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	if _, err := ParseLanguage("zh"); err == nil || !strings.Contains(err.Error(), "zh-CN") {
		t.Errorf("an unknown language: %v", err)
	}
}

func TestPriorityFollowsImpactAndTimeLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		impact mailrec.Impact
		stage  judge.Stage
		left   time.Duration
		want   string
	}{
		{"refused now", mailrec.Rejected, judge.AtReceivers, 0, "P1"},
		{"refused within the hour", mailrec.Rejected, judge.AtAuthority, 43 * time.Minute, "P1"},
		{"refused later", mailrec.Rejected, judge.AtAuthority, 5 * time.Hour, "P2"},
		{"refused, nobody knows when", mailrec.Rejected, judge.AtAuthority, 0, "P1"},
		{"some mail suffers", mailrec.Degraded, judge.AtReceivers, 0, "P2"},
		{"protection", mailrec.Weakened, judge.AtReceivers, 0, "P3"},
		{"cosmetic", mailrec.None, judge.AtReceivers, 0, "P4"},
	} {
		i := lostInclude(t)
		i.Impact, i.Facts.Stage, i.Facts.Deadline = c.impact, c.stage, time.Time{}
		if c.left > 0 {
			i.Facts.Deadline = noon.Add(c.left)
		}
		if got := priority(i, noon); got != c.want {
			t.Errorf("%s is %s, want %s", c.name, got, c.want)
		}
		if i.Closed = noon; priority(i, noon) != "P5" {
			t.Errorf("%s is still urgent when it is over", c.name)
		}
	}
}
