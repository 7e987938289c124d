package dnslab

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLab(t *testing.T) (*Lab, *Resolver) {
	t.Helper()
	l, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	r, err := l.Resolver("one")
	if err != nil {
		t.Fatal(err)
	}
	set(t, l, "shop.example", rrset.TXT, "v=spf1 -all", "token")
	set(t, l, "a.b.shop.example", rrset.A, "192.0.2.1")
	set(t, l, "*.wild.shop.example", rrset.TXT, "made up")
	set(t, l, "alias.shop.example", rrset.CNAME, "shop.other.example")
	if err := l.Set("other.example", "shop.other.example", rrset.TXT, 2, "over there"); err != nil {
		t.Fatal(err)
	}
	return l, r
}

func set(t *testing.T, l *Lab, name rrset.Name, typ rrset.Type, lines ...string) {
	t.Helper()
	if err := l.Set("shop.example", name, typ, 2, lines...); err != nil {
		t.Fatal(err)
	}
}

func exchange(t *testing.T, addr, name string, typ uint16, network string) *dns.Msg {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(name, typ)
	c := &dns.Client{Net: network, Timeout: 300 * time.Millisecond}
	m, _, err := c.Exchange(q, addr)
	if err != nil {
		return nil
	}
	return m
}

func TestAuthority(t *testing.T) {
	l, _ := newLab(t)
	addr := l.servers[0].udp.PacketConn.LocalAddr().String()
	tests := []struct {
		name    string
		typ     uint16
		rcode   int
		answers int
		soa     bool
	}{
		{"shop.example.", dns.TypeTXT, dns.RcodeSuccess, 2, false},
		{"SHOP.example.", dns.TypeTXT, dns.RcodeSuccess, 2, false},
		{"shop.example.", dns.TypeMX, dns.RcodeSuccess, 0, true},
		{"nope.shop.example.", dns.TypeTXT, dns.RcodeNameError, 0, true},
		{"b.shop.example.", dns.TypeTXT, dns.RcodeSuccess, 0, true}, // an empty non-terminal exists (RFC 8020)
		{"x.wild.shop.example.", dns.TypeTXT, dns.RcodeSuccess, 1, false},
		{"shop.example.", dns.TypeNS, dns.RcodeSuccess, 2, false},
		{"shop.example.", dns.TypeSOA, dns.RcodeSuccess, 1, false},
		{".", dns.TypeNS, dns.RcodeSuccess, 2, false},
		{"ns1.lab.", dns.TypeA, dns.RcodeSuccess, 1, false},
		{"alias.shop.example.", dns.TypeTXT, dns.RcodeSuccess, 1, false}, // the CNAME; its target is another zone's
	}
	for _, tt := range tests {
		m := exchange(t, addr, tt.name, tt.typ, "udp")
		if m == nil || m.Rcode != tt.rcode || len(m.Answer) != tt.answers || (len(m.Ns) == 1) != tt.soa || !m.Authoritative {
			t.Errorf("%s %s gives %v", tt.name, dns.TypeToString[tt.typ], m)
		}
	}
}

func TestResolverFollowsAliasesAndCaches(t *testing.T) {
	l, r := newLab(t)
	m := exchange(t, r.Addr().String(), "alias.shop.example.", dns.TypeTXT, "udp")
	if len(m.Answer) != 2 || m.Authoritative || !m.RecursionAvailable {
		t.Errorf("over an alias: %v", m)
	}
	ask := func() []string {
		m := exchange(t, r.Addr().String(), "shop.example.", dns.TypeTXT, "udp")
		var out []string
		for _, a := range m.Answer {
			out = append(out, a.(*dns.TXT).Txt...)
		}
		slices.Sort(out)
		return out
	}
	before := ask()
	set(t, l, "shop.example", rrset.TXT, "new")
	if got := ask(); !slices.Equal(got, before) {
		t.Errorf("the cache gives %q, want what it had", got)
	}
	for end := time.Now().Add(10 * time.Second); !slices.Equal(ask(), []string{"new"}); {
		if time.Now().After(end) {
			t.Fatal("the cache never runs out")
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.Delete("shop.example", "shop.example", rrset.TXT)
	r.Flush()
	if got := ask(); len(got) != 0 {
		t.Errorf("after deleting and flushing: %q", got)
	}
}

func TestFaults(t *testing.T) {
	l, r := newLab(t)
	r.Lie(true)
	if m := exchange(t, r.Addr().String(), "shop.example.", dns.TypeTXT, "udp"); m.Rcode != dns.RcodeNameError {
		t.Errorf("a liar says %v", m)
	}
	r.Lie(false)
	r.Cut(true)
	if m := exchange(t, r.Addr().String(), "shop.example.", dns.TypeTXT, "udp"); m != nil {
		t.Errorf("a cut one says %v", m)
	}
	l.CutAuthorities(true)
	if m := exchange(t, l.servers[0].udp.PacketConn.LocalAddr().String(), ".", dns.TypeNS, "udp"); m != nil {
		t.Errorf("a cut authority says %v", m)
	}
}

func TestLongAnswersNeedTCP(t *testing.T) {
	l, r := newLab(t)
	set(t, l, "long.shop.example", rrset.TXT, string(make([]byte, 3000)))
	if m := exchange(t, r.Addr().String(), "long.shop.example.", dns.TypeTXT, "udp"); !m.Truncated {
		t.Error("3,000 bytes came over UDP")
	}
	if m := exchange(t, r.Addr().String(), "long.shop.example.", dns.TypeTXT, "tcp"); m.Truncated || len(m.Answer) != 1 {
		t.Errorf("over TCP: %v", m)
	}
}
