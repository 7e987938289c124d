package resolve

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Zone is a zone and the servers that its delegation names.
type Zone struct {
	Apex    rrset.Name
	Servers []*Source
	// Found is when the delegation was looked up.
	Found time.Time
	// Detail says why there are no servers.
	Detail string
	// Unsure says that the name may live in another zone, below: nobody could be heard on whether there is one.
	Unsure bool
}

// DelegationOptions of Delegations; the zero value is ready for use.
type DelegationOptions struct {
	// Port of the servers; 0 means 53.
	Port uint16
	// AllowPrivate lets servers have loopback, private and link-local addresses.
	// Without it a hostile zone could make us knock at doors inside our own network.
	AllowPrivate bool
	// IPv6 uses servers' IPv6 addresses too.
	IPv6 bool
	// Keep is how long a delegation is believed; 0 means an hour, and never longer than its TTL.
	Keep time.Duration
}

// maxServers bounds the addresses of one zone.
const maxServers = 26

// Delegations finds the servers of zones, from the top-level domain down, asking
// servers without recursion, so that no resolver learns a name that may not exist yet.
type Delegations struct {
	client    *Client
	o         DelegationOptions
	mu        sync.Mutex
	resolvers []*Source
	zones     map[rrset.Name]Zone
	expires   map[rrset.Name]time.Time
}

// NewDelegations makes a Delegations that begins at the resolvers.
func NewDelegations(client *Client, resolvers []*Source, o DelegationOptions) *Delegations {
	if o.Port == 0 {
		o.Port = 53
	}
	if o.Keep <= 0 {
		o.Keep = time.Hour
	}
	return &Delegations{client: client, o: o, resolvers: resolvers, zones: map[rrset.Name]Zone{}, expires: map[rrset.Name]time.Time{}}
}

// Forget makes the next Find for name look its zones up anew, but for the
// top-level domain.
func (d *Delegations) Forget(name rrset.Name) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := name; n.Labels() > 1; n = n.Parent() {
		delete(d.zones, n)
	}
}

// Find gives the zone of each name.
func (d *Delegations) Find(ctx context.Context, names []rrset.Name) map[rrset.Name]Zone {
	out := map[rrset.Name]Zone{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	gate := make(chan struct{}, 32)
	// Names are found one apex at a time first, so that names of a zone share its cut.
	slices.SortFunc(names, func(a, b rrset.Name) int { return a.Labels() - b.Labels() })
	for _, n := range names {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			z := d.find(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			out[n] = z
		})
	}
	wg.Wait()
	return out
}

func (d *Delegations) cached(n rrset.Name) (Zone, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	z, ok := d.zones[n]
	if ok && time.Now().After(d.expires[n]) {
		return Zone{}, false
	}
	return z, ok
}

func (d *Delegations) keep(z Zone, ttl uint32) Zone {
	d.mu.Lock()
	defer d.mu.Unlock()
	z.Found = time.Now()
	d.zones[z.Apex] = z
	d.expires[z.Apex] = z.Found.Add(max(min(d.o.Keep, time.Duration(ttl)*time.Second), time.Second))
	return z
}

// find goes down from the top-level domain of a name.
func (d *Delegations) find(ctx context.Context, name rrset.Name) Zone {
	labels := strings.Split(string(name), ".")
	zone := d.top(ctx, rrset.Name(labels[len(labels)-1]))
	for i := len(labels) - 1; i >= 0 && len(zone.Servers) > 0; i-- {
		cut := rrset.Name(strings.Join(labels[i:], "."))
		if cut == zone.Apex || !cut.IsAtOrBelow(zone.Apex) {
			continue
		}
		if known, ok := d.cached(cut); ok {
			if len(known.Servers) > 0 {
				zone = known
			}
			continue
		}
		below, found, told := d.descend(ctx, zone, cut)
		switch {
		case found:
			zone = below
		case !told:
			zone.Unsure = true
		}
	}
	return zone
}

// Servers gives the servers of hosts that a zone names itself, which need not be those of its
// delegation, as far as they have addresses that may be asked.
func (d *Delegations) Servers(ctx context.Context, hosts []rrset.Name) []*Source {
	return d.serversOf(ctx, hosts, nil)
}

// top finds the zone to begin at: the top-level domain, or whatever zone it
// lives in.
func (d *Delegations) top(ctx context.Context, tld rrset.Name) Zone {
	if z, ok := d.cached(tld); ok && len(z.Servers) > 0 {
		return z
	}
	for _, n := range []rrset.Name{tld, rrset.Root} {
		if z, ok := d.cached(n); ok && len(z.Servers) > 0 {
			return z
		}
		o := d.recurse(ctx, Question{n, rrset.NS})
		if o.Outcome == Answered {
			if servers := d.serversOf(ctx, o.Set.Hosts(), nil); len(servers) > 0 {
				return d.keep(Zone{Apex: n, Servers: servers}, o.TTL)
			}
		}
	}
	return Zone{Apex: tld, Detail: "no resolver tells the servers of " + string(tld)}
}

// recurse asks the resolvers one after the other until one gives evidence.
func (d *Delegations) recurse(ctx context.Context, q Question) Observation {
	var o Observation
	o.Outcome = Timeout
	for _, r := range d.resolvers {
		d.client.Ask(ctx, []Query{{Source: r, Question: q}}, func(got Observation) { o = got })
		if o.Outcome.Evidence() || ctx.Err() != nil {
			return o
		}
	}
	return o
}

// serversOf makes sources of hosts, from glue or by asking resolvers.
func (d *Delegations) serversOf(ctx context.Context, hosts []rrset.Name, glue map[rrset.Name][]netip.Addr) []*Source {
	var out []*Source
	for _, h := range hosts {
		addrs := glue[h]
		if len(addrs) == 0 {
			addrs = d.recurse(ctx, Question{h, rrset.A}).Set.Addrs()
			if d.o.IPv6 {
				addrs = append(addrs, d.recurse(ctx, Question{h, rrset.AAAA}).Set.Addrs()...)
			}
		}
		for _, a := range addrs {
			a = a.Unmap()
			if !d.allowed(a) || len(out) == maxServers {
				continue
			}
			out = append(out, &Source{ID: string(h) + "/" + a.String(), Role: Authoritative, Addrs: []netip.AddrPort{netip.AddrPortFrom(a, d.o.Port)}})
		}
	}
	return out
}

func (d *Delegations) allowed(a netip.Addr) bool {
	if a.Is6() && !d.o.IPv6 {
		return false
	}
	return d.o.AllowPrivate || IsPublic(a)
}

// descend asks a zone's servers whether there is a cut at a name. Told is false if none of them says.
func (d *Delegations) descend(ctx context.Context, zone Zone, cut rrset.Name) (below Zone, found, told bool) {
	for _, s := range zone.Servers {
		reply := d.client.raw(ctx, s, Question{cut, rrset.NS})
		if reply == nil {
			continue
		}
		hosts, ttl := nsAt(append(slices.Clone(reply.Answer), reply.Ns...), cut)
		if len(hosts) == 0 && !reply.Authoritative {
			continue // lame: it does not know whether there is a cut
		}
		if len(hosts) == 0 {
			d.keep(Zone{Apex: cut}, 60)
			return Zone{}, false, true
		}
		servers := d.serversOf(ctx, hosts, glueIn(reply.Extra, zone.Apex))
		if len(servers) == 0 {
			return Zone{Apex: cut, Detail: "its servers have no address that may be asked"}, true, true
		}
		return d.keep(Zone{Apex: cut, Servers: servers}, ttl), true, true
	}
	return Zone{}, false, false
}

func nsAt(rrs []dns.RR, cut rrset.Name) ([]rrset.Name, uint32) {
	var hosts []rrset.Name
	ttl := uint32(maxTTL)
	for _, rr := range rrs {
		if ns, ok := rr.(*dns.NS); ok && rrset.FromFQDN(ns.Hdr.Name) == cut {
			hosts = append(hosts, rrset.FromFQDN(ns.Ns))
			ttl = min(ttl, clampTTL(ns.Hdr.Ttl))
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), ttl
}

// glueIn takes addresses that the asked server may speak of.
func glueIn(extra []dns.RR, bailiwick rrset.Name) map[rrset.Name][]netip.Addr {
	glue := map[rrset.Name][]netip.Addr{}
	for _, rr := range extra {
		owner := rrset.FromFQDN(rr.Header().Name)
		if !owner.IsAtOrBelow(bailiwick) {
			continue
		}
		switch r := rr.(type) {
		case *dns.A:
			if a, ok := netip.AddrFromSlice(r.A.To4()); ok {
				glue[owner] = append(glue[owner], a)
			}
		case *dns.AAAA:
			if a, ok := netip.AddrFromSlice(r.AAAA); ok {
				glue[owner] = append(glue[owner], a)
			}
		}
	}
	return glue
}

// raw gives a server's whole reply, nil if there is none.
func (c *Client) raw(ctx context.Context, s *Source, q Question) *dns.Msg {
	l, err := c.lane(s)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	if l.pacer.wait(ctx) != nil {
		return nil
	}
	m := newQuery(Query{Source: s, Question: q}, true)
	o := Observation{Source: s, Question: q, Server: s.Addrs[0], Transport: UDP}
	reply, err := c.exchange(ctx, l, &o, m)
	if err == nil && reply.Truncated {
		o.Transport = TCP
		reply, err = c.exchange(ctx, l, &o, m)
	}
	if err != nil || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil
	}
	return reply
}
