// Package fleettest serves a fleet's zone to tests, in process.
package fleettest

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"maildrift/cmd/fleetbench/fleet"
)

// Serve answers about a fleet over UDP and TCP at an address of loopback until the test ends.
func Serve(t testing.TB, f fleet.Fleet) netip.AddrPort {
	t.Helper()
	zone := read(t, f)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(zone.answer(q)) })
	packets, streams := listen(t)
	serve(t, &dns.Server{PacketConn: packets, Handler: handler})
	serve(t, &dns.Server{Listener: streams, Handler: handler})
	return packets.LocalAddr().(*net.UDPAddr).AddrPort()
}

// listen finds a port that is free over UDP and TCP.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	var conf net.ListenConfig
	for range 50 {
		packets, err := conf.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		streams, err := conf.Listen(t.Context(), "tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, streams
		}
		_ = packets.Close()
	}
	t.Fatal("no port is free")
	return nil, nil
}

func serve(t testing.TB, s *dns.Server) {
	t.Helper()
	started, ended := make(chan struct{}), make(chan error, 1)
	s.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- s.ActivateAndServe() }()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(), <-ended); err != nil {
			t.Error(err)
		}
	})
}

// zone holds records by owner name.
type zone map[string][]dns.RR

func read(t testing.TB, f fleet.Fleet) zone {
	t.Helper()
	var text strings.Builder
	if err := f.WriteZone(&text); err != nil {
		t.Fatal(err)
	}
	z := zone{}
	parser := dns.NewZoneParser(strings.NewReader(text.String()), fleet.Apex.FQDN(), "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z[rr.Header().Name] = append(z[rr.Header().Name], rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

// answer follows an alias if there is one, as Knot does.
func (z zone) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	name, wanted := q.Question[0].Name, q.Question[0].Qtype
	if len(z[name]) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	for range 2 {
		next := ""
		for _, rr := range z[name] {
			alias, isAlias := rr.(*dns.CNAME)
			if isAlias || rr.Header().Rrtype == wanted {
				m.Answer = append(m.Answer, rr)
			}
			if isAlias && wanted != dns.TypeCNAME {
				next = alias.Target
			}
		}
		name = next
	}
	if len(m.Answer) == 0 {
		m.Ns = z[fleet.Apex.FQDN()][:1] // the SOA comes first
	}
	return m
}
