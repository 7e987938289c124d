package dnslab

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// extended gives the extended errors of a reply.
func extended(m *dns.Msg) []uint16 {
	var out []uint16
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				out = append(out, e.InfoCode)
			}
		}
	}
	return out
}

// inside counts the questions of resolvers.
func inside(l *Lab) int {
	return len(l.Queries(func(q Query) bool { return q.Transport == Inside }))
}

func TestResolverKeepsAnswersForTheirTime(t *testing.T) {
	l := open(t, 1)
	c, r := newClock(l), resolver(t, l, "one")
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 100, "old")
	text := func(want string, ttl uint32) {
		t.Helper()
		m := ask(t, r.Addr(), "shop.example.", dns.TypeTXT)
		if m.Authoritative || !m.RecursionAvailable || m.AuthenticatedData {
			t.Errorf("the header says %s", &m.MsgHdr)
		}
		same(t, "answer", lines(m.Answer), []string{"shop.example. TXT " + want})
		if got := m.Answer[0].Header().Ttl; got != ttl {
			t.Errorf("TTL %d, want %d", got, ttl)
		}
	}
	text("old", 100)
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 50, "new")
	c.pass(1500 * time.Millisecond)
	text("old", 99)
	c.pass(98 * time.Second)
	text("old", 1)
	if n := inside(l); n != 1 {
		t.Errorf("the authority was asked %d times, want once", n)
	}
	c.pass(500 * time.Millisecond)
	text("new", 50)
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 0, "never kept")
	r.Flush()
	text("never kept", 0)
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "newest")
	text("newest", 60)
}

func TestF49AbsenceIsKeptForItsTime(t *testing.T) {
	for name, tt := range map[string]struct {
		minimum uint32
		sent    Action
		kept    time.Duration
	}{
		"as long as the SOA's minimum":                {30, func(*reply) {}, 30 * time.Second},
		"at most the SOA's TTL":                       {900, func(*reply) {}, ownTTL * time.Second},
		"the minimum even if the TTL is sent as more": {30, TTL(900), 30 * time.Second},
	} {
		l := open(t, 1)
		c, r := newClock(l), resolver(t, l, "one")
		z := l.Zone("shop.example")
		z.SetNegativeTTL(tt.minimum)
		l.Authorities()[0].Fault(Match{Type: rrset.TXT}, tt.sent)
		publish(t, l, "shop.example", "shop.example", rrset.MX, 60, "10 mx.example")
		for _, at := range []struct {
			name  rrset.Name
			rcode int
		}{{"shop.example", 0}, {"_dmarc.shop.example", 3}} {
			m := ask(t, r.Addr(), at.name.FQDN(), dns.TypeTXT)
			if m.Rcode != at.rcode || len(m.Ns) != 1 || m.Ns[0].Header().Ttl != uint32(tt.kept/time.Second) {
				t.Errorf("%s: %v", name, m)
			}
			publish(t, l, "shop.example", at.name, rrset.TXT, 60, "here")
			c.pass(tt.kept - time.Second)
			m = ask(t, r.Addr(), at.name.FQDN(), dns.TypeTXT)
			if m.Rcode != at.rcode || len(m.Answer) != 0 || len(m.Ns) != 1 || m.Ns[0].Header().Ttl != 1 {
				t.Errorf("%s: a second before the end: %v", name, m)
			}
			c.pass(time.Second)
			if m := ask(t, r.Addr(), at.name.FQDN(), dns.TypeTXT); len(m.Answer) != 1 {
				t.Errorf("%s: at the end: %v", name, m)
			}
		}
	}
}

func TestWhatIsNotKept(t *testing.T) {
	for name, act := range map[string]Action{
		"TTL 0":                  TTL(0),
		"TTL 2^31 (RFC 2181, 8)": TTL(1 << 31),
		"absence without a SOA":  Empty,
		"a denial without a SOA": Rcode(dns.RcodeNameError),
	} {
		l := open(t, 1)
		newClock(l)
		r := resolver(t, l, "one")
		publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "v=spf1 -all")
		l.Authorities()[0].Fault(Match{Times: 1}, act)
		for range 2 {
			ask(t, r.Addr(), "shop.example.", dns.TypeTXT)
		}
		if n := inside(l); n != 2 {
			t.Errorf("%s: the authority was asked %d times, want twice", name, n)
		}
	}
}

func TestAbsenceOfANameIsThatOfAllItsTypes(t *testing.T) {
	l := open(t, 1)
	newClock(l)
	r := resolver(t, l, "one")
	l.Zone("shop.example")
	for _, typ := range []uint16{dns.TypeTXT, dns.TypeMX, dns.TypeCNAME} {
		if m := ask(t, r.Addr(), "nope.shop.example.", typ); m.Rcode != dns.RcodeNameError {
			t.Errorf("%v", m)
		}
	}
	if n := inside(l); n != 1 {
		t.Errorf("the authority was asked %d times, want once", n)
	}
}

func TestResolverFollowsAliasesOverZones(t *testing.T) {
	l := open(t, 2)
	c, r := newClock(l), resolver(t, l, "one")
	publish(t, l, "shop.example", "k1._domainkey.shop.example", rrset.CNAME, 100, "k1.provider.example")
	publish(t, l, "provider.example", "k1.provider.example", rrset.CNAME, 50, "k2.keys.example")
	publish(t, l, "keys.example", "k2.keys.example", rrset.TXT, 10, "key one")
	chain := func(key string) []string {
		return []string{"k1._domainkey.shop.example. CNAME k1.provider.example.", "k1.provider.example. CNAME k2.keys.example.", "k2.keys.example. TXT " + key}
	}
	key := func() *dns.Msg { return ask(t, r.Addr(), "k1._domainkey.shop.example.", dns.TypeTXT) }
	same(t, "chain", lines(key().Answer), chain("key one"))
	publish(t, l, "keys.example", "k2.keys.example", rrset.TXT, 10, "key two")
	c.pass(10 * time.Second)
	m := key()
	same(t, "each link is kept for its own time", lines(m.Answer), chain("key two"))
	if ttls := []uint32{m.Answer[0].Header().Ttl, m.Answer[1].Header().Ttl, m.Answer[2].Header().Ttl}; !slices.Equal(ttls, []uint32{90, 40, 10}) {
		t.Errorf("TTLs %d", ttls)
	}
	same(t, "the alias itself", lines(ask(t, r.Addr(), "k1._domainkey.shop.example.", dns.TypeCNAME).Answer), chain("")[:1])

	l.Delete("keys.example", "k2.keys.example", rrset.TXT)
	c.pass(10 * time.Second)
	if m := key(); m.Rcode != dns.RcodeNameError || len(m.Answer) != 2 || len(m.Ns) != 1 {
		t.Errorf("F-27, a dangling alias: %v", m)
	}
	publish(t, l, "keys.example", "k2.keys.example", rrset.CNAME, 10, "k1._domainkey.shop.example")
	c.pass(10 * time.Second)
	if m := key(); m.Rcode != dns.RcodeServerFailure || len(m.Answer) != 0 {
		t.Errorf("F-26, a loop: %v", m)
	}
	// An alias that comes in place of data, and the other way round.
	publish(t, l, "keys.example", "k2.keys.example", rrset.TXT, 10, "beside")
	l.Delete("keys.example", "k2.keys.example", rrset.CNAME)
	c.pass(100 * time.Second)
	same(t, "data in place of an alias", lines(key().Answer), chain("beside"))
}

func TestWhenAllAuthoritiesAreCutResolversFail(t *testing.T) {
	l := open(t, 2)
	c := newClock(l)
	one, two := resolver(t, l, "one"), resolver(t, l, "two")
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "v=spf1 -all")
	ask(t, one.Addr(), "shop.example.", dns.TypeTXT)
	l.Authorities()[0].Cut(true)
	if m := ask(t, one.Addr(), "other.example.", dns.TypeTXT); m.Rcode != dns.RcodeNameError {
		t.Errorf("with one authority left: %v", m)
	}
	l.CutAuthorities(true)
	if !silent(l.Authorities()[1].Addr(), "udp") || !silent(l.Authorities()[1].Addr(), "tcp") {
		t.Error("an authority that is cut answers")
	}
	if m := ask(t, one.Addr(), "shop.example.", dns.TypeTXT); len(m.Answer) != 1 {
		t.Errorf("what was kept: %v", m)
	}
	m := ask(t, two.Addr(), "shop.example.", dns.TypeTXT)
	if m.Rcode != dns.RcodeServerFailure || !slices.Equal(extended(m), []uint16{dns.ExtendedErrorCodeNoReachableAuthority}) {
		t.Errorf("what was not: %v", m)
	}
	c.pass(time.Minute)
	if m := ask(t, one.Addr(), "shop.example.", dns.TypeTXT); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("what ran out: %v", m)
	}
	l.CutAuthorities(false)
	if m := ask(t, two.Addr(), "shop.example.", dns.TypeTXT); len(m.Answer) != 1 {
		t.Errorf("failure is not kept: %v", m)
	}
}

func TestF35StaleAnswersAreMarked(t *testing.T) {
	l := open(t, 1)
	c, r := newClock(l), resolver(t, l, "one")
	r.ServeStale(true)
	publish(t, l, "shop.example", "s1.shop.example", rrset.TXT, 60, "v=spf1 -all")
	ask(t, r.Addr(), "s1.shop.example.", dns.TypeTXT)
	ask(t, r.Addr(), "nope.shop.example.", dns.TypeTXT)
	l.CutAuthorities(true)
	c.pass(time.Hour)
	m := ask(t, r.Addr(), "s1.shop.example.", dns.TypeTXT)
	if len(m.Answer) != 1 || m.Answer[0].Header().Ttl != staleTTL || !slices.Equal(extended(m), []uint16{dns.ExtendedErrorCodeStaleAnswer}) {
		t.Errorf("a stale answer: %v", m)
	}
	m = ask(t, r.Addr(), "nope.shop.example.", dns.TypeTXT)
	if m.Rcode != dns.RcodeNameError || !slices.Equal(extended(m), []uint16{dns.ExtendedErrorCodeStaleNXDOMAINAnswer}) {
		t.Errorf("a stale absence: %v", m)
	}
	r.ServeStale(false)
	if m := ask(t, r.Addr(), "s1.shop.example.", dns.TypeTXT); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("without: %v", m)
	}
	l.CutAuthorities(false)
	r.ServeStale(true)
	l.Delete("shop.example", "s1.shop.example", rrset.TXT)
	if m := ask(t, r.Addr(), "s1.shop.example.", dns.TypeTXT); len(m.Answer) != 0 {
		t.Errorf("the authority is back: %v", m)
	}
	l.CutAuthorities(true)
	c.pass(time.Hour)
	if m := ask(t, r.Addr(), "s1.shop.example.", dns.TypeTXT); len(m.Answer) != 0 || m.Rcode != dns.RcodeNameError {
		t.Errorf("what was deleted comes up again: %v", m)
	}
}

func TestResolversPreferDifferentAuthorities(t *testing.T) {
	l := open(t, 2)
	var resolvers []*Resolver
	for _, name := range []string{"one", "two", "three"} {
		resolvers = append(resolvers, resolver(t, l, name))
	}
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "old")
	l.Authorities()[1].Freeze(true)
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "new")
	var got []string
	for _, r := range resolvers {
		got = append(got, lines(ask(t, r.Addr(), "shop.example.", dns.TypeTXT).Answer)...)
	}
	same(t, "F-34, an authority lags", got, []string{"shop.example. TXT new", "shop.example. TXT old", "shop.example. TXT new"})
}

func TestFaultsOfAuthoritiesReachResolvers(t *testing.T) {
	good := []string{"shop.example. TXT good"}
	for name, tt := range map[string]struct {
		act  Action
		want []string // nil: SERVFAIL if all authorities do it, the other's answer if one does
	}{
		"failing":             {Rcode(dns.RcodeServerFailure), nil},
		"refusing":            {Rcode(dns.RcodeRefused), nil},
		"dropping":            {Drop, nil},
		"taking too long":     {Delay(time.Hour), nil},
		"taking its time":     {Delay(time.Millisecond), good},
		"lame":                {NotAuthoritative, nil},
		"with a wrong ID":     {WrongID, nil},
		"another question":    {WrongQuestion, nil},
		"no question":         {NoQuestion, nil},
		"echoing":             {Echo, nil},
		"cut short":           {Shorten(20), nil},
		"garbage":             {Raw([]byte("garbage")), nil},
		"cut over UDP only":   {Truncate, good},
		"lying in good form":  {Forge(9, rrset.NewSet(rrset.TXT, rrset.TXTData([]byte("evil")))), []string{"shop.example. TXT evil"}},
		"denying in bad form": {Rcode(dns.RcodeNameError), []string{}},
	} {
		l := open(t, 2)
		r := resolver(t, l, "one")
		publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "good")
		want := tt.want
		for i, a := range l.Authorities() {
			a.Fault(Match{}, tt.act)
			if want == nil && i == 0 {
				want = good
			} else if tt.want == nil {
				want = nil
			}
			r.Flush()
			m := ask(t, r.Addr(), "shop.example.", dns.TypeTXT)
			if !slices.Equal(lines(m.Answer), want) || (m.Rcode == dns.RcodeServerFailure) != (want == nil) {
				t.Errorf("%d authorities %s: %v", i+1, name, m)
			}
		}
	}
}

func TestLieAndCut(t *testing.T) {
	l := open(t, 1)
	r := resolver(t, l, "one")
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "v=spf1 -all")
	r.Lie(true)
	for _, name := range []string{"shop.example.", "."} {
		if m := ask(t, r.Addr(), name, dns.TypeTXT); m.Rcode != dns.RcodeNameError {
			t.Errorf("a liar says of %s: %v", name, m)
		}
	}
	r.Lie(false)
	if m := ask(t, r.Addr(), "shop.example.", dns.TypeTXT); len(m.Answer) != 1 {
		t.Errorf("honest again: %v", m)
	}
	r.Cut(true)
	if !silent(r.Addr(), "udp") || !silent(r.Addr(), "tcp") {
		t.Error("it answers though it is cut")
	}
	r.Cut(false)
	if m := askTCP(t, r.Addr(), "shop.example.", dns.TypeTXT); len(m.Answer) != 1 {
		t.Errorf("mended: %v", m)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	l := open(t, 0)
	c, r := newClock(l), resolver(t, l, "one")
	for i := range maxCache + 10 {
		c.pass(time.Second)
		now := c.read()
		r.keep(rrset.Name(string(rune('a'+i%26))).Child(time.Duration(i).String()), rrset.TXT, cached{at: now, until: now.Add(time.Minute)})
	}
	if n := len(r.cache); n > 100 {
		t.Errorf("%d entries", n)
	}
}
