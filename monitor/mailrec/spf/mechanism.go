package spf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// mechanism tries one mechanism. The decision has a result only if the whole
// evaluation ends here.
func (c *check) mechanism(t Term, depth int) (bool, decision) {
	s := Step{Depth: depth, Domain: c.domain, Term: t.String()}
	if t.LooksUp() {
		if d, ok := c.countLookup(); !ok {
			s.Result, s.Detail = string(d.result), d.problem
			c.step(s)
			return false, d
		}
		s.Lookup = c.lookups
	}
	before := c.voids
	matched, detail, d := c.match(t, depth)
	s.Detail, s.Void = detail, c.voids > before && t.Name != "include"
	switch {
	case d.result != "":
		s.Result = string(d.result)
		s.Detail = d.problem
	case matched:
		s.Result = "match"
	default:
		s.Result = "no match"
	}
	c.step(s)
	return matched, d
}

// match says whether a mechanism matches (section 5), and what was compared.
func (c *check) match(t Term, depth int) (bool, string, decision) {
	switch t.Name {
	case "all":
		return true, "", decision{}
	case "ip4", "ip6":
		return t.Network.Contains(c.ip), "", decision{}
	case "include":
		return c.include(t, depth)
	}
	target := c.domain
	if t.Domain != "" {
		target = c.expand(t.Domain)
	}
	name, ok := targetName(target)
	if c.unasked {
		return false, "", decision{}
	}
	if !ok {
		// A name that cannot be exists nowhere; that is no error (section 4.8).
		return false, quoted(target) + " is not a domain name", decision{}
	}
	switch t.Name {
	case "a":
		return c.address(t, name)
	case "mx":
		return c.exchange(t, name)
	case "exists":
		return c.exists(name)
	case "ptr":
		return c.pointer(name)
	}
	return false, "", permError("unknown mechanism %s", quoted(t.Name)) // Parse lets none through
}

// include asks another domain whether it would let the message pass (section 5.2).
func (c *check) include(t Term, depth int) (bool, string, decision) {
	domain := c.expand(t.Domain)
	d := c.host(domain, depth+1)
	switch d.result {
	case Pass:
		return true, string(Pass), decision{}
	case Fail, SoftFail, Neutral:
		return false, string(d.result), decision{}
	case TempError:
		return false, "", decision{result: TempError, problem: d.problem}
	case PermError:
		return false, "", decision{result: PermError, problem: d.problem}
	case None:
		return false, "", permError("include leads to %s: %s", quoted(domain), d.problem)
	}
	return false, "", decision{} // unasked
}

// family is the type of address that the client has.
func (c *check) family() rrset.Type {
	if c.ip.Is4() {
		return rrset.A
	}
	return rrset.AAAA
}

// holds says whether one of the addresses, widened to the term's prefix, is the client's.
func (c *check) holds(t Term, addrs []netip.Addr) bool {
	bits := t.Prefix4
	if !c.ip.Is4() {
		bits = t.Prefix6
	}
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		p, err := a.Prefix(bits)
		return err == nil && p.Contains(c.ip)
	})
}

// address is the mechanism a (section 5.3).
func (c *check) address(t Term, name rrset.Name) (bool, string, decision) {
	a, ok := c.look(name, c.family())
	switch {
	case !ok:
		return false, "", decision{}
	case a.Status == view.Failed:
		return false, "", tempError(view.Question{Name: name, Type: c.family()}, a)
	case a.Status.Absent():
		return false, fmt.Sprintf("%s has no %s record", name, c.family()), c.countVoid()
	}
	return c.holds(t, a.Set.Addrs()), listed(a.Set.Addrs()), decision{}
}

// exchange is the mechanism mx (section 5.4).
func (c *check) exchange(t Term, name rrset.Name) (bool, string, decision) {
	a, ok := c.look(name, rrset.MX)
	switch {
	case !ok:
		return false, "", decision{}
	case a.Status == view.Failed:
		return false, "", tempError(view.Question{Name: name, Type: rrset.MX}, a)
	case a.Status.Absent():
		return false, fmt.Sprintf("%s has no MX record", name), c.countVoid()
	}
	exchanges := a.Set.Exchanges()
	if len(exchanges) > MaxNames {
		return false, "", permError("%s has %d MX records and at most %d may be looked up", name, len(exchanges), MaxNames)
	}
	var all []netip.Addr
	void := false
	for _, e := range exchanges {
		if e.Host == rrset.Root {
			continue // a null MX (RFC 7505)
		}
		host, ok := c.look(e.Host, c.family())
		if !ok {
			continue // the others can be asked in the same go
		}
		if host.Status == view.Failed {
			return false, "", tempError(view.Question{Name: e.Host, Type: c.family()}, host)
		}
		void = void || host.Status.Absent()
		all = append(all, host.Set.Addrs()...)
	}
	if c.holds(t, all) {
		return true, listed(all), decision{}
	}
	if void {
		return false, listed(all), c.countVoid()
	}
	return false, listed(all), decision{}
}

// exists is the mechanism exists: any IPv4 address will do (section 5.7).
func (c *check) exists(name rrset.Name) (bool, string, decision) {
	a, ok := c.look(name, rrset.A)
	switch {
	case !ok:
		return false, "", decision{}
	case a.Status == view.Failed:
		return false, "", tempError(view.Question{Name: name, Type: rrset.A}, a)
	case a.Status.Absent():
		return false, fmt.Sprintf("%s does not exist", name), c.countVoid()
	}
	return true, string(name), decision{}
}

// pointer is the mechanism ptr (section 5.5). Failures only mean that it does not match.
func (c *check) pointer(target rrset.Name) (bool, string, decision) {
	names := c.validatedNames()
	for _, n := range names {
		if n.IsAtOrBelow(target) {
			return true, string(n), decision{}
		}
	}
	return false, fmt.Sprintf("no validated name of %s is in %s", c.ip, target), decision{}
}

// validatedNames gives the names of the client's address that lead back to it, of
// the first ten.
func (c *check) validatedNames() []rrset.Name {
	if c.namesOK {
		return c.names
	}
	a, ok := c.look(rrset.ReverseName(c.ip), rrset.PTR)
	if !ok {
		return nil
	}
	hosts := a.Set.Hosts()
	var out []rrset.Name
	for _, h := range hosts[:min(len(hosts), MaxNames)] {
		back, ok := c.look(h, c.family())
		if ok && slices.Contains(back.Set.Addrs(), c.ip) {
			out = append(out, h)
		}
	}
	c.names, c.namesOK = out, true
	return out
}

// validatedName gives %{p}: the domain itself before names below it, those before
// any other (section 7.3).
func (c *check) validatedName() string {
	names := c.validatedNames()
	domain := rrset.FromText(c.domain)
	rank := func(n rrset.Name) int {
		switch {
		case n == domain:
			return 0
		case n.IsAtOrBelow(domain):
			return 1
		}
		return 2
	}
	if len(names) == 0 {
		return "unknown"
	}
	return string(slices.MinFunc(names, func(a, b rrset.Name) int { return rank(a) - rank(b) }))
}

// expand replaces macros for the domain at hand.
func (c *check) expand(s string) string {
	m := c.macros
	m.validated = c.validatedName
	return m.expand(s)
}

// listed shows what an address was compared with.
func listed(addrs []netip.Addr) string {
	const most = 8
	var out []string
	for _, a := range addrs[:min(len(addrs), most)] {
		out = append(out, a.String())
	}
	if more := len(addrs) - most; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, " ")
}
