package resolve

import (
	"fmt"
	"net/netip"
	"time"
)

// Operator names who runs a recursive service: the unit of independence, since
// all addresses of one operator share caches, software and mistakes. It is
// configured, never taken from the wire.
type Operator string

// Transport is how a source is spoken to.
type Transport uint8

// The transports.
const (
	// UDP is DNS over UDP with fallback to TCP on truncation (RFC 7766).
	UDP Transport = iota
	// TCP is DNS over TCP only.
	TCP
	// DoT is DNS over TLS (RFC 7858), port 853.
	DoT
	// DoH is DNS over HTTPS (RFC 8484), by POST.
	DoH
)

var transportNames = [...]string{UDP: "udp", TCP: "tcp", DoT: "dot", DoH: "doh"}

// String gives the name that the configuration uses.
func (t Transport) String() string { return transportNames[t] }

// MarshalText writes the configuration's name.
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the configuration's name.
func (t *Transport) UnmarshalText(b []byte) error {
	for i, name := range transportNames {
		if name == string(b) {
			*t = Transport(i)
			return nil
		}
	}
	return fmt.Errorf("unknown transport %q: use udp, tcp, dot or doh", b)
}

// Role says what a source's word is worth.
type Role uint8

// The roles.
const (
	// Recursive is a resolver with a cache: it says what receivers see.
	Recursive Role = iota
	// Authoritative is one of the zone's own nameservers: it says what caches will
	// converge to. It is asked with RD=0.
	Authoritative
)

// Source is whoever is asked: one recursive service or one authoritative
// server. Sources are made by configuration or by [Delegations] and never
// change; they may be shared between goroutines.
type Source struct {
	// ID is unique and stable over restarts: the resolver's configured name
	// ("google"), or for an authority its host and address ("ns1.example.com/192.0.2.1").
	ID string
	// Role tells resolvers from authorities.
	Role Role
	// Operator is set for resolvers.
	Operator Operator
	// Addrs are the addresses of one service in order of preference. A retry goes
	// to the next one.
	Addrs []netip.AddrPort
	// Transport is UDP unless configured.
	Transport Transport
	// ServerName is the name in the certificate (DoT) and empty for UDP and TCP.
	ServerName string
	// URL is the DoH endpoint, https://host/path. Addrs say where to connect, so
	// that no resolver is needed to reach a resolver.
	URL string
	// Rate is the most questions a second that this source is sent; 0 means the
	// asker's default.
	Rate float64
	// Window is the most questions in flight; 0 means the asker's default.
	Window int
	// Timeout is how long one try may take; 0 means the asker's default.
	Timeout time.Duration
	// Direct believes answers that a Recursive source gives with authority although it offers
	// no recursion: for one-shot commands, which people point at an authoritative server too.
	Direct bool
	// RootCAFile names a PEM file to check DoT and DoH certificates against; empty
	// means the system's roots.
	RootCAFile string
}

// String gives the ID.
func (s *Source) String() string { return s.ID }
