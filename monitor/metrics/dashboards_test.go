package metrics

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor/resolve"
)

// dashboard is what is looked at of a Grafana dashboard.
type dashboard struct {
	UID, Title, Description string
	SchemaVersion           int
	Templating              struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct {
			Name, Expr string
			BuiltIn    int
		}
	}
	Panels []panel
}

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               struct{ Type, UID string }
	Targets                  []struct {
		Expr       string
		Datasource struct{ Type, UID string }
	}
	FieldConfig struct{ Defaults struct{ Unit string } }
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("../../configs/grafana/dashboards/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	out := map[string]dashboard{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[filepath.Base(file)] = d
	}
	return out
}

// TestDashboardsAreSound finds what Grafana would show wrong, or not at all.
func TestDashboardsAreSound(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.Title == "" || d.Description == "" || d.SchemaVersion < 39 {
			t.Errorf("%s: uid %q, title %q, description %q, schema %d", file, d.UID, d.Title, d.Description, d.SchemaVersion)
		}
		uids[d.UID] = true
		for _, name := range []string{"datasource", "alerts", "job", "instance", "page"} {
			if !slices.ContainsFunc(d.Templating.List, func(v struct{ Name, Type, Definition string }) bool { return v.Name == name }) {
				t.Errorf("%s has no variable %s", file, name)
			}
		}
		checkPanels(t, file, d.Panels)
	}
}

func checkPanels(t *testing.T, file string, panels []panel) {
	t.Helper()
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("%s: panel %d %q: want a number of its own and a title", file, p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Errorf("%s: panel %q lies over %q, or beyond the edge", file, p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" && p.Datasource.UID != "${alerts}" {
			t.Errorf("%s: panel %q: description %q, unit %q, source %q", file, p.Title, p.Description, p.FieldConfig.Defaults.Unit, p.Datasource.UID)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%s: panel %q asks %q of %q: want the chosen source and instance", file, p.Title, target.Expr, target.Datasource.UID)
			}
		}
	}
}

// TestRulesAndDashboardsSpeakOfOutcomesThatExist finds a word that no series has: it would make all of them count as
// failures, and nothing empty.
func TestRulesAndDashboardsSpeakOfOutcomesThatExist(t *testing.T) {
	texts, err := filepath.Glob("../../configs/grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(texts, rulesFolder+"/maildrift.recording.rules.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`outcome!?[=~]+\\?"([^"\\]+)`).FindAllStringSubmatch(string(text), -1) {
			for word := range strings.SplitSeq(m[1], "|") {
				found++
				if !slices.ContainsFunc(resolve.Outcomes(), func(o resolve.Outcome) bool { return o.String() == word }) {
					t.Errorf("%s speaks of the outcome %q, which is none", file, word)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d outcomes were found", found)
	}
}

// TestDashboardsSpeakOfMetricsThatExist finds names that nobody exports and labels that they do not have.
func TestDashboardsSpeakOfMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile(rulesFolder + "/maildrift.recording.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{}
	for _, m := range regexp.MustCompile(`record: (\S+)`).FindAllSubmatch(text, -1) {
		recorded[string(m[1])] = true
	}
	metric := regexp.MustCompile(`\bmaildrift[_:][\w:]+`)
	for file, d := range dashboards(t) {
		var all []string
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all = append(all, metric.FindAllString(target.Expr, -1)...)
			}
		}
		for _, v := range d.Templating.List {
			all = append(all, metric.FindAllString(v.Definition, -1)...)
		}
		if len(all) < 5 {
			t.Errorf("%s speaks only of %q", file, all)
		}
		for _, name := range all {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !recorded[name] && !slices.ContainsFunc(Reference(), func(d MetricDoc) bool { return d.Name == base || d.Name == name }) {
				t.Errorf("%s speaks of %s, which is not exported", file, name)
			}
		}
	}
}
