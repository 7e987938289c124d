package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browserScripts is where the scripts are that drive a browser.
const browserScripts = "../../monitor/web/testdata/browser"

// browse runs such a script against a daemon. What it asks for, by a word, is done by the function of that name.
func browse(t *testing.T, script, base string, do map[string]func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(browserScripts, script), base, t.ArtifactDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; .ci/servers installs what these tests need", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		what, asked := strings.CutPrefix(lines.Text(), "ask ")
		if !asked {
			t.Log(lines.Text())
			continue
		}
		answer := "nobody can do that"
		if f := do[what]; f != nil {
			f()
			answer = "done"
		}
		if _, err := fmt.Fprintln(in, answer); err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, complaints.String())
	}
}

// TestPagesInABrowser registers a domain on the page, against real servers, and follows it through trouble.
func TestPagesInABrowser(t *testing.T) {
	s := newSetup(t, map[string][]string{"shop.example.": nil}, nil)
	const apex, owner = "shop.example.", "notice.shop.example."
	publish := func(spf string) func() {
		return func() {
			s.dns.edit(func(zones map[string][]string) {
				zones[apex] = []string{
					txtLine(owner, spf), txtLine("_dmarc."+owner, "v=DMARC1; p=reject"),
					txtLine("s1._domainkey."+owner, "v=DKIM1; k=rsa; p="+longKey),
					txtLine("hostile."+owner, "<script>alert(1)</script>\x1b[31m\"><img src=x onerror=alert(2)>\u202e"),
				}
			}, apex)
		}
	}
	browse(t, "story.mjs", "http://"+s.daemon.addr, map[string]func(){
		"publish": publish("v=spf1 mx -all"), "break": publish("v=spf1 mx ~all"), "mend": publish("v=spf1 mx -all"),
		"check": func() { s.daemon.run("domains", "check", "notice.shop.example") },
	})
	eventually(t, 10*time.Second, "the domain is gone", func() bool {
		list, _ := s.daemon.run("domains", "list", "--format", "json")
		return strings.TrimSpace(list) == "[]"
	})
}

// longKey is a public key of 2048 bits.
const longKey = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u" +
	"+qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ" +
	"0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbc" +
	"mwIDAQAB"

// TestVendoredScripts says whether the scripts that pages load are those of the packages that they are said to be of.
func TestVendoredScripts(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "node", filepath.Join(browserScripts, "vendor.mjs"), "--check").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
