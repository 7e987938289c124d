package spf

import (
	"fmt"
	"strings"
	"testing"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// draw shows a tree in a line a record.
func draw(t Tree) string {
	var out strings.Builder
	t.Root.Walk(func(n *Node, depth int) bool {
		fmt.Fprintf(&out, "%s%s %d/%d", strings.Repeat(" ", depth), n.Domain, n.Own, n.Total)
		if n.Problem != "" {
			out.WriteString(" (" + n.Problem + ")")
		}
		out.WriteByte('\n')
		return true
	})
	return out.String()
}

func TestExplore(t *testing.T) {
	const provider = "p.example. TXT \"v=spf1 include:p1.example include:p2.example ~all\"\np1.example. TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\np2.example. TXT \"v=spf1 a:h.example mx:h.example -all\"\nh.example. A 203.0.113.5\nh.example. AAAA 2001:db8::5\nh.example. MX 1 h.example.\n"
	for _, tt := range []struct {
		name, zone, tree  string
		problem, networks string
		lookups, voids    int
	}{
		{
			name: "each branch knows its price", zone: provider + `d.example. TXT "v=spf1 include:p.example ip4:192.0.2.1 -all"`,
			tree:     "d.example 1/5\n p.example 2/4\n  p1.example 0/0\n  p2.example 2/2\n",
			networks: "[192.0.2.1/32 198.51.100.0/24 203.0.113.5/32 2001:db8::5/128]", lookups: 5,
		},
		{
			name: "what is not granted at the root is not granted", zone: provider + `d.example. TXT "v=spf1 -include:p.example ?ip4:192.0.2.1 ip4:192.0.2.2 -all"`,
			tree:     "d.example 1/5\n p.example 2/4\n  p1.example 0/0\n  p2.example 2/2\n",
			networks: "[192.0.2.2/32]", lookups: 5,
		},
		{
			name: "an include that is gone", zone: `d.example. TXT "v=spf1 include:gone.example -all"`,
			tree: "d.example 1/1\n gone.example 0/0 (gone.example does not exist)\n", problem: "gone.example does not exist", networks: "[]", lookups: 1,
		},
		{
			name: "an include without SPF", zone: "d.example. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT hello",
			tree: "d.example 1/1\n i.example 0/0 (i.example has no SPF record)\n", problem: "i.example has no SPF record", networks: "[]", lookups: 1,
		},
		{
			name: "an include with two", zone: "d.example. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT \"v=spf1 -all\"\ni.example. TXT \"v=spf1 +all\"",
			tree:    "d.example 1/1\n i.example 0/0 (i.example has 2 SPF records and only one is allowed)\n",
			problem: "i.example has 2 SPF records and only one is allowed", networks: "[]", lookups: 1,
		},
		{
			name: "an include with an error", zone: "d.example. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT \"v=spf1 ipv4:192.0.2.1 -all\"",
			tree:    "d.example 1/1\n i.example 0/0 (term 1 of the SPF record (character 8), \"ipv4:192.0.2.1\", is not a known mechanism (was \"include:\", \"a:\" or \"ip4:\" meant before it?))\n",
			problem: "term 1 of the SPF record (character 8), \"ipv4:192.0.2.1\", is not a known mechanism (was \"include:\", \"a:\" or \"ip4:\" meant before it?)", networks: "[]", lookups: 1,
		},
		{
			name: "a loop", zone: "d.example. TXT \"v=spf1 include:i.example -all\"\ni.example. TXT \"v=spf1 redirect=d.example\"",
			tree:    "d.example 1/2\n i.example 1/1\n  d.example 0/0 (d.example leads back to itself: receivers run into the limit of 10 lookups)\n",
			problem: "d.example leads back to itself: receivers run into the limit of 10 lookups", networks: "[]", lookups: 2,
		},
		{
			name: "twice the same is paid twice", zone: provider + `d.example. TXT "v=spf1 include:p.example include:p.example include:p2.example -all"`,
			tree:    "d.example 3/13\n p.example 2/4\n  p1.example 0/0\n  p2.example 2/2\n p.example 2/4\n  p1.example 0/0\n  p2.example 2/2\n p2.example 2/2\n",
			problem: "13 terms need DNS lookups and at most 10 are allowed; 4 of them come with p.example", lookups: 13,
			networks: "[198.51.100.0/24 203.0.113.5/32 2001:db8::5/128]",
		},
		{
			name: "void lookups", zone: `d.example. TXT "v=spf1 a:x.example a:y.example mx:z.example -all"`,
			tree: "d.example 3/3\n", problem: "3 terms look up names that do not exist or have no such record, and at most 2 may",
			networks: "[]", lookups: 3, voids: 3,
		},
		{
			name: "too many exchanges", zone: "d.example. TXT \"v=spf1 mx -all\"\n" + many(11, "d.example. MX 1 m%d.example."),
			tree:    "d.example 1/1 (\"mx\": d.example has 11 MX records and at most 10 may be looked up)\n",
			problem: `"mx": d.example has 11 MX records and at most 10 may be looked up`, networks: "[]", lookups: 1,
		},
		{
			name: "terms with macros are not followed", zone: `d.example. TXT "v=spf1 include:%{i}.x.example exists:%{i}.y.example ptr -all"`,
			tree: "d.example 3/3\n", networks: "[]", lookups: 3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := Explore(parseZone(t, "$TTL 60\n"+tt.zone+"\n"), "d.example")
			if got := draw(tree); got != tt.tree {
				t.Errorf("the tree is\n%swant\n%s", got, tt.tree)
			}
			if tree.Problem != tt.problem || tree.Lookups != tt.lookups || tree.Voids != tt.voids || !tree.Final {
				t.Errorf("problem %q, %d lookups, %d voids", tree.Problem, tree.Lookups, tree.Voids)
			}
			if got := fmt.Sprint(tree.Networks); got != tt.networks {
				t.Errorf("networks %s, want %s", got, tt.networks)
			}
			if len(tree.Open) > 0 != strings.Contains(tt.zone, "%") {
				t.Errorf("open: %v", tree.Open)
			}
		})
	}
}

func TestExploreTellsAFailureFromAbsence(t *testing.T) {
	z := parseZone(t, "$TTL 60\nd.example. TXT \"v=spf1 include:i.example -all\"\n")
	z[view.Question{Name: "i.example", Type: rrset.TXT}] = view.Answer{Status: view.Failed, Detail: "timeout"}
	if tree := Explore(z, "d.example"); !tree.Temporary || tree.Node.Domain != "i.example" || tree.Problem == "" {
		t.Errorf("%+v", tree)
	}
}
