package spf

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// suiteCase is one line of the RFC 7208 test suite's manifest.
type suiteCase struct {
	Zone, Test, Helo, Host, MailFrom, Domain string
	Result                                   []Result
	Explanation                              *string
}

// TestSuite evaluates all cases of the RFC 7208 test suite that lie beside the
// project, each over the records of its master file.
func TestSuite(t *testing.T) {
	dir := filepath.Join(shared(t), "spf")
	b, err := os.ReadFile(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	zones := map[string]zone{}
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); n++ {
		var c suiteCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if zones[c.Zone] == nil {
			zones[c.Zone] = readZone(t, filepath.Join(dir, "zones", c.Zone))
		}
		t.Run(c.Zone+"/"+c.Test, func(t *testing.T) {
			o := Check(zones[c.Zone], Request{
				IP: netip.MustParseAddr(c.Host), MailFrom: c.MailFrom, Helo: c.Helo, Receiver: "receiver.example",
			})
			if !o.Final || !slices.Contains(c.Result, o.Result) {
				t.Errorf("%s %s (%s), the suite says %v\n%+v", o.Domain, o.Result, o.Problem, c.Result, o.Trace)
			}
			if c.Explanation != nil && *c.Explanation != "DEFAULT" && o.Explanation != *c.Explanation {
				t.Errorf("explains %q, the suite says %q", o.Explanation, *c.Explanation)
			}
			if c.Explanation != nil && *c.Explanation == "DEFAULT" && o.Explanation != "" {
				t.Errorf("explains %q where only the receiver's own words are due", o.Explanation)
			}
		})
	}
	if n < 100 {
		t.Errorf("the suite has %d cases here, it had 102", n)
	}
}

// shared gives the folder of outside test data, which is not part of the project.
func shared(t testing.TB) string {
	t.Helper()
	root := os.Getenv("MAILDRIFT_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared")
	}
	root = filepath.Join(root, "testdata")
	if _, err := os.Stat(root); err != nil {
		t.Fatalf("outside test data is expected in ../shared/testdata beside the checkout, or in $MAILDRIFT_SHARED/testdata: %v", err)
	}
	return root
}

// zone is a View of a master file.
type zone map[view.Question]view.Answer

// Look answers as a resolver would that has only this zone.
func (z zone) Look(q view.Question) view.Answer {
	var chain []rrset.Name
	for range 10 {
		if a, ok := z[q]; ok {
			a.Chain = chain
			return a
		}
		c, ok := z[view.Question{Name: q.Name, Type: rrset.CNAME}]
		if !ok {
			if z.exists(q.Name) {
				return view.Answer{Status: view.NoData, Chain: chain}
			}
			return view.Answer{Status: view.NXDomain, Chain: chain}
		}
		q.Name = c.Set.Hosts()[0]
		chain = append(chain, q.Name)
	}
	return view.Answer{Status: view.Failed, Detail: "a CNAME loop"}
}

func (z zone) exists(name rrset.Name) bool {
	for q := range z {
		if q.Name == name {
			return true
		}
	}
	return false
}

func readZone(t testing.TB, file string) zone {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z := parseZone(t, string(b))
	timeouts, err := os.ReadFile(file + ".timeouts")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(timeouts)) {
		for _, typ := range []rrset.Type{rrset.A, rrset.AAAA, rrset.MX, rrset.PTR, rrset.TXT} {
			q := view.Question{Name: rrset.FromFQDN(name), Type: typ}
			if _, ok := z[q]; !ok {
				z[q] = view.Answer{Status: view.Failed, Detail: "timeout"}
			}
		}
	}
	return z
}

func parseZone(t testing.TB, text string) zone {
	t.Helper()
	data := map[view.Question][][]byte{}
	p := dns.NewZoneParser(strings.NewReader(text), ".", "zone")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		wire := make([]byte, dns.Len(rr)+256)
		end, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		_, begin, err := dns.UnpackDomainName(wire, 0)
		if err != nil {
			t.Fatal(err)
		}
		q := view.Question{Name: rrset.FromFQDN(rr.Header().Name), Type: rrset.Type(rr.Header().Rrtype)}
		// Type, class, TTL and length stand between the name and the data.
		data[q] = append(data[q], wire[begin+10:end])
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	z := zone{}
	for q, d := range data {
		z[q] = view.Answer{Status: view.Found, Set: rrset.NewSet(q.Type, d...)}
	}
	return z
}
