package dnslab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// maxUDPSize is the largest answer over UDP, in octets (RFC 9715).
const maxUDPSize = 1232

// Server is what authorities and resolvers have in common: an address, a log and
// faults.
type Server struct {
	lab  *Lab
	name string
	addr netip.AddrPort
	// answer fills in a reply; the question is a single one of class IN.
	answer func(q, m *dns.Msg)
	// running waits for the goroutines that accept.
	running sync.WaitGroup
	udp     *dns.Server

	// tcpMu is held while TCP is closed and opened.
	tcpMu sync.Mutex
	tcp   *dns.Server

	mu     sync.Mutex
	cut    bool
	faults []*fault
}

// listen starts a server. The first one chooses the lab's port; as it holds that
// port on its address, other labs choose others. The caller holds mu.
func (l *Lab) listen(name string, addr netip.Addr, answer func(q, m *dns.Msg)) (*Server, error) {
	s := &Server{lab: l, name: name, answer: answer}
	select {
	case <-l.ended:
		return nil, errors.New("the lab is closed")
	default:
	}
	var err error
	for range 20 {
		if err = s.open(netip.AddrPortFrom(addr, l.port)); err == nil {
			l.port = s.addr.Port()
			return s, nil
		}
		if l.port != 0 {
			break
		}
	}
	return nil, fmt.Errorf("no port is free for UDP and TCP: %w", err)
}

// open listens on both transports of one port and starts serving.
func (s *Server) open(at netip.AddrPort) error {
	pc, err := net.ListenPacket("udp", at.String()) //nolint:noctx // listening on loopback does not wait
	if err != nil {
		return err
	}
	if s.addr, err = netip.ParseAddrPort(pc.LocalAddr().String()); err == nil {
		err = s.openTCP()
	}
	if err != nil {
		_ = pc.Close()
		return err
	}
	s.udp = s.start(&dns.Server{PacketConn: pc})
	return nil
}

func (s *Server) openTCP() error {
	ln, err := net.Listen("tcp", s.addr.String()) //nolint:noctx // listening on loopback does not wait
	if err != nil {
		return err
	}
	s.tcp = s.start(&dns.Server{Listener: ln})
	return nil
}

// start serves in the background and returns when it does.
func (s *Server) start(d *dns.Server) *dns.Server {
	up := make(chan struct{})
	d.Handler, d.NotifyStartedFunc = s, func() { close(up) }
	s.running.Go(func() { _ = d.ActivateAndServe() })
	<-up
	return d
}

// stop ends serving and waits for it.
func (s *Server) stop() {
	_ = s.udp.Shutdown()
	s.tcpMu.Lock()
	defer s.tcpMu.Unlock()
	if s.tcp != nil {
		_ = s.tcp.Shutdown()
		s.tcp = nil
	}
	s.running.Wait()
}

// Name is the host name of an authority, or the name that a resolver was given.
func (s *Server) Name() string { return s.name }

// Addr is where it answers, over UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Cut makes it silent, as if the way to it were cut, or mends it.
func (s *Server) Cut(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut
}

// RefuseTCP makes it refuse TCP connections and drop those that are open, or take
// them again.
func (s *Server) RefuseTCP(refuse bool) error {
	s.tcpMu.Lock()
	defer s.tcpMu.Unlock()
	switch {
	case refuse && s.tcp != nil:
		err := s.tcp.Shutdown()
		s.tcp = nil
		return err
	case !refuse && s.tcp == nil:
		select {
		case <-s.lab.ended:
			return errors.New("take TCP connections: the lab is closed")
		default:
			return s.openTCP()
		}
	}
	return nil
}

// Fault makes the actions happen to all answers to queries that match. The newest
// fault that strikes a query goes before all others.
func (s *Server) Fault(match Match, actions ...Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.Insert(s.faults, 0, &fault{match: match, actions: actions})
}

// ClearFaults ends all faults of Fault. A server that is cut stays so.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// ServeDNS implements [dns.Handler].
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	via := UDP
	if _, ok := w.RemoteAddr().(*net.TCPAddr); ok {
		via = TCP
	}
	r := s.react(q, via)
	if r.delay > 0 && !s.wait(r.delay) {
		return
	}
	if r.hangUp {
		_ = w.Close() // the library does nothing for UDP
	}
	if r.silent {
		return
	}
	wire, err := r.pack()
	if err != nil {
		return // what cannot be sent is silence
	}
	_, _ = w.Write(wire)
	if r.doubled {
		_, _ = w.Write(wire)
	}
}

// wait says whether the time has passed before the lab was closed.
func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.lab.ended:
		return false
	}
}

// react logs a query and makes the reply: the true one, then what faults make of it.
func (s *Server) react(q *dns.Msg, via Transport) *reply {
	r := &reply{via: via, query: q, m: new(dns.Msg).SetReply(q)}
	if len(q.Question) != 1 {
		r.m.Rcode = dns.RcodeFormatError
		return r
	}
	query := newQuery(s.name, s.lab.clock(), via, q)
	s.lab.log.add(query)
	cut, actions := s.fate(query)
	if cut {
		r.silent = true
		return r
	}
	s.tell(q, r.m)
	for _, act := range actions {
		act(r)
	}
	if via == UDP {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = min(maxUDPSize, max(int(opt.UDPSize()), size))
		}
		r.m.Truncate(size)
	}
	return r
}

// fate says whether the server is cut and which actions strike a query.
func (s *Server) fate(q Query) (cut bool, actions []Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return true, nil
	}
	for _, f := range s.faults {
		if f.strike(q) {
			return false, f.actions
		}
	}
	return false, nil
}

// tell makes the true reply.
func (s *Server) tell(q, m *dns.Msg) {
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(maxUDPSize, opt.Do())
		if opt.Version() != 0 {
			m.Rcode = dns.RcodeBadVers
			return
		}
	}
	switch question := q.Question[0]; {
	case question.Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeRefused
	case isMeta(rrset.Type(question.Qtype)):
		m.Rcode = dns.RcodeNotImplemented
	default:
		s.answer(q, m)
	}
}

// isMeta says whether a type asks for something else than an RRset (RFC 6895 section
// 3.1): a transfer, or several types at once.
func isMeta(t rrset.Type) bool { return 128 <= t && t <= 255 }
