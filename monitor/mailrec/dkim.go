package mailrec

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// minRSABits is the shortest RSA key that verifiers may accept (RFC 8301 section 3.2).
const minRSABits = 1024

// dkimKey is a parsed key record (RFC 6376 section 3.6.1).
type dkimKey struct {
	tags []tagValue
	// about describes the key: "2048-bit RSA".
	about string
	wrong *fault
	notes []string
}

func (k dkimKey) canonical() string   { return canonicalTags("DKIM1", k.tags) }
func (k dkimKey) defect() *fault      { return k.wrong }
func (k dkimKey) remarks() []string   { return k.notes }
func (k dkimKey) get(n string) string { return valueOf(k.tags, n) }

// testing says whether the domain asks verifiers not to act on failures.
func (k dkimKey) testing() bool { return slices.Contains(strings.Split(k.get("t"), ":"), "y") }

// strict says whether signatures have to be for the very domain (t=s).
func (k dkimKey) strict() bool { return slices.Contains(strings.Split(k.get("t"), ":"), "s") }

func (k dkimKey) turnInto(other statement) ([]Change, *fault) {
	now := other.(dkimKey)
	changes := tagChanges(k.tags, now.tags)
	rule := "RFC 6376 section 3.6.1"
	switch {
	case now.wrong != nil:
		return changes, now.wrong
	case k.get("p") == "":
		return changes, &fault{reason: "the key was revoked and now there is one: " + now.about, rule: rule, impact: Weakened}
	case k.get("p") != now.get("p"), k.get("k") != now.get("k"):
		why := fmt.Sprintf("the public key is another one (was %s, is %s): signatures made with the old key fail", k.about, now.about)
		return changes, &fault{reason: why, rule: rule, impact: Degraded}
	}
	return changes, k.flags(now).sum(fault{reason: "tags of the key record changed; the key is the same", rule: rule})
}

// flags judges what t= says for a key that stayed.
func (k dkimKey) flags(now dkimKey) *effects {
	const rule = "RFC 6376 section 3.6.1"
	var e effects
	switch {
	case !k.testing() && now.testing():
		e.add(Weakened, rule, "the key is marked as a test (t=y): receivers treat mail that fails as if it were not signed")
	case k.testing() && !now.testing():
		e.all = append(e.all, fault{reason: "the key is no longer marked as a test (t=y): receivers act on signatures that fail", rule: rule, relation: Tightened})
	}
	switch {
	case !k.strict() && now.strict():
		e.tighten(rule, "the key no longer covers signatures for subdomains (t=s)")
	case k.strict() && !now.strict():
		e.all = append(e.all, fault{reason: "the key now covers signatures for subdomains (no t=s)", rule: rule, relation: Loosened})
	}
	return &e
}

// dkim is the dialect of key records.
type dkim struct{}

func (dkim) kind() Kind { return DKIM }

// is takes whatever was meant to be a key: at a selector's name nothing else has
// business. Records of other kinds get there by wildcards.
func (dkim) is(text []byte) bool {
	const blank = " \t\r\n"
	s := bytes.Trim(text, blank)
	if v, found := bytes.CutPrefix(s, []byte("v")); found {
		v, found = bytes.CutPrefix(bytes.Trim(v, blank), []byte("="))
		if found {
			v = bytes.Trim(v, blank)
			return len(v) >= 4 && bytes.EqualFold(v[:4], []byte("DKIM"))
		}
	}
	_, hasKey := parseTags(string(s)).get("p")
	return hasKey
}

func (dkim) nearly(text []byte) string {
	s := trimBlank(string(text))
	switch {
	case len(s) > 5 && s[0] == '"' && (dkim{}).is([]byte(s[1:])):
		return "quotation marks are part of it"
	case strings.Contains(s, "._domainkey.") || strings.HasSuffix(s, ".dkim.amazonses.com"):
		return "it is the name of a key, which belongs into a CNAME record"
	case len(s) > 50 && len(s)%4 == 0 && strings.HasPrefix(s, "MI"):
		return `it is a key without "p=" before it`
	}
	return ""
}

func (dkim) several(n int) *fault {
	return &fault{
		reason: fmt.Sprintf("there are %d key records at the selector: which one a receiver takes is undefined", n),
		rule:   "RFC 6376 section 3.6.2.2", impact: Degraded,
	}
}

func (dkim) gone(said statement) *fault {
	was, known := said.(dkimKey)
	if known && was.get("p") == "" {
		return &fault{reason: "there is no DKIM key record, which said that the key is revoked", rule: "RFC 6376 section 6.1.2", impact: None}
	}
	return &fault{reason: "there is no DKIM key at the selector: signatures cannot be verified", rule: "RFC 6376 section 6.1.2", impact: Degraded}
}

func (dkim) widened(_, _ statement) *fault    { return nil }
func (dkim) lacks(statement, []string) string { return errNoTerms.Error() }
func (dkim) validTerms([]string) error        { return errNoTerms }

func (dkim) parse(text string) (statement, *fault) {
	bad := func(format string, args ...any) (statement, *fault) {
		return nil, &fault{reason: "the key record is invalid: " + fmt.Sprintf(format, args...), rule: "RFC 6376 section 3.2", impact: Degraded}
	}
	list := parseTags(text)
	if twice := list.twice(); twice != "" {
		return bad("the tag %s appears twice", twice)
	}
	if v, found := list.get("v"); found && (list.tags[0].name != "v" || v != "DKIM1") {
		if strings.HasPrefix(v, `DKIM1\`) {
			return bad("backslashes are part of it: the zone file was escaped twice")
		}
		return bad("v=%s must come first and be DKIM1", cut(quoted(v), maxQuoted))
	}
	if len(list.stray) > 0 {
		return bad("%s is not a tag", quoted(list.stray[0]))
	}
	p, found := list.get("p")
	if !found {
		return bad("it has no tag p with the public key")
	}
	return newDKIMKey(list, p), nil
}

// newDKIMKey applies the defaults and looks whether the key can be used.
func newDKIMKey(list tagList, p string) dkimKey {
	// White space inside the base64 means nothing; every letter and its case does.
	p = strings.TrimRight(strings.Join(strings.Fields(p), ""), "=")
	h, hasHash := list.get("h")
	kind, hasKind := list.get("k")
	services, hasServices := list.get("s")
	flags, _ := list.get("t")
	if kind == "" {
		kind = "rsa"
	}
	key := dkimKey{notes: list.unknown("v", "h", "k", "n", "p", "s", "t", "g")}
	key.tags = []tagValue{
		{"h", sortedList(h), hasHash && h != ""},
		{"k", kind, hasKind},
		{"p", p, true},
		{"s", anyService(services), hasServices},
		{"t", knownFlags(flags), false},
	}
	key.about, key.wrong = judgeKey(kind, p)
	if key.wrong == nil {
		key.wrong = key.judgeUse()
	}
	if key.testing() {
		key.notes = append(key.notes, "t=y: receivers treat mail that fails as if it were not signed")
	}
	return key
}

// judgeUse says whether the key may be used for mail with a hash that receivers accept.
func (k dkimKey) judgeUse() *fault {
	if s := k.get("s"); s != "*" && !slices.Contains(strings.Split(s, ":"), "email") {
		return &fault{reason: fmt.Sprintf("the key is not for e-mail: s=%s", cut(shown(s), maxQuoted)), rule: "RFC 6376 section 3.6.1", impact: Degraded}
	}
	if h := k.get("h"); h != "" && !slices.Contains(strings.Split(h, ":"), "sha256") {
		return &fault{reason: fmt.Sprintf("the key does not allow sha256 signatures: h=%s", cut(shown(h), maxQuoted)), rule: "RFC 8301 section 3.1", impact: Degraded}
	}
	return nil
}

// judgeKey decodes the key and says what it is and whether receivers can use it.
func judgeKey(kind, p string) (string, *fault) {
	if p == "" {
		return "no key", &fault{reason: "the key is revoked: p= is empty", rule: "RFC 6376 section 3.6.1", impact: Degraded, deliberate: true}
	}
	unusable := func(rule, format string, args ...any) (string, *fault) {
		return "an unusable key", &fault{reason: "the key cannot be used: " + fmt.Sprintf(format, args...), rule: rule, impact: Degraded}
	}
	if kind != "rsa" && kind != "ed25519" {
		return unusable("RFC 6376 section 3.6.1", "its type %s is unknown", quoted(kind))
	}
	raw := decodeKey(p)
	if raw == nil {
		return unusable("RFC 6376 section 3.6.1", "p= is not base64")
	}
	if kind == "ed25519" {
		if len(raw) != ed25519.PublicKeySize {
			return unusable("RFC 8463 section 4.2", "an Ed25519 key has %d octets, this one %d", ed25519.PublicKeySize, len(raw))
		}
		return "Ed25519", nil
	}
	bits := rsaBits(raw)
	about := fmt.Sprintf("%d-bit RSA", bits)
	switch {
	case bits == 0:
		return unusable("RFC 6376 section 3.6.1", "p= does not hold an RSA public key (cut off or changed on the way?)")
	case bits < minRSABits:
		_, why := unusable("RFC 8301 section 3.2", "%d bits are too short, receivers want %d or more", bits, minRSABits)
		return about, why
	}
	return about, nil
}

// decodeKey reads base64 with its padding or without; nil if it is none.
func decodeKey(p string) []byte {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(p, "="))
	if err != nil {
		return nil
	}
	return raw
}

// rsaBits gives the length of an RSA key's modulus, 0 if raw is not one. The key is a
// SubjectPublicKeyInfo in practice and an RSAPublicKey by the letter of RFC 6376.
func rsaBits(raw []byte) int {
	if key, err := x509.ParsePKIXPublicKey(raw); err == nil {
		if r, ok := key.(*rsa.PublicKey); ok {
			return r.N.BitLen()
		}
		return 0
	}
	if r, err := x509.ParsePKCS1PublicKey(raw); err == nil {
		return r.N.BitLen()
	}
	return 0
}

// splitList reads a colon-separated list.
func splitList(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ":") {
		if item = trimBlank(item); item != "" {
			out = append(out, item)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func sortedList(s string) string { return strings.Join(splitList(s), ":") }

// anyService makes the default explicit; any list with * is the same as *.
func anyService(s string) string {
	list := splitList(s)
	if len(list) == 0 || slices.Contains(list, "*") {
		return "*"
	}
	return strings.Join(list, ":")
}

// knownFlags leaves out flags that receivers ignore.
func knownFlags(s string) string {
	return strings.Join(slices.DeleteFunc(splitList(s), func(f string) bool { return f != "y" && f != "s" }), ":")
}

// looksLikeKey is used to keep keys out of other kinds of TXT records.
func looksLikeKey(text []byte) bool {
	return bytes.Contains(text, []byte("p=")) && (dkim{}).is(text)
}
