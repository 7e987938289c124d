package resolve

import (
	"context"
	"hash/crc32"
	"maps"
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
	resolvers []*Source

	mu sync.Mutex
	// zones are those that were found, none the names that are no zones, each until when that is believed.
	zones map[rrset.Name]cut
	none  map[rrset.Name]time.Time
	// sources are the zones' servers by ID: those of many zones are the same.
	sources map[string]*Source
	// tidyAt is from how many entries on those that are not believed any more are dropped.
	tidyAt int
}

// cut is a zone that was found.
type cut struct {
	Zone
	until time.Time
}

// minCuts is below how many entries nothing is tidied up.
const minCuts = 1024

// NewDelegations makes a Delegations that begins at the resolvers.
func NewDelegations(client *Client, resolvers []*Source, o DelegationOptions) *Delegations {
	if o.Port == 0 {
		o.Port = 53
	}
	if o.Keep <= 0 {
		o.Keep = time.Hour
	}
	return &Delegations{
		client: client, o: o, resolvers: resolvers, tidyAt: minCuts,
		zones: map[rrset.Name]cut{}, none: map[rrset.Name]time.Time{}, sources: map[string]*Source{},
	}
}

// Forget makes the next Find for name look its zones up anew, but for the
// top-level domain.
func (d *Delegations) Forget(name rrset.Name) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := name; n.Labels() > 1; n = n.Parent() {
		delete(d.zones, n)
		delete(d.none, n)
	}
}

// Find gives the zone of each name.
func (d *Delegations) Find(ctx context.Context, names []rrset.Name) map[rrset.Name]Zone {
	out := make(map[rrset.Name]Zone, len(names))
	var open []rrset.Name
	for _, n := range names {
		if z, ok := d.known(n); ok {
			out[n] = z
		} else {
			open = append(open, n)
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	gate := make(chan struct{}, 32)
	// Names are found one apex at a time first, so that names of a zone share its cut.
	slices.SortFunc(open, func(a, b rrset.Name) int { return a.Labels() - b.Labels() })
	for _, n := range open {
		gate <- struct{}{}
		wg.Go(func() {
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

// known gives the zone of a name if all that leads to it is remembered.
func (d *Delegations) known(name rrset.Name) (Zone, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	top := strings.LastIndexByte(string(name), '.') + 1
	zone, ok := d.zones[name[top:]]
	if !ok || len(zone.Servers) == 0 || now.After(zone.until) {
		return Zone{}, false
	}
	for at := top; at > 0; {
		at = strings.LastIndexByte(string(name[:at-1]), '.') + 1
		below, found := d.zones[name[at:]]
		switch {
		case found && !now.After(below.until):
			if len(below.Servers) > 0 {
				zone = below
			}
		case now.After(d.none[name[at:]]):
			return Zone{}, false
		}
	}
	return zone.Zone, true
}

// cached gives what is remembered of a name: a zone, or one without servers if it is none.
func (d *Delegations) cached(n rrset.Name) (Zone, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if z, ok := d.zones[n]; ok && !now.After(z.until) {
		return z.Zone, true
	}
	return Zone{Apex: n}, !now.After(d.none[n])
}

func (d *Delegations) keep(z Zone, ttl uint32) Zone {
	d.mu.Lock()
	defer d.mu.Unlock()
	z.Found = time.Now()
	until := z.Found.Add(max(min(d.o.Keep, time.Duration(ttl)*time.Second), time.Second))
	if len(z.Servers) == 0 {
		d.none[z.Apex] = until
	} else {
		d.zones[z.Apex] = cut{z, until}
	}
	d.tidy(z.Found)
	return z
}

// tidy drops what is not believed any more, once there is much. The caller holds mu.
func (d *Delegations) tidy(now time.Time) {
	if len(d.zones)+len(d.none) < d.tidyAt {
		return
	}
	maps.DeleteFunc(d.none, func(_ rrset.Name, until time.Time) bool { return now.After(until) })
	maps.DeleteFunc(d.zones, func(_ rrset.Name, c cut) bool { return now.After(c.until) })
	used := map[*Source]bool{}
	for _, c := range d.zones {
		for _, s := range c.Servers {
			used[s] = true
		}
	}
	maps.DeleteFunc(d.sources, func(_ string, s *Source) bool { return !used[s] })
	d.tidyAt = max(minCuts, 2*(len(d.zones)+len(d.none)))
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
			out = append(out, d.source(h, a))
		}
	}
	return out
}

// source gives a host's source at an address, the same one each time.
func (d *Delegations) source(host rrset.Name, a netip.Addr) *Source {
	id := string(host) + "/" + a.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sources[id]
	if !ok {
		s = &Source{ID: id, Role: Authoritative, Addrs: []netip.AddrPort{netip.AddrPortFrom(a, d.o.Port)}}
		d.sources[id] = s
	}
	return s
}

func (d *Delegations) allowed(a netip.Addr) bool {
	if a.Is6() && !d.o.IPv6 {
		return false
	}
	return d.o.AllowPrivate || IsPublic(a)
}

// descend asks a zone's servers whether there is a cut at a name, beginning with another one for each name: those of a
// top-level domain have many to answer. Told is false if none of them says.
func (d *Delegations) descend(ctx context.Context, zone Zone, cut rrset.Name) (below Zone, found, told bool) {
	first := int(crc32.ChecksumIEEE([]byte(cut)) % uint32(len(zone.Servers)))
	for _, s := range slices.Concat(zone.Servers[first:], zone.Servers[:first]) {
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
	query := Query{Source: s, Question: q}
	if !admitted(ctx, func(now time.Time) permit { return c.permit(l, now, []Query{query}) }) {
		return nil
	}
	inTime, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	if l.pacer.wait(inTime) != nil {
		return nil
	}
	m := newQuery(query, true)
	o := Observation{Source: s, Question: q, Server: s.Addrs[0], Transport: UDP}
	reply, err := c.exchange(inTime, l, &o, m, time.Now())
	if err == nil {
		l.answeredTo(q, time.Now())
	} else if outcome, _ := classify(err, o.Mismatches); outcome.life() == mute && ctx.Err() == nil {
		l.breaker.unanswered()
	}
	if err == nil && reply.Truncated {
		o.Transport = TCP
		reply, err = c.exchange(inTime, l, &o, m, time.Now())
	}
	if err != nil || reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return nil
	}
	return reply.Msg
}
