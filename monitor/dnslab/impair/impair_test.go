package impair

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLossIsAsOftenAsWanted(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.5, 1} {
		g := Path{Loss: loss, Seed: 1}.there()
		const n = 100_000
		gone := 0
		for range n {
			if g.fate(time.Time{}) == lost {
				gone++
			}
		}
		if got := float64(gone) / n; got < loss-0.005 || got > loss+0.005 {
			t.Errorf("%.3f of them are lost instead of %.2f", got, loss)
		}
	}
}

func TestTheSameSeedLosesTheSame(t *testing.T) {
	path := Path{Loss: 0.3, Seed: 5}
	fates := func(g *gate) string {
		out := make([]byte, 200)
		for i := range out {
			out[i] = '0' + byte(g.fate(time.Time{}))
		}
		return string(out)
	}
	there, back := fates(path.there()), fates(path.back(1))
	if fates(path.there()) != there || fates(path.back(1)) != back {
		t.Error("chance differs between runs")
	}
	if fates(path.there()) == fates(path.back(0)) || fates(path.back(0)) == fates(path.back(1)) {
		t.Error("directions share their luck")
	}
	other := path
	other.Seed++
	if fates(path.there()) == fates(other.there()) {
		t.Error("the seed makes no difference")
	}
}

func TestTheLimitLetsItsRateThrough(t *testing.T) {
	for _, test := range []struct {
		name    string
		path    Path
		every   time.Duration
		through int // of a second's questions, after the burst was used up
	}{
		{"twice the rate", Path{Rate: 1000}, 500 * time.Microsecond, 1000},
		{"nine tenths of the rate", Path{Rate: 1000}, time.Second / 900, 900},
		{"a burst of one", Path{Rate: 100, Burst: 1}, time.Millisecond, 100},
	} {
		g := test.path.there()
		now := time.Unix(0, 0)
		for g.fate(now) == passes { // all that may come at once
		}
		through := 0
		for end := now.Add(time.Second); now.Before(end); now = now.Add(test.every) {
			if g.fate(now) == passes {
				through++
			}
		}
		if through < test.through*99/100 || through > test.through*101/100 {
			t.Errorf("%s: %d pass instead of %d", test.name, through, test.through)
		}
	}
}

func TestWhatIsLostDoesNotUseUpTheLimit(t *testing.T) {
	g := Path{Loss: 0.5, Rate: 1, Burst: 100, Seed: 1}.there()
	through := 0
	for range 1000 {
		if g.fate(time.Unix(0, 0)) == passes {
			through++
		}
	}
	if through != 100 {
		t.Errorf("%d pass, the burst is 100", through)
	}
}

// echo answers every question with itself, as a reply.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			buf[2] |= 0x80
			_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func proxy(t *testing.T, path Path) *Proxy {
	t.Helper()
	p, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), echo(t), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestEveryClientGetsItsOwnReplies(t *testing.T) {
	p := proxy(t, Path{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			client := dns.Client{Timeout: 5 * time.Second}
			for range 50 {
				// The library itself refuses replies with another ID or question.
				q := new(dns.Msg).SetQuestion(dns.Fqdn(string(rune('a'+dns.Id()%26))+".example"), dns.TypeTXT)
				if reply, _, err := client.Exchange(q, p.Addr().String()); err != nil || !reply.Response {
					t.Errorf("%v, %v", reply, err)
				}
			}
		})
	}
	wg.Wait()
	if c := p.Counts(); c != (Counts{Questions: 400, Replies: 400}) {
		t.Errorf("counted %+v", c)
	}
}

func TestNobodyHearsFromTheDead(t *testing.T) {
	p := proxy(t, Path{Dead: true})
	client := dns.Client{Timeout: 20 * time.Millisecond}
	if reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeTXT), p.Addr().String()); err == nil {
		t.Errorf("it says %v", reply)
	}
	if c := p.Counts(); c != (Counts{Questions: 1, Swallowed: 1}) {
		t.Errorf("counted %+v", c)
	}
}

func TestLossOnTheWayBackIsCountedThere(t *testing.T) {
	p := proxy(t, Path{Loss: 0.5, Seed: 2})
	client := dns.Client{Timeout: 20 * time.Millisecond}
	answered := int64(0)
	const n = 60
	for range n {
		if _, _, err := client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeTXT), p.Addr().String()); err == nil {
			answered++
		}
	}
	c := p.Counts()
	for c.Questions != n || c.Replies != n-c.LostThere { // the last ones may still be on the way
		time.Sleep(time.Millisecond)
		c = p.Counts()
	}
	if c.LostThere == 0 || c.LostBack == 0 || answered > c.Replies-c.LostBack {
		t.Errorf("%d answered, counted %+v", answered, c)
	}
}

func TestDatagramsTakeTheirTime(t *testing.T) {
	p := proxy(t, Path{Delay: 15 * time.Millisecond})
	client := dns.Client{Timeout: 5 * time.Second}
	_, took, err := client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeTXT), p.Addr().String())
	if err != nil || took < 30*time.Millisecond {
		t.Errorf("took %s, %v", took, err)
	}
}

func TestWhatIsNoMessageIsIgnored(t *testing.T) {
	p := proxy(t, Path{})
	conn, err := net.Dial("udp4", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("short")); err != nil {
		t.Fatal(err)
	}
	client := dns.Client{Timeout: 5 * time.Second}
	if _, _, err := client.Exchange(new(dns.Msg).SetQuestion("a.example.", dns.TypeTXT), p.Addr().String()); err != nil {
		t.Error(err)
	}
	if c := p.Counts(); c.Questions != 1 {
		t.Errorf("counted %+v", c)
	}
}

// BenchmarkProxy is a question and its reply through a good path, with 64 open at a time.
func BenchmarkProxy(b *testing.B) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	p, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), conn.LocalAddr().(*net.UDPAddr).AddrPort(), Path{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	client, err := net.Dial("udp4", p.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	question, buf := make([]byte, 50), make([]byte, 1500)
	for b.Loop() {
		for range batch {
			_, _ = client.Write(question)
		}
		for range batch {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
		}
		for range batch {
			if _, err := client.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/exchange")
}
