package asking

import (
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/cmd/fleetbench/fleet"
)

// zoneServer serves a fleet's zone.
func zoneServer(t *testing.T, f fleet.Fleet) netip.AddrPort {
	t.Helper()
	var text strings.Builder
	if err := f.WriteZone(&text); err != nil {
		t.Fatal(err)
	}
	zone := map[string][]dns.RR{}
	parser := dns.NewZoneParser(strings.NewReader(text.String()), "test.", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		zone[rr.Header().Name] = append(zone[rr.Header().Name], rr)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(answer(zone, q))
	})}
	var started atomic.Bool
	server.NotifyStartedFunc = func() { started.Store(true) }
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		if started.Load() {
			_ = server.Shutdown()
			<-ended
		}
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func answer(zone map[string][]dns.RR, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	name := q.Question[0].Name
	for range 2 {
		next := ""
		for _, rr := range zone[name] {
			alias, isAlias := rr.(*dns.CNAME)
			if isAlias || rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
			if isAlias && q.Question[0].Qtype != dns.TypeCNAME {
				next = alias.Target
			}
		}
		name = next
	}
	return m
}

func TestBothClientsGetEveryAnswer(t *testing.T) {
	f := fleet.Fleet{Size: 30, Seed: 3}
	job := Job{Fleet: f, Server: zoneServer(t, f), Rounds: 2, Window: 10}
	want := 2 * len(f.Questions())
	ours, err := Maildrift(t.Context(), job)
	if err != nil || ours.Lookups != want || ours.Answered != want || ours.Lost != 0 {
		t.Errorf("maildrift's: %+v, %v; want %d answers", ours, err, want)
	}
	plain, err := Plain(t.Context(), job)
	if err != nil || plain.Lookups != want || plain.Answered != want || plain.Lost != 0 {
		t.Errorf("plain: %+v, %v; want %d answers", plain, err, want)
	}
	if ours.Time <= 0 || ours.CPU.Total() <= 0 || plain.Time <= 0 || plain.CPU.Total() <= 0 {
		t.Errorf("no time: %+v, %+v", ours, plain)
	}
}

func TestKnownAnswersAreAskedForBeforehand(t *testing.T) {
	f := fleet.Fleet{Size: 10, Seed: 3}
	job := Job{Fleet: f, Server: zoneServer(t, f), Rounds: 1, Window: 10, Known: true}
	r, err := Maildrift(t.Context(), job)
	if want := len(f.Questions()); err != nil || r.Lookups != want || r.Answered != want {
		t.Errorf("%+v, %v; want %d", r, err, want)
	}
}

func TestWhatNobodyAnswersIsLost(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = conn.Close() // the kernel says so at once
	f := fleet.Fleet{Size: 2, Seed: 1}
	job := Job{Fleet: f, Server: at, Rounds: 1, Window: 4}
	want := len(f.Questions())
	if r, err := Plain(t.Context(), job); err != nil || r.Lost != want || r.Answered != 0 {
		t.Errorf("plain: %+v, %v", r, err)
	}
	if r, err := Maildrift(t.Context(), job); err != nil || r.Lost != want || r.Answered != 0 {
		t.Errorf("maildrift's: %+v, %v", r, err)
	}
}

const dnsperfSays = `[Status] Command line: dnsperf -s 127.0.0.1
Statistics:

  Queries sent:         60000
  Queries completed:    59990 (99.98%)
  Queries lost:         10 (0.02%)

  Response codes:       NOERROR 59980 (99.98%), NXDOMAIN 10 (0.02%)
  Average packet size:  request 53, response 170
  Run time (s):         0.250000
  Queries per second:   239960.000000
`

func TestStatisticsOfDNSPerfAreRead(t *testing.T) {
	r, err := parseDNSPerf([]byte(dnsperfSays))
	if want := (Result{Lookups: 60000, Answered: 59980, Lost: 10, Time: 250 * time.Millisecond}); err != nil || r != want {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, without := range []string{"Queries sent", "Queries lost", "Run time"} {
		if _, err := parseDNSPerf([]byte(strings.ReplaceAll(dnsperfSays, without, "x"))); err == nil {
			t.Errorf("without %s there is no result", without)
		}
	}
	if r, err := parseDNSPerf([]byte(strings.ReplaceAll(dnsperfSays, "NOERROR", "SERVFAIL"))); err != nil || r.Answered != 0 {
		t.Errorf("nobody answered: %+v, %v", r, err)
	}
}

func TestQuestionsForDNSPerf(t *testing.T) {
	var out strings.Builder
	f := fleet.Fleet{Size: 1, Seed: 1}
	if err := writeQuestions(&out, f.Questions()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, q := range f.Questions() {
		if lines[i] != string(q.Name)+" "+q.Type.String() {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
}
