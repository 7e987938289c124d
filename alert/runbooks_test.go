package alert

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor"
)

// TestEveryAlertHasARunbook takes the names of alerts from where they are defined.
func TestEveryAlertHasARunbook(t *testing.T) {
	sources, err := filepath.Glob("../monitor/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{FailingName}
	name := regexp.MustCompile(`AlertName = "(\w+)"`)
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	if !slices.Contains(names, string(monitor.AlertMissing)) || len(names) < 8 {
		t.Fatalf("only %q were found", names)
	}
	guide, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		text, err := os.ReadFile("../docs/runbooks/" + n + ".md")
		if err != nil || !strings.HasPrefix(string(text), "# "+n+"\n") || len(text) < 300 {
			t.Errorf("%s has no runbook that says what to do: %v", n, err)
		}
		if !strings.Contains(string(guide), "## "+n+"\n") {
			t.Errorf("docs/alerts.md does not tell of %s", n)
		}
	}
}
