package metrics

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocsAreTrue holds docs/metrics.md against the code. With UPDATE_DOCS=1 it
// writes it.
func TestDocsAreTrue(t *testing.T) {
	const path = "../../docs/metrics.md"
	var doc strings.Builder
	doc.WriteString(`# Metrics

What ` + "`/metrics`" + ` exports besides the metrics of the Go runtime, the process and the embedded Alertmanager
(` + "`alertmanager_*`" + `). This list is made from the code: ` + "`UPDATE_DOCS=1 go test ./monitor/metrics`" + `.

Labels hold only what was configured, never what came from a zone. Series of single records exist for at most
` + "`metrics.per_record_limit`" + ` records, those in trouble first, and for
those of domains that have one of ` + "`metrics.per_record_labels`" + `.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
`)
	for _, m := range Reference() {
		fmt.Fprintf(&doc, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(doc.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != doc.String() {
		t.Errorf("docs/metrics.md is stale (%v): UPDATE_DOCS=1 go test ./monitor/metrics", err)
	}
}
