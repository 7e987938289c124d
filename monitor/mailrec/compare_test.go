package mailrec

import (
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

// pair is a verified record and what is there now. Records are one a line.
type pair struct {
	ask    string
	was    string
	now    string
	class  Class
	impact Impact
	says   string
}

func testPairs(t *testing.T, e Expectation, pairs []pair) {
	t.Helper()
	for _, p := range pairs {
		t.Run(e.Kind.String()+"/"+p.ask, func(t *testing.T) {
			was, now := answer(t, e.Kind.Type(), records(p.was)...), answer(t, e.Kind.Type(), records(p.now)...)
			base := e.Select(was)
			f := e.Compare(base, now)
			if f.Class != p.class || f.Impact != p.impact || !strings.Contains(f.Reason, p.says) {
				t.Errorf("%q became %q: %s, %s, %q; want %s, %s, a reason with %q",
					p.was, p.now, f.Class, f.Impact, f.Reason, p.class, p.impact, p.says)
			}
			mustBeSound(t, f)
			same := e.Compare(base, was)
			if same.Class != Same {
				t.Errorf("%q against itself is %s: %s", p.was, same.Class, same.Reason)
			}
			if e.Match != Contains && e.Match != Present && (f.Class == Same) != (f.Meaning == same.Meaning) {
				t.Errorf("class %s, but equal meaning is %t", f.Class, f.Meaning == same.Meaning)
			}
			if f.Class == Differs && len(f.Changes) == 0 {
				t.Error("it differs without a change to show")
			}
		})
	}
}

func records(lines string) []string {
	if lines == "" {
		return nil
	}
	return strings.Split(lines, "\n")
}

func TestSPFThatWasCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: SPF, Match: Captured}, []pair{
		{"blanks", "v=spf1 mx -all", "v=spf1   mx  -all ", Same, None, ""},
		{"case", "v=spf1 include:x.example -all", "V=SPF1 Include:X.Example -ALL", Same, None, ""},
		{"implied plus", "v=spf1 mx -all", "v=spf1 +mx -all", Same, None, ""},
		{"trailing dot", "v=spf1 a:x.example -all", "v=spf1 a:x.example. -all", Same, None, ""},
		{"default prefix", "v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1/32 -all", Same, None, ""},
		{"default IPv6 prefix", "v=spf1 ip6:2001:db8::1 -all", "v=spf1 ip6:2001:DB8:0::1/128 -all", Same, None, ""},
		{"host bits", "v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:192.0.2.99/24 -all", Same, None, ""},
		{"default dual prefix", "v=spf1 a:x.example mx -all", "v=spf1 a:x.example/32//128 mx//128 -all", Same, None, ""},
		{"order of modifiers", "v=spf1 exp=e.example x=1 mx -all", "v=spf1 mx -all x=1 exp=e.example", Same, None, ""},
		{"redirect beside all", "v=spf1 mx -all", "v=spf1 mx redirect=x.example -all", Same, None, ""},
		{"terms after all", "v=spf1 mx -all", "v=spf1 mx -all include:x.example", Same, None, ""},
		{"tokens came", "v=spf1 mx -all", "v=spf1 mx -all\nMS=ms1\nv=spf10 x", Same, None, ""},

		{"include lost, -all", "v=spf1 include:spf1.dm.aliyun.com mx -all", "v=spf1 mx -all", Differs, Rejected, "the result for them is fail"},
		{"include lost, ~all", "v=spf1 include:x.example ~all", "v=spf1 ~all", Differs, Degraded, "softfail"},
		{"include moved behind all", "v=spf1 include:x.example -all", "v=spf1 -all include:x.example", Differs, Rejected, "fail"},
		{"address changed", "v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.2 -all", Differs, Rejected, "192.0.2.1"},
		{"prefix narrowed", "v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:192.0.2.0/28 -all", Differs, Rejected, "/24"},
		{"include denied", "v=spf1 include:x.example -all", "v=spf1 ?include:x.example -all", Differs, Rejected, "no longer pass"},
		{"redirect changed", "v=spf1 redirect=a.example", "v=spf1 redirect=b.example", Differs, Degraded, "a.example"},
		{"include added", "v=spf1 include:x.example -all", "v=spf1 include:x.example include:y.example -all", Differs, Weakened, "more senders"},
		{"-all softened", "v=spf1 mx -all", "v=spf1 mx ~all", Differs, Weakened, "softfail"},
		{"all removed", "v=spf1 mx -all", "v=spf1 mx", Differs, Weakened, "neutral"},
		{"+all", "v=spf1 mx -all", "v=spf1 mx +all", Differs, Weakened, "now get pass"},
		{"~all tightened", "v=spf1 mx ~all", "v=spf1 mx -all", Differs, Degraded, "now get fail"},
		{"order of mechanisms", "v=spf1 a mx -all", "v=spf1 mx a -all", Differs, None, "order"},
		{"case of a macro letter", "v=spf1 exists:%{d}.x.example -all", "v=spf1 exists:%{D}.x.example -all", Differs, Rejected, "no longer pass"},
		{"explanation changed", "v=spf1 mx -all exp=a.example", "v=spf1 mx -all exp=b.example", Differs, None, "nobody may send"},
		{"a second record", "v=spf1 mx -all", "v=spf1 mx -all\nv=spf1 a -all", Differs, Degraded, "permerror"},
		{"the same record twice, with another blank", "v=spf1 mx -all", "v=spf1 mx -all\nv=spf1 mx  -all", Differs, Degraded, "permerror"},
		{"a missing blank", "v=spf1 ip4:192.0.2.1 include:x.example -all", "v=spf1 ip4:192.0.2.1include:x.example -all", Differs, Degraded, "term 1"},
		{"an unknown mechanism", "v=spf1 mx -all", "v=spf1 mxx -all", Differs, Degraded, "not a known mechanism"},
		{"a tab", "v=spf1 mx -all", "v=spf1 mx\t-all", Differs, Degraded, "not a known mechanism"},
		{"a line break at the end", "v=spf1 mx -all", "v=spf1 mx -all\r", Differs, Degraded, "not a known mechanism"},
		{"a typographic dash", "v=spf1 mx -all", "v=spf1 mx –all", Differs, Degraded, "not a known mechanism"},
		{"redirect twice", "v=spf1 mx", "v=spf1 redirect=a.example redirect=b.example", Differs, Degraded, "twice"},
		{"gone", "v=spf1 mx -all", "", Absent, Degraded, "no SPF record"},
		{"gone, tokens left", "v=spf1 mx -all", "MS=ms1", Absent, Degraded, "no SPF record"},
		{"gone where no mail is sent", "v=spf1 -all", "", Absent, Weakened, "sends no mail"},
		{"version mistyped", "v=spf1 mx -all", "v=spf1; mx -all", Absent, Degraded, "is not one"},
	})
}

func TestSPFThatMustContainAnInclude(t *testing.T) {
	testPairs(t, Expectation{Kind: SPF, Match: Contains, Want: []string{"include:spf1.dm.aliyun.com"}}, []pair{
		{"another service came", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 include:x.example include:spf1.dm.aliyun.com -all", Same, None, ""},
		{"another service went", "v=spf1 include:x.example include:spf1.dm.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com ~all", Same, None, ""},
		{"the include went", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 mx -all", Differs, Rejected, "does not have"},
		{"the include is neutral", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 ?include:spf1.dm.aliyun.com -all", Differs, Rejected, "is needed"},
		{"+all came", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com +all", Differs, Weakened, "anybody"},
		{"+all was verified", "v=spf1 include:spf1.dm.aliyun.com +all", "v=spf1 include:spf1.dm.aliyun.com mx all", Same, None, ""},
		{"a second record came", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com -all\nv=spf1 include:spf.qiye.aliyun.com -all", Differs, Degraded, "permerror"},
		{"too many lookups", "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com" + strings.Repeat(" a:x.example", 10) + " -all", Differs, Degraded, "at most 10"},
	})
}

func TestSPFContainsTellsWhatElseChanged(t *testing.T) {
	e := Expectation{Kind: SPF, Match: Contains, Want: []string{"include:x.example"}}
	base := e.Select(answer(t, rrset.TXT, "v=spf1 include:x.example mx -all"))
	f := e.Compare(base, answer(t, rrset.TXT, "v=spf1 include:x.example ~all"))
	if f.Class != Same || len(f.Changes) != 2 || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "the rest of the record changed") {
		t.Errorf("got %+v", f)
	}
}

func TestSPFThatWasBrokenWhenCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: SPF, Match: Captured, AllowInvalid: true}, []pair{
		{"white space at the ends", "v=spf1 spf.hosted.example ~all", "v=spf1 spf.hosted.example ~all ", Same, None, ""},
		{"mended", "v=spf1 spf.hosted.example ~all", "v=spf1 include:spf.hosted.example ~all", Differs, None, "could not be used"},
		{"still broken, but otherwise", "v=spf1 spf.hosted.example ~all", "v=spf1 spf.hosted.example -all", Differs, Degraded, "not a known mechanism"},
		{"one of two went", "v=spf1 mx -all\nv=spf1 a -all", "v=spf1 mx -all", Differs, None, "could not be used"},
		{"two in another order", "v=spf1 mx -all\nv=spf1 a -all", "v=spf1 a -all\nv=spf1 mx -all", Same, None, ""},
	})
}

func TestDKIMThatWasCaptured(t *testing.T) {
	k, other, weak := rsaKey(t, 2048), rsaKeyNumber(t, 2048, 2), rsaKey(t, 512)
	one := "v=DKIM1; k=rsa; p=" + k
	testPairs(t, Expectation{Kind: DKIM, Match: Captured}, []pair{
		{"order of tags", one, "v=DKIM1; p=" + k + "; k=rsa", Same, None, ""},
		{"default k", one, "p=" + k, Same, None, ""},
		{"trailing semicolon", one, one + ";", Same, None, ""},
		{"blanks", one, " v = DKIM1 ;\tk = rsa ; p = " + k[:10] + " " + k[10:100] + "\t" + k[100:], Same, None, ""},
		{"default s", one, one + "; s=*", Same, None, ""},
		{"a note", one, "v=DKIM1; k=rsa; n=hello; p=" + k, Same, None, ""},
		{"an unknown tag", one, "v=DKIM1; k=rsa; zz=1; p=" + k, Same, None, ""},
		{"an unknown flag", one, one + "; t=z", Same, None, ""},
		{"a wildcard's SPF beside it", one, one + "\nv=spf1 -all", Same, None, ""},

		{"another key", one, "v=DKIM1; k=rsa; p=" + other, Differs, Degraded, "is another one"},
		{"case of one letter", one, strings.Replace(one, "BAQEF", "BAQEf", 1), Differs, Degraded, ""},
		{"a shorter key", one, "v=DKIM1; k=rsa; p=" + rsaKey(t, 1024), Differs, Degraded, "was 2048-bit RSA, is 1024-bit RSA"},
		{"a key that is too short", one, "p=" + weak, Differs, Degraded, "too short"},
		{"another type", one, "v=DKIM1; k=ed25519; p=" + edKey, Differs, Degraded, "Ed25519"},
		{"another Ed25519 key", "k=ed25519; p=" + edKey, "k=ed25519; p=" + otherKey, Differs, Degraded, "is another one"},
		{"revoked", one, "v=DKIM1; k=rsa; p=", Differs, Degraded, "revoked"},
		{"test flag", one, one + "; t=y", Differs, Weakened, "t=y"},
		{"strict flag", one, one + "; t=s", Differs, Degraded, "subdomains"},
		{"test flag gone", one + "; t=y", one, Differs, None, "no longer marked as a test"},
		{"service", one, one + "; s=email", Differs, None, "the key is the same"},
		{"no longer for mail", one, one + "; s=other", Differs, Degraded, "not for e-mail"},
		{"hash", one, one + "; h=sha256", Differs, None, "the key is the same"},
		{"sha1 only", one, one + "; h=sha1", Differs, Degraded, "sha256"},
		{"cut off", one, one[:250], Differs, Degraded, "cannot be used"},
		{"a second key", one, one + "\np=" + other, Differs, Degraded, "undefined"},
		{"p twice", one, one + "; p=" + other, Differs, Degraded, "twice"},
		{"version mistyped", one, "v=DKIM; k=rsa; p=" + k, Differs, Degraded, "DKIM1"},
		{"semicolon lost", one, "v=DKIM1 k=rsa; p=" + k, Differs, Degraded, "DKIM1"},
		{"gone", one, "", Absent, Degraded, "no DKIM key"},
		{"gone, a wildcard answers", one, "v=spf1 -all", Absent, Degraded, "no DKIM key"},

		{"still revoked", "v=DKIM1; p=", "v=DKIM1;p=;", Same, None, ""},
		{"no longer revoked", "v=DKIM1; p=", one, Differs, Weakened, "was revoked"},
		{"revocation gone", "v=DKIM1; p=", "", Absent, None, "revoked"},
	})
}

func TestDKIMThatMayRotate(t *testing.T) {
	one, two := "v=DKIM1; p="+rsaKey(t, 2048), "v=DKIM1; p="+rsaKeyNumber(t, 2048, 2)
	testPairs(t, Expectation{Kind: DKIM, Match: Present}, []pair{
		{"rotated", one, two, Same, None, ""},
		{"rotated to Ed25519", one, "k=ed25519; p=" + edKey, Same, None, ""},
		{"revoked", one, "v=DKIM1; p=", Differs, Degraded, "revoked"},
		{"too short", one, "p=" + rsaKey(t, 768), Differs, Degraded, "too short"},
		{"gone", one, "", Absent, Degraded, "no DKIM key"},
	})
}

func TestDMARCThatWasCaptured(t *testing.T) {
	one := "v=DMARC1; p=reject; rua=mailto:a@x.example,mailto:b@y.example"
	testPairs(t, Expectation{Kind: DMARC, Match: Captured}, []pair{
		{"no blanks", one, "v=DMARC1;p=reject;rua=mailto:a@x.example,mailto:b@y.example;", Same, None, ""},
		{"order of tags", one, "v=DMARC1; rua=mailto:a@x.example,mailto:b@y.example; p=reject", Same, None, ""},
		{"order of addresses", one, "v=DMARC1; p=reject; rua=mailto:b@y.example , mailto:a@x.example", Same, None, ""},
		{"case of the policy", one, "v=DMARC1; p=Reject; rua=mailto:a@x.example,mailto:b@y.example", Same, None, ""},
		{"case of scheme and host", one, "v=DMARC1; p=reject; rua=MAILTO:a@X.example,mailto:b@Y.EXAMPLE", Same, None, ""},
		{"defaults written out", one, one + "; adkim=r; aspf=R; pct=100; fo=0; ri=86400; rf=afrf; t=n; psd=u", Same, None, ""},
		{"an unknown tag", one, one + "; x=1", Same, None, ""},
		{"an invalid value counts as the default", one, one + "; adkim=x", Same, None, ""},
		{"semicolons at the end", one, one + ";;", Same, None, ""},
		{"a token beside it", one, one + "\nhello", Same, None, ""},

		{"policy weakened to none", one, strings.Replace(one, "reject", "none", 1), Differs, Weakened, "the policy was weakened: none, was reject"},
		{"policy weakened to quarantine", one, strings.Replace(one, "reject", "quarantine", 1), Differs, Weakened, "weakened"},
		{"policy lost", one, strings.Replace(one, "p=reject; ", "", 1), Differs, Weakened, "weakened: none"},
		{"policy mistyped", one, strings.Replace(one, "reject", "rejct", 1), Differs, Weakened, "weakened: none"},
		{"policy made stricter", "v=DMARC1; p=none;", "v=DMARC1; p=reject;", Differs, Degraded, "stricter"},
		{"subdomains weakened", one, one + "; sp=none", Differs, Weakened, "subdomains was weakened"},
		{"sp same as p", one, one + "; sp=reject", Differs, None, "do not change"},
		{"names that do not exist weakened", one, one + "; np=none", Differs, Weakened, "do not exist"},
		{"share lowered", one, one + "; pct=50", Differs, Weakened, "50 % of mail"},
		{"share raised", one + "; pct=50", one, Differs, Degraded, "more mail"},
		{"test mode", one, one + "; t=y", Differs, Weakened, "t=y"},
		{"alignment strict", one, one + "; adkim=s", Differs, Degraded, "adkim=s"},
		{"alignment relaxed", one + "; aspf=s", one, Differs, Weakened, "aspf=r"},
		{"report address lost", one, "v=DMARC1; p=reject; rua=mailto:a@x.example", Differs, Weakened, "b@y.example"},
		{"report address added", one, one + ",mailto:c@z.example", Differs, None, "do not change"},
		{"case of the local part", one, strings.Replace(one, "a@x", "A@x", 1), Differs, Weakened, "no longer go to"},
		{"failure options", one, one + "; fo=1", Differs, None, "do not change"},
		{"a second record", one, one + "\nv=DMARC1; p=none", Differs, Degraded, "discard all"},
		{"a tag twice", one, one + "; p=none", Differs, Degraded, "twice"},
		{"version in small letters", one, strings.ToLower(one), Absent, Degraded, "must be written DMARC1"},
		{"gone", one, "", Absent, Degraded, "told receivers to reject"},
		{"neither policy nor reports left", one, "v=DMARC1;", Differs, Degraded, "no valid policy"},
	})
}

func TestMXThatWasCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: MX, Match: Captured}, []pair{
		{"order", "10 a.example\n20 b.example", "20 b.example\n10 a.example", Same, None, ""},
		{"case", "10 a.example", "10 A.Example.", Same, None, ""},
		{"preference", "1 mx01.dm.aliyun.com", "10 mx01.dm.aliyun.com", Same, None, ""},
		{"the same host twice", "10 a.example", "10 a.example\n20 a.example", Same, None, ""},
		{"a host went", "10 a.example\n20 b.example", "10 a.example", Differs, Degraded, `no longer goes to "b.example"`},
		{"a host came", "10 a.example", "10 a.example\n5 b.example", Differs, Degraded, "also goes to"},
		{"another host", "10 a.example", "10 b.example", Differs, Degraded, "and no longer to"},
		{"null MX came", "10 a.example", "0 .", Differs, Rejected, "null MX"},
		{"null MX beside it", "10 a.example", "10 a.example\n0 .", Differs, Degraded, "among other"},
		{"null MX went", "0 .", "10 a.example", Differs, Weakened, "accepted no mail"},
		{"null MX gone", "0 .", "", Absent, Weakened, "accepts no mail"},
		{"gone", "10 a.example", "", Absent, Degraded, "no MX record"},
	})
	testPairs(t, Expectation{Kind: MX, Match: Captured, MatchPreference: true}, []pair{
		{"preference counts", "10 a.example\n20 b.example", "20 a.example\n10 b.example", Differs, Weakened, "preferences"},
		{"preference kept", "10 a.example", "10 A.example", Same, None, ""},
	})
	testPairs(t, Expectation{Kind: MX, Match: Contains, Want: []string{"a.example"}}, []pair{
		{"another host came", "10 a.example", "10 a.example\n20 b.example", Same, None, ""},
		{"the host went", "10 a.example\n20 b.example", "20 b.example", Differs, Degraded, "a.example"},
	})
}

func TestOneTextInTwoRecordsIsTwoRecords(t *testing.T) {
	text := []byte("v=spf1 mx -all")
	whole, split := rrset.TXTData(text), append(rrset.TXTData(text[:7]), rrset.TXTData(text[7:])...)
	f := Expectation{Kind: SPF, Match: Captured}.Compare(rrset.NewSet(rrset.TXT, whole), rrset.NewSet(rrset.TXT, whole, split))
	if f.Class != Differs || len(f.Changes) != 1 || f.Changes[0].Now != "2" {
		t.Errorf("got %+v", f)
	}
	f = Expectation{Kind: SPF, Match: Captured}.Compare(rrset.NewSet(rrset.TXT, whole), rrset.NewSet(rrset.TXT, split))
	if f.Class != Same {
		t.Errorf("strings split elsewhere are %s: %s", f.Class, f.Reason)
	}
}

func TestMXNotesChangedPreferences(t *testing.T) {
	e := Expectation{Kind: MX, Match: Captured}
	f := e.Compare(answer(t, rrset.MX, "10 a.example"), answer(t, rrset.MX, "5 a.example"))
	if len(f.Notes) != 1 || f.Notes[0] != `preferences changed: "5 a.example", was "10 a.example"` {
		t.Errorf("notes are %q", f.Notes)
	}
}

func TestTokensThatWereCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: Ownership, Match: Captured}, []pair{
		{"others came", "MS=ms1", "MS=ms1\ngoogle-site-verification=a\nMS=ms2", Same, None, ""},
		{"SPF came", "MS=ms1", "MS=ms1\nv=spf1 -all", Same, None, ""},
		{"white space", "MS=ms1", " MS=ms1 ", Same, None, ""},
		{"replaced", "MS=ms1\na=b", "MS=ms2\na=b", Differs, Degraded, `"MS=ms2" is there instead of "MS=ms1"`},
		{"case", "MS=ms1", "MS=Ms1", Differs, Degraded, "instead"},
		{"a bare token replaced", "0c40d5f125af4e42892a", "ffffffffffffffffffff", Differs, Degraded, "instead"},
		{"base64 has no name", "7TpoWZygS3NuQ4e4VDNJ==", "CDixrtfZce+k5KA7lE5h==", Differs, Degraded, "instead"},
		{"one of two went", "MS=ms1\na=b", "a=b", Differs, Degraded, `"MS=ms1" is gone`},
		{"gone, others left", "MS=ms1", "google-site-verification=a", Absent, Degraded, "no such"},
		{"gone", "MS=ms1", "", Absent, Degraded, "no such"},
	})
	testPairs(t, Expectation{Kind: Ownership, Match: Equal, Want: []string{"MS=ms1"}}, []pair{
		{"a sibling of the same service went", "MS=ms1\nMS=ms2", "MS=ms1", Same, None, ""},
		{"the token went, a sibling stays", "MS=ms1\nMS=ms2", "MS=ms2", Differs, Degraded, "instead"},
	})
	testPairs(t, Expectation{Kind: Ownership, Match: Captured, Want: []string{"MS="}}, []pair{
		{"tokens of others do not count", "MS=ms1\na=b", "MS=ms1", Same, None, ""},
		{"the service's token went", "MS=ms1\na=b", "a=b", Absent, Degraded, "no such"},
	})
	testPairs(t, Expectation{Kind: TXT, Match: Captured}, []pair{
		{"others came", "a", "a\nb", Same, None, ""},
		{"SPF is not counted", "a\nv=spf1 -all", "a", Same, None, ""},
		{"replaced", "3e929528", "inf", Differs, None, "instead"},
		{"replaced by another service's", "MS=ms1", "x=1", Differs, None, "instead"},
		{"one of two went", "a=1\nb=2", "a=1", Differs, None, "is gone"},
		{"gone", "a", "v=spf1 -all", Absent, None, "no such"},
	})
	testPairs(t, Expectation{Kind: Ownership, Match: Present}, []pair{
		{"another one", "MS=ms1", "a=b", Same, None, ""},
		{"gone", "MS=ms1", "", Absent, Degraded, "no such"},
	})
}

func TestTokenMeaningDoesNotDependOnWhatMerelyCame(t *testing.T) {
	e := Expectation{Kind: TXT, Match: Captured}
	base := answer(t, rrset.TXT, "a=1", "b=2")
	one := e.Compare(base, answer(t, rrset.TXT, "a=1"))
	two := e.Compare(base, answer(t, rrset.TXT, "a=1", "c=3"))
	if one.Class != Differs || one.Meaning != two.Meaning {
		t.Errorf("%s %s, %s %s", one.Class, one.Meaning, two.Class, two.Meaning)
	}
}

func TestHostsAndAddressesThatWereCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: CNAME, Match: Captured}, []pair{
		{"case", "a.example", "A.Example.", Same, None, ""},
		{"another target", "s1.domainkey.u1.wl1.sendgrid.net", "s1.domainkey.u2.wl1.sendgrid.net", Differs, Degraded, "leads to"},
		{"two targets", "a.example", "a.example\nb.example", Differs, Degraded, "only one"},
		{"gone", "a.example", "", Absent, Degraded, "no CNAME"},
	})
	testPairs(t, Expectation{Kind: NS, Match: Captured}, []pair{
		{"order", "a.example\nb.example", "b.example\na.example", Same, None, ""},
		{"one went", "a.example\nb.example", "a.example", Differs, Degraded, "b.example"},
		{"parked", "a.example\nb.example", "ns1.parking.example", Differs, Degraded, "leads to"},
		{"gone", "a.example", "", Absent, Rejected, "no NS"},
	})
	testPairs(t, Expectation{Kind: PTR, Match: Captured}, []pair{
		{"another name", "a.example", "b.example", Differs, Rejected, "leads to"},
		{"a second name", "a.example", "a.example\nb.example", Differs, Degraded, "came"},
	})
	testPairs(t, Expectation{Kind: A, Match: Captured}, []pair{
		{"order", "192.0.2.1\n192.0.2.2", "192.0.2.2\n192.0.2.1", Same, None, ""},
		{"one went", "192.0.2.1\n192.0.2.2", "192.0.2.2", Differs, Degraded, "no longer has"},
		{"one came", "192.0.2.1", "192.0.2.1\n192.0.2.2", Differs, Degraded, "also has"},
		{"gone", "192.0.2.1", "", Absent, Degraded, "no A record"},
	})
	testPairs(t, Expectation{Kind: AAAA, Match: Captured}, []pair{
		{"spelling", "2001:db8::1", "2001:DB8:0:0::1", Same, None, ""},
		{"another", "2001:db8::1", "2001:db8::2", Differs, Degraded, "was"},
	})
}

func TestTagListsThatWereCaptured(t *testing.T) {
	testPairs(t, Expectation{Kind: MTASTS, Match: Captured}, []pair{
		{"blanks", "v=STSv1; id=1", "v=STSv1;id=1;", Same, None, ""},
		{"a field of the future", "v=STSv1; id=1", "v=STSv1; id=1; x=y", Same, None, ""},
		{"a new policy", "v=STSv1; id=1", "v=STSv1; id=2", Differs, None, "fetch"},
		{"case of the id", "v=STSv1; id=a", "v=STSv1; id=A", Differs, None, "fetch"},
		{"broken", "v=STSv1; id=1", "v=STSv1; id=2026-01-01", Differs, Weakened, "letters and digits"},
		{"gone", "v=STSv1; id=1", "", Absent, Weakened, "not protected"},
	})
	testPairs(t, Expectation{Kind: TLSRPT, Match: Captured}, []pair{
		{"blanks", "v=TLSRPTv1;rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:a@X.example ;", Same, None, ""},
		{"another address", "v=TLSRPTv1; rua=mailto:a@x.example", "v=TLSRPTv1; rua=mailto:b@x.example", Differs, Weakened, "no longer go to"},
		{"gone", "v=TLSRPTv1; rua=mailto:a@x.example", "", Absent, Weakened, "reports"},
	})
	testPairs(t, Expectation{Kind: BIMI, Match: Captured}, []pair{
		{"no a is an empty a", "v=BIMI1; l=https://x.example/l.svg", "v=BIMI1; l=https://x.example/l.svg; a=;", Same, None, ""},
		{"another logo", "v=BIMI1; l=https://x.example/l.svg", "v=BIMI1; l=https://x.example/m.svg", Differs, None, "logo"},
		{"declined", "v=BIMI1; l=https://x.example/l.svg", "v=BIMI1; l=; a=", Differs, Weakened, "declines"},
		{"gone", "v=BIMI1; l=https://x.example/l.svg", "", Absent, Weakened, "logo"},
	})
}

func TestWhatIsWantedIsNeverDrift(t *testing.T) {
	e := Expectation{Kind: DMARC, Match: Equal, Want: []string{"v=DMARC1; p=reject"}}
	accepted := answer(t, rrset.TXT, "v=DMARC1; p=none")
	if f := e.Compare(accepted, answer(t, rrset.TXT, "v=DMARC1;p=reject;")); f.Class != Same {
		t.Errorf("back to what the configuration wants is %s: %s", f.Class, f.Reason)
	}
	if f := e.Compare(accepted, accepted); f.Class != Same {
		t.Errorf("what an operator accepted is %s: %s", f.Class, f.Reason)
	}
	google := Expectation{Kind: MX, Match: Equal, Want: []string{"smtp.google.com"}, Alternatives: [][]string{{"aspmx.l.google.com"}}}
	f := google.Compare(answer(t, rrset.MX, "1 aspmx.l.google.com"), answer(t, rrset.MX, "1 smtp.google.com"))
	if f.Class != Same || len(f.Changes) != 2 {
		t.Errorf("from the service's old form to its new one is %s with %v", f.Class, f.Changes)
	}
}
