package hygiene

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Delegation is what the servers of a zone say of it, each asked directly.
type Delegation struct {
	Apex rrset.Name
	// Parent are the servers that the delegation names.
	Parent []rrset.Name
	// Servers are their addresses, each with its answers.
	Servers []Server
	// DS, DNSKEY and RRSIG are the zone's, from the parent and from itself.
	DS, DNSKEY, RRSIG view.Answer
}

// Server is one address of one server.
type Server struct {
	Host rrset.Name
	Addr netip.Addr
	// SOA and NS are its answers about the apex; a server that is not authoritative for the zone, or
	// does not answer, has Failed ones, and one that was not asked has Unasked ones.
	SOA, NS view.Answer
}

// delegation looks at what the zone's servers and its parent say.
func (j *judgement) delegation(d Delegation) {
	at := string(d.Apex) + " NS"
	j.reachable(d)
	j.serials(d)
	j.sets(d, at)
	if len(d.Parent) == 1 {
		j.say("ns_single", Warning, mailrec.None, at, "RFC 2182 section 5", "Have a second server elsewhere.", "the zone has one name server: when it fails, all records are gone")
	}
	var places []netip.Prefix
	for _, s := range d.Servers {
		bits := 24
		if s.Addr.Is6() {
			bits = 48
		}
		if p, err := s.Addr.Prefix(bits); err == nil && !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	if len(d.Servers) > 1 && len(places) == 1 {
		j.say("ns_one_network", Warning, mailrec.None, at, "RFC 2182 section 3.1", "Have a server in another network.",
			"all of the zone's servers are in the network %s: one failure takes all records away", places[0])
	}
}

func (j *judgement) reachable(d Delegation) {
	failed := 0
	for _, s := range d.Servers {
		if s.SOA.Status == view.Found || s.SOA.Status == view.Unasked {
			continue
		}
		failed++
		what := "does not answer: " + s.SOA.Detail
		if s.SOA.Status.Absent() {
			what = "does not serve the zone"
		}
		j.say("ns_lame", Warning, mailrec.Degraded, server(s), "RFC 1912 section 2.8", "Mend the server, or take it out of the delegation.", "a server of the zone %s", what)
	}
	if failed > 0 && failed == len(d.Servers) {
		j.say("ns_all_lame", Critical, mailrec.Rejected, string(d.Apex)+" NS", "RFC 1034 section 4.2.2", "Mend the servers, or delegate the zone to others.",
			"no server that the zone is delegated to answers for it: all records are gone once caches run out")
	}
}

// serials compares the versions of the zone that its servers have. Those of a serial number space
// wrap around (RFC 1982).
func (j *judgement) serials(d Delegation) {
	var newest uint32
	have := map[uint32][]string{}
	for _, s := range d.Servers {
		serial, ok := serialOf(s.SOA.Set)
		if !ok {
			continue
		}
		if len(have) == 0 || int32(serial-newest) > 0 {
			newest = serial
		}
		have[serial] = append(have[serial], server(s))
	}
	for serial, servers := range have {
		if serial != newest {
			j.say("soa_lagging", Warning, mailrec.Degraded, strings.Join(servers, ", "), "RFC 1034 section 4.3.5", "See that zone transfers reach these servers.",
				"part of the servers have an older version of the zone (serial %d, the newest is %d): who asks them sees old records", serial, newest)
		}
	}
}

// serialOf reads the serial number of an SOA record.
func serialOf(set rrset.Set) (uint32, bool) {
	if len(set.Data) != 1 || len(set.Data[0]) < 22 {
		return 0, false
	}
	d := set.Data[0]
	return binary.BigEndian.Uint32(d[len(d)-20:]), true
}

// sets compares the servers that the parent names with those that the zone names.
func (j *judgement) sets(d Delegation, at string) {
	var child []rrset.Name
	for _, s := range d.Servers {
		if s.NS.Status == view.Found {
			child = s.NS.Set.Hosts()
			break
		}
	}
	if child == nil {
		return
	}
	if lost := without(d.Parent, child); len(lost) > 0 {
		j.say("ns_only_at_parent", Warning, mailrec.None, at, "RFC 1034 section 4.2.2", "Make both sets the same, at the registrar and in the zone.",
			"the delegation names %s and the zone does not", listed(lost))
	}
	if more := without(child, d.Parent); len(more) > 0 {
		j.say("ns_only_in_zone", Warning, mailrec.None, at, "RFC 1034 section 4.2.2", "Make both sets the same, at the registrar and in the zone.",
			"the zone names %s and the delegation does not", listed(more))
	}
}

func without(a, b []rrset.Name) []rrset.Name {
	return slices.DeleteFunc(slices.Clone(a), func(n rrset.Name) bool { return slices.Contains(b, n) })
}

func server(s Server) string { return string(s.Host) + "/" + s.Addr.String() }

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}
