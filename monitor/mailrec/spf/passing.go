package spf

import (
	"net/netip"
	"slices"
	"sort"
)

// Loss is a term by which senders passed that, as far as two records tell, pass no more.
type Loss struct {
	// Term is the term as written in canonical form.
	Term string
	// Taken is the term that stands before it now and may take its senders; empty if no
	// term lets them pass at all.
	Taken string
}

// Lost gives the terms of r whose senders pass no more in now: senders are judged by the first term
// that matches them (section 4.6.2), so it is not enough that a term is still there. What names
// stand for is not known here: a term whose name is not in now counts as lost, and any two terms
// may have senders in common unless their networks tell that they have not. All is left out,
// since what it says is about strangers.
func (r Record) Lost(now Record) []Loss {
	was, is := r.chain(), now.chain()
	if max(len(was), len(is)) > maxCompared {
		return r.lostByText(was, is)
	}
	takers := takers(was, is)
	var out []Loss
	for i, t := range was {
		if t.Qualifier != '+' || t.Name == "all" || covered(t, was, anyTerm) <= i {
			continue
		}
		passes := covered(t, is, passing)
		if passes > len(is) && !t.shared(was[:i], is) {
			out = append(out, Loss{Term: r.written(i, t)})
			continue
		}
		taken := slices.IndexFunc(takers, func(k taker) bool { return k.at < passes && k.after > i && k.overlaps(t) })
		if taken >= 0 {
			out = append(out, Loss{r.written(i, t), takers[taken].String()})
		}
	}
	return out
}

// maxCompared is how many terms are held against each other. Records as receivers accept them have
// far fewer; what somebody made longer to keep us busy is compared as it is written.
const maxCompared = 1000

func (r Record) lostByText(was, is []Term) []Loss {
	there := map[string]bool{}
	for _, t := range is {
		there[t.String()] = true
	}
	var out []Loss
	for i, t := range was {
		if passing(t) && t.Name != "all" && !there[t.String()] {
			out = append(out, Loss{Term: r.written(i, t)})
		}
	}
	return out
}

// Anybody says whether whoever sends passes: by +all, or by networks that add up to all IPv4
// addresses.
func (r Record) Anybody() bool {
	t := Term{Network: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	denied := slices.IndexFunc(r.Mechanisms, func(m Term) bool { return m.Qualifier != '+' })
	if denied < 0 {
		denied = len(r.Mechanisms)
	}
	return r.All() == '+' || covered(t, r.Mechanisms[:denied], passing) <= denied
}

// chain gives what is tried in order. A redirect lets the same senders pass as an include at
// the end (sections 5.2 and 6.1).
func (r Record) chain() []Term {
	target, ok := r.Modifier("redirect")
	if !ok {
		return r.Mechanisms
	}
	return append(slices.Clip(r.Mechanisms), Term{Qualifier: '+', Name: "include", Domain: target, Prefix4: 32, Prefix6: 128})
}

// written gives term i of the chain as the record has it.
func (r Record) written(i int, t Term) string {
	if i == len(r.Mechanisms) {
		return "redirect=" + t.Domain
	}
	return t.String()
}

// taker is a term by which nobody passes, and that may take senders from terms behind it.
type taker struct {
	Term
	// at is its place. after is how many of the terms before the change already
	// took all of its senders: it takes nothing new from those behind them.
	at, after int
}

// takers gives those terms of is, without the ones whose senders have all passed before. All takes
// only what is left.
func takers(was, is []Term) []taker {
	var out []taker
	for n, t := range is {
		if t.Qualifier != '+' && t.Name != "all" && covered(t, is, passing) > n {
			out = append(out, taker{t, n + 1, covered(t, was, anyTerm)})
		}
	}
	return out
}

// shared says whether a network's senders all pass now, but for those whom terms before it already
// took.
func (t Term) shared(before, is []Term) bool {
	if !t.Network.IsValid() {
		return false
	}
	var networks []netip.Prefix
	for _, o := range before {
		if o.Network.Overlaps(t.Network) {
			networks = append(networks, o.Network)
		}
	}
	for _, o := range is {
		if passing(o) && o.Network.Overlaps(t.Network) {
			networks = append(networks, o.Network)
		}
	}
	return addUp(networks, t.Network)
}

func passing(t Term) bool { return t.Qualifier == '+' }
func anyTerm(Term) bool   { return true }

// covered gives how many terms from the first it takes until those that count have all of t's
// senders among theirs; len(terms)+1 if all together do not.
func covered(t Term, terms []Term, counts func(Term) bool) int {
	alone := slices.IndexFunc(terms, func(o Term) bool { return counts(o) && o.contains(t) }) + 1
	if alone == 0 {
		alone = len(terms) + 1
	}
	if !t.Network.IsValid() {
		return alone
	}
	var at []int
	var networks []netip.Prefix
	for i, o := range terms[:alone-1] {
		if counts(o) && o.Network.Overlaps(t.Network) {
			at, networks = append(at, i), append(networks, o.Network)
		}
	}
	n := sort.Search(len(networks)+1, func(n int) bool { return addUp(networks[:n], t.Network) })
	if n > len(networks) {
		return alone
	}
	return at[n-1] + 1
}

// addUp says whether networks together have all addresses of p.
func addUp(networks []netip.Prefix, p netip.Prefix) bool {
	var inside []netip.Prefix
	for _, n := range networks {
		if n.Bits() <= p.Bits() && n.Contains(p.Addr()) {
			return true
		}
		if n.Overlaps(p) {
			inside = append(inside, n)
		}
	}
	if len(inside) < 2 {
		return false // less than p itself
	}
	low, high := halves(p)
	return addUp(inside, low) && addUp(inside, high)
}

// halves splits a network that has more than one address.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	upper, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(upper, p.Bits()+1)
}

// contains says whether all senders of o are known to be senders of this term too.
func (t Term) contains(o Term) bool {
	switch {
	case t.Name == "all":
		return true
	case t.Network.IsValid():
		return o.Network.IsValid() && t.Network.Bits() <= o.Network.Bits() && t.Network.Contains(o.Network.Addr())
	}
	return t.Name == o.Name && t.Domain == o.Domain && t.Prefix4 <= o.Prefix4 && t.Prefix6 <= o.Prefix6
}

// overlaps says whether the terms may have senders in common.
func (t Term) overlaps(o Term) bool {
	return !t.Network.IsValid() || !o.Network.IsValid() || t.Network.Overlaps(o.Network)
}
