package mailrec

import (
	"regexp"
	"strings"
)

// mend undoes one thing that people, editors and the forms of DNS hosts do to records.
type mend func(d single, text string) string

// mends are tried one after the other, each on what the ones before left.
var mends = []mend{mendTypography, mendVersion, mendOrder, mendSPFWords, mendBareKey}

// repaired gives the record that was probably meant; empty if that is not known. It never
// guesses at what the record says, only at how that is written.
func repaired(d single, text string) string {
	plain := text
	for _, mend := range mends {
		plain = mend(d, plain)
		if plain == text || !d.is([]byte(plain)) {
			continue
		}
		if said, err := d.parse(plain); err == nil && said.defect() == nil {
			return plain
		}
	}
	return ""
}

// typography is what editors make of ASCII, and escapes that became part of the record.
var typography = strings.NewReplacer(
	"\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2212", "-",
	"\u00a0", " ", "\u200b", "", "\ufeff", "", "\u201c", "", "\u201d", "", "\u201e", "", `\;`, ";", `\"`, "", `\`, "",
)

func mendTypography(_ single, text string) string {
	return strings.Trim(typography.Replace(text), " \t\r\n\"'\u2018\u2019")
}

// versions are how records begin.
var versions = map[Kind]string{SPF: "spf1", DKIM: "DKIM1", DMARC: "DMARC1", MTASTS: "STSv1", TLSRPT: "TLSRPTv1", BIMI: "BIMI1"}

// mendVersion writes the version as it must be.
func mendVersion(d single, text string) string {
	version := versions[d.kind()]
	begin := regexp.MustCompile(`(?i)^(v\s*[=:]\s*)?` + version + `($|[;:,\s]+)`)
	if !begin.MatchString(text) {
		return text
	}
	end := "; "
	if d.kind() == SPF {
		end = " "
	}
	return strings.TrimSpace(begin.ReplaceAllLiteralString(text, "v="+version+end))
}

// mendOrder puts the version first.
func mendOrder(d single, text string) string {
	var first, others []string
	for spec := range strings.SplitSeq(text, ";") {
		if spec = trimBlank(spec); strings.HasPrefix(spec, "v=") {
			first = append(first, spec)
		} else if spec != "" {
			others = append(others, spec)
		}
	}
	if d.kind() == SPF || len(first) != 1 {
		return text
	}
	return mendVersion(d, strings.Join(append(first, others...), "; "))
}

var (
	spfWords  = regexp.MustCompile(`(?i)(^|[ +?~-])ipv([46]):`)
	spfCommas = regexp.MustCompile(`[ \t]*[,;\t][ \t]*|[ \t]+`)
	spfGaps   = strings.NewReplacer(": ", ":", "- all", "-all", "~ all", "~all", "? all", "?all")
)

// mendSPFWords writes terms as they must be.
func mendSPFWords(d single, text string) string {
	if d.kind() != SPF {
		return text
	}
	return spfGaps.Replace(spfCommas.ReplaceAllLiteralString(spfWords.ReplaceAllString(text, "${1}ip${2}:"), " "))
}

// mendBareKey puts tags before a key that stands alone.
func mendBareKey(d single, text string) string {
	key := strings.Join(strings.Fields(text), "")
	if d.kind() != DKIM || rsaBits(decodeKey(key)) == 0 {
		return text
	}
	return "v=DKIM1; k=rsa; p=" + key
}
