package spf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// exploreAtMost bounds how many records Explore reads: far more than a receiver
// does, so that it can say by how much a record is over its budget.
const exploreAtMost = 40

// Tree is what a domain's SPF record comes to with all that it refers to, judged
// without a message.
type Tree struct {
	Root *Node
	// Final is false if answers were missing.
	Final bool
	// Lookups counts all terms that look something up: what a message that matches nothing
	// costs. Voids counts those that find nothing.
	Lookups, Voids int
	// Networks are who may send, as far as that can be listed, sorted. Open says by which
	// terms more may pass (exists, ptr, macros).
	Networks []netip.Prefix
	Open     []string
	// Problem says why receivers give up with permerror (or temperror, if Temporary) whoever
	// sends, naming the place; empty if they do not. Node is that place.
	Problem   string
	Temporary bool
	Node      *Node
}

// Node is one record in the tree.
type Node struct {
	// Domain is where the record lives; Via the term that leads here, empty for the root.
	Domain rrset.Name
	Via    string
	// Text is the record as published, Record what it says; empty if there is none to use.
	Text   string
	Record Record
	// Problem says what is wrong here; Temporary that it may only be a failure to ask.
	Problem   string
	Temporary bool
	// Own counts the record's own lookups, Total those below it too.
	Own, Total int
	// Children are the records that its terms lead to, in order.
	Children []*Node
}

// Walk calls f for the node and all below it, depth first, until f returns false.
func (n *Node) Walk(f func(n *Node, depth int) bool) { n.walk(0, f) }

func (n *Node) walk(depth int, f func(*Node, int) bool) bool {
	if !f(n, depth) {
		return false
	}
	for _, c := range n.Children {
		if !c.walk(depth+1, f) {
			return false
		}
	}
	return true
}

// Explore reads a domain's record and all that it includes or redirects to.
func Explore(v view.View, domain rrset.Name) Tree {
	e := &explorer{view: v, above: map[rrset.Name]bool{}}
	t := Tree{Root: e.read(domain, "", '+')}
	t.Final = !e.unasked
	t.Lookups, t.Voids, t.Open = t.Root.Total, e.voids, e.open
	slices.SortFunc(e.networks, netip.Prefix.Compare)
	t.Networks = slices.Compact(e.networks)
	t.blame()
	return t
}

// blame finds what makes receivers give up, in the order in which they come upon it.
func (t *Tree) blame() {
	t.Root.Walk(func(n *Node, _ int) bool {
		if n.Problem != "" {
			t.Problem, t.Temporary, t.Node = n.Problem, n.Temporary, n
		}
		return t.Node == nil
	})
	switch {
	case t.Node != nil:
	case t.Lookups > MaxLookups:
		t.Node = heaviest(t.Root)
		t.Problem = fmt.Sprintf("%d terms need DNS lookups and at most %d are allowed; %d of them come with %s", t.Lookups, MaxLookups, t.Node.Total, t.Node.Domain)
	case t.Voids > MaxVoids:
		t.Node = t.Root
		t.Problem = fmt.Sprintf("%d terms look up names that do not exist or have no such record, and at most %d may", t.Voids, MaxVoids)
	}
}

// heaviest is the branch that costs most.
func heaviest(root *Node) *Node {
	if len(root.Children) == 0 {
		return root
	}
	return slices.MaxFunc(root.Children, func(a, b *Node) int { return a.Total - b.Total })
}

type explorer struct {
	view     view.View
	unasked  bool
	records  int
	voids    int
	networks []netip.Prefix
	open     []string
	// above are the domains on the way from the root, by which loops are found.
	above map[rrset.Name]bool
}

// read explores one record. Who passes counts only where passing there means passing at the
// root: granted says that the terms on the way here grant it.
func (e *explorer) read(domain rrset.Name, via string, granted byte) *Node {
	n := &Node{Domain: domain, Via: via}
	switch {
	case e.above[domain]:
		n.Problem = fmt.Sprintf("%s leads back to itself: receivers run into the limit of %d lookups", domain, MaxLookups)
		return n
	case e.records == exploreAtMost:
		n.Problem = fmt.Sprintf("more than %d records: the rest was not read", exploreAtMost)
		return n
	}
	e.records++
	text, problem, temporary := e.fetch(domain)
	n.Text, n.Problem, n.Temporary = text, problem, temporary
	if text == "" {
		return n
	}
	var err error
	if n.Record, err = Parse(text); err != nil {
		var syntax *SyntaxError
		errors.As(err, &syntax)
		n.Problem = syntax.Error()
		return n
	}
	e.above[domain] = true
	defer delete(e.above, domain)
	n.Own = n.Record.Lookups()
	n.Total = n.Own
	for _, t := range n.Record.Terms() {
		if child := e.term(n, t, granted); child != nil {
			n.Children = append(n.Children, child)
			n.Total += child.Total
		}
	}
	return n
}

// fetch gets the text of the one SPF record, or says why there is none.
func (e *explorer) fetch(domain rrset.Name) (text, problem string, temporary bool) {
	a := e.look(domain, rrset.TXT)
	var found []string
	for _, t := range a.Set.Texts() {
		if Is(t) {
			found = append(found, string(t))
		}
	}
	switch {
	case a.Status == view.Unasked:
		return "", "", false
	case a.Status == view.Failed:
		return "", fmt.Sprintf("the SPF record of %s could not be asked for: %s", domain, a.Detail), true
	case a.Status == view.NXDomain:
		return "", fmt.Sprintf("%s does not exist", domain), false
	case len(found) == 0:
		return "", fmt.Sprintf("%s has no SPF record", domain), false
	case len(found) > 1:
		return "", fmt.Sprintf("%s has %d SPF records and only one is allowed", domain, len(found)), false
	}
	return found[0], "", false
}

func (e *explorer) look(name rrset.Name, t rrset.Type) view.Answer {
	a := e.view.Look(view.Question{Name: name, Type: t})
	e.unasked = e.unasked || a.Status == view.Unasked
	return a
}

// term follows one term; it gives a child if the term leads to another record.
func (e *explorer) term(n *Node, t Term, granted byte) *Node {
	passes := granted == '+' && t.Qualifier == '+'
	if strings.Contains(t.Domain, "%") || t.Name == "exists" || t.Name == "ptr" {
		if (passes || t.Name == "redirect") && t.LooksUp() {
			e.open = append(e.open, t.Key()+" in "+string(n.Domain))
		}
		return nil
	}
	target := n.Domain
	if t.Domain != "" && !t.IsModifier() || t.Name == "redirect" {
		var ok bool
		if target, ok = targetName(t.Domain); !ok {
			return nil
		}
	}
	switch t.Name {
	case "include":
		if !passes {
			granted = '-'
		}
		return e.read(target, t.String(), granted)
	case "redirect":
		return e.read(target, t.String(), granted)
	case "ip4", "ip6":
		e.grant(passes, t.Network)
	case "a":
		e.addresses(t, target, passes, true)
	case "mx":
		e.exchanges(n, t, target, passes)
	}
	return nil
}

func (e *explorer) grant(passes bool, networks ...netip.Prefix) {
	if passes {
		e.networks = append(e.networks, networks...)
	}
}

// addresses grants the addresses of a host, widened to the term's prefixes. A term is void
// for a client of one family even if the host has addresses of the other; only a host
// without any counts here.
func (e *explorer) addresses(t Term, host rrset.Name, passes, count bool) (void bool) {
	v4, v6 := e.look(host, rrset.A), e.look(host, rrset.AAAA)
	for _, a := range slices.Concat(v4.Set.Addrs(), v6.Set.Addrs()) {
		bits := t.Prefix6
		if a.Is4() {
			bits = t.Prefix4
		}
		if p, err := a.Prefix(bits); err == nil {
			e.grant(passes, p)
		}
	}
	void = v4.Status.Absent() && v6.Status.Absent()
	if void && count {
		e.voids++
	}
	return void
}

func (e *explorer) exchanges(n *Node, t Term, target rrset.Name, passes bool) {
	a := e.look(target, rrset.MX)
	exchanges := a.Set.Exchanges()
	if len(exchanges) > MaxNames && n.Problem == "" {
		n.Problem = fmt.Sprintf("%s: %s has %d MX records and at most %d may be looked up", quoted(t.String()), target, len(exchanges), MaxNames)
		return
	}
	void := a.Status.Absent()
	for _, x := range exchanges {
		if x.Host != rrset.Root && e.addresses(t, x.Host, passes, false) {
			void = true
		}
	}
	if void {
		e.voids++
	}
}

// Strictness orders the qualifiers of all by what happens to other senders: + ? ~ -.
func Strictness(qualifier byte) int { return strings.IndexByte("+?~-", qualifier) }

// ResultOf names the result that a qualifier gives (section 4.6.2).
func ResultOf(qualifier byte) Result { return ofQualifier(qualifier) }
