// Package dnslab is a DNS laboratory on loopback: authoritative servers with
// zones that can be edited while they serve, and caching resolvers that read through to
// them, each of which can be made to fail or lie. `maildrift demo` lives in it, and so do
// tests that need more than a scripted answer.
//
//	lab, err := dnslab.New(2)                      // a root and two servers of every zone
//	defer lab.Close()
//	err = lab.Set("shop.example", "shop.example", rrset.TXT, 300, "v=spf1 -all")
//	r, err := lab.Resolver("one")
//	r.Lie(true)                                    // denies everything from now on
//
// All servers share one port on addresses of their own below 127.53.0.0/16, so that it
// takes neither root nor installed programs. All methods may be called concurrently.
package dnslab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Lab is a small internet. Close it.
type Lab struct {
	port    uint16
	servers []*server
	// mu guards the zones.
	mu     sync.RWMutex
	zones  map[rrset.Name]*zone
	serial uint32
	hosts  []host
}

// host is an authoritative server's name and address.
type host struct {
	name rrset.Name
	addr netip.Addr
}

// zone is the data below an apex.
type zone struct {
	apex rrset.Name
	sets map[setKey]entry
}

type setKey struct {
	name rrset.Name
	typ  rrset.Type
}

type entry struct {
	set rrset.Set
	ttl uint32
}

// negativeTTL is how long absence may be cached in the lab, in seconds.
const negativeTTL = 3

// New makes a lab whose root and zones have n authoritative servers.
func New(n int) (*Lab, error) {
	l := &Lab{zones: map[rrset.Name]*zone{rrset.Root: {apex: rrset.Root, sets: map[setKey]entry{}}}, serial: 1}
	for i := range n {
		addr := netip.AddrFrom4([4]byte{127, 53, 0, byte(i + 1)})
		s, err := l.listen(addr, l.serveAuthority)
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("start authority %d: %w", i+1, err)
		}
		l.hosts = append(l.hosts, host{rrset.Name(fmt.Sprintf("ns%d.lab", i+1)), addr})
		s.name = string(l.hosts[i].name)
	}
	for _, h := range l.hosts {
		l.put(rrset.Root, h.name, 300, rrset.NewSet(rrset.A, h.addr.AsSlice()))
	}
	return l, nil
}

// Port is the port of all servers.
func (l *Lab) Port() uint16 { return l.port }

// Close stops all servers.
func (l *Lab) Close() {
	for _, s := range l.servers {
		s.close()
	}
}

// Zone makes a zone, delegated from the root, if there is none at that apex.
func (l *Lab) Zone(apex rrset.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.zones[apex] == nil {
		l.zones[apex] = &zone{apex: apex, sets: map[setKey]entry{}}
	}
}

// Set publishes records at a name of a zone, in place of those of the type that
// were there. Lines are as rrset.Parse reads them.
func (l *Lab) Set(apex, name rrset.Name, typ rrset.Type, ttl uint32, lines ...string) error {
	set, err := rrset.Parse(typ, lines...)
	if err != nil {
		return err
	}
	l.Zone(apex)
	l.put(apex, name, ttl, set)
	return nil
}

func (l *Lab) put(apex, name rrset.Name, ttl uint32, set rrset.Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	l.zones[apex].sets[setKey{name, set.Type}] = entry{set, ttl}
}

// Delete takes the records of a type away from a name.
func (l *Lab) Delete(apex, name rrset.Name, typ rrset.Type) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if z := l.zones[apex]; z != nil {
		l.serial++
		delete(z.sets, setKey{name, typ})
	}
}

// find gives the zone that a name lives in. The caller holds mu.
func (l *Lab) find(name rrset.Name) *zone {
	for n := name; ; n = n.Parent() {
		if z, ok := l.zones[n]; ok {
			return z
		}
		if n == rrset.Root {
			return l.zones[rrset.Root]
		}
	}
}

// answer is what the authority says about a question.
type answer struct {
	rcode int
	sets  []ownedSet
	// proof is the SOA that proves absence.
	proof ownedSet
	apex  rrset.Name
}

type ownedSet struct {
	name rrset.Name
	ttl  uint32
	set  rrset.Set
}

// look answers a question from the zones. It follows CNAMEs through all of them
// if told to, as a resolver does, else only inside the zone.
func (l *Lab) look(name rrset.Name, typ rrset.Type, everywhere bool) answer {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var a answer
	for range 9 {
		z := l.find(name)
		if a.apex == "" {
			a.apex = z.apex
		} else if z.apex != a.apex && !everywhere {
			return a
		}
		if e, ok := z.get(l, name, typ); ok {
			a.sets = append(a.sets, ownedSet{name, e.ttl, e.set})
			return a
		}
		alias, ok := z.get(l, name, rrset.CNAME)
		if !ok {
			a.proof = ownedSet{z.apex, negativeTTL, z.soa(l)}
			if !z.exists(name) {
				a.rcode = dns.RcodeNameError
			}
			return a
		}
		a.sets = append(a.sets, ownedSet{name, alias.ttl, alias.set})
		name = alias.set.Hosts()[0]
	}
	a.rcode = dns.RcodeServerFailure
	return a
}

// get gives the data of a name: published, made up for the apex, or synthesised from a
// wildcard (RFC 4592).
func (z *zone) get(l *Lab, name rrset.Name, typ rrset.Type) (entry, bool) {
	if e, ok := z.sets[setKey{name, typ}]; ok {
		return e, true
	}
	if name == z.apex && typ == rrset.NS {
		var lines []string
		for _, h := range l.hosts {
			lines = append(lines, string(h.name))
		}
		set, err := rrset.Parse(rrset.NS, lines...)
		return entry{set, 300}, err == nil
	}
	if name == z.apex && typ == rrset.SOA {
		return entry{z.soa(l), 300}, true
	}
	if !z.exists(name) {
		for n := name; n != z.apex && n != rrset.Root; n = n.Parent() {
			if e, ok := z.sets[setKey{n.Parent().Child("*"), typ}]; ok {
				return e, true
			}
		}
	}
	return entry{}, false
}

// exists says whether there is anything at the name or below it (RFC 8020).
func (z *zone) exists(name rrset.Name) bool {
	if name == z.apex {
		return true
	}
	for k := range z.sets {
		if k.name.IsAtOrBelow(name) {
			return true
		}
	}
	return false
}

// soa makes the zone's SOA record.
func (z *zone) soa(l *Lab) rrset.Set {
	rr := &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET},
		Ns:  l.hosts0().FQDN(), Mbox: "hostmaster.lab.", Serial: l.serial, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: negativeTTL,
	}
	buf := make([]byte, 512)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return rrset.NewSet(rrset.SOA)
	}
	return rrset.NewSet(rrset.SOA, slices.Clone(buf[11:end]))
}

func (l *Lab) hosts0() rrset.Name {
	if len(l.hosts) == 0 {
		return rrset.Root
	}
	return l.hosts[0].name
}

// records makes the library's records of a set.
func (o ownedSet) records(ttl uint32) []dns.RR {
	var out []dns.RR
	for _, data := range o.set.Data {
		wire := make([]byte, 0, 300+len(data))
		owner := make([]byte, 300)
		n, err := dns.PackDomainName(o.name.FQDN(), owner, 0, nil, false)
		if err != nil {
			continue
		}
		wire = append(wire, owner[:n]...)
		wire = append(wire, byte(o.set.Type>>8), byte(o.set.Type), 0, 1, byte(ttl>>24), byte(ttl>>16), byte(ttl>>8), byte(ttl), byte(len(data)>>8), byte(len(data)))
		wire = append(wire, data...)
		if rr, _, err := dns.UnpackRR(wire, 0); err == nil {
			out = append(out, rr)
		}
	}
	return out
}

// serveAuthority answers for all zones, without recursion.
func (l *Lab) serveAuthority(_ *server, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative = true
	a := l.look(rrset.FromFQDN(q.Question[0].Name), rrset.Type(q.Question[0].Qtype), false)
	fill(m, a, 0)
	return m
}

// fill puts an answer into a message; aged is how many seconds its TTLs have run down.
func fill(m *dns.Msg, a answer, aged uint32) {
	m.Rcode = a.rcode
	for _, s := range a.sets {
		m.Answer = append(m.Answer, s.records(s.ttl-min(aged, s.ttl))...)
	}
	if !a.proof.set.Empty() {
		m.Ns = a.proof.records(a.proof.ttl - min(aged, a.proof.ttl))
	}
}

// server is one listener pair and how it misbehaves.
type server struct {
	name   string
	udp    *dns.Server
	tcp    *dns.Server
	mu     sync.Mutex
	down   bool
	lying  bool
	handle func(*server, *dns.Msg) *dns.Msg
}

// listen starts a server on an address; the first one chooses the lab's port.
func (l *Lab) listen(addr netip.Addr, handle func(*server, *dns.Msg) *dns.Msg) (*server, error) {
	for range 20 {
		pc, err := net.ListenPacket("udp", netip.AddrPortFrom(addr, l.port).String()) //nolint:noctx // listening on loopback does not wait
		if err != nil {
			return nil, err
		}
		bound, _ := netip.ParseAddrPort(pc.LocalAddr().String())
		tcp, err := net.Listen("tcp", bound.String()) //nolint:noctx // listening on loopback does not wait
		if err != nil {
			_ = pc.Close()
			if l.port == 0 {
				continue // free for UDP but not for TCP: take another
			}
			return nil, err
		}
		l.port = bound.Port()
		s := &server{handle: handle}
		s.udp = &dns.Server{PacketConn: pc, Handler: s}
		s.tcp = &dns.Server{Listener: tcp, Handler: s}
		s.start()
		l.servers = append(l.servers, s)
		return s, nil
	}
	return nil, errors.New("no port is free for both UDP and TCP")
}

// start serves in the background and returns when both listeners do.
func (s *server) start() {
	var up sync.WaitGroup
	for _, d := range []*dns.Server{s.udp, s.tcp} {
		up.Add(1)
		d.NotifyStartedFunc = up.Done
		go func() { _ = d.ActivateAndServe() }()
	}
	up.Wait()
}

func (s *server) close() {
	_ = s.udp.Shutdown()
	_ = s.tcp.Shutdown()
}

// ServeDNS implements dns.Handler.
func (s *server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down || len(q.Question) != 1 {
		return // silence
	}
	m := s.handle(s, q)
	if m == nil {
		return
	}
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(1232, false)
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncate(int(opt.UDPSize()))
		}
	} else if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(m)
}

// Resolver is a caching recursive resolver.
type Resolver struct {
	*server
	lab   *Lab
	addr  netip.AddrPort
	cmu   sync.Mutex
	cache map[setKey]cached
	asked []string
}

type cached struct {
	answer answer
	at     time.Time
	until  time.Time
}

// Resolver starts a resolver.
func (l *Lab) Resolver(name string) (*Resolver, error) {
	n := byte(1)
	for _, s := range l.servers {
		if strings.HasPrefix(s.name, "resolver ") {
			n++
		}
	}
	r := &Resolver{lab: l, cache: map[setKey]cached{}}
	addr := netip.AddrFrom4([4]byte{127, 53, 1, n})
	s, err := l.listen(addr, r.serve)
	if err != nil {
		return nil, fmt.Errorf("start resolver %s: %w", name, err)
	}
	s.name = "resolver " + name
	r.server, r.addr = s, netip.AddrPortFrom(addr, l.port)
	return r, nil
}

// Addr is where it answers.
func (r *Resolver) Addr() netip.AddrPort { return r.addr }

// Lie makes it deny that anything exists, or be honest again.
func (r *Resolver) Lie(lie bool) { r.mu.Lock(); r.lying = lie; r.mu.Unlock() }

// Cut makes it silent, as if the way to it were cut, or mends it.
func (r *Resolver) Cut(cut bool) { r.mu.Lock(); r.down = cut; r.mu.Unlock() }

// Asked gives the questions that it was asked so far, as "name TYPE", each once, sorted.
func (r *Resolver) Asked() []string {
	r.cmu.Lock()
	defer r.cmu.Unlock()
	slices.Sort(r.asked)
	r.asked = slices.Compact(r.asked)
	return slices.Clone(r.asked)
}

// Flush empties the cache.
func (r *Resolver) Flush() { r.cmu.Lock(); clear(r.cache); r.cmu.Unlock() }

// CutAuthorities makes all authoritative servers silent, or mends them.
func (l *Lab) CutAuthorities(cut bool) {
	for _, s := range l.servers {
		if !strings.HasPrefix(s.name, "resolver ") {
			s.mu.Lock()
			s.down = cut
			s.mu.Unlock()
		}
	}
}

// serve answers from the cache, or from the authority.
func (r *Resolver) serve(s *server, q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	s.mu.Lock()
	lying := s.lying
	s.mu.Unlock()
	if lying {
		m.Rcode = dns.RcodeNameError
		return m
	}
	key := setKey{rrset.FromFQDN(q.Question[0].Name), rrset.Type(q.Question[0].Qtype)}
	now := time.Now()
	r.cmu.Lock()
	defer r.cmu.Unlock()
	r.asked = append(r.asked, string(key.name)+" "+key.typ.String())
	c, ok := r.cache[key]
	if !ok || !now.Before(c.until) {
		c = cached{answer: r.lab.look(key.name, key.typ, true), at: now}
		c.until = now.Add(time.Duration(c.answer.ttl()) * time.Second)
		r.cache[key] = c
	}
	fill(m, c.answer, uint32(now.Sub(c.at)/time.Second))
	return m
}

// ttl is how long an answer may be cached, in seconds.
func (a answer) ttl() uint32 {
	if !a.proof.set.Empty() {
		return a.proof.ttl
	}
	ttl := uint32(300)
	for _, s := range a.sets {
		ttl = min(ttl, s.ttl)
	}
	return ttl
}
