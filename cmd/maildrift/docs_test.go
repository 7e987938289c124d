package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"maildrift/monitor/config"
	"maildrift/monitor/metrics"
)

// TestSecurityTableNamesTestsThatExist holds docs/security.md against the tests that it names.
func TestSecurityTableNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			known[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(text, -1)
	for _, m := range named {
		if !known[string(m[1])] {
			t.Errorf("docs/security.md names %s, and there is no such test", m[1])
		}
	}
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
}

// pages gives the text of README.md and of all of docs, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/runbooks/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[file] = string(text)
	}
	if len(out) < 20 {
		t.Errorf("only %d pages were found", len(out))
	}
	return out
}

// TestDocsNameMetricsThatExist looks for metrics, recorded series and alerts of Prometheus that nobody has.
func TestDocsNameMetricsThatExist(t *testing.T) {
	rules := ""
	for _, name := range []string{"maildrift.rules.yml", "maildrift.recording.rules.yml"} {
		text, err := os.ReadFile("../../configs/prometheus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		rules += string(text)
	}
	series, alert := regexp.MustCompile(`\bmaildrift[_:][a-z0-9_:]+`), regexp.MustCompile(`\bMaildrift[A-Z]\w+`)
	named := 0
	for file, text := range pages(t) {
		for _, name := range append(series.FindAllString(text, -1), alert.FindAllString(text, -1)...) {
			named++
			known := slices.ContainsFunc(metrics.Reference(), func(d metrics.MetricDoc) bool { return d.Name == name })
			if !known && !strings.Contains(rules, "record: "+name+"\n") && !strings.Contains(rules, "alert: "+name+"\n") {
				t.Errorf("%s names %s, which there is not", file, name)
			}
		}
	}
	if named < 60 {
		t.Errorf("only %d were found", named)
	}
}

// TestDocsNameFieldsThatExist looks for fields of the configuration that there are not.
func TestDocsNameFieldsThatExist(t *testing.T) {
	known, tops := map[string]bool{}, map[string]bool{}
	for _, f := range config.Reference() {
		path := strings.NewReplacer("[]", "", ".NAME", "").Replace(f.Path)
		known[path] = true
		top, _, _ := strings.Cut(path, ".")
		tops[top] = true
	}
	field := regexp.MustCompile("`([a-z_]+)((?:\\.[a-z_]+)+)(?::[^`]*)?`")
	named := 0
	for file, text := range pages(t) {
		for _, m := range field.FindAllStringSubmatch(text, -1) {
			if !tops[m[1]] || strings.HasSuffix(m[2], ".go") {
				continue
			}
			if named++; !known[m[1]+m[2]] {
				t.Errorf("%s names the field %s, which there is not", file, m[1]+m[2])
			}
		}
	}
	if named < 40 {
		t.Errorf("only %d were found", named)
	}
}

// code is what stands in blocks and spans of code.
var code = regexp.MustCompile("(?s)```[a-z]*\n.*?```|`[^`]+`")

// TestDocsNameCommandsThatExist looks for commands and flags that there are not.
func TestDocsNameCommandsThatExist(t *testing.T) {
	line := regexp.MustCompile(`(?:^|[\s` + "`" + `(])maildrift ([a-z][^\n` + "`" + `|>;#]*)`)
	flag := regexp.MustCompile(`--([a-z-]+)`)
	root := newRoot()
	root.InitDefaultCompletionCmd()
	named := 0
	for file, text := range pages(t) {
		for _, block := range code.FindAllString(text, -1) {
			for _, m := range line.FindAllStringSubmatch(block, -1) {
				named++
				c, rest := commandOf(root, strings.Fields(m[1]))
				if !c.HasParent() || c.HasSubCommands() && len(rest) > 0 && !strings.ContainsAny(rest[0][:1], "-…") {
					t.Errorf("%s names the command %q, which there is not", file, m[1])
				}
				for _, f := range flag.FindAllStringSubmatch(m[1], -1) {
					if c.Flags().Lookup(f[1]) == nil && c.InheritedFlags().Lookup(f[1]) == nil && f[1] != "help" {
						t.Errorf("%s names the flag --%s of %q, which there is not", file, f[1], m[1])
					}
				}
			}
		}
	}
	if named < 80 {
		t.Errorf("only %d were found", named)
	}
}

// commandOf gives the command that words begin with, and what is left of them.
func commandOf(c *cobra.Command, words []string) (found *cobra.Command, rest []string) {
	for len(words) > 0 {
		i := slices.IndexFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == words[0] })
		if i < 0 {
			break
		}
		c, words = c.Commands()[i], words[1:]
	}
	return c, words
}

// TestDocsLinkToWhatIsThere follows links to files, and to headings in them.
func TestDocsLinkToWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):]+)\)`)
	all := pages(t)
	for file, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			path, heading, _ := strings.Cut(m[1], "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			} else if heading != "" && !slices.Contains(headings(all[to]), heading) {
				t.Errorf("%s links to %s, and there is no such heading", file, m[1])
			}
		}
	}
}

// headings gives the anchors of a page, as GitHub makes them.
func headings(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		out = append(out, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(m[1])))
	}
	return out
}

// session is a block of a page that shows a command and what it prints.
var session = regexp.MustCompile("(?s)```console\n\\$ maildrift ([^\n]*)\n(.*?)```")

// TestFleetsPageShowsWhatCommandsPrint runs the commands of docs/fleets.md with the configurations that stand there. With UPDATE_DOCS=1
// it writes what they print.
func TestFleetsPageShowsWhatCommandsPrint(t *testing.T) {
	const path = "../../docs/fleets.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(configurationsOf(t, string(text)))
	sessions := 0
	want := session.ReplaceAllStringFunc(string(text), func(block string) string {
		sessions++
		line := session.FindStringSubmatch(block)[1]
		s := command(t, strings.Fields(line)...)
		if s.err != "" {
			t.Errorf("%s: %s", line, s.err)
		}
		return "```console\n$ maildrift " + line + "\n" + s.out + "```"
	})
	if os.Getenv("UPDATE_DOCS") != "" {
		text = []byte(want)
		if err := os.WriteFile(here, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if string(text) != want || sessions < 3 {
		t.Errorf("docs/fleets.md shows other output in its %d sessions: UPDATE_DOCS=1 go test ./cmd/maildrift -run FleetsPage", sessions)
	}
}

// configurationsOf writes the blocks of YAML that begin with a comment that names them, and gives their folder. Each must be good.
func configurationsOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, m := range regexp.MustCompile("(?s)```yaml\n# ([a-z]+\\.yml)\n(.*?)```").FindAllStringSubmatch(text, -1) {
		file := filepath.Join(dir, m[1])
		if err := os.WriteFile(file, []byte(m[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, "config", "check", file).expect(t, exitGood, "is good", "")
	}
	return dir
}
