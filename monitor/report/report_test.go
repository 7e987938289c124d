package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/diagnose"
	"maildrift/monitor/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostile is text that would like to be more than text.
const hostile = "</code><script>alert(1)</script> ```` **bold** [x](javascript:alert(1)) https://evil.example www.evil.example &#60;"

func example() report.Report {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	line := diagnose.Line{
		Record:     diagnose.Record{Name: "_dmarc.shop.example", Type: 16, Value: "v=DMARC1;p=none"},
		Panel:      "Cloudflare",
		Entry:      []diagnose.Field{{Label: "Type", Value: "TXT"}, {Label: "Name", Value: "_dmarc"}, {Label: "Content", Value: "v=DMARC1;p=none"}},
		MasterFile: `_dmarc.shop.example. IN TXT "v=DMARC1;p=none"`,
	}
	return report.Report{
		Domain: "shop.example", At: at, Version: "v1.2.3", Command: "maildrift report shop.example",
		Zones:   []report.Zone{{Apex: "shop.example", Servers: []string{"ada.ns.cloudflare.com/192.0.2.1"}, DNSHost: "Cloudflare"}},
		Verdict: []string{"Gmail: rejected 550 5.7.26"},
		Records: []report.Record{
			{
				Key: "dmarc", Purpose: "says what to do with forged mail", Name: "_dmarc.shop.example", Type: "TXT", Kind: "dmarc", Match: "equal",
				Want: []string{"v=DMARC1;p=none"}, Status: "wrong", Reason: "it says " + hostile, Rule: "RFC 9989 section 4.7", Impact: "degraded",
				Notes: []string{"a note"}, Decision: "drifted: 1 of 1", Commands: []string{"dig _dmarc.shop.example TXT"},
				Answers: []report.Answer{{
					Source: "google", Role: "google", Address: "192.0.2.8:53", Transport: "udp", Rcode: "NOERROR", Stand: "differs", TTL: 300, Flags: "AD",
					Latency: 12345 * time.Microsecond, Tries: 2, At: at, Chain: []string{"a.example"}, EDE: []string{"22 " + hostile}, Detail: "late", Data: []string{`"` + hostile + `"`},
				}},
				Causes: []diagnose.Diagnosis{{
					Cause: diagnose.QuotesInside, Certainty: diagnose.Certain, Sentence: "The value holds " + hostile, Fix: "Take it out.",
					Evidence: []string{hostile}, Rule: "RFC 1035 section 5.1", Publish: []diagnose.Line{line},
				}},
			},
			{Key: "spf", Name: "shop.example", Type: "TXT", Kind: "spf", Match: "present", Status: "good", Decision: "holding"},
		},
	}
}

func TestGolden(t *testing.T) {
	for f, file := range map[report.Format]string{report.Markdown: "report.md", report.HTML: "report.html"} {
		var out strings.Builder
		if err := example().Write(&out, f); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || out.String() != string(want) {
			t.Errorf("%s is not as in %s (%v); look at it, then run with -update:\n%s", f, path, err, out.String())
		}
	}
	if err := example().Write(&strings.Builder{}, "pdf"); err == nil {
		t.Error("pdf was written")
	}
}

func TestHostileContentIsInert(t *testing.T) {
	var page strings.Builder
	if err := example().Write(&page, report.HTML); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "href=", "src="} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	var doc strings.Builder
	if err := example().Write(&doc, report.Markdown); err != nil {
		t.Fatal(err)
	}
	for n, l := range outsideFences(doc.String()) {
		for _, bad := range []string{"<script", "[x]", "https://evil", " **bold", " www.evil"} {
			if strings.Contains(l, bad) {
				t.Errorf("line %d holds %s: %s", n, bad, l)
			}
		}
	}
}

// outsideFences gives the lines that no code block holds, as CommonMark section 4.5 has them.
func outsideFences(doc string) map[int]string {
	out := map[int]string{}
	fence := ""
	for n, l := range strings.Split(doc, "\n") {
		ticks := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		switch {
		case fence != "" && len(ticks) >= len(fence) && strings.TrimSpace(l) == ticks:
			fence = ""
		case fence != "":
		case len(ticks) >= 3:
			fence = ticks
		default:
			out[n+1] = l
		}
	}
	return out
}

// Whatever a zone says, the fences of the Markdown hold it.
func FuzzMarkdown(f *testing.F) {
	f.Add(hostile)
	f.Add("```\n# heading")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.Map(func(r rune) rune {
			if r < ' ' {
				return '.' // reports hold printable text only
			}
			return r
		}, s)
		r := example()
		r.Records[0].Answers[0].Data = []string{"secret-mark " + s}
		r.Records[0].Reason = s
		var doc strings.Builder
		if err := r.Write(&doc, report.Markdown); err != nil {
			t.Fatal(err)
		}
		for n, l := range outsideFences(doc.String()) {
			if strings.Contains(l, "secret-mark") {
				t.Errorf("line %d is outside of its fence: %s", n, l)
			}
		}
	})
}
