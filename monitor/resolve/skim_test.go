package resolve

import (
	"bytes"
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// both looks at a message in both ways: the print if it has one, and what interpretation makes of it.
func both(s *skimmer, wire []byte, q Question, recursive bool) (skimmed, bool, Observation) {
	o := Observation{Source: &Source{Role: Authoritative}, Question: q}
	if recursive {
		o.Source.Role = Recursive
	}
	seen, known := s.skim(wire, q, recursive)
	reply, err := parse(bytes.Clone(wire))
	if err != nil {
		o.Outcome = Malformed
		return seen, false, o
	}
	interpret(&o, reply)
	return seen, known && seen.stands(&o), o
}

var ignoreTTL = cmp.Options{
	cmpopts.IgnoreFields(Observation{}, "Source", "TTL", "Server"),
	cmp.Comparer(func(a, b rrset.Set) bool { return a.Equal(b) }),
}

func query(q Question) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.Name.FQDN(), uint16(q.Type))
	return m
}

func TestWhatSaysTheSameHasOnePrint(t *testing.T) {
	mx := Question{"shop.test", rrset.MX}
	lines := []string{
		"shop.test. 300 IN CNAME Shop.hosts.test.", "shop.hosts.test. 60 IN MX 10 mx1.hosts.test.", "shop.hosts.test. 90 IN MX 20 mx2.hosts.test.",
	}
	base := func() *dns.Msg { return answerTo(t, query(mx), lines...) }
	tests := map[string]struct {
		change func(m *dns.Msg)
		same   bool
	}{
		"nothing":               {func(*dns.Msg) {}, true},
		"another ID":            {func(m *dns.Msg) { m.Id++ }, true},
		"other TTLs":            {func(m *dns.Msg) { m.Answer[1].Header().Ttl = 7 }, true},
		"the order of records":  {func(m *dns.Msg) { m.Answer[1], m.Answer[2] = m.Answer[2], m.Answer[1] }, true},
		"the chain last":        {func(m *dns.Msg) { m.Answer[0], m.Answer[2] = m.Answer[2], m.Answer[0] }, true},
		"no compression":        {func(m *dns.Msg) { m.Compress = false }, true},
		"upper case":            {func(m *dns.Msg) { m.Answer[1].Header().Name = "SHOP.hosts.TEST." }, true},
		"upper case in data":    {func(m *dns.Msg) { m.Answer[1].(*dns.MX).Mx = "MX1.hosts.test." }, true},
		"a cookie":              {func(m *dns.Msg) { option(m, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"}) }, false},
		"another preference":    {func(m *dns.Msg) { m.Answer[1].(*dns.MX).Preference = 11 }, false},
		"another host":          {func(m *dns.Msg) { m.Answer[1].(*dns.MX).Mx = "mx3.hosts.test." }, false},
		"one record less":       {func(m *dns.Msg) { m.Answer = m.Answer[:2] }, false},
		"another target":        {func(m *dns.Msg) { m.Answer[0].(*dns.CNAME).Target = "other.test." }, false},
		"validated":             {func(m *dns.Msg) { m.AuthenticatedData = true }, false},
		"no recursion":          {func(m *dns.Msg) { m.RecursionAvailable = false }, false},
		"NXDOMAIN":              {func(m *dns.Msg) { m.Rcode = dns.RcodeNameError }, false},
		"an extended error":     {func(m *dns.Msg) { option(m, &dns.EDNS0_EDE{InfoCode: 3}) }, false},
		"the record in another": {func(m *dns.Msg) { m.Ns, m.Answer = m.Answer[2:], m.Answer[:2] }, false},
	}
	s := skimmer{seed: maphash.MakeSeed()}
	first := base()
	first.Compress = true
	want, stands, o := both(&s, pack(t, first), mx, true)
	if !stands || want.ttl != 60 || o.TTL != 60 {
		t.Fatalf("the first reply: stands %v, TTL %d, %s", stands, want.ttl, o.Outcome)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := base()
			m.Compress = true
			tt.change(m)
			got, _, _ := both(&s, pack(t, m), mx, true)
			if (got.print == want.print) != tt.same {
				t.Errorf("prints are the same: %v, want %v", got.print == want.print, tt.same)
			}
		})
	}
}

// TestCookiesPlayNoPart holds two replies with different cookies against each other.
func TestCookiesPlayNoPart(t *testing.T) {
	s := skimmer{seed: maphash.MakeSeed()}
	var prints []Print
	for _, cookie := range []string{"0123456789abcdef", "fedcba9876543210"} {
		m := answerTo(t, query(shopTXT), good)
		option(m, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: cookie})
		seen, stands, _ := both(&s, pack(t, m), shopTXT, true)
		if !stands {
			t.Error("a reply with a cookie has no print")
		}
		prints = append(prints, seen.print)
	}
	if prints[0] != prints[1] {
		t.Error("the cookie is part of the print")
	}
}

func option(m *dns.Msg, o dns.EDNS0) {
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = append(m.IsEdns0().Option, o)
}

// TestWhatIsNoEvidenceHasNoPrint: what must be asked again must be looked at again.
func TestWhatIsNoEvidenceHasNoPrint(t *testing.T) {
	s := skimmer{seed: maphash.MakeSeed()}
	for name, m := range map[string]*dns.Msg{
		"SERVFAIL":        withRcode(answerTo(t, query(shopTXT)), dns.RcodeServerFailure),
		"empty, no proof": answerTo(t, query(shopTXT)),
		"a type that may hide names": answerTo(t, query(shopTXT), good,
			"shop.test. 60 IN SRV 1 2 3 target.test."),
		"a record that is not asked for": answerTo(t, query(shopTXT), good, "other.test. 60 IN TXT x"),
	} {
		if _, stands, o := both(&s, pack(t, m), shopTXT, true); stands {
			t.Errorf("%s (%s) has a print", name, o.Outcome)
		}
	}
}

func withRcode(m *dns.Msg, rcode int) *dns.Msg {
	m.Rcode = rcode
	return m
}

// FuzzSkim holds the fast look against the parser: two messages of one print are interpreted alike, and the TTL is the same
// in both ways. The second message is the first with its records in another order, names in other case and other TTLs, and
// then with some octets changed.
func FuzzSkim(f *testing.F) {
	types := []rrset.Type{rrset.TXT, rrset.MX, rrset.CNAME, rrset.A, rrset.NS}
	for i, lines := range [][]string{
		{good}, {soaLine}, {"shop.test. 60 IN CNAME a.test.", "a.test. 30 IN TXT x"}, {"shop.test. 60 IN MX 10 a.test.", "shop.test. 50 IN MX 20 b.test."},
		{"shop.test. 60 IN CNAME gone.test.", soaLine}, {"shop.test. 9 IN A 192.0.2.1", "shop.test. 9 IN A 192.0.2.1"},
	} {
		for n := range types {
			q := Question{"shop.test", types[n]}
			m := answerTo(f, query(q), lines...)
			m.Compress = i%2 == 0
			f.Add(pack(f, m), uint8(n), i%2 == 0, uint64(i), uint16(30+i), byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, kind uint8, recursive bool, seed uint64, at uint16, flip byte) {
		q := Question{"shop.test", types[int(kind)%len(types)]}
		if plain, _ := appendQuery(nil, 0, q, false, false); !answers(wire, plain) {
			return
		}
		s := skimmer{seed: maphash.MakeSeed()}
		seen, stands, o := both(&s, wire, q, recursive)
		if stands && seen.ttl != o.TTL {
			t.Fatalf("TTL %d where interpretation says %d: %s", seen.ttl, o.TTL, o.Outcome)
		}
		for _, other := range [][]byte{turned(wire, seed), flipped(wire, at, flip), flipped(turned(wire, seed), at, flip)} {
			also, known := s.skim(other, q, recursive)
			if !stands || !known || also.print != seen.print {
				continue
			}
			_, _, p := both(&s, other, q, recursive)
			if diff := cmp.Diff(o, p, ignoreTTL); diff != "" {
				t.Fatalf("one print, two meanings:\n%s", diff)
			}
			if also.ttl != p.TTL {
				t.Fatalf("one print, TTL %d where interpretation says %d", also.ttl, p.TTL)
			}
		}
	})
}

// turned says the same in another way; what does not parse stays as it is.
func turned(wire []byte, seed uint64) []byte {
	m, err := parse(bytes.Clone(wire))
	if err != nil {
		return wire
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, section := range [][]dns.RR{m.Answer, m.Ns} {
		r.Shuffle(len(section), func(i, j int) { section[i], section[j] = section[j], section[i] })
		for _, rr := range section {
			rr.Header().Ttl = r.Uint32()
			rr.Header().Name = strings.ToUpper(rr.Header().Name)
		}
	}
	m.Id, m.Compress = uint16(r.Uint32()), r.IntN(2) == 0
	out, err := m.Pack()
	if err != nil {
		return wire
	}
	return out
}

func flipped(wire []byte, at uint16, by byte) []byte {
	out := bytes.Clone(wire)
	if headerSize < len(out) {
		out[headerSize+int(at)%(len(out)-headerSize)] ^= by
	}
	return out
}

func BenchmarkSkim(b *testing.B) {
	key := strings.Repeat("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", 6)
	m := answerTo(b, query(shopTXT), `shop.test. 300 IN TXT "v=DKIM1; k=rsa; p=`+key+`" "`+key+`"`)
	m.Compress = true
	wire := pack(b, m)
	s := skimmer{seed: maphash.MakeSeed(), record: make([]byte, 0, 1024)}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.skim(wire, shopTXT, true); !ok {
			b.Fatal("no print")
		}
	}
}

func BenchmarkParseAndInterpret(b *testing.B) {
	wire := pack(b, answerTo(b, query(shopTXT), good))
	b.ReportAllocs()
	for b.Loop() {
		reply, err := parse(wire)
		if err != nil {
			b.Fatal(err)
		}
		o := Observation{Source: &Source{}, Question: shopTXT}
		interpret(&o, reply)
	}
}
