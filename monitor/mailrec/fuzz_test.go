package mailrec

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maildrift/monitor/rrset"
)

// fuzzSingle checks that a dialect never panics, that its canonical spelling means
// what the record means, and that findings about anything are fit to show.
func fuzzSingle(f *testing.F, d dialect, seeds ...string) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := single{d}
		set := rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))
		for _, m := range []Match{Captured, Present} {
			e := Expectation{Kind: d.kind(), Match: m}
			finding := s.check(e, set)
			mustBeSound(t, finding)
			if base := e.Select(set); finding.Class == Same && s.compare(e, base, set).Class != Same {
				t.Errorf("%q differs from itself", text)
			}
		}
		if !d.is([]byte(text)) {
			return
		}
		said, err := d.parse(text)
		if err != nil {
			return
		}
		again, err := d.parse(said.canonical())
		if err != nil {
			t.Fatalf("%q is spelled %q, which is not valid: %v", text, said.canonical(), err)
		}
		if again.canonical() != said.canonical() {
			t.Errorf("%q is spelled %q, which means %q", text, said.canonical(), again.canonical())
		}
	})
}

func FuzzSPF(f *testing.F) {
	fuzzSingle(f, spfDialect{}, "v=spf1 include:x.example ip4:192.0.2.0/24 ip6:2001:db8::/32 a:%{ir}.x.example/24//64 -all",
		"v=spf1 redirect=_spf.example.com exp=%{d}.x", "v=spf1 mx ?all x=%%%_%-")
}

func FuzzDKIM(f *testing.F) {
	fuzzSingle(f, dkim{}, "v=DKIM1; k=rsa; p="+rsaKey(f, 1024), "k=ed25519;p="+edKey, "v=DKIM1; p=", "p=a b\tc; h=sha256:sha1; s=email:*; t=y:s")
}

func FuzzDMARC(f *testing.F) {
	fuzzSingle(f, dmarc{}, "v=DMARC1; p=reject; rua=mailto:a@x.example!10m,https://x.example/r; fo=1:d; pct=07", "v = DMARC1 ;sp=none;np=REJECT;rua=x:y")
}

func FuzzMTASTS(f *testing.F) { fuzzSingle(f, mtaSTS{}, "v=STSv1; id=20260101;", "v=STSv1") }
func FuzzTLSRPT(f *testing.F) { fuzzSingle(f, tlsRPT{}, "v=TLSRPTv1; rua=mailto:a@x.example") }
func FuzzBIMI(f *testing.F) {
	fuzzSingle(f, bimi{}, "v=BIMI1; l=https://x.example/l.svg; a=", "v=BIMI1;l=;a=")
}

// FuzzCompare holds any two answers of any type against each other.
func FuzzCompare(f *testing.F) {
	f.Add(byte(0), []byte("v=spf1 -all"), []byte("v=spf1 mx -all"))
	f.Add(byte(4), []byte("\x00\x0a\x01a\x00"), []byte("\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, what byte, was, now []byte) {
		k := Kind(int(what) % len(kinds))
		base, set := rrset.NewSet(k.Type(), was), rrset.NewSet(k.Type(), now)
		for _, e := range []Expectation{
			{Kind: k, Match: Captured}, {Kind: k, Match: Captured, AllowInvalid: true}, {Kind: k, Match: Present},
			{Kind: k, Match: Equal, Want: []string{string(now)}}, {Kind: k, Match: Contains, Want: []string{string(was)}},
		} {
			mustBeSound(t, e.Check(set))
			mustBeSound(t, e.Compare(e.Select(base), set))
			if err := e.Validate(); err == nil && e.Match == Equal && k.Type() == rrset.TXT {
				if f := e.Check(rrset.NewSet(rrset.TXT, rrset.TXTData(now))); f.Class != Same {
					t.Errorf("%s %q is wanted and %s: %s", k, now, f.Class, f.Reason)
				}
			}
		}
	})
}

func TestCosmeticChangesAreNoDrift(t *testing.T) {
	key := rsaKey(t, 2048)
	rapid.Check(t, func(rt *rapid.T) {
		blank := rapid.SampledFrom([]string{"", " ", "\t", "  "})
		tags := rapid.Permutation([]string{"p=quarantine", "sp=none", "adkim=s", "rua=mailto:a@x.example", "pct=50"}).Draw(rt, "tags")
		written := "v=DMARC1"
		for _, tag := range tags {
			name, value, _ := strings.Cut(tag, "=")
			written += blank.Draw(rt, "b") + ";" + blank.Draw(rt, "b") + name + blank.Draw(rt, "b") + "=" + blank.Draw(rt, "b") + value
		}
		sameMeaning(rt, DMARC, "v=DMARC1; p=quarantine; sp=none; adkim=s; rua=mailto:a@x.example; pct=50", written)

		dkimTags := rapid.Permutation([]string{"k=rsa", "t=s", "h=sha256", "p=" + key}).Draw(rt, "dkim")
		at := rapid.IntRange(1, len(key)-1).Draw(rt, "at")
		written = strings.Replace("v=DKIM1;"+strings.Join(dkimTags, ";"), key, key[:at]+" "+key[at:], 1)
		sameMeaning(rt, DKIM, "v=DKIM1; h=sha256; k=rsa; t=s; p="+key, written)

		spaces := rapid.SampledFrom([]string{" ", "  ", "   "})
		upper := rapid.Bool().Draw(rt, "upper")
		terms := []string{"v=spf1", "include:x.example", "a", "ip4:192.0.2.1", "-all"}
		written = terms[0]
		for _, term := range terms[1:] {
			if rapid.Bool().Draw(rt, "plus") && term[0] != '-' {
				term = "+" + term
			}
			written += spaces.Draw(rt, "s") + term
		}
		if upper {
			written = strings.ToUpper(written)
		}
		sameMeaning(rt, SPF, strings.Join(terms, " "), written)
	})
}

// sameMeaning compares with strings split anywhere (RFC 7208 section 3.3).
func sameMeaning(t *rapid.T, k Kind, was, now string) {
	var data []byte
	for rest := now; rest != ""; {
		n := rapid.IntRange(1, min(255, len(rest))).Draw(t, "chunk")
		data = append(append(data, byte(n)), rest[:n]...)
		rest = rest[n:]
	}
	e := Expectation{Kind: k, Match: Captured}
	base := rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(was)))
	f := e.Compare(base, rrset.NewSet(rrset.TXT, data, rrset.TXTData([]byte("MS=ms1"))))
	if f.Class != Same || f.Meaning != e.Check(base).Meaning {
		t.Fatalf("%q written as %q is %s: %s", was, now, f.Class, f.Reason)
	}
}

func TestOneLetterOfAKeyIsDrift(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for _, record := range []string{"k=rsa; p=" + rsaKey(t, 2048), "k=rsa; p=" + rsaKey(t, 4096), "k=ed25519; p=" + edKey} {
		base := rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(record)))
		begin, end := strings.Index(record, "p=")+2, len(strings.TrimRight(record, "="))
		for i := begin; i < end; i++ {
			for _, c := range []byte{letters[(strings.IndexByte(letters, record[i])+1)%64], record[i] ^ 0x20} {
				if strings.IndexByte(letters, c) < 0 {
					continue
				}
				now := record[:i] + string(c) + record[i+1:]
				f := Expectation{Kind: DKIM, Match: Captured}.Compare(base, rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(now))))
				if f.Class != Differs {
					t.Fatalf("letter %d changed to %c is %s", i, c, f.Class)
				}
			}
		}
	}
}
