package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
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
