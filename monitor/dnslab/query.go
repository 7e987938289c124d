package dnslab

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Transport is the way that a query came.
type Transport uint8

// The transports.
const (
	// AnyTransport is none in particular, in a [Match].
	AnyTransport Transport = iota
	// UDP is DNS over UDP.
	UDP
	// TCP is DNS over TCP.
	TCP
	// Inside is from a resolver of the lab, without a socket.
	Inside
)

var transportNames = [...]string{AnyTransport: "any", UDP: "udp", TCP: "tcp", Inside: "inside"}

// String gives the transport's name in lower case.
func (t Transport) String() string { return transportNames[t] }

// MarshalText writes the name.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name.
func (t *Transport) UnmarshalText(b []byte) error {
	i := slices.Index(transportNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown transport %q: use any, udp, tcp or inside", b)
	}
	*t = Transport(i)
	return nil
}

// Query is a query that arrived at a server.
type Query struct {
	// Server is the name of who was asked: an authority's host or a resolver's name.
	Server string
	// At is when, by the lab's clock.
	At        time.Time
	Transport Transport
	Name      rrset.Name
	Type      rrset.Type
	// Spelled is the name as it was written, whose case may be random, with its dot.
	Spelled string
	// RD and CD are bits of the header: recursion desired, checking disabled.
	RD, CD bool
	// DO is the bit that asks for DNSSEC.
	DO bool
	// UDPSize is the size that EDNS offers, in octets; 0 means that there is no EDNS.
	UDPSize uint16
}

// String gives "server name TYPE transport".
func (q Query) String() string {
	return fmt.Sprintf("%s %s %s %s", q.Server, q.Name, q.Type, q.Transport)
}

func newQuery(server string, at time.Time, via Transport, m *dns.Msg) Query {
	q := Query{
		Server: server, At: at, Transport: via,
		Name: rrset.FromFQDN(m.Question[0].Name), Type: rrset.Type(m.Question[0].Qtype), Spelled: m.Question[0].Name,
		RD: m.RecursionDesired, CD: m.CheckingDisabled,
	}
	if opt := m.IsEdns0(); opt != nil {
		q.DO, q.UDPSize = opt.Do(), max(opt.UDPSize(), dns.MinMsgSize)
	}
	return q
}

// maxLog bounds the log, since a demo may run for days.
const maxLog = 1 << 16

// log keeps the newest queries.
type log struct {
	mu      sync.Mutex
	queries []Query
}

func (l *log) add(q Query) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queries) == 2*maxLog {
		l.queries = append(l.queries[:0], l.queries[maxLog:]...)
	}
	l.queries = append(l.queries, q)
}

func (l *log) read(keep func(Query) bool) []Query {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Query
	for _, q := range l.queries[max(0, len(l.queries)-maxLog):] {
		if keep == nil || keep(q) {
			out = append(out, q)
		}
	}
	return out
}

func (l *log) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries = nil
}
