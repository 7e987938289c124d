package mailrec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// suiteCase is one line of the RFC 7208 test suite's manifest.
type suiteCase struct {
	Zone, Test, Domain string
	State              []string `json:"record_state"`
	Result             []string
}

// brokenElsewhere are cases whose own record is valid: what it includes is not, or
// the question for it was not answered.
var brokenElsewhere = map[string]string{
	"include-permerror": "the included record is invalid",
	"include-none":      "there is no included record",
	"redirect-loop":     "other records lead back",
	"include-loop":      "other records lead back",
	"void-over-limit":   "three names have no address",
}

// TestSPFSuiteRecords reads the records of the RFC 7208 test suite. What a record says
// by itself must agree with the suite: a record that parses where receivers give
// up with permerror for its syntax would be a missed page.
func TestSPFSuiteRecords(t *testing.T) {
	dir := filepath.Join(shared(t), "spf")
	for _, c := range readSuite(t, filepath.Join(dir, "manifest.jsonl")) {
		t.Run(c.Zone+"/"+c.Test, func(t *testing.T) {
			if slices.Equal(c.State, []string{"unknown"}) {
				// The suite lets the question time out: there is no answer to read.
				c.State = []string{"missing"}
			}
			set := txtOf(t, filepath.Join(dir, "zones", c.Zone), c.Domain)
			f := Expectation{Kind: SPF, Match: Present}.Check(set)
			mustBeSound(t, f)
			if _, elsewhere := brokenElsewhere[c.Test]; elsewhere {
				c.State = []string{"valid"}
			}
			got := map[Class]string{Same: "valid", Differs: "invalid", Absent: "missing"}[f.Class]
			if !slices.Contains(c.State, got) {
				t.Errorf("%q is %s (%s); the suite says %v", set.Lines(), got, f.Reason, c.State)
			}
		})
	}
}

func readSuite(t *testing.T, file string) []suiteCase {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []suiteCase
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var c suiteCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// txtOf gives a name's TXT records from a master file.
func txtOf(t *testing.T, file, name string) rrset.Set {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var data [][]byte
	zone := dns.NewZoneParser(f, ".", file)
	for rr, ok := zone.Next(); ok; rr, ok = zone.Next() {
		txt, isTXT := rr.(*dns.TXT)
		if !isTXT || dns.CanonicalName(rr.Header().Name) != dns.CanonicalName(name) {
			continue
		}
		wire := make([]byte, dns.Len(txt)+64)
		end, err := dns.PackRR(txt, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		_, begin, err := dns.UnpackDomainName(wire, 0)
		if err != nil {
			t.Fatal(err)
		}
		// Type, class, TTL and length stand between the name and the data.
		data = append(data, wire[begin+10:end])
	}
	if err := zone.Err(); err != nil {
		t.Fatal(err)
	}
	return rrset.NewSet(rrset.TXT, data...)
}
