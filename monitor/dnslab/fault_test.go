package dnslab

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// heard gives the messages that come over UDP in answer to one query, as long as the
// time goes on and at most n.
func heard(t *testing.T, at netip.AddrPort, q *dns.Msg, n int, wait time.Duration) [][]byte {
	t.Helper()
	conn, err := net.Dial("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wire, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for len(out) < n {
		buf := make([]byte, 4096)
		size, err := conn.Read(buf)
		if err != nil {
			if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Fatal(err)
			}
			break
		}
		out = append(out, buf[:size])
	}
	return out
}

func TestEachFaultOverUDP(t *testing.T) {
	l := open(t, 1)
	r := resolver(t, l, "one")
	publish(t, l, "shop.example", "shop.example", rrset.TXT, 60, "v=spf1 -all")
	q := new(dns.Msg).SetQuestion("shop.example.", dns.TypeTXT)
	q.SetEdns0(1232, false)
	forged := rrset.NewSet(rrset.TXT, rrset.TXTData([]byte("evil")))
	one := func(m *dns.Msg) bool { return len(m.Answer) == 1 && m.Rcode == 0 }
	for name, tt := range map[string]struct {
		act []Action
		ok  func(m *dns.Msg) bool
	}{
		"F-03 SERVFAIL with an extended error": {[]Action{Rcode(dns.RcodeServerFailure, 6, 22)}, func(m *dns.Msg) bool {
			return m.Rcode == dns.RcodeServerFailure && len(m.Answer) == 0 && slices.Equal(extended(m), []uint16{6, 22})
		}},
		"F-04 REFUSED":             {[]Action{Rcode(dns.RcodeRefused)}, func(m *dns.Msg) bool { return m.Rcode == dns.RcodeRefused && m.Id == q.Id }},
		"F-08 a denial":            {[]Action{Rcode(dns.RcodeNameError)}, func(m *dns.Msg) bool { return m.Rcode == dns.RcodeNameError && len(m.Ns) == 0 }},
		"F-11 another ID":          {[]Action{WrongID}, func(m *dns.Msg) bool { return m.Id != q.Id && one(m) }},
		"F-12 another question":    {[]Action{WrongQuestion}, func(m *dns.Msg) bool { return m.Question[0].Name == "elsewhere.example." && one(m) }},
		"F-12 no question":         {[]Action{NoQuestion}, func(m *dns.Msg) bool { return len(m.Question) == 0 && one(m) }},
		"F-12 the query sent back": {[]Action{Echo}, func(m *dns.Msg) bool { return !m.Response && m.Id == q.Id && len(m.Answer) == 0 }},
		"F-14 a forged answer": {[]Action{Forge(77, forged)}, func(m *dns.Msg) bool {
			return one(m) && m.Answer[0].(*dns.TXT).Txt[0] == "evil" && m.Answer[0].Header().Ttl == 77
		}},
		"F-15 truncation":             {[]Action{Truncate}, func(m *dns.Msg) bool { return m.Truncated && len(m.Answer) == 0 }},
		"F-23 no recursion":           {[]Action{NoRecursion}, func(m *dns.Msg) bool { return !m.RecursionAvailable && one(m) }},
		"F-33 a TTL of 2^31":          {[]Action{TTL(1 << 31)}, func(m *dns.Msg) bool { return one(m) && m.Answer[0].Header().Ttl == 1<<31 }},
		"F-36 a filter's mark":        {[]Action{ExtendedError(15)}, func(m *dns.Msg) bool { return one(m) && slices.Equal(extended(m), []uint16{15}) }},
		"F-39 no authority":           {[]Action{NotAuthoritative}, func(m *dns.Msg) bool { return !m.Authoritative }},
		"nothing at all, not the SOA": {[]Action{Empty}, func(m *dns.Msg) bool { return m.Rcode == 0 && len(m.Answer)+len(m.Ns) == 0 && m.IsEdns0() != nil }},
		"several things":              {[]Action{TTL(5), WrongID, ExtendedError(3)}, func(m *dns.Msg) bool { return m.Answer[0].Header().Ttl == 5 && m.Id != q.Id && len(extended(m)) == 1 }},
		"what else comes to mind":     {[]Action{Alter(func(_, m *dns.Msg) { m.Opcode = dns.OpcodeStatus })}, func(m *dns.Msg) bool { return m.Opcode == dns.OpcodeStatus }},
		"a delay":                     {[]Action{Delay(time.Millisecond)}, one},
	} {
		r.ClearFaults()
		r.Fault(Match{}, tt.act...)
		got := heard(t, r.Addr(), q, 1, 5*time.Second)
		m := new(dns.Msg)
		if len(got) != 1 || m.Unpack(got[0]) != nil || !tt.ok(m) {
			t.Errorf("%s: %v", name, m)
		}
	}
	r.ClearFaults()
	same(t, "the cache is not spoilt", lines(ask(t, r.Addr(), "shop.example.", dns.TypeTXT).Answer), []string{"shop.example. TXT v=spf1 -all"})
	if ttl := ask(t, r.Addr(), "shop.example.", dns.TypeTXT).Answer[0].Header().Ttl; ttl > 60 {
		t.Errorf("the cache has TTL %d", ttl)
	}
}

func TestF01DroppedQueriesAreHeardAndNotAnswered(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	for _, act := range []Action{Drop, HangUp} {
		a.Fault(Match{Times: 1}, act)
		q := new(dns.Msg).SetQuestion(".", dns.TypeNS)
		if got := heard(t, a.Addr(), q, 1, 100*time.Millisecond); len(got) != 0 {
			t.Errorf("got %x", got)
		}
	}
	if n := len(l.Queries(nil)); n != 2 {
		t.Errorf("%d queries are in the log, want 2", n)
	}
}

func TestF02DelayedAnswersComeLate(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	a.Fault(Match{}, Delay(200*time.Millisecond))
	began := time.Now()
	ask(t, a.Addr(), ".", dns.TypeNS)
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestF16TruncatedTCPRefused(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	a.Fault(Match{}, Truncate)
	if m := ask(t, a.Addr(), ".", dns.TypeNS); !m.Truncated {
		t.Errorf("over UDP: %v", m)
	}
	if m := askTCP(t, a.Addr(), ".", dns.TypeNS); m.Truncated || len(m.Answer) == 0 {
		t.Errorf("over TCP: %v", m)
	}
	a.Fault(Match{Transport: TCP}, HangUp)
	began := time.Now()
	if m, err := (client{network: "tcp"}).ask(a.Addr(), ".", dns.TypeNS); err == nil {
		t.Errorf("hung up: %v", m)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("hanging up takes %s", took)
	}
	if err := a.RefuseTCP(true); err != nil {
		t.Fatal(err)
	}
	if m, err := (client{network: "tcp"}).ask(a.Addr(), ".", dns.TypeNS); err == nil {
		t.Errorf("refused: %v", m)
	}
	if m := ask(t, a.Addr(), ".", dns.TypeNS); !m.Truncated {
		t.Errorf("over UDP: %v", m)
	}
}

func TestMalformedOctetsGoOutAsTheyAre(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	q := new(dns.Msg).SetQuestion(".", dns.TypeNS)
	a.Fault(Match{}, Raw([]byte{1, 2, 3}))
	if got := heard(t, a.Addr(), q, 1, 5*time.Second); len(got) != 1 || !slices.Equal(got[0], []byte{byte(q.Id >> 8), byte(q.Id), 1, 2, 3}) {
		t.Errorf("Raw gives %x", got)
	}
	for _, n := range []int{1, 12, 30, 100000} {
		a.Fault(Match{}, Shorten(n))
		got := heard(t, a.Addr(), q, 1, 5*time.Second)
		if len(got) != 1 || len(got[0]) != n && n < 1000 {
			t.Errorf("Shorten(%d) gives %x", n, got)
		}
	}
	a.Fault(Match{}, Twice)
	if got := heard(t, a.Addr(), q, 2, 5*time.Second); len(got) != 2 || !slices.Equal(got[0], got[1]) {
		t.Errorf("Twice gives %x", got)
	}
}

func TestWhichQueriesAFaultStrikes(t *testing.T) {
	txt := func(name rrset.Name) Query { return Query{Name: name, Type: rrset.TXT, Transport: UDP} }
	four := []Query{txt("shop.example"), txt("shop.example"), txt("shop.example"), txt("shop.example")}
	for name, tt := range map[string]struct {
		match   Match
		queries []Query
		want    []bool
	}{
		"all":                {Match{}, four[:2], []bool{true, true}},
		"a name and below":   {Match{Below: "shop.example"}, []Query{txt("shop.example"), txt("a.shop.example"), txt("ashop.example"), txt("example")}, []bool{true, true, false, false}},
		"a type":             {Match{Type: rrset.MX}, []Query{txt("shop.example"), {Type: rrset.MX}}, []bool{false, true}},
		"a transport":        {Match{Transport: TCP}, []Query{txt("shop.example"), {Transport: TCP}}, []bool{false, true}},
		"from the third on":  {Match{Skip: 2}, four, []bool{false, false, true, true}},
		"the first two":      {Match{Times: 2}, four, []bool{true, true, false, false}},
		"the second":         {Match{Skip: 1, Times: 1}, four, []bool{false, true, false, false}},
		"each second":        {Match{Every: 2}, four, []bool{false, true, false, true}},
		"only matches count": {Match{Type: rrset.TXT, Skip: 1}, []Query{txt("a"), {Type: rrset.MX}, txt("a")}, []bool{false, false, true}},
	} {
		f := &fault{match: tt.match}
		var got []bool
		for _, q := range tt.queries {
			got = append(got, f.strike(q))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestTheNewestFaultGoesFirst(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	a.Fault(Match{}, Rcode(dns.RcodeRefused))
	a.Fault(Match{Type: rrset.TXT, Times: 1}, Rcode(dns.RcodeServerFailure))
	for _, tt := range []struct {
		typ   uint16
		rcode int
	}{{dns.TypeMX, dns.RcodeRefused}, {dns.TypeTXT, dns.RcodeServerFailure}, {dns.TypeTXT, dns.RcodeRefused}} {
		if m := ask(t, a.Addr(), ".", tt.typ); m.Rcode != tt.rcode {
			t.Errorf("%s gives %s", dns.TypeToString[tt.typ], dns.RcodeToString[m.Rcode])
		}
	}
	a.ClearFaults()
	if m := ask(t, a.Addr(), ".", dns.TypeNS); m.Rcode != 0 {
		t.Errorf("without faults: %v", m)
	}
}
