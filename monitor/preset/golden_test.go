package preset_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"maildrift/configs"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func shipped(t testing.TB) preset.Set {
	t.Helper()
	set, err := preset.Load(configs.Presets)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sampled is one way in which a domain may use a preset.
type sampled struct {
	title  string
	params map[string]string
}

// samples gives the ways: only what is required, everything, and each value on which a record
// depends, with all else.
func samples(p preset.Preset) []sampled {
	out := []sampled{{"only what is required", p.WithExamples(nil)}, {"all parameters", examples(p)}}
	seen := map[string]bool{}
	for _, r := range p.Records {
		for _, condition := range r.When {
			name, value, compares := strings.Cut(condition, "=")
			if !compares || seen[condition] || examples(p)[name] == value {
				continue
			}
			seen[condition] = true
			params := examples(p)
			params[name] = value
			out = append(out, sampled{"all parameters, " + condition, params})
		}
	}
	return out
}

// TestGolden shows for each preset what a domain gets, with only what is required, with
// everything, and with what excludes each other.
func TestGolden(t *testing.T) {
	for _, p := range shipped(t).List() {
		t.Run(p.ID, func(t *testing.T) {
			var out strings.Builder
			for _, way := range samples(p) {
				expected, err := p.Expand(rrset.Name("notice.example.com"), way.params)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range expected {
					if err := e.Expectation.Validate(); err != nil {
						t.Errorf("%s: %s: %v", way.title, e.Key, err)
					}
				}
				fmt.Fprintf(&out, "## notice.example.com, %s\n\n%s", way.title, sheet(expected))
			}
			golden(t, p.ID, out.String())
		})
	}
}

// sheet writes records as a person copies them.
func sheet(expected []preset.Expected) string {
	var out strings.Builder
	for _, e := range expected {
		fmt.Fprintf(&out, "%s: %s\n  judged: %s %s at %s", e.Key, e.Purpose, e.Expectation.Kind, e.Expectation.Match, e.Name)
		if len(e.Expectation.Want) > 0 {
			fmt.Fprintf(&out, " %q", e.Expectation.Want)
		}
		for _, alternative := range e.Expectation.Alternatives {
			fmt.Fprintf(&out, " or %q", alternative)
		}
		out.WriteString("\n")
		for _, line := range e.Publish {
			fill := ""
			if line.Placeholder {
				fill = "  (fill in what the console shows)"
			}
			fmt.Fprintf(&out, "  publish: %s  %s  %s%s\n", line.Host, line.Type, line.Value, fill)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (run with -update if it should):\n%s", file, diff)
	}
}
