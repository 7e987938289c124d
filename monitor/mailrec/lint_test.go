package mailrec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/rrset"
)

func TestLint(t *testing.T) {
	key2048, key1024, key512 := rsaKey(t, 2048), rsaKey(t, 1024), rsaKey(t, 512)
	for _, tt := range []struct {
		kind, text string
		state      State
		worst      Severity
		says       string
	}{
		{"spf", "v=spf1 include:_spf.example.com -all", Valid, Note, "1 of the ten DNS lookups"},
		{"spf", `"v=spf1 include:_spf.example.com" " -all"`, Valid, Note, "were joined"},
		{"spf", `"v=spf1 ip4:192.0.2.1" "include:x.example -all"`, Invalid, Error, "ip4:192.0.2.1include:x.example"},
		{"spf", "v=spf1 a:x.example +all", Valid, Warning, "+all lets anybody send"},
		{"spf", "v=spf1 ptr -all", Valid, Warning, "ptr is slow"},
		{"spf", "v=spf1 -all a:x.example", Valid, Warning, "comes after all"},
		{"spf", "v=spf1 a:x.example", Valid, Warning, "does not end in all"},
		{"spf", "v=spf1 redirect=_spf.example.com", Valid, Note, ""},
		{"spf", "v=spf1 ?all", Valid, Warning, "?all says nothing"},
		{"spf", "v=spf1 " + strings.Repeat("a ", 11) + "-all", Invalid, Error, "11 terms"},
		{"spf", "v=spf1 inlcude:x.example -all", Invalid, Error, `"inlcude:x.example", is not a known mechanism`},
		{"spf", "v=spf1 ip4:192.0.2.300 -all", Invalid, Error, "needs an IPv4 address"},
		{"spf", "v=spf10 -all", NotOne, Error, "must be followed by a space"},
		{"spf", " v=spf1 -all", NotOne, Error, "begins with white space"},
		{"spf", "hello", NotOne, Error, "is no spf record"},
		{"spf", "", NotOne, Error, "is no spf record"},
		{"dkim", "v=DKIM1; k=rsa; p=" + key2048, Valid, Note, "2048-bit RSA"},
		{"dkim", "p=" + key2048, Valid, Note, "2048-bit RSA"},
		{"dkim", "k=rsa; p=" + key1024, Valid, Warning, "1024 bits"},
		{"dkim", "k=rsa; p=" + key512, Invalid, Error, "too short"},
		{"dkim", "v=DKIM1; p=" + key2048[:200] + `" "` + key2048[200:], Valid, Warning, "a seam between two strings"},
		{"dkim", "v=DKIM1; p=" + key2048[:200] + `\"\"` + key2048[200:], Valid, Warning, "a seam between two strings"},
		{"dkim", "v=DKIM1; p=", Revoked, Warning, "revoked"},
		{"dkim", "v=DKIM1; t=y; p=" + key2048, Valid, Warning, "t=y"},
		{"dkim", "v=DKIM1; h=sha1; p=" + key2048, Invalid, Error, "sha256"},
		{"dkim", "v=DKIM1; s=tlsrpt; p=" + key2048, Invalid, Error, "not for e-mail"},
		{"dkim", "v=DKIM1; p=" + key2048[:200], Invalid, Error, "cut off"},
		{"dkim", strings.ToLower("v=DKIM1; p=" + key2048), Invalid, Error, "must come first and be DKIM1"},
		{"dkim", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", Valid, Note, "Ed25519"},
		{"dkim", "s1.dkim.amazonses.com", NotOne, Error, "CNAME"},
		{"dmarc", "v=DMARC1; p=reject; rua=mailto:a@x.example", Valid, Note, ""},
		{"dmarc", "v=DMARC1;p=none;rua=mailto:a@x.example", Valid, Warning, "p=none"},
		{"dmarc", "v=DMARC1; p=reject", Valid, Warning, "without rua"},
		{"dmarc", "v=DMARC1; p=reject; sp=none; rua=mailto:a@x.example", Valid, Warning, "subdomains"},
		{"dmarc", "v=DMARC1; p=reject; pct=50; rua=mailto:a@x.example", Valid, Note, "pct is no longer"},
		{"dmarc", "v=DMARC1; p=rejct", Invalid, Error, "no valid policy"},
		{"dmarc", "v=DMARC1; p=none; p=reject", Invalid, Error, "twice"},
		{"dmarc", "p=reject; v=DMARC1", NotOne, Error, "is no dmarc record"},
		{"dmarc", "v=dmarc1; p=reject", NotOne, Error, "must be written DMARC1"},
		{"dmarc", "“v=DMARC1; p=reject”", NotOne, Error, "is no dmarc record"},
		{"mta-sts", "v=STSv1; id=20260101", Valid, Note, ""},
		{"mta-sts", "v=STSv1; id=2026-01-01", Invalid, Error, "letters and digits"},
		{"mta-sts", "v=STSv2; id=1", NotOne, Error, ""},
		{"tls-rpt", "v=TLSRPTv1; rua=mailto:a@x.example", Valid, Note, ""},
		{"tls-rpt", "v=TLSRPTv1; rua=ftp:a", Invalid, Error, "mailto: and https:"},
		{"bimi", "v=BIMI1; l=https://x.example/a.svg", Valid, Note, ""},
		{"bimi", "v=BIMI1; l=http://x.example/a.svg", Invalid, Error, "not an https address"},
		{"bimi", "v=BIMI1; l=; a=", Revoked, Warning, "declines"},
		{"mx", "10 mx.example.com\n20 b.example.com", Valid, Note, ""},
		{"mx", "mx.example.com", Valid, Warning, "no preference"},
		{"mx", "0 .", Revoked, Warning, "accepts no mail"},
		{"mx", "0 .\n10 a.example", Invalid, Error, "null MX stands among"},
		{"mx", "10 192.0.2.1", Invalid, Error, "address"},
		{"mx", "ten a.example", Invalid, Error, "not a number"},
		{"mx", "", NotOne, Error, "there is no MX record"},
		{"mta-sts-policy", "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 604800\r\n", Valid, Note, ""},
		{"mta-sts-policy", "version: STSv1\nmode: testing\nmx: a.example.com\nmax_age: 604800\n", Valid, Warning, "deliver all the same"},
		{"mta-sts-policy", "version: STSv1\nmode: enforce\nmx: a.example.com\nmax_age: 3600\n", Valid, Warning, "less than a week"},
		{"mta-sts-policy", "version: STSv1\nmode: none\nmax_age: 86400\n", Valid, Warning, "told not to protect"},
		{"mta-sts-policy", "version: STSv1\nmode: enforce\nmax_age: 604800\n", Invalid, Error, "no mx"},
		{"mta-sts-policy", "mode: enforce\nmx: a.example\nmax_age: 604800\n", Invalid, Error, "version must be STSv1"},
		{"mta-sts-policy", "version: STSv1\nmode: enforced\nmx: a.example\nmax_age: 604800\n", Invalid, Error, "mode must be"},
		{"mta-sts-policy", "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 99999999999\n", Invalid, Error, "max_age must be"},
		{"mta-sts-policy", "<html>not found</html>", Invalid, Error, "is not KEY: VALUE"},
		{"mta-sts-policy", "", NotOne, Error, "empty"},
	} {
		t.Run(tt.kind+"/"+tt.text[:min(len(tt.text), 40)], func(t *testing.T) {
			r, err := Lint(tt.kind, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			worst := Note
			var texts []string
			for _, f := range r.Findings {
				worst = max(worst, f.Severity)
				texts = append(texts, f.Text)
			}
			if r.State != tt.state || r.Valid != (tt.state == Valid) || worst != tt.worst || !strings.Contains(strings.Join(texts, "\n"), tt.says) {
				t.Errorf("%s, %s: %q; want %s, %s: %q", r.State, worst, texts, tt.state, tt.worst, tt.says)
			}
		})
	}
}

func TestLintOfSeveralRecords(t *testing.T) {
	for _, tt := range []struct {
		records []string
		want    State
	}{
		{[]string{"v=spf1 -all", "google-site-verification=x"}, Valid},
		{[]string{"v=spf1 -all", "v=spf1 include:x.example -all"}, Invalid},
		{[]string{"a", "b"}, NotOne},
		{nil, NotOne},
	} {
		if r, err := Lint("spf", tt.records...); err != nil || r.State != tt.want {
			t.Errorf("%q is %s (%v), want %s", tt.records, r.State, err, tt.want)
		}
	}
	if r, err := Lint("dmarc", "v=DMARC1; p=reject", strings.Repeat(";", maxRecords)); err != nil || r.State != Invalid {
		t.Errorf("very long records are %s (%v)", r.State, err)
	}
	if _, err := Lint("spv", "x"); err == nil || !strings.Contains(err.Error(), "mta-sts-policy") {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestLintSaysWhatToWriteInstead(t *testing.T) {
	key := rsaKey(t, 2048)
	for _, tt := range []struct{ kind, text, instead string }{
		{"dmarc", "“v=DMARC1; p=reject”", "v=DMARC1; p=reject"},
		{"dmarc", "v=DMARC1 p=reject", "v=DMARC1; p=reject"},
		{"dmarc", "v=dmarc1; p=reject", "v=DMARC1; p=reject"},
		{"dmarc", "p=reject; v=DMARC1", "v=DMARC1; p=reject"},
		{"dmarc", "DMARC1; p=reject", "v=DMARC1; p=reject"},
		{"dmarc", `v=DMARC1\; p=reject\;`, "v=DMARC1; p=reject;"},
		{"dmarc", "v=DMARC1; p=rejct", ""},
		{"dmarc", "hello", ""},
		{"spf", " v=spf1 -all", "v=spf1 -all"},
		{"spf", "v=spf1; a:x.example; -all", "v=spf1 a:x.example -all"},
		{"spf", "v=spf1 include: x.example –all", "v=spf1 include:x.example -all"},
		{"spf", "v=spf1 include:x.example, ~ all", "v=spf1 include:x.example ~all"},
		{"spf", "v=spf1 ipv4:192.0.2.1 -ipv6:2001:db8::1 -all", "v=spf1 ip4:192.0.2.1 -ip6:2001:db8::1 -all"},
		{"spf", "spf1 -all", "v=spf1 -all"},
		{"spf", `"v=spf1 a" "mx -all"`, `"v=spf1 a " "mx -all"`},
		{"spf", "v=spf1 inlcude:x.example -all", ""},
		{"dkim", "v=dkim1; p=" + key, "v=DKIM1; p=" + key},
		{"dkim", "k=rsa; p=" + key + "; v=DKIM1", "v=DKIM1; k=rsa; p=" + key},
		{"dkim", key[:100] + " " + key[100:], "v=DKIM1; k=rsa; p=" + key},
		{"dkim", `v=DKIM1\; p=` + key, "v=DKIM1; p=" + key},
		{"dkim", "v=DKIM1; p=" + key[:200], ""},
		{"mta-sts", "v=stsv1 id=1", "v=STSv1; id=1"},
		{"tls-rpt", "v=TLSRPTv1 rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:a@x.example"},
		{"bimi", "V=BIMI1; l=https://x.example/a.svg", "v=BIMI1; l=https://x.example/a.svg"},
	} {
		r, err := Lint(tt.kind, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		instead := ""
		for _, f := range r.Findings {
			instead += f.Instead
		}
		if r.Valid || instead != tt.instead {
			t.Errorf("%s %q is %s, write %q, want %q", tt.kind, tt.text, r.State, instead, tt.instead)
		}
	}
}

// TestLintOfHostileRecords: what fits into an answer is judged in no time.
func TestLintOfHostileRecords(t *testing.T) {
	var names strings.Builder
	for i := 0; names.Len() < 60_000; i++ {
		fmt.Fprintf(&names, "a%d=;", i)
	}
	for _, text := range []string{
		"v=DMARC1;" + names.String(), "v=DMARC1;p=none;" + names.String() + "a1=", strings.Repeat(`"`, 60_000), `"` + strings.Repeat(`\"`, 30_000),
		"v=spf1 " + strings.Repeat("ip4:192.0.2.1 ", 4_000) + "x", "v=spf1 " + strings.Repeat("ip4:10.0.0.0/31 ", 3_900), strings.Repeat(" ,", 30_000),
	} {
		for _, kind := range LintKinds() {
			begin := time.Now()
			if _, err := Lint(kind, text); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("%s %.30q took %s", kind, text, took)
			}
		}
	}
}

// TestLintRemarks has what does not make a record invalid.
func TestLintRemarks(t *testing.T) {
	key := rsaKey(t, 2048)
	for _, tt := range []struct{ kind, text, says string }{
		{"spf", "v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", "hold all addresses"},
		{"spf", "v=spf1 ip4:10.0.0.0/8 -all", "not an address of the Internet"},
		{"spf", "v=spf1 ip4:192.0.2.1", "does not end in all"},
		{"dkim", "p=" + key, "no v=DKIM1"},
		{"dkim", "v=DKIM1; g=*; p=" + key, "no longer part"},
		{"dkim", `"v=DKIM1; p=` + key + `"`, "string 1 has"},
		{"dmarc", "v=DMARC1; p=reject; rua=mailto:a@x.example,b@x.example", "is not an address for reports"},
		{"dmarc", "v=DMARC1; p=reject; sp=x; rua=mailto:a@x.example", "without a valid sp the policy is none"},
		{"bimi", "v=BIMI1; l=https://x.example/a.png", "does not end in .svg"},
		{"bimi", "v=BIMI1; l=https://x.example/a.svg", "without a certificate"},
		{"mx", "10 mail", "without a domain"},
		{"mx", "10 a_b.example", "underscore"},
		{"mx", "10 a.example\n20 a.example", "there twice"},
		{"mx", "10 a.example", "one host"},
	} {
		r, err := Lint(tt.kind, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Valid || !slices.ContainsFunc(r.Findings, func(f Remark) bool { return strings.Contains(f.Text, tt.says) && f.Rule != "" }) {
			t.Errorf("%s %q is %s: %+v, want %q with a rule", tt.kind, tt.text, r.State, r.Findings, tt.says)
		}
	}
}

// TestLintOfRealRecords lints what thousands of real zones publish: what it calls invalid or
// no record at all is what somebody looked at and listed in testdata/broken.txt.
func TestLintOfRealRecords(t *testing.T) {
	known := readBroken(t)
	seen := map[State]int{}
	for _, r := range realRecords(t) {
		k, watched := realKinds[r.Class]
		if !watched || k.Type().String() != r.Type || !slices.Contains(LintKinds(), k.String()) {
			continue
		}
		report, err := Lint(k.String(), r.Value)
		if err != nil {
			t.Fatal(err)
		}
		seen[report.State]++
		_, broken := known[k.String()+" "+r.Name]
		if sound := report.State == Valid || report.State == Revoked; sound == broken {
			t.Errorf("%s %s: %q is %s: %+v", k, r.Name, r.Value, report.State, report.Findings)
		}
	}
	t.Logf("%v", seen)
}

func TestSTSPolicyAllows(t *testing.T) {
	p, err := ParseSTSPolicy("version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.Example.NET\nmax_age: 604800\n")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[rrset.Name]bool{
		"mail.example.com": true, "other.example.com": false, "a.example.net": true, "a.b.example.net": false, "example.net": false,
	} {
		if p.Allows(host) != want {
			t.Errorf("%s: %v, want %v", host, !want, want)
		}
	}
}

func FuzzLint(f *testing.F) {
	for i, kind := range LintKinds() {
		f.Add(i, "v=spf1 include:x.example -all")
		f.Add(i, `"v=DKIM1; p=" "abc\010\"`)
		f.Add(i, kind)
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		kind := LintKinds()[uint(i)%uint(len(LintKinds()))]
		r, err := Lint(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		if r.Valid != (r.State == Valid) || r.State != Valid && len(r.Findings) == 0 {
			t.Fatalf("%+v", r)
		}
		for _, f := range r.Findings {
			if again, _ := Lint(kind, f.Instead); f.Instead != "" && !again.Valid {
				t.Fatalf("%q instead of %q is %s: %+v", f.Instead, text, again.State, again.Findings)
			}
			if f.Rule == "" {
				t.Fatalf("no rule: %+v", f)
			}
			if f.Severity == Error && r.State == Valid || rrset.Printable([]byte(f.Text)) != f.Text && !strings.Contains(f.Text, `\`) {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func FuzzSTSPolicy(f *testing.F) {
	f.Add("version: STSv1\nmode: enforce\nmx: *.example.com\nmax_age: 604800\n")
	f.Fuzz(func(_ *testing.T, text string) {
		if p, err := ParseSTSPolicy(text); err == nil {
			p.Allows("mx.example.com")
		}
	})
}
