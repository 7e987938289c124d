package metrics

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

const rulesFolder = "../../configs/prometheus"

// promtool runs Prometheus' own tool in the folder of the rules.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: run .ci/servers (make test does)", err)
	}
	c := exec.Command(path, args...)
	c.Dir = rulesFolder
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
}

func TestAlertingRules(t *testing.T) {
	promtool(t, "check", "config", "prometheus.yml")
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "maildrift.rules.yml", "maildrift.recording.rules.yml")
	promtool(t, "test", "rules", "maildrift.rules.test.yml")
}

// TestRulesSpeakOfMetricsThatExist finds what promtool cannot: a name that nobody exports.
func TestRulesSpeakOfMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile(rulesFolder + "/maildrift.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`\bmaildrift_\w+`).FindAllString(string(text), -1)
	if len(found) < 7 {
		t.Fatalf("only %q were found", found)
	}
	for _, name := range found {
		if !slices.ContainsFunc(Reference(), func(d MetricDoc) bool { return d.Name == name }) {
			t.Errorf("a rule speaks of %s, which is not exported", name)
		}
	}
}
