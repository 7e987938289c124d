package dnslab

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// TTL of records that the lab makes up, in seconds.
const ownTTL = 300

// world is all zones at one time and who serves them: the live one is shared by
// all authorities, a frozen one is held by one that lags. Its lookups do no I/O.
type world struct {
	zones map[rrset.Name]*content
	hosts []host
	// nodes counts the apexes and hosts at each name and below it.
	nodes map[rrset.Name]int
}

// host is an authoritative server's name and address.
type host struct {
	name rrset.Name
	addr netip.Addr
}

func newWorld() *world {
	return &world{zones: map[rrset.Name]*content{}, nodes: map[rrset.Name]int{}}
}

func (w *world) addHost(name rrset.Name, addr netip.Addr) {
	w.hosts = append(w.hosts, host{name, addr})
	countUp(w.nodes, name, 1)
}

func (w *world) addZone(apex rrset.Name) *content {
	c := w.zones[apex]
	if c == nil {
		c = newContent(apex)
		w.zones[apex] = c
		countUp(w.nodes, apex, 1)
	}
	return c
}

func (w *world) removeZone(apex rrset.Name) {
	if w.zones[apex] != nil {
		delete(w.zones, apex)
		countUp(w.nodes, apex, -1)
	}
}

func (w *world) clone() *world {
	out := newWorld()
	out.hosts = slices.Clone(w.hosts)
	for apex, c := range w.zones {
		out.addZone(apex)
		out.zones[apex] = c.clone()
	}
	for _, h := range out.hosts {
		countUp(out.nodes, h.name, 1)
	}
	return out
}

// above is the name whose zone answers a question: DS records are the parent's (RFC
// 4035 section 3.1.4.1).
func above(name rrset.Name, typ rrset.Type) rrset.Name {
	if typ == rrset.Type(dns.TypeDS) {
		return name.Parent()
	}
	return name
}

// zoneOf gives the zone that a name lives in: the deepest one for which ok says true.
func (w *world) zoneOf(name rrset.Name, ok func(*content) bool) *content {
	for ; ; name = name.Parent() {
		if c := w.zones[name]; c != nil && ok(c) {
			return c
		}
		if name == rrset.Root {
			return nil
		}
	}
}

// cut gives the first zone below c on the way down to a name.
func (w *world) cut(c *content, name rrset.Name) *content {
	var first *content
	for ; name != c.apex && name != rrset.Root; name = name.Parent() {
		if below := w.zones[name]; below != nil {
			first = below
		}
	}
	return first
}

// serversOf gives the hosts that a zone is delegated to.
func (w *world) serversOf(c *content) []host {
	if c.chosen == nil {
		return w.hosts
	}
	var out []host
	for _, h := range w.hosts {
		if slices.Contains(c.chosen, h.name) {
			out = append(out, h)
		}
	}
	return out
}

// get gives the data for a name of a zone: published, made up, or synthesised from
// the wildcard next to the closest encloser (RFC 4592 section 3.3.1).
func (w *world) get(c *content, name rrset.Name, typ rrset.Type) (entry, bool) {
	if e, ok := w.at(c, name, typ); ok || w.exists(c, name) {
		return e, ok
	}
	return w.at(c, w.wildcard(c, name), typ)
}

// wildcard gives the name that data for a name that does not exist may come from.
func (w *world) wildcard(c *content, name rrset.Name) rrset.Name {
	for !w.exists(c, name) {
		name = name.Parent()
	}
	return name.Child("*")
}

// exists says whether there is anything at a name or below it (RFC 8020).
func (w *world) exists(c *content, name rrset.Name) bool {
	return name == c.apex || name == rrset.Root || c.nodes[name] > 0 || w.nodes[name] > 0
}

// at gives the data at exactly this name.
func (w *world) at(c *content, name rrset.Name, typ rrset.Type) (entry, bool) {
	if e, ok := c.sets[setKey{name, typ}]; ok {
		return e, true
	}
	var e entry
	switch {
	case name == c.apex && typ == rrset.NS:
		e = entry{w.nameservers(c), ownTTL}
	case name == c.apex && typ == rrset.SOA:
		e = entry{w.startOfAuthority(c), ownTTL}
	case typ == rrset.A:
		e = entry{w.addresses(name), ownTTL}
	}
	return e, !e.set.Empty()
}

func (w *world) addresses(name rrset.Name) rrset.Set {
	var data [][]byte
	for _, h := range w.hosts {
		if h.name == name {
			data = append(data, h.addr.AsSlice())
		}
	}
	return rrset.NewSet(rrset.A, data...)
}

func (w *world) nameservers(c *content) rrset.Set {
	var data [][]byte
	for _, h := range w.serversOf(c) {
		data = append(data, wireName(h.name))
	}
	return rrset.NewSet(rrset.NS, data...)
}

// startOfAuthority makes a SOA record (RFC 1035 section 3.3.13).
func (w *world) startOfAuthority(c *content) rrset.Set {
	primary := rrset.Root
	if servers := w.serversOf(c); len(servers) > 0 {
		primary = servers[0].name
	}
	data := append(wireName(primary), wireName("hostmaster.lab")...)
	for _, n := range []uint32{c.serial, 3600, 600, 86400, c.minimum} {
		data = binary.BigEndian.AppendUint32(data, n)
	}
	return rrset.NewSet(rrset.SOA, data)
}

// proof gives the SOA that proves absence, with the TTL for which it does (RFC 2308
// section 3).
func (w *world) proof(c *content) owned {
	e, _ := w.at(c, c.apex, rrset.SOA)
	for _, data := range e.set.Data {
		if len(data) >= 4 {
			e.ttl = min(e.ttl, binary.BigEndian.Uint32(data[len(data)-4:]))
		}
	}
	return owned{c.apex, e}
}

// wireName gives a name in uncompressed wire format. Names that are none become the
// root; the lab does not take them in.
func wireName(name rrset.Name) []byte {
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(name.FQDN(), buf, 0, nil, false)
	if err != nil {
		return []byte{0}
	}
	return buf[:n]
}
