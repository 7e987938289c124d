package diagnose

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// versions begin the records that have a version.
var versions = []string{"v=spf1", "v=DKIM1", "v=DMARC1", "v=STSv1", "v=TLSRPTv1", "v=BIMI1"}

// wrongText says whether the texts at the name are worth reading for mistakes.
func (x *exam) wrongText() bool {
	return x.typ() == rrset.TXT && x.Answer.Status == view.Found && !x.fits(x.Answer.Set)
}

// texts are the TXT records at the name.
func (x *exam) texts() []string {
	var out []string
	for _, t := range x.Answer.Set.Texts() {
		out = append(out, string(t))
	}
	return out
}

// ofTexts makes a TXT RRset.
func ofTexts(texts ...string) rrset.Set {
	data := make([][]byte, len(texts))
	for i, t := range texts {
		data[i] = rrset.TXTData([]byte(t))
	}
	return rrset.NewSet(rrset.TXT, data...)
}

// mistake is something that gets into a text on its way, and how to take it out.
type mistake struct {
	cause Cause
	what  string
	fix   string
	undo  func(string) string
}

// mistakes, in the order in which they must be undone.
var mistakes = []mistake{
	{HTMLEntities, "HTML that was copied from a page", "Type the value, or copy it as plain text.", plainText},
	{Invisible, "characters that cannot be seen, such as a no-break or zero-width space", "Type the value by hand, or clear it of formatting first.", visible},
	{SmartQuotes, "typographic quotes, dashes or full-width characters, as word processors and input methods write them", "Type the value with plain ASCII characters.", straight},
	{Backslashes, "backslashes, which belong into zone files only", "Take the backslashes out.", func(s string) string { return strings.ReplaceAll(s, `\`, "") }},
	{QuotesInside, "quotation marks as part of the value", "Take the quotation marks out: this panel adds them by itself.", unquoted},
	{TextBefore, "other text before the value, such as the record's name or type", "Type only the value into the field for the value.", fromVersion},
}

// mended finds a text that is the wanted one but for such mistakes.
func (x *exam) mended() []Diagnosis {
	if !x.wrongText() {
		return nil
	}
	texts := x.texts()
	for i, text := range texts {
		made := x.undo(texts, i, text)
		if len(made) == 0 {
			continue
		}
		var what []string
		for _, m := range made {
			what = append(what, m.what)
		}
		return []Diagnosis{x.diagnosis(made[0].cause, Certain,
			fmt.Sprintf("The value at %s holds %s.", x.Name, strings.Join(what, "; and ")), made[0].fix, quoted([]string{rrset.Printable([]byte(text))})...)}
	}
	return nil
}

// undo gives the mistakes whose undoing makes the i-th text the wanted one: one if that is
// enough, else all that were made.
func (x *exam) undo(texts []string, i int, text string) []mistake {
	fits := func(s string) bool {
		with := slices.Clone(texts)
		with[i] = s
		return s != text && x.fits(ofTexts(with...))
	}
	var made []mistake
	for _, m := range mistakes {
		if fits(m.undo(text)) {
			return []mistake{m}
		}
	}
	now := text
	for _, m := range mistakes {
		if next := m.undo(now); next != now {
			made, now = append(made, m), next
		}
	}
	if !fits(now) {
		return nil
	}
	return made
}

var tag = regexp.MustCompile(`<[^<>]*>`)

func plainText(s string) string { return html.UnescapeString(tag.ReplaceAllString(s, "")) }

// visible drops what Printable would have to escape, and makes all blanks plain ones.
func visible(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\u00a0' || r == '\u3000' || r == '\t' || 0x2000 <= r && r <= 0x200a || r == '\u202f':
			return ' '
		case r != utf8.RuneError && rrset.Printable([]byte(string(r))) != string(r):
			return -1
		}
		return r
	}, s))
}

// windows1252 are quotes and dashes as that character set has them.
var windows1252 = strings.NewReplacer("\x91", "", "\x92", "", "\x93", "", "\x94", "", "\x96", "-", "\x97", "-")

// straight takes typographic quotes away and makes dashes and full-width characters ASCII.
func straight(s string) string {
	if !utf8.ValidString(s) {
		s = windows1252.Replace(s)
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 0x2018 <= r && r <= 0x201f || r == '«' || r == '»' || r == '‹' || r == '›' || r == '「' || r == '」':
			return -1
		case 0x2010 <= r && r <= 0x2015 || r == '−':
			return '-'
		case 0xff01 <= r && r <= 0xff5e: // the full-width forms of ! to ~
			return r - 0xff01 + '!'
		}
		return r
	}, s)
}

func unquoted(s string) string {
	return strings.TrimSpace(strings.Trim(strings.ReplaceAll(s, `"`, ""), "'`"))
}

// fromVersion begins at the version, if there is one further back.
func fromVersion(s string) string {
	for _, v := range versions {
		if i := strings.Index(strings.ToLower(s), strings.ToLower(v)); i > 0 {
			return unquoted(s[i:])
		}
	}
	if _, value, ok := strings.Cut(s, " TXT "); ok {
		return unquoted(value)
	}
	return strings.TrimSpace(s)
}

// splitRecords finds one value in several records.
func (x *exam) splitRecords() []Diagnosis {
	const most = 6
	texts := x.texts()
	if !x.wrongText() || len(texts) < 2 || len(texts) > most {
		return nil
	}
	for i, a := range texts {
		for j, b := range texts {
			if i == j {
				continue
			}
			whole := []string{a + b}
			for k, c := range texts {
				if k != i && k != j {
					whole = append(whole, a+b+c)
				}
			}
			if slices.ContainsFunc(whole, func(s string) bool { return x.fits(ofTexts(s)) }) {
				return []Diagnosis{x.diagnosis(SplitRecords, Certain,
					fmt.Sprintf("The value at %s is spread over %s; receivers do not join records.", x.Name, plural(len(texts), "record")),
					"Publish it as one record. If a panel takes no more than 255 characters, put several quoted strings into the one value: receivers join the strings of a record.",
					quoted(x.Answer.Set.Lines())...).by("RFC 7208 section 3.3, RFC 6376 section 3.6.2.2")}
			}
		}
	}
	return nil
}

// caseChanged finds a key whose letters lost their case.
func (x *exam) caseChanged() []Diagnosis {
	if !x.wrongText() || x.kind() != mailrec.DKIM {
		return nil
	}
	for _, w := range x.wanted() {
		for _, t := range x.texts() {
			if squeeze(w) == squeeze(t) {
				return []Diagnosis{x.diagnosis(CaseChanged, Certain,
					fmt.Sprintf("The key at %s has capital and small letters changed: it is another key.", x.Name),
					"Publish it exactly as below. If the panel lowers the case again, ask the DNS host, or use a CNAME if the mail service offers one.",
					quoted([]string{rrset.Printable([]byte(t))})...).by("RFC 6376 section 3.6.1")}
			}
		}
	}
	return nil
}

// truncated finds a value that lost its end.
func (x *exam) truncated() []Diagnosis {
	if !x.wrongText() {
		return nil
	}
	for _, t := range x.texts() {
		sure, lost := x.lost(t)
		if !lost {
			continue
		}
		return []Diagnosis{x.diagnosis(Truncated, sure,
			fmt.Sprintf("The value at %s is cut off after %d characters.", x.Name, len(t)),
			"Publish the whole value. A string in a TXT record holds 255 characters at most: if the panel cuts there, type the value as several quoted strings in one record.",
			quoted([]string{rrset.Printable([]byte(t))})...).by("RFC 1035 section 3.3.14")}
	}
	return nil
}

func (x *exam) lost(t string) (Certainty, bool) {
	const tooShort = 8 // a beginning that many records share says nothing
	for _, w := range x.wanted() {
		if len(t) < len(w) && len(t) >= tooShort && strings.HasPrefix(w, t) && !slices.Contains(versions, t) {
			return Certain, true
		}
	}
	long := len(t) == 255 || len(t) == 256
	return Likely, long && !x.Expectation.Select(ofTexts(t)).Empty()
}

// placeholders are what instructions write where one's own value belongs.
var placeholders = regexp.MustCompile(`(?i)<[a-z][^<>]*>|\{\{?[^{}]+\}\}?|\[[a-z _-]+\]|your[-_. ]?(domain|key|token|value|public)|x{6,}|\*{3}|…|\.\.\.|include the following`)

// placeholder finds text of the instructions that was published as it stands.
func (x *exam) placeholder() []Diagnosis {
	if !x.wrongText() {
		return nil
	}
	for _, t := range x.texts() {
		given := slices.ContainsFunc(x.Publish, func(r Record) bool { return r.Placeholder && r.Value == t })
		mine := !x.Expectation.Select(ofTexts(t)).Empty() || len(x.texts()) == 1
		part := placeholders.FindString(t)
		if !given && (part == "" || !mine) {
			continue
		}
		return []Diagnosis{x.diagnosis(Placeholder, Likely,
			fmt.Sprintf("The value at %s still holds a part of the instructions (%s) where your own value belongs.", x.Name, rrset.Printable([]byte(part))),
			"Take the value from the mail service's console and publish it.", quoted([]string{rrset.Printable([]byte(t))})...)}
	}
	return nil
}

// targetAppended finds host names to which the panel appended the zone.
func (x *exam) targetAppended() []Diagnosis {
	if x.Answer.Status != view.Found || x.fits(x.Answer.Set) {
		return nil
	}
	set := x.Answer.Set
	for _, tail := range []rrset.Name{x.zone, x.Domain} {
		var lines []string
		for _, l := range set.Lines() {
			lines = append(lines, strings.TrimSuffix(l, "."+string(tail)))
		}
		short, err := rrset.Parse(set.Type, lines...)
		if err != nil || set.Type == rrset.TXT || short.Equal(set) || !x.fits(short) {
			continue
		}
		return []Diagnosis{x.diagnosis(TargetAppended, Certain,
			fmt.Sprintf("The panel has appended %s to the host name in the value.", tail),
			"Type the host name with a dot at its end: then nothing is appended.", quoted(set.Lines())...).by("RFC 1035 section 5.1")}
	}
	return nil
}

// variants finds the record of another region or selector of the same mail service.
func (x *exam) variants() []Diagnosis {
	if x.published() {
		return nil
	}
	for _, v := range x.Variants {
		here := v.Expectation
		same := here.Kind == x.kind() && (v.Name != x.Name || x.specific())
		a := x.look(v.Name, here.Kind.Type())
		if !same || a.Status != view.Found || here.Check(a.Set).Class != mailrec.Same || x.fits(a.Set) && v.Name == x.Name || x.fromWildcard(v.Name, a.Set) {
			continue
		}
		return []Diagnosis{x.diagnosis(OtherVariant, Likely,
			fmt.Sprintf("At %s stands the record for %s of the same mail service.", v.Name, v.Title),
			"See in the mail service's console which one your account uses. If it is the published one, check with that setting instead.",
			quoted(here.Select(a.Set).Lines())...)}
	}
	return nil
}
