package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

func TestReport(t *testing.T) {
	t.Parallel()
	_, flags := misplacedShop(t)
	s := command(t, append([]string{"report"}, flags...)...)
	for _, want := range []string{
		"# Mail records of `notice.shop.example`",
		"Zone `shop.example`",
		"ns2.lab/127.53.0.2 (zone's own server)",
		"NXDOMAIN  absent",
		`data     "“v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com”"`,
		"### zone-appended (certain)",
		`BIND: notice.shop.example. IN MX 10 mx01.dm.aliyun.com.`,
		"dig +norecurse @ns1.lab notice.shop.example MX",
		"maildrift report notice.shop.example --preset=directmail",
		"- Gmail: rejected 550 5.7.26",
	} {
		s.expect(t, exitGood, want, "")
	}

	file := filepath.Join(t.TempDir(), "report.html")
	command(t, append([]string{"report", "--output", file}, flags...)...).expect(t, exitGood, "", "")
	page, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(page), "<!DOCTYPE html>") || !strings.Contains(string(page), "zone-appended (certain)") {
		t.Errorf("%v\n%s", err, page)
	}

	command(t, "report").expect(t, exitUsage, "", "maildrift report needs the domain to report on")
	command(t, "report", "shop.example", "--format", "pdf").expect(t, exitUsage, "", `unknown format "pdf": use markdown or html`)
	command(t, append([]string{"report", "--output", filepath.Join(t.TempDir(), "no", "file")}, flags...)...).expect(t, exitProblems, "", "write the report")
}

// What a zone says can be meant for whoever reads the report.
func TestReportOfAHostileZone(t *testing.T) {
	lab, _, flags := labWithShop(t)
	bad := "v=DMARC1; p=<script>alert(1)</script>\x1b[31m ````\n# heading"
	if err := lab.Set("shop.example", "_dmarc.shop.example", rrset.TXT, 60, bad); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"markdown", "html"} {
		s := command(t, append([]string{"report", "shop.example", "--format", format}, flags...)...)
		s.expect(t, exitGood, `\x1b[31m`, "")
		if strings.Contains(s.out, "\x1b") || strings.Contains(s.out, "\n# heading") || format == "html" && strings.Contains(s.out, "<script") {
			t.Errorf("%s lets it through:\n%s", format, s.out)
		}
	}
}
