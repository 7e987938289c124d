package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// drawDashboards writes docs/grafana.md, and a picture of what each panel's query gave in the test's run.
func drawDashboards(t *testing.T, all []asked, results map[string][]curve) {
	t.Helper()
	const folder = "../../docs/grafana"
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		curves := results[a.uid+"/"+a.panel]
		if a.expr == "" || len(curves) == 0 {
			continue
		}
		if err := os.WriteFile(folder+"/"+pictureName(a), []byte(drawCurves(a.panel, a.unit, curves)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("../../docs/grafana.md", []byte(describeDashboards(all)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// describeDashboards says what each panel is, beside its picture.
func describeDashboards(all []asked) string {
	var doc strings.Builder
	doc.WriteString(grafanaDoc)
	described := map[string]bool{}
	uid := ""
	for _, a := range all {
		key := a.uid + "/" + a.panel + "/" + a.about
		if described[key] {
			continue
		}
		described[key] = true
		if a.uid != uid {
			uid = a.uid
			fmt.Fprintf(&doc, "\n## %s\n", uid)
		}
		fmt.Fprintf(&doc, "\n**%s.** %s\n", a.panel, a.about)
		if pictured := a.uid + "/" + a.panel; a.expr != "" && !described[pictured] {
			described[pictured] = true
			fmt.Fprintf(&doc, "\n![%s](grafana/%s)\n", a.panel, pictureName(a))
		}
	}
	return doc.String()
}

// pictureName is the file of a panel's picture.
func pictureName(a asked) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(a.uid+" "+a.panel)) + ".svg"
}

// TestGrafanaPageSaysWhatEachPanelIs holds docs/grafana.md against the dashboards. Its pictures are of a run of
// TestDashboardsAgainstPrometheus.
func TestGrafanaPageSaysWhatEachPanelIs(t *testing.T) {
	all := expressions(t, "", "")
	got, err := os.ReadFile("../../docs/grafana.md")
	if err != nil || string(got) != describeDashboards(all) {
		t.Errorf("docs/grafana.md is stale (%v): UPDATE_DOCS=1 go test ./cmd/maildrift -run DashboardsAgainstPrometheus", err)
	}
	for _, a := range all {
		if _, err := os.Stat("../../docs/grafana/" + pictureName(a)); err != nil && a.expr != "" {
			t.Errorf("%s of %s has no picture: %v", a.panel, a.uid, err)
		}
	}
}

const grafanaDoc = `# Grafana

[configs/grafana](../configs/grafana) holds four dashboards and what Grafana needs to load them by itself: copy
` + "`provisioning/`" + ` to ` + "`/etc/grafana/provisioning`" + ` and ` + "`dashboards/`" + ` to ` + "`/var/lib/grafana/dashboards/maildrift`" + `, or import the JSON by hand.
They want Prometheus with [maildrift.recording.rules.yml](../configs/prometheus/maildrift.recording.rules.yml), and maildrift itself as an
Alertmanager data source (implementation Prometheus) for the list of alerts. The variable "maildrift's page" is where links lead.

Below is what each panel's query gives in the test that runs all of them against a real Prometheus, while an SPF record drifts
and a resolver falls silent (` + "`UPDATE_DOCS=1 go test ./cmd/maildrift -run DashboardsAgainstPrometheus`" + `). Grafana draws them more finely.
`

// drawCurves draws series as lines with their names.
func drawCurves(title, unit string, curves []curve) string {
	const width, height, top, legend = 460, 120, 26, 16
	colours := []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c8c00", "#777777"}
	curves = curves[:min(len(curves), len(colours))]
	first, last, most := math.Inf(1), math.Inf(-1), 0.0
	points := make([][][2]float64, len(curves))
	for i, c := range curves {
		for _, v := range c.Values {
			at, _ := v[0].(float64)
			y, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
			if err != nil || math.IsNaN(y) || math.IsInf(y, 0) {
				continue
			}
			points[i] = append(points[i], [2]float64{at, y})
			first, last, most = min(first, at), max(last, at), max(most, y)
		}
	}
	if most == 0 {
		most = 1
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11"><rect width="100%%" height="100%%" fill="#fff"/>`,
		width, top+height+8+legend*len(curves))
	fmt.Fprintf(&out, `<text x="6" y="16" font-size="13" font-weight="bold">%s</text><text x="%d" y="16" text-anchor="end" fill="#555">at most %s %s</text>`,
		html.EscapeString(title), width-6, strconv.FormatFloat(most, 'g', 4, 64), html.EscapeString(unit))
	for i, ps := range points {
		var line []string
		for _, p := range ps {
			line = append(line, fmt.Sprintf("%.1f,%.1f", 6+(p[0]-first)/max(last-first, 1)*(width-12), top+height-p[1]/most*(height-4)))
		}
		if len(line) == 1 {
			line = append(line, line[0])
		}
		fmt.Fprintf(&out, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`, colours[i], strings.Join(line, " "))
		fmt.Fprintf(&out, `<text x="6" y="%d" fill="%s">%s</text>`, top+height+legend*(i+1), colours[i], html.EscapeString(curveName(curves[i].Metric)))
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// curveName is a series by what tells it from others.
func curveName(metric map[string]string) string {
	var parts []string
	for name, value := range metric {
		if name != "__name__" && name != "job" && name != "instance" {
			parts = append(parts, name+"="+value)
		}
	}
	if len(parts) == 0 {
		return "value"
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
