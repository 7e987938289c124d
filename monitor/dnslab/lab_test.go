package dnslab

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, authorities int) *Lab {
	t.Helper()
	l, err := New(authorities)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func authority(t *testing.T, l *Lab, host rrset.Name) *Authority {
	t.Helper()
	a, err := l.Authority(host)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func resolver(t *testing.T, l *Lab, name string) *Resolver {
	t.Helper()
	r, err := l.Resolver(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func publish(t *testing.T, l *Lab, apex, name rrset.Name, typ rrset.Type, ttl uint32, lines ...string) {
	t.Helper()
	if err := l.Set(apex, name, typ, ttl, lines...); err != nil {
		t.Fatal(err)
	}
}

// client asks as maildrift's own does: with EDNS, 1232 octets.
type client struct {
	network string
	noEDNS  bool
	size    uint16
	timeout time.Duration
}

func (c client) ask(at netip.AddrPort, name string, typ uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, typ)
	if !c.noEDNS {
		q.SetEdns0(max(c.size, dns.MinMsgSize), false)
	}
	network := c.network
	if network == "" {
		network = "udp"
	}
	d := &dns.Client{Net: network, Timeout: max(c.timeout, 5*time.Second)}
	if c.timeout > 0 {
		d.Timeout = c.timeout
	}
	m, _, err := d.Exchange(q, at.String())
	return m, err
}

// ask asks over UDP and fails the test if nothing comes.
func ask(t *testing.T, at netip.AddrPort, name string, typ uint16) *dns.Msg {
	t.Helper()
	m, err := client{size: 1232}.ask(at, name, typ)
	if err != nil {
		t.Fatalf("ask %s for %s %s: %v", at, name, dns.TypeToString[typ], err)
	}
	return m
}

func askTCP(t *testing.T, at netip.AddrPort, name string, typ uint16) *dns.Msg {
	t.Helper()
	m, err := client{network: "tcp"}.ask(at, name, typ)
	if err != nil {
		t.Fatalf("ask %s for %s %s over TCP: %v", at, name, dns.TypeToString[typ], err)
	}
	return m
}

// silent says whether nothing comes.
func silent(at netip.AddrPort, network string) bool {
	_, err := client{network: network, timeout: 150 * time.Millisecond}.ask(at, "shop.example.", dns.TypeTXT)
	return err != nil
}

// lines gives records as "owner TYPE data", sorted, with TXT unquoted.
func lines(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		data := strings.TrimPrefix(rr.String(), rr.Header().String())
		if txt, ok := rr.(*dns.TXT); ok {
			data = strings.Join(txt.Txt, "")
		}
		out = append(out, rr.Header().Name+" "+dns.TypeToString[rr.Header().Rrtype]+" "+data)
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// clock is a time that only tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock(l *Lab) *clock {
	c := &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	l.SetClock(c.read)
	return c
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestLabsLiveSideBySide(t *testing.T) {
	one, two := open(t, 2), open(t, 2)
	if one.Port() == two.Port() || one.Port() == 0 {
		t.Errorf("ports %d and %d", one.Port(), two.Port())
	}
	publish(t, one, "shop.example", "shop.example", rrset.TXT, 60, "one")
	for i, a := range one.Authorities() {
		if want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 53, 0, byte(i + 1)}), one.Port()); a.Addr() != want {
			t.Errorf("%s listens at %s, want %s", a.Name(), a.Addr(), want)
		}
	}
	if m := ask(t, two.Authorities()[0].Addr(), "shop.example.", dns.TypeTXT); m.Rcode != dns.RcodeNameError {
		t.Errorf("the other lab knows shop.example: %v", m)
	}
}

func TestCloseStopsEverything(t *testing.T) {
	l := open(t, 1)
	r := resolver(t, l, "one")
	r.Fault(Match{}, Delay(time.Hour))
	began := time.Now()
	waiting := make(chan error, 1)
	go func() {
		_, err := client{network: "tcp", timeout: 20 * time.Second}.ask(r.Addr(), "shop.example.", dns.TypeTXT)
		waiting <- err
	}()
	for len(l.Queries(nil)) == 0 && time.Since(began) < 10*time.Second {
		time.Sleep(time.Millisecond)
	}
	l.Close()
	l.Close()
	if err := <-waiting; err == nil || time.Since(began) > 15*time.Second {
		t.Errorf("a delayed answer gives %v after %s", err, time.Since(began))
	}
	for _, network := range []string{"udp", "tcp"} {
		if !silent(r.Addr(), network) {
			t.Errorf("it still answers over %s", network)
		}
	}
	if _, err := l.Authority("late.lab"); err == nil {
		t.Error("a closed lab starts an authority")
	}
	if err := r.RefuseTCP(false); err == nil {
		t.Error("a closed lab takes TCP connections again")
	}
}

func TestWhatALabRefuses(t *testing.T) {
	l := open(t, 1)
	z := l.Zone("shop.example")
	tests := map[string]struct {
		err  func() error
		says string
	}{
		"two authorities of a name":    {func() error { _, err := l.Authority("ns1.lab"); return err }, "one of that name"},
		"an authority without a name":  {func() error { _, err := l.Authority("a..b"); return err }, "not a domain name"},
		"a name of another zone":       {func() error { return z.Set("other.example", rrset.TXT, 1, "x") }, "not in the zone shop.example"},
		"a name that is none":          {func() error { return z.Set("a..shop.example", rrset.TXT, 1, "x") }, "not a domain name"},
		"an address that is none":      {func() error { return z.Set("shop.example", rrset.A, 1, "192.0.2.256") }, "publish shop.example A"},
		"a type that has no text form": {func() error { return z.Set("shop.example", rrset.CAA, 1, "0 issue ca") }, "cannot be written"},
	}
	for name, tt := range tests {
		if err := tt.err(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want an error about %q", name, err, tt.says)
		}
	}
	if z.Serial() != 1 {
		t.Errorf("what was refused made the serial %d", z.Serial())
	}
}

func TestEditingWhileServing(t *testing.T) {
	l := open(t, 2)
	r := resolver(t, l, "one")
	var wg sync.WaitGroup
	for _, at := range []netip.AddrPort{r.Addr(), l.Authorities()[0].Addr(), l.Authorities()[1].Addr()} {
		wg.Go(func() {
			for range 50 {
				ask(t, at, "shop.example.", dns.TypeTXT)
			}
		})
	}
	wg.Go(func() {
		for i := range 50 {
			publish(t, l, "shop.example", "shop.example", rrset.TXT, 0, strings.Repeat("x", i))
			l.Authorities()[0].Freeze(i%2 == 0)
			l.Zone("shop.example").ServeFrom(l.Authorities()[:i%3]...)
			r.Fault(Match{Every: 3}, TTL(1))
			r.Flush()
			l.Queries(nil)
			l.ForgetQueries()
			r.ClearFaults()
		}
	})
	wg.Wait()
}

func TestRefuseTCP(t *testing.T) {
	l := open(t, 1)
	a := l.Authorities()[0]
	for range 2 {
		if err := a.RefuseTCP(true); err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", a.Addr().String()); err == nil {
			conn.Close()
			t.Error("TCP is taken")
		}
		ask(t, a.Addr(), ".", dns.TypeNS)
		if err := a.RefuseTCP(false); err != nil {
			t.Fatal(err)
		}
		askTCP(t, a.Addr(), ".", dns.TypeNS)
	}
}
