package dnslab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// maxServers is how many authorities, and how many resolvers, a lab has room for.
const maxServers = 254

// Lab is a small internet. Close it.
type Lab struct {
	log log
	// ended is closed by Close, so that delayed answers do not hold it up.
	ended chan struct{}
	// close runs stop once.
	close func()

	// mu guards everything below. It is never held while a server waits.
	mu          sync.RWMutex
	now         func() time.Time
	port        uint16
	live        *world
	authorities []*Authority
	resolvers   []*Resolver
}

// New makes a lab with n authorities, ns1.lab and so on, and a root zone.
func New(n int) (*Lab, error) {
	l := &Lab{now: time.Now, live: newWorld(), ended: make(chan struct{})}
	l.close = sync.OnceFunc(l.stop)
	l.Zone(rrset.Root)
	for i := range n {
		if _, err := l.Authority(rrset.Name(fmt.Sprintf("ns%d.lab", i+1))); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// Port is the port of all servers; 0 while there are none.
func (l *Lab) Port() uint16 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.port
}

// SetClock makes caches age by another clock than the wall's and the log tell its
// time. Delays stay real.
func (l *Lab) SetClock(now func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = now
}

func (l *Lab) clock() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.now()
}

// Authority starts another authoritative server. It hosts, as all others do, every
// zone for which [Zone.ServeFrom] does not name servers. Its address is
// published in the zone that its name lives in.
func (l *Lab) Authority(host rrset.Name) (*Authority, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.authorities) + 1
	if n > maxServers {
		return nil, fmt.Errorf("start authority %s: the lab is full with %d", host, maxServers)
	}
	if _, ok := dns.IsDomainName(host.FQDN()); !ok {
		return nil, fmt.Errorf("start authority %q: not a domain name", host)
	}
	if slices.ContainsFunc(l.authorities, func(a *Authority) bool { return a.name == string(host) }) {
		return nil, fmt.Errorf("start authority %s: there is one of that name", host)
	}
	a := &Authority{}
	addr := netip.AddrFrom4([4]byte{127, 53, 0, byte(n)})
	s, err := l.listen(string(host), addr, a.answer)
	if err != nil {
		return nil, fmt.Errorf("start authority %s: %w", host, err)
	}
	a.Server = s
	l.authorities = append(l.authorities, a)
	l.live.addHost(host, addr)
	return a, nil
}

// Authorities gives the authoritative servers in the order in which they were started.
func (l *Lab) Authorities() []*Authority {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.authorities)
}

// CutAuthorities makes all authoritative servers silent, or mends them.
func (l *Lab) CutAuthorities(cut bool) {
	for _, a := range l.Authorities() {
		a.Cut(cut)
	}
}

// Resolver starts a caching resolver. The name is only for the log.
func (l *Lab) Resolver(name string) (*Resolver, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.resolvers) + 1
	if n > maxServers {
		return nil, fmt.Errorf("start resolver %s: the lab is full with %d", name, maxServers)
	}
	r := &Resolver{turn: n - 1, cache: map[setKey]cached{}}
	s, err := l.listen(name, netip.AddrFrom4([4]byte{127, 53, 1, byte(n)}), r.answer)
	if err != nil {
		return nil, fmt.Errorf("start resolver %s: %w", name, err)
	}
	r.Server = s
	l.resolvers = append(l.resolvers, r)
	return r, nil
}

// Zone gives the zone with that apex. If there is none it is made, delegated from
// the zone above, with SOA and NS records of its own.
func (l *Lab) Zone(apex rrset.Name) *Zone {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live.addZone(apex)
	return &Zone{lab: l, apex: apex}
}

// Set is [Zone.Set] of the zone with that apex.
func (l *Lab) Set(apex, name rrset.Name, typ rrset.Type, ttl uint32, lines ...string) error {
	return l.Zone(apex).Set(name, typ, ttl, lines...)
}

// Delete is [Zone.Delete] of the zone with that apex, if there is one.
func (l *Lab) Delete(apex, name rrset.Name, typ rrset.Type) {
	(&Zone{lab: l, apex: apex}).Delete(name, typ)
}

// Queries gives the queries that arrived, oldest first: those for which keep says
// true, or all if it is nil. Silent servers log too. The oldest are forgotten beyond
// 65,536.
func (l *Lab) Queries(keep func(Query) bool) []Query { return l.log.read(keep) }

// ForgetQueries empties the log.
func (l *Lab) ForgetQueries() { l.log.forget() }

// Close stops all servers and waits for them. Closing twice is harmless.
func (l *Lab) Close() { l.close() }

func (l *Lab) stop() {
	close(l.ended)
	l.mu.RLock()
	var servers []*Server
	for _, a := range l.authorities {
		servers = append(servers, a.Server)
	}
	for _, r := range l.resolvers {
		servers = append(servers, r.Server)
	}
	l.mu.RUnlock() // whoever still answers needs it
	for _, s := range servers {
		s.stop()
	}
}
