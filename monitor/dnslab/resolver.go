package dnslab

import (
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

const (
	// patience is how long a resolver waits for an authority.
	patience = time.Second
	// staleTTL is the TTL of answers that have run out (RFC 8767 section 5), in seconds.
	staleTTL = 30
	// maxCache is at how many entries those that have run out are thrown away.
	maxCache = 1 << 14
)

// Resolver is a caching recursive resolver. It prefers the n-th server of a zone if it
// is the n-th resolver of the lab, so that it is known which one sees a server that
// lags, and takes the others when that one fails.
type Resolver struct {
	*Server
	turn int

	// cacheMu guards what is below.
	cacheMu sync.Mutex
	lying   bool
	stale   bool
	cache   map[setKey]cached
}

// Lie makes it deny that anything exists, or be honest again.
func (r *Resolver) Lie(lie bool) {
	r.cacheMu.Lock()
	defer r.cacheMu.Unlock()
	r.lying = lie
}

// ServeStale lets it answer with what has run out when no authority answers (RFC
// 8767), marked with the extended error for stale answers.
func (r *Resolver) ServeStale(serve bool) {
	r.cacheMu.Lock()
	defer r.cacheMu.Unlock()
	r.stale = serve
}

// Flush empties the cache.
func (r *Resolver) Flush() {
	r.cacheMu.Lock()
	defer r.cacheMu.Unlock()
	clear(r.cache)
}

// Asked gives the questions that it was asked so far, as "name TYPE", each once,
// sorted. Like [Lab.Queries] it forgets the oldest.
func (r *Resolver) Asked() []string {
	var out []string
	for _, q := range r.lab.Queries(func(q Query) bool { return q.Server == r.name }) {
		out = append(out, string(q.Name)+" "+q.Type.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// answer follows CNAMEs from the question to the end.
func (r *Resolver) answer(q, m *dns.Msg) {
	m.RecursionAvailable = true
	r.cacheMu.Lock()
	lying := r.lying
	r.cacheMu.Unlock()
	if lying {
		m.Rcode = dns.RcodeNameError
		return
	}
	name, typ := rrset.FromFQDN(q.Question[0].Name), rrset.Type(q.Question[0].Qtype)
	for range maxChain {
		c, ok := r.know(name, typ, m)
		if !ok {
			fail(m, dns.ExtendedErrorCodeNoReachableAuthority)
			return
		}
		m.Rcode = c.rcode
		m.Answer = append(m.Answer, c.rrs...)
		m.Ns = c.soa
		if c.alias == "" {
			return
		}
		name = c.alias
	}
	fail(m, dns.ExtendedErrorCodeOther) // a chain that long is a loop
}

func fail(m *dns.Msg, extended uint16) {
	Rcode(dns.RcodeServerFailure, extended)(&reply{m: m})
}

// know gives what there is at a name, from the cache or else from an authority, with
// the TTLs that are left.
func (r *Resolver) know(name rrset.Name, typ rrset.Type, m *dns.Msg) (cached, bool) {
	now := r.lab.clock()
	c, usable := r.recall(name, typ, now)
	if usable && now.Before(c.until) {
		return c.aged(now), true
	}
	if said := r.fetch(name, typ); said != nil {
		c = interpret(name, typ, said, now)
		r.keep(name, typ, c)
		return c.aged(now), true
	}
	if !usable {
		return cached{}, false
	}
	code := dns.ExtendedErrorCodeStaleAnswer
	if c.rcode == dns.RcodeNameError {
		code = dns.ExtendedErrorCodeStaleNXDOMAINAnswer
	}
	ExtendedError(code)(&reply{m: m})
	return c.with(func(uint32) uint32 { return staleTTL }), true
}

// recall looks for the records, for a CNAME in their place, and for the absence of
// the whole name. What has run out it gives only if stale data may be served.
func (r *Resolver) recall(name rrset.Name, typ rrset.Type, now time.Time) (cached, bool) {
	r.cacheMu.Lock()
	defer r.cacheMu.Unlock()
	var old cached
	var found bool
	for _, t := range []rrset.Type{typ, rrset.CNAME, allTypes} {
		c, ok := r.cache[setKey{name, t}]
		if !ok || t == rrset.CNAME && typ != t && c.alias == "" {
			continue // that there is no CNAME says nothing about other types
		}
		if typ == rrset.CNAME {
			c.alias = "" // it is the answer, not the way to it
		}
		if now.Before(c.until) {
			return c, true
		}
		if !found {
			old, found = c, true
		}
	}
	return old, found && r.stale
}

// keep remembers what was said, and forgets what had run out, so that it cannot come up
// again as stale.
func (r *Resolver) keep(name rrset.Name, typ rrset.Type, c cached) {
	r.cacheMu.Lock()
	defer r.cacheMu.Unlock()
	if len(r.cache) >= maxCache {
		for k, old := range r.cache {
			if !c.at.Before(old.until) {
				delete(r.cache, k)
			}
		}
	}
	for _, t := range []rrset.Type{typ, rrset.CNAME, allTypes} {
		if old := (setKey{name, t}); !c.at.Before(r.cache[old].until) {
			delete(r.cache, old)
		}
	}
	switch {
	case c.alias != "":
		typ = rrset.CNAME
	case c.rcode == dns.RcodeNameError:
		typ = allTypes
	case typ == rrset.CNAME && len(c.rrs) > 0:
		c.alias = aliasOf(c.rrs)
	}
	r.cache[setKey{name, typ}] = c
}

// fetch asks the servers of the zone that a name lives in until one answers with
// authority.
func (r *Resolver) fetch(name rrset.Name, typ rrset.Type) *dns.Msg {
	q := new(dns.Msg).SetQuestion(name.FQDN(), uint16(typ))
	q.RecursionDesired = false
	q.SetEdns0(maxUDPSize, false)
	servers := r.lab.hosting(name, typ)
	for i := range servers {
		if m := servers[(i+r.turn)%len(servers)].exchange(q); m != nil {
			return m
		}
	}
	return nil
}

// hosting gives the authorities of the zone that a name lives in.
func (l *Lab) hosting(name rrset.Name, typ rrset.Type) []*Authority {
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := l.live.zoneOf(above(name, typ), func(*content) bool { return true })
	var out []*Authority
	for _, h := range l.live.serversOf(c) { // there is always the root
		i := slices.IndexFunc(l.authorities, func(a *Authority) bool { return a.name == string(h.name) })
		out = append(out, l.authorities[i])
	}
	return out
}

// exchange asks an authority as over TCP, and gives nil for all that is not an
// authoritative answer to the question.
func (a *Authority) exchange(q *dns.Msg) *dns.Msg {
	reply := a.react(q, Inside)
	if reply.silent || reply.delay >= patience || reply.delay > 0 && !a.wait(reply.delay) {
		return nil
	}
	wire, err := reply.pack()
	if err != nil {
		return nil
	}
	m := new(dns.Msg)
	if m.Unpack(wire) != nil || !m.Response || m.Id != q.Id || !m.Authoritative {
		return nil
	}
	if len(m.Question) != 1 || m.Question[0] != q.Question[0] || m.Truncated {
		return nil
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return nil
	}
	return m
}
