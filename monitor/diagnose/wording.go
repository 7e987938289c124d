package diagnose

import (
	"fmt"
	"strings"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// names lists names from the wire for people.
func names(list []rrset.Name) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = rrset.Printable([]byte(n))
	}
	return strings.Join(out, ", ")
}

// shown gives one name from the wire.
func shown(n rrset.Name) string { return rrset.Printable([]byte(n)) }

// quoted shows texts that are printable already, cut to a line's length.
func quoted(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "it says: " + cut(l)
	}
	return out
}

// cut shortens a text in its middle.
func cut(s string) string {
	const most = 200
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-40]) + " … " + string(r[len(r)-30:])
}

// article names a kind of record in a sentence.
func article(k mailrec.Kind) string {
	switch k {
	case mailrec.SPF, mailrec.MX, mailrec.NS, mailrec.A, mailrec.AAAA, mailrec.Ownership, mailrec.MTASTS:
		return "an " + k.String() + " record"
	case mailrec.DKIM, mailrec.DMARC, mailrec.CNAME, mailrec.TXT, mailrec.PTR, mailrec.TLSRPT, mailrec.BIMI:
	}
	return "a " + k.String() + " record"
}

// seconds gives a TTL for people.
func seconds(ttl uint32) string {
	d := time.Duration(ttl) * time.Second
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// clock gives a time for people.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// plural gives "1 server", "2 servers".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
