package dnslab

import (
	"fmt"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Zone is a zone that can be edited while it is served. Each change adds one to its
// serial. SOA, NS and the addresses of authorities are made up for it; what is Set
// in their place goes before them.
type Zone struct {
	lab  *Lab
	apex rrset.Name
}

// Apex is the zone's name.
func (z *Zone) Apex() rrset.Name { return z.apex }

// Set publishes records in place of those of that name and type. Lines are as
// [rrset.Parse] reads them, so TXT is raw text and is split where it must be;
// the TTL is in seconds. Nothing changes if there is an error.
func (z *Zone) Set(name rrset.Name, typ rrset.Type, ttl uint32, lines ...string) error {
	set, err := rrset.Parse(typ, lines...)
	if err != nil {
		return fmt.Errorf("publish %s %s: %w", name, typ, err)
	}
	return z.SetData(name, ttl, set)
}

// SetData publishes RDATA as it is, byte for byte and however broken, in place of
// the records of that name and type. An empty set deletes.
func (z *Zone) SetData(name rrset.Name, ttl uint32, set rrset.Set) error {
	switch _, ok := dns.IsDomainName(name.FQDN()); {
	case !ok:
		return fmt.Errorf("publish %s %s: not a domain name", name, set.Type)
	case !name.IsAtOrBelow(z.apex):
		return fmt.Errorf("publish %s %s: the name is not in the zone %s", name, set.Type, z.apex)
	case set.Empty():
		z.Delete(name, set.Type)
		return nil
	}
	z.edit(func(c *content) { c.put(setKey{name, set.Type}, entry{set, ttl}) })
	return nil
}

// Delete takes the records of a type away from a name, if there are any.
func (z *Zone) Delete(name rrset.Name, typ rrset.Type) {
	z.lab.mu.Lock()
	defer z.lab.mu.Unlock()
	if c := z.lab.live.zones[z.apex]; c != nil && c.remove(setKey{name, typ}) {
		c.serial++
	}
}

// ServeFrom names the authorities that host the zone, in its delegation and its NS
// records too. All others refer to them, or refuse. Without any all host it, as they do
// a new zone.
func (z *Zone) ServeFrom(authorities ...*Authority) {
	var hosts []rrset.Name
	for _, a := range authorities {
		hosts = append(hosts, rrset.Name(a.name))
	}
	z.edit(func(c *content) { c.chosen = hosts })
}

// SetNegativeTTL says how long absence may be cached, in seconds: the MINIMUM of the
// SOA record (RFC 2308 section 4). It is 3 in a new zone.
func (z *Zone) SetNegativeTTL(seconds uint32) {
	z.edit(func(c *content) { c.minimum = seconds })
}

// Serial is the zone's serial.
func (z *Zone) Serial() uint32 {
	z.lab.mu.RLock()
	defer z.lab.mu.RUnlock()
	if c := z.lab.live.zones[z.apex]; c != nil {
		return c.serial
	}
	return 0
}

// Remove takes the zone and its delegation out of the lab, as when a domain
// expires. The root stays.
func (z *Zone) Remove() {
	z.lab.mu.Lock()
	defer z.lab.mu.Unlock()
	if z.apex != rrset.Root {
		z.lab.live.removeZone(z.apex)
	}
}

// edit changes the zone, which is made anew if it was removed.
func (z *Zone) edit(change func(*content)) {
	z.lab.mu.Lock()
	defer z.lab.mu.Unlock()
	c := z.lab.live.addZone(z.apex)
	change(c)
	c.serial++
}
