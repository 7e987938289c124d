package mailrec

import (
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

// answer makes an RRset as a source would give it. TXT lines may hold any byte.
func answer(t testing.TB, typ rrset.Type, lines ...string) rrset.Set {
	t.Helper()
	set, err := rrset.Parse(typ, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Keys in base64, made for these tests.
const (
	edKey    = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	otherKey = "O2onvM62pC1imdg6/8jTRv4hw6tX6jPWVFtAPcOtSSE="
)

func TestCheckSaysWhetherARecordIsAsWanted(t *testing.T) {
	k1, k2, short := rsaKey(t, 2048), rsaKey(t, 1024), rsaKey(t, 512)
	tests := []struct {
		ask    string
		e      Expectation
		answer []string
		want   Class
		impact Impact
		says   string
	}{
		{"no answer", Expectation{Kind: SPF, Match: Captured}, nil, Absent, Degraded, "no SPF record"},
		{"only tokens at the name", Expectation{Kind: SPF, Match: Captured}, []string{"MS=ms1"}, Absent, Degraded, "no SPF record"},
		{"v=spf10 is no SPF", Expectation{Kind: SPF, Match: Captured}, []string{"v=spf10 -all"}, Absent, Degraded, "followed by a space"},
		{"v=spf1; is no SPF", Expectation{Kind: SPF, Match: Captured}, []string{"v=spf1; -all"}, Absent, Degraded, "followed by a space"},
		{"a blank in front", Expectation{Kind: SPF, Match: Captured}, []string{" v=spf1 -all"}, Absent, Degraded, "begins with white space"},
		{"quotes in the data", Expectation{Kind: SPF, Match: Captured}, []string{`"v=spf1 -all"`}, Absent, Degraded, "quotation marks"},
		{"SPF in capitals", Expectation{Kind: SPF, Match: Captured}, []string{"V=SPF1 -ALL"}, Same, None, ""},
		{"bare v=spf1", Expectation{Kind: SPF, Match: Captured}, []string{"v=spf1"}, Same, None, ""},
		{"SPF among tokens", Expectation{Kind: SPF, Match: Present}, []string{"MS=ms1", "v=spf1 -all"}, Same, None, ""},
		{"two SPF records", Expectation{Kind: SPF, Match: Present}, []string{"v=spf1 -all", "v=spf1 mx -all"}, Differs, Degraded, "permerror"},
		{"two SPF records, captured on purpose", Expectation{Kind: SPF, Match: Captured, AllowInvalid: true}, []string{"v=spf1 -all", "v=spf1 mx -all"}, Same, None, ""},
		{"a term that is no mechanism", Expectation{Kind: SPF, Match: Captured}, []string{"v=spf1 spf.example.com ~all"}, Differs, Degraded, `term 1 of the SPF record (character 8)`},
		{"the same, captured on purpose", Expectation{Kind: SPF, Match: Captured, AllowInvalid: true}, []string{"v=spf1 spf.example.com ~all"}, Same, None, ""},
		{"terms glued at a seam", Expectation{Kind: SPF, Match: Present}, []string{"v=spf1 ip4:192.0.2.1include:x.example -all"}, Differs, Degraded, "IPv4"},
		{"11 lookups", Expectation{Kind: SPF, Match: Present}, []string{"v=spf1" + strings.Repeat(" include:x.example", 11) + " -all"}, Differs, Degraded, "at most 10"},
		{"10 lookups", Expectation{Kind: SPF, Match: Present}, []string{"v=spf1" + strings.Repeat(" include:x.example", 10) + " -all"}, Same, None, ""},
		{"the wanted include is there", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:spf1.dm.aliyun.com"}}, []string{"v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all"}, Same, None, ""},
		{"the wanted include in capitals", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:spf1.dm.aliyun.com"}}, []string{"v=spf1 +INCLUDE:SPF1.DM.Aliyun.COM. -all"}, Same, None, ""},
		{"a whole record as terms", Expectation{Kind: SPF, Match: Contains, Want: []string{"v=spf1 include:spf1.dm.aliyun.com -all"}}, []string{"v=spf1 mx include:spf1.dm.aliyun.com ~all"}, Same, None, ""},
		{"the wanted include after all", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x.example"}}, []string{"v=spf1 -all include:x.example"}, Differs, Degraded, "before all"},
		{"the wanted include is denied", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x.example"}}, []string{"v=spf1 -include:x.example ~all"}, Differs, Degraded, "is needed"},
		{"the wanted include is missing", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x.example"}}, []string{"v=spf1 mx -all"}, Differs, Degraded, "get fail"},
		{"a longer name is another name", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x.example"}}, []string{"v=spf1 include:x.example.com -all"}, Differs, Degraded, "does not have"},
		{"one of two alternatives", Expectation{Kind: SPF, Match: Contains, Want: []string{"include:new.example"}, Alternatives: [][]string{{"include:old.example"}}}, []string{"v=spf1 include:old.example -all"}, Same, None, ""},
		{"equal in meaning", Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf1 ip4:192.0.2.0/24 -all"}}, []string{"v=spf1  +ip4:192.0.2.7/24  -ALL "}, Same, None, ""},
		{"softer than wanted", Expectation{Kind: SPF, Match: Equal, Want: []string{"v=spf1 mx -all"}}, []string{"v=spf1 mx ~all"}, Differs, Weakened, "softfail"},

		{"a key", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM1; k=rsa; p=" + k1}, Same, None, ""},
		{"a bare p=", Expectation{Kind: DKIM, Match: Present}, []string{"p=" + k2}, Same, None, ""},
		{"k=rsa;p= without v", Expectation{Kind: DKIM, Match: Present}, []string{"k=rsa;p=" + k1}, Same, None, ""},
		{"a blank at a seam of the key", Expectation{Kind: DKIM, Match: Equal, Want: []string{"p=" + k1}}, []string{"v=DKIM1; k=rsa; p=" + k1[:200] + " " + k1[200:]}, Same, None, ""},
		{"an Ed25519 key", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM1; k=ed25519; p=" + edKey}, Same, None, ""},
		{"an Ed25519 key that is too short", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM1; k=ed25519; p=" + edKey[:40]}, Differs, Degraded, "octets"},
		{"512 bits", Expectation{Kind: DKIM, Match: Present}, []string{"p=" + short}, Differs, Degraded, "512 bits are too short"},
		{"a key that was cut off", Expectation{Kind: DKIM, Match: Present}, []string{"p=" + k1[:200]}, Differs, Degraded, "RSA public key"},
		{"not base64", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM1; p=!!!"}, Differs, Degraded, "not base64"},
		{"revoked, but a key is wanted", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM1; p="}, Differs, Degraded, "revoked"},
		{"revoked, captured", Expectation{Kind: DKIM, Match: Captured}, []string{"v=DKIM1; p="}, Same, None, ""},
		{"revoked, but to be usable when captured", Expectation{Kind: DKIM, Match: Captured, Usable: true}, []string{"v=DKIM1; p="}, Differs, Degraded, "revoked"},
		{"revoked, wanted", Expectation{Kind: DKIM, Match: Equal, Want: []string{"v=DKIM1; p="}}, []string{"p="}, Same, None, ""},
		{"two keys at one selector", Expectation{Kind: DKIM, Match: Present}, []string{"p=" + k1, "p=" + k2}, Differs, Degraded, "undefined"},
		{"a wildcard SPF at the selector", Expectation{Kind: DKIM, Match: Present}, []string{"v=spf1 -all"}, Absent, Degraded, "no DKIM key"},
		{"the key's name published as TXT", Expectation{Kind: DKIM, Match: Present}, []string{"selector1-x._domainkey.x.onmicrosoft.com"}, Absent, Degraded, "CNAME"},
		{"v is not first", Expectation{Kind: DKIM, Match: Present}, []string{"k=rsa; v=DKIM1; p=" + k1}, Differs, Degraded, "must come first"},
		{"v=DKIM2", Expectation{Kind: DKIM, Match: Present}, []string{"v=DKIM2; p=" + k1}, Differs, Degraded, "must come first and be DKIM1"},
		{"a tag twice", Expectation{Kind: DKIM, Match: Present}, []string{"k=rsa; k=rsa; p=" + k1}, Differs, Degraded, "twice"},
		{"escaped semicolons", Expectation{Kind: DKIM, Match: Present}, []string{`v=DKIM1\; k=rsa\; p=` + k1}, Differs, Degraded, "escaped"},
		{"not for e-mail", Expectation{Kind: DKIM, Match: Present}, []string{"s=tlsrpt; p=" + k1}, Differs, Degraded, "not for e-mail"},
		{"sha1 only", Expectation{Kind: DKIM, Match: Present}, []string{"h=sha1; p=" + k1}, Differs, Degraded, "sha256"},
		{"an unknown key type", Expectation{Kind: DKIM, Match: Present}, []string{"k=dsa; p=" + k1}, Differs, Degraded, "unknown"},

		{"a policy", Expectation{Kind: DMARC, Match: Present}, []string{"v=DMARC1; p=none"}, Same, None, ""},
		{"no blanks", Expectation{Kind: DMARC, Match: Equal, Want: []string{"v=DMARC1; p=none; rua=mailto:dmarc_report@service.aliyun.com"}}, []string{"v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com"}, Same, None, ""},
		{"v=dmarc1 is no DMARC", Expectation{Kind: DMARC, Match: Present}, []string{"v=dmarc1; p=none"}, Absent, Degraded, "must be written DMARC1"},
		{"a missing semicolon", Expectation{Kind: DMARC, Match: Present}, []string{"v=DMARC1 p=none"}, Absent, Degraded, `"v=DMARC1;"`},
		{"two DMARC records", Expectation{Kind: DMARC, Match: Present}, []string{"v=DMARC1; p=none", "v=DMARC1; p=reject"}, Differs, Degraded, "discard all"},
		{"no policy but reports", Expectation{Kind: DMARC, Match: Equal, Want: []string{"v=DMARC1; p=none; rua=mailto:a@x.example"}}, []string{"v=DMARC1; rua=mailto:a@X.EXAMPLE"}, Same, None, ""},
		{"neither policy nor reports", Expectation{Kind: DMARC, Match: Present}, []string{"v=DMARC1; adkim=s"}, Differs, Degraded, "no valid policy"},
		{"a wanted tag", Expectation{Kind: DMARC, Match: Contains, Want: []string{"p=reject"}}, []string{"v=DMARC1; p=REJECT; sp=none"}, Same, None, ""},
		{"a wanted tag with another value", Expectation{Kind: DMARC, Match: Contains, Want: []string{"p=reject"}}, []string{"v=DMARC1; p=none"}, Differs, Degraded, "p=reject"},
		{"a wanted report address among others", Expectation{Kind: DMARC, Match: Contains, Want: []string{"rua=mailto:a@x.example"}}, []string{"v=DMARC1; p=none; rua=mailto:b@y.example, mailto:a@x.example"}, Same, None, ""},

		{"the one host", Expectation{Kind: MX, Match: Equal, Want: []string{"mx01.dm.aliyun.com"}}, []string{"1 MX01.dm.aliyun.com."}, Same, None, ""},
		{"one host too many", Expectation{Kind: MX, Match: Equal, Want: []string{"mx01.dm.aliyun.com"}}, []string{"1 mx01.dm.aliyun.com", "5 mx.example"}, Differs, Degraded, "also goes to"},
		{"the host among others", Expectation{Kind: MX, Match: Contains, Want: []string{"mx01.dm.aliyun.com"}}, []string{"1 mx01.dm.aliyun.com", "5 mx.example"}, Same, None, ""},
		{"the host is missing", Expectation{Kind: MX, Match: Contains, Want: []string{"mx01.dm.aliyun.com"}}, []string{"5 mx.example"}, Differs, Degraded, "no longer goes to"},
		{"wanted preference", Expectation{Kind: MX, Match: Equal, Want: []string{"5 mx.example"}, MatchPreference: true}, []string{"10 mx.example"}, Differs, Weakened, "preferences"},
		{"null MX where mail is wanted", Expectation{Kind: MX, Match: Present}, []string{"0 ."}, Differs, Rejected, "null MX"},
		{"null MX, captured", Expectation{Kind: MX, Match: Captured}, []string{"0 ."}, Same, None, ""},
		{"null MX, but to be usable when captured", Expectation{Kind: MX, Match: Captured, Usable: true}, []string{"0 ."}, Differs, Rejected, "null MX"},
		{"null MX, wanted", Expectation{Kind: MX, Match: Equal, Want: []string{"0 ."}}, []string{"0 ."}, Same, None, ""},
		{"null MX among others", Expectation{Kind: MX, Match: Captured}, []string{"0 .", "10 mx.example"}, Differs, Degraded, "among other"},
		{"no MX", Expectation{Kind: MX, Match: Captured}, nil, Absent, Degraded, "no MX record"},
		{"the second set of hosts", Expectation{Kind: MX, Match: Equal, Want: []string{"smtp.google.com"}, Alternatives: [][]string{{"aspmx.l.google.com", "alt1.aspmx.l.google.com"}}}, []string{"5 alt1.aspmx.l.google.com", "1 ASPMX.L.GOOGLE.COM"}, Same, None, ""},

		{"the token", Expectation{Kind: Ownership, Match: Equal, Want: []string{"0c40d5f125af4e42892a"}}, []string{"0c40d5f125af4e42892a"}, Same, None, ""},
		{"the token among others", Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []string{"v=spf1 -all", "MS=ms1", "MS=ms2", "brevo-code:1"}, Same, None, ""},
		{"blanks around the token", Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []string{" MS=ms1\t"}, Same, None, ""},
		{"the token in another case", Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []string{"MS=MS1"}, Differs, Degraded, "instead of"},
		{"another token of the service", Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []string{"MS=ms2"}, Differs, Degraded, `"MS=ms2" is there instead of "MS=ms1"`},
		{"tokens of other services only", Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []string{"brevo-code:1", "v=spf1 -all"}, Absent, Degraded, "no such"},
		{"any token of a service", Expectation{Kind: Ownership, Match: Captured, Want: []string{"google-site-verification"}}, []string{"google-site-verification=x"}, Same, None, ""},
		{"no token of that service", Expectation{Kind: Ownership, Match: Captured, Want: []string{"google-site-verification"}}, []string{"MS=ms1"}, Absent, Degraded, "no such"},
		{"SPF is no token", Expectation{Kind: Ownership, Match: Captured}, []string{"v=spf1 -all"}, Absent, Degraded, "no such"},
		{"any text", Expectation{Kind: TXT, Match: Captured}, []string{"hello"}, Same, None, ""},

		{"the alias", Expectation{Kind: CNAME, Match: Equal, Want: []string{"tracedm.aliyuncs.com"}}, []string{"TraceDM.aliyuncs.com."}, Same, None, ""},
		{"another alias", Expectation{Kind: CNAME, Match: Equal, Want: []string{"tracedm.aliyuncs.com"}}, []string{"evil.example"}, Differs, Degraded, "leads to"},
		{"no alias", Expectation{Kind: CNAME, Match: Present}, nil, Absent, Degraded, "no CNAME"},
		{"two aliases", Expectation{Kind: CNAME, Match: Captured}, []string{"a.example", "b.example"}, Differs, Degraded, "only one"},
		{"nameservers", Expectation{Kind: NS, Match: Contains, Want: []string{"ns1.example"}}, []string{"ns2.example", "ns1.example"}, Same, None, ""},
		{"no nameservers", Expectation{Kind: NS, Match: Captured}, nil, Absent, Rejected, "NS"},
		{"no name for the address", Expectation{Kind: PTR, Match: Captured}, nil, Absent, Rejected, "PTR"},
		{"an address", Expectation{Kind: A, Match: Equal, Want: []string{"192.0.2.1"}}, []string{"192.0.2.1"}, Same, None, ""},
		{"another address", Expectation{Kind: AAAA, Match: Equal, Want: []string{"2001:db8::1"}}, []string{"2001:db8::2"}, Differs, Degraded, "was"},

		{"a policy id", Expectation{Kind: MTASTS, Match: Present}, []string{"v=STSv1; id=20260101"}, Same, None, ""},
		{"no policy id", Expectation{Kind: MTASTS, Match: Present}, []string{"v=STSv1;"}, Differs, Weakened, "id must be"},
		{"two MTA-STS records", Expectation{Kind: MTASTS, Match: Present}, []string{"v=STSv1; id=1", "v=STSv1; id=2"}, Differs, Weakened, "only one"},
		{"a report address", Expectation{Kind: TLSRPT, Match: Present}, []string{"v=TLSRPTv1;rua=mailto:a@x.example,https://x.example/r"}, Same, None, ""},
		{"a report address without scheme", Expectation{Kind: TLSRPT, Match: Present}, []string{"v=TLSRPTv1; rua=a@x.example"}, Differs, Weakened, "rua must be"},
		{"a logo", Expectation{Kind: BIMI, Match: Present}, []string{"v=BIMI1; l=https://x.example/l.svg; a="}, Same, None, ""},
		{"a logo without TLS", Expectation{Kind: BIMI, Match: Present}, []string{"v=BIMI1; l=http://x.example/l.svg"}, Differs, Weakened, "https"},
		{"no logo on purpose", Expectation{Kind: BIMI, Match: Captured}, []string{"v=BIMI1; l=; a=;"}, Same, None, ""},
	}
	for _, tt := range tests {
		t.Run(tt.e.Kind.String()+"/"+tt.ask, func(t *testing.T) {
			if err := tt.e.Validate(); err != nil {
				t.Fatal("the expectation is invalid:", err)
			}
			set := answer(t, tt.e.Kind.Type(), tt.answer...)
			f := tt.e.Check(set)
			if f.Class != tt.want || f.Impact != tt.impact || !strings.Contains(f.Reason, tt.says) {
				t.Errorf("got %s, %s, %q; want %s, %s, a reason with %q", f.Class, f.Impact, f.Reason, tt.want, tt.impact, tt.says)
			}
			mustBeSound(t, f)
			if f.Class == Same {
				again := tt.e.Compare(tt.e.Select(set), set)
				if again.Class != Same || again.Meaning == (rrset.Hash{}) {
					t.Errorf("compared with itself as baseline it is %s: %s", again.Class, again.Reason)
				}
			}
		})
	}
}

// mustBeSound checks what holds for every finding.
func mustBeSound(t *testing.T, f Finding) {
	t.Helper()
	if (f.Class == Same) != (f.Reason == "") {
		t.Errorf("class %s has the reason %q", f.Class, f.Reason)
	}
	if (f.Class == Absent) != (f.Meaning == rrset.Hash{}) {
		t.Errorf("class %s has meaning %s", f.Class, f.Meaning)
	}
	if f.Class == Absent && !f.Seen.Empty() && f.Seen.Type != rrset.TXT {
		t.Errorf("an absent record is seen as %q", f.Seen.Lines())
	}
	for _, text := range append([]string{f.Reason}, f.Notes...) {
		if text != rrset.Printable([]byte(text)) {
			t.Errorf("text is not safe to print: %q", text)
		}
	}
	for _, c := range f.Changes {
		for _, text := range []string{c.Term, c.Was, c.Now} {
			if text != rrset.Printable([]byte(text)) {
				t.Errorf("change is not safe to print: %q", text)
			}
		}
		if c.Was == "" && c.Now == "" || c.Was == c.Now || c.Op != "+" && c.Op != "-" && c.Op != "~" {
			t.Errorf("change %+v does not show old and new", c)
		}
	}
}
