package dnslab

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"maildrift/monitor/rrset"
)

func shop(t *testing.T) (*Lab, *Authority) {
	t.Helper()
	l := open(t, 2)
	for _, r := range []struct {
		name rrset.Name
		typ  rrset.Type
		line string
	}{
		{"shop.example", rrset.TXT, "v=spf1 -all"},
		{"a.b.shop.example", rrset.A, "192.0.2.1"},
		{"*.wild.shop.example", rrset.TXT, "made up"},
		{"there.wild.shop.example", rrset.MX, "10 mx.shop.example"},
		{"*.alias.shop.example", rrset.CNAME, "shop.example"},
		{"inner.shop.example", rrset.CNAME, "outer.shop.example"},
		{"outer.shop.example", rrset.CNAME, "shop.other.example"},
		{"dangling.shop.example", rrset.CNAME, "nothing.shop.example"},
		{"loop.shop.example", rrset.CNAME, "loop.shop.example"},
	} {
		publish(t, l, "shop.example", r.name, r.typ, 60, r.line)
	}
	publish(t, l, "other.example", "shop.other.example", rrset.TXT, 60, "over there")
	return l, l.Authorities()[0]
}

func TestAuthorityAnswers(t *testing.T) {
	_, a := shop(t)
	const soa = "shop.example. SOA ns1.lab. hostmaster.lab. 10 3600 600 86400 3"
	tests := map[string]struct {
		name   string
		typ    uint16
		rcode  int
		answer []string
		ns     []string
	}{
		"what is published":                         {"shop.example.", dns.TypeTXT, 0, []string{"shop.example. TXT v=spf1 -all"}, nil},
		"whatever the case":                         {"SHOP.example.", dns.TypeTXT, 0, []string{"shop.example. TXT v=spf1 -all"}, nil},
		"a type that is not there":                  {"shop.example.", dns.TypeMX, 0, nil, []string{soa}},
		"a name that is not there":                  {"nope.shop.example.", dns.TypeTXT, 3, nil, []string{soa}},
		"an empty non-terminal (RFC 8020)":          {"b.shop.example.", dns.TypeTXT, 0, nil, []string{soa}},
		"below a name that is there":                {"x.a.b.shop.example.", dns.TypeTXT, 3, nil, []string{soa}},
		"a wildcard":                                {"x.wild.shop.example.", dns.TypeTXT, 0, []string{"x.wild.shop.example. TXT made up"}, nil},
		"a wildcard over several labels":            {"y.x.wild.shop.example.", dns.TypeTXT, 0, []string{"y.x.wild.shop.example. TXT made up"}, nil},
		"a wildcard without the type":               {"x.wild.shop.example.", dns.TypeMX, 0, nil, []string{soa}},
		"a wildcard does not cover what is there":   {"there.wild.shop.example.", dns.TypeTXT, 0, nil, []string{soa}},
		"nor what is below that (RFC 4592, 3.3.1)":  {"x.there.wild.shop.example.", dns.TypeTXT, 3, nil, []string{soa}},
		"nor its own parent":                        {"wild.shop.example.", dns.TypeTXT, 0, nil, []string{soa}},
		"a wildcard alias":                          {"x.alias.shop.example.", dns.TypeTXT, 0, []string{"shop.example. TXT v=spf1 -all", "x.alias.shop.example. CNAME shop.example."}, nil},
		"an alias, as far as the zone goes":         {"inner.shop.example.", dns.TypeTXT, 0, []string{"inner.shop.example. CNAME outer.shop.example.", "outer.shop.example. CNAME shop.other.example."}, nil},
		"the alias itself":                          {"inner.shop.example.", dns.TypeCNAME, 0, []string{"inner.shop.example. CNAME outer.shop.example."}, nil},
		"an alias to a name that is not there":      {"dangling.shop.example.", dns.TypeTXT, 3, []string{"dangling.shop.example. CNAME nothing.shop.example."}, []string{soa}},
		"the zone's servers":                        {"shop.example.", dns.TypeNS, 0, []string{"shop.example. NS ns1.lab.", "shop.example. NS ns2.lab."}, nil},
		"the zone's SOA, with a serial per change":  {"shop.example.", dns.TypeSOA, 0, []string{soa}, nil},
		"the root's servers":                        {".", dns.TypeNS, 0, []string{". NS ns1.lab.", ". NS ns2.lab."}, nil},
		"their addresses":                           {"ns2.lab.", dns.TypeA, 0, []string{"ns2.lab. A 127.53.0.2"}, nil},
		"no zone example: it is an empty node":      {"example.", dns.TypeNS, 0, nil, []string{". SOA ns1.lab. hostmaster.lab. 1 3600 600 86400 3"}},
		"no zone org: no such name":                 {"org.", dns.TypeNS, 3, nil, []string{". SOA ns1.lab. hostmaster.lab. 1 3600 600 86400 3"}},
		"DS is the parent's (RFC 4035, 3.1.4.1)":    {"shop.example.", dns.TypeDS, 0, nil, []string{". SOA ns1.lab. hostmaster.lab. 1 3600 600 86400 3"}},
		"a zone transfer is not to be had":          {"shop.example.", dns.TypeANY, dns.RcodeNotImplemented, nil, nil},
		"octets that are special in the name":       {`a\.b\"\;.shop.example.`, dns.TypeTXT, 3, nil, []string{soa}},
		"a name that only looks to be in the zone":  {`x\.shop.example.`, dns.TypeTXT, 3, nil, nil},
		"a loop of aliases comes out as it is long": {"loop.shop.example.", dns.TypeTXT, 0, strings.Split(strings.TrimSuffix(strings.Repeat("loop.shop.example. CNAME loop.shop.example.|", maxChain), "|"), "|"), nil},
	}
	for name, tt := range tests {
		m := ask(t, a.Addr(), tt.name, tt.typ)
		if m.Rcode != tt.rcode || m.RecursionAvailable || m.Authoritative == (tt.rcode == dns.RcodeNotImplemented) {
			t.Errorf("%s: %v", name, m)
		}
		same(t, name+", answer", lines(m.Answer), tt.answer)
		if tt.ns != nil || len(tt.answer) > 0 {
			same(t, name+", authority", lines(m.Ns), tt.ns)
		}
	}
}

func TestPublishingNothingDeletes(t *testing.T) {
	l, a := shop(t)
	z := l.Zone("shop.example")
	before := z.Serial()
	for range 2 {
		if err := z.SetData("a.b.shop.example", 60, rrset.Set{Type: rrset.A}); err != nil {
			t.Fatal(err)
		}
	}
	if m := ask(t, a.Addr(), "b.shop.example.", dns.TypeA); m.Rcode != dns.RcodeNameError || z.Serial() != before+1 {
		t.Errorf("serial %d, was %d: %v", z.Serial(), before, m)
	}
	l.Delete("nowhere.example", "nowhere.example", rrset.A)
	if m := ask(t, a.Addr(), "nowhere.example.", dns.TypeSOA); m.Rcode != dns.RcodeNameError {
		t.Errorf("deleting made a zone: %v", m)
	}
	z.Remove()
	if z.Serial() != 0 {
		t.Errorf("a zone that was removed has serial %d", z.Serial())
	}
}

// The delegation and the zone itself may tell different servers.
func TestF42PublishedServersGoBeforeThoseMadeUp(t *testing.T) {
	l := open(t, 0)
	root, a := authority(t, l, "a.root"), authority(t, l, "ns1.host.example")
	l.Zone(rrset.Root).ServeFrom(root)
	l.Zone("shop.example").ServeFrom(a)
	publish(t, l, "shop.example", "shop.example", rrset.NS, 60, "ns9.elsewhere.example")
	same(t, "the zone", lines(ask(t, a.Addr(), "shop.example.", dns.TypeNS).Answer), []string{"shop.example. NS ns9.elsewhere.example."})
	same(t, "its delegation", lines(ask(t, root.Addr(), "shop.example.", dns.TypeNS).Ns), []string{"shop.example. NS ns1.host.example."})
}

func TestServersOfTheRootComeWithAddresses(t *testing.T) {
	_, a := shop(t)
	m := ask(t, a.Addr(), ".", dns.TypeNS)
	same(t, "additional", lines(m.Extra), []string{"ns1.lab. A 127.53.0.1", "ns2.lab. A 127.53.0.2"})
}

func TestDelegationsAreReferredTo(t *testing.T) {
	l := open(t, 0)
	root, outer, inner := authority(t, l, "a.root"), authority(t, l, "ns.shop.example"), authority(t, l, "ns.deep.shop.example")
	l.Zone(rrset.Root).ServeFrom(root)
	l.Zone("shop.example").ServeFrom(outer)
	l.Zone("deep.shop.example").ServeFrom(inner)
	publish(t, l, "deep.shop.example", "x.deep.shop.example", rrset.TXT, 60, "deep")
	tests := map[string]struct {
		server *Authority
		name   string
		typ    uint16
		rcode  int
		aa     bool
		ns     []string
		glue   []string
	}{
		"the root knows the first cut": {root, "x.deep.shop.example.", dns.TypeTXT, 0, false,
			[]string{"shop.example. NS ns.shop.example."}, []string{"ns.shop.example. A 127.53.0.2"}},
		"and refers at the cut itself": {root, "shop.example.", dns.TypeNS, 0, false,
			[]string{"shop.example. NS ns.shop.example."}, []string{"ns.shop.example. A 127.53.0.2"}},
		"the zone knows the next cut": {outer, "x.deep.shop.example.", dns.TypeTXT, 0, false,
			[]string{"deep.shop.example. NS ns.deep.shop.example."}, []string{"ns.deep.shop.example. A 127.53.0.3"}},
		"DS is asked above the cut": {outer, "deep.shop.example.", dns.TypeDS, 0, true,
			[]string{"shop.example. SOA ns.shop.example. hostmaster.lab. 2 3600 600 86400 3"}, nil},
		"the child answers":             {inner, "x.deep.shop.example.", dns.TypeTXT, 0, true, nil, nil},
		"and refuses what is not its":   {inner, "shop.example.", dns.TypeTXT, dns.RcodeRefused, false, nil, nil},
		"the parent knows no such name": {outer, "nope.shop.example.", dns.TypeTXT, dns.RcodeNameError, true, []string{"shop.example. SOA ns.shop.example. hostmaster.lab. 2 3600 600 86400 3"}, nil},
	}
	for name, tt := range tests {
		m := ask(t, tt.server.Addr(), tt.name, tt.typ)
		if m.Rcode != tt.rcode || m.Authoritative != tt.aa {
			t.Errorf("%s: %v", name, m)
		}
		same(t, name+", authority", lines(m.Ns), tt.ns)
		same(t, name+", additional", lines(m.Extra), tt.glue)
	}
	r := resolver(t, l, "one")
	same(t, "a resolver finds it", lines(ask(t, r.Addr(), "x.deep.shop.example.", dns.TypeTXT).Answer), []string{"x.deep.shop.example. TXT deep"})
	l.Zone("deep.shop.example").ServeFrom()
	if m := ask(t, root.Addr(), "x.deep.shop.example.", dns.TypeTXT); !m.Authoritative || len(m.Answer) != 1 {
		t.Errorf("hosted by all again, the root says %v", m)
	}
	l.Zone("deep.shop.example").Remove()
	r.Flush()
	if m := ask(t, r.Addr(), "x.deep.shop.example.", dns.TypeTXT); m.Rcode != dns.RcodeNameError {
		t.Errorf("after the zone was removed: %v", m)
	}
	l.Zone(rrset.Root).Remove()
	if m := ask(t, root.Addr(), ".", dns.TypeSOA); len(m.Answer) != 1 {
		t.Errorf("the root can be removed: %v", m)
	}
}

func TestF41OneFrozenAuthorityLags(t *testing.T) {
	l, a := shop(t)
	b := l.Authorities()[1]
	b.Freeze(true)
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "new")
	l.Delete("shop.example", "a.b.shop.example", rrset.A)
	publish(t, l, "fresh.example", "fresh.example", rrset.TXT, 60, "fresh")
	text := func(at *Authority) []string { return lines(ask(t, at.Addr(), "shop.example.", dns.TypeTXT).Answer) }
	serial := func(at *Authority) uint32 {
		return ask(t, at.Addr(), "shop.example.", dns.TypeSOA).Answer[0].(*dns.SOA).Serial
	}
	same(t, "the live one", text(a), []string{"shop.example. TXT new"})
	same(t, "the frozen one", text(b), []string{"shop.example. TXT v=spf1 -all"})
	if serial(b)+2 != serial(a) || serial(a) != l.Zone("shop.example").Serial() {
		t.Errorf("serials %d and %d, want two apart", serial(b), serial(a))
	}
	if m := ask(t, b.Addr(), "a.b.shop.example.", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("the frozen one forgot: %v", m)
	}
	if m := ask(t, b.Addr(), "fresh.example.", dns.TypeTXT); m.Rcode != dns.RcodeNameError {
		t.Errorf("the frozen one knows a new zone: %v", m)
	}
	b.Freeze(false)
	same(t, "thawed", text(b), []string{"shop.example. TXT new"})
	if m := ask(t, b.Addr(), "a.b.shop.example.", dns.TypeA); m.Rcode != dns.RcodeNameError {
		t.Errorf("thawed, it says of what was deleted: %v", m)
	}
}

func TestLongAnswersNeedTCP(t *testing.T) {
	l, a := shop(t)
	publish(t, l, "shop.example", "s700.shop.example", rrset.TXT, 60, strings.Repeat("x", 700))
	publish(t, l, "shop.example", "s3000.shop.example", rrset.TXT, 60, strings.Repeat("x", 3000))
	tests := map[string]struct {
		client client
		name   string
		cut    bool
	}{
		"700 octets without EDNS":         {client{noEDNS: true}, "s700.shop.example.", true},
		"700 octets where 512 fit":        {client{size: 512}, "s700.shop.example.", true},
		"700 octets where 1,232 fit":      {client{size: 1232}, "s700.shop.example.", false},
		"3,000 octets where 1,232 fit":    {client{size: 1232}, "s3000.shop.example.", true},
		"3,000 octets where 4,096 do":     {client{size: 4096}, "s3000.shop.example.", true},
		"3,000 octets over TCP":           {client{network: "tcp"}, "s3000.shop.example.", false},
		"3,000 octets over TCP, no EDNS0": {client{network: "tcp", noEDNS: true}, "s3000.shop.example.", false},
	}
	for name, tt := range tests {
		m, err := tt.client.ask(a.Addr(), tt.name, dns.TypeTXT)
		if err != nil || m.Truncated != tt.cut || (len(m.Answer) == 0) != tt.cut || (m.IsEdns0() == nil) != tt.client.noEDNS {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func TestF06UnknownVersionOfEDNSIsBadVersion(t *testing.T) {
	_, a := shop(t)
	q := new(dns.Msg).SetQuestion("shop.example.", dns.TypeTXT)
	q.SetEdns0(1232, false)
	q.IsEdns0().SetVersion(1)
	m, err := dns.Exchange(q, a.Addr().String())
	if err != nil || m.Rcode != dns.RcodeBadVers || len(m.Answer) != 0 || m.IsEdns0().Version() != 0 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestOtherClassesAreRefused(t *testing.T) {
	_, a := shop(t)
	q := new(dns.Msg).SetQuestion("shop.example.", dns.TypeTXT)
	q.Question[0].Qclass = dns.ClassCHAOS
	if m, err := dns.Exchange(q, a.Addr().String()); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("%v, %v", m, err)
	}
}

func TestF29DataGoesOutByteForByte(t *testing.T) {
	l, a := shop(t)
	for name, data := range map[string][]byte{
		"chunks split anywhere":  {1, 'a', 0, 2, 'b', 'c'},
		"quotes and backslashes": {4, '"', '\\', 0, 0xff},
		"an empty string":        {0},
		"no string at all":       {},
	} {
		if err := l.Zone("shop.example").SetData("raw.shop.example", 60, rrset.Set{Type: rrset.TXT, Data: [][]byte{data}}); err != nil {
			t.Fatal(err)
		}
		q := new(dns.Msg).SetQuestion("raw.shop.example.", dns.TypeTXT)
		conn, err := dns.Dial("tcp", a.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
		wire, err := conn.ReadMsgHeader(nil)
		conn.Close()
		if err != nil || !strings.HasSuffix(string(wire), string(append([]byte{byte(len(data) >> 8), byte(len(data))}, data...))) {
			t.Errorf("%s: %x, %v; want it to end in %x", name, wire, err, data)
		}
	}
}

// What a name is, as RFC 8020 and RFC 4592 define it, by going through all names.
func TestAbsenceIsToldAsItIs(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "b", "*"})
	below := rapid.Custom(func(t *rapid.T) rrset.Name {
		n := rrset.Name("z")
		for _, l := range rapid.SliceOfN(label, 0, 4).Draw(t, "labels") {
			n = n.Child(l)
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.addHost("ns", netip.AddrFrom4([4]byte{127, 53, 0, 1}))
		c := w.addZone("z")
		names := rapid.SliceOfN(below, 0, 6).Draw(t, "published")
		for _, n := range names {
			c.put(setKey{n, rrset.TXT}, entry{rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(n))), 1})
		}
		for _, n := range rapid.SliceOf(rapid.SampledFrom(append(names, "z"))).Draw(t, "deleted") {
			c.remove(setKey{n, rrset.TXT})
		}
		exists := func(n rrset.Name) bool {
			for k := range c.sets {
				if k.name.IsAtOrBelow(n) {
					return true
				}
			}
			return n == "z"
		}
		asked := below.Draw(t, "asked")
		want, from := 0, asked
		if !exists(asked) {
			for from = asked.Parent(); !exists(from); from = from.Parent() {
			}
			if from = from.Child("*"); !exists(from) {
				want = dns.RcodeNameError
			}
		}
		_, published := c.sets[setKey{from, rrset.TXT}]
		f := w.look("ns", asked, rrset.TXT)
		if f.rcode != want || (len(f.answer) == 1) != published || (len(f.authority) == 1) == published || !f.authoritative {
			t.Errorf("%s gives %+v, want rcode %d and data from %s: %v", asked, f, want, from, published)
		}
		if published && string(f.answer[0].set.Texts()[0]) != string(from) {
			t.Errorf("%s has the data of %s, want those of %s", asked, f.answer[0].set.Texts()[0], from)
		}
	})
}
