package mailrec

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

// shared gives the folder of outside test data, which is not part of the project.
func shared(t testing.TB) string {
	t.Helper()
	root := os.Getenv("MAILDRIFT_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(root, "testdata")
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("outside test data is expected in ../shared/testdata beside the checkout, or in $MAILDRIFT_SHARED/testdata: %v", err)
	}
	return dir
}

// realRecord is one record as published.
type realRecord struct{ Name, Type, Value, Class, Source string }

// set undoes what is left of the zone file's spelling: "" and \"\" are seams between
// strings.
func (r realRecord) set(t testing.TB, typ rrset.Type) rrset.Set {
	t.Helper()
	value := strings.ReplaceAll(strings.ReplaceAll(r.Value, `\"\"`, ""), `""`, "")
	if typ == rrset.TXT {
		return rrset.NewSet(typ, rrset.TXTData([]byte(value)))
	}
	set, err := rrset.Parse(typ, value)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Name, r.Type, err)
	}
	return set
}

var realKinds = map[string]Kind{
	"spf": SPF, "dkim": DKIM, "dmarc": DMARC, "mx": MX, "mta-sts": MTASTS, "tlsrpt": TLSRPT,
	"ownership": Ownership, "txt-other": TXT, "dkim-cname": CNAME, "dmarc-cname": CNAME,
}

func realRecords(t testing.TB) []realRecord {
	t.Helper()
	f, err := os.Open(filepath.Join(shared(t), "real", "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []realRecord
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r realRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if len(out) < 2000 {
		t.Fatalf("only %d records", len(out))
	}
	return out
}

// TestRealRecords reads what thousands of real zones publish: all of it is valid,
// except what somebody looked at and listed in testdata/broken.txt. A false "broken" would page
// for a record that works.
func TestRealRecords(t *testing.T) {
	known := readBroken(t)
	found := map[string]string{}
	seen := map[Kind]int{}
	for _, r := range realRecords(t) {
		k, watched := realKinds[r.Class]
		if !watched || k.Type().String() != r.Type {
			continue
		}
		seen[k]++
		set := r.set(t, k.Type())
		e := Expectation{Kind: k, Match: Captured}
		f := e.Check(set)
		mustBeSound(t, f)
		if f.Class != Same {
			name := k.String() + " " + r.Name
			found[name] = f.Reason
			if _, ok := known[name]; !ok {
				t.Errorf("%s: %q is %s: %s", name, r.Value, f.Class, f.Reason)
			}
			e.AllowInvalid = true
			f = e.Check(set)
			mustBeSound(t, f)
			if f.Class != Same {
				t.Errorf("%s: %q cannot be captured even as invalid: %s", name, r.Value, f.Reason)
			}
		}
		if f.Class == Same && e.Compare(e.Select(set), set).Class != Same {
			t.Errorf("%s: %q differs from itself", r.Name, r.Value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if _, ok := found[name]; !ok {
			t.Errorf("%s is listed as broken and is not", name)
		}
	}
	t.Logf("%v records, %d of them broken", seen, len(found))
}

// readBroken reads lines of "kind name: reason".
func readBroken(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "broken.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("testdata/broken.txt: %q is not \"kind name: reason\"", line)
		}
		out[name] = reason
	}
	return out
}
