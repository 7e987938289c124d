package diagnose

import (
	"fmt"
	"strings"

	"maildrift/monitor/rrset"
)

// Host is a DNS host and how its panel takes records.
type Host struct {
	Name string
	// suffixes of the names of its name servers; one that begins with "label:" is the beginning
	// of a label instead.
	suffixes []string
	// absolute panels want whole names, ending in a dot; others names relative to the zone. apex is what
	// stands for the zone itself there.
	absolute bool
	apex     string
	// quotes must be typed around TXT values, and around each part of at most 255 octets.
	quotes bool
	// dot must end host names in values.
	dot bool
	// together puts the priority of MX records into the value; others have a field for it.
	together bool
	// sets hold all values of a name and type in one entry, so that a second TXT record goes
	// into the entry that is there.
	sets bool
	// labels are what the panel calls the name and the value.
	labels [2]string
}

// Field is one field of a panel's form.
type Field struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// hosts are the DNS hosts that are told by their name servers' names.
var hosts = []Host{
	{Name: "Cloudflare", suffixes: []string{"ns.cloudflare.com"}, apex: "@", labels: [2]string{"Name", "Content"}},
	{Name: "Amazon Route 53", suffixes: []string{"label:awsdns-"}, quotes: true, together: true, sets: true, labels: [2]string{"Record name", "Value"}},
	{Name: "Alibaba Cloud DNS", suffixes: []string{"hichina.com", "alidns.com"}, apex: "@", labels: [2]string{"Hostname", "Record Value"}},
	{Name: "Tencent DNSPod", suffixes: []string{"dnspod.net", "dnspod.com", "dnsv2.com", "dnsv3.com", "dnsv4.com", "dnsv5.com"}, apex: "@", labels: [2]string{"Host", "Value"}},
	{Name: "Huawei Cloud DNS", suffixes: []string{"huaweicloud-dns.com", "huaweicloud-dns.cn", "huaweicloud-dns.net", "huaweicloud-dns.org"}, quotes: true, together: true, sets: true, labels: [2]string{"Name", "Value"}},
	{Name: "GoDaddy", suffixes: []string{"domaincontrol.com"}, apex: "@", labels: [2]string{"Name", "Value"}},
	{Name: "Namecheap", suffixes: []string{"registrar-servers.com"}, apex: "@", labels: [2]string{"Host", "Value"}},
	{Name: "Google Cloud DNS", suffixes: []string{"googledomains.com"}, quotes: true, dot: true, together: true, sets: true, labels: [2]string{"DNS name", "Data"}},
	{Name: "Azure DNS", suffixes: []string{"azure-dns.com", "azure-dns.net", "azure-dns.org", "azure-dns.info"}, apex: "@", sets: true, labels: [2]string{"Name", "Value"}},
	{Name: "DigitalOcean", suffixes: []string{"digitalocean.com"}, apex: "@", dot: true, labels: [2]string{"Hostname", "Value"}},
	{Name: "OVHcloud", suffixes: []string{"ovh.net", "ovh.ca", "anycast.me"}, dot: true, labels: [2]string{"Sub-domain", "Target"}},
	{Name: "Gandi", suffixes: []string{"gandi.net"}, apex: "@", quotes: true, dot: true, labels: [2]string{"Name", "Value"}},
	{Name: "IONOS", suffixes: []string{"ui-dns.com", "ui-dns.de", "ui-dns.org", "ui-dns.biz"}, apex: "@", labels: [2]string{"Host name", "Value"}},
	{Name: "Hetzner DNS", suffixes: []string{"ns.hetzner.com", "ns.hetzner.de", "first-ns.de", "second-ns.de", "second-ns.com"}, apex: "@", quotes: true, dot: true, labels: [2]string{"Name", "Value"}},
	{Name: "NS1 or Netlify", suffixes: []string{"nsone.net"}, apex: "@", labels: [2]string{"Name", "Value"}},
	{Name: "Oracle Dyn", suffixes: []string{"dynect.net"}, absolute: true, dot: true, labels: [2]string{"Name", "Value"}},
	{Name: "Vercel", suffixes: []string{"vercel-dns.com"}, labels: [2]string{"Name", "Value"}},
	{Name: "Akamai (Linode)", suffixes: []string{"linode.com"}, labels: [2]string{"Hostname", "Value"}},
	{Name: "Hostinger", suffixes: []string{"dns-parking.com"}, apex: "@", labels: [2]string{"Name", "Content"}},
	{Name: "DNSimple", suffixes: []string{"dnsimple.com", "dnsimple-edge.net", "dnsimple-edge.org"}, labels: [2]string{"Name", "Content"}},
	{Name: "DNS Made Easy", suffixes: []string{"dnsmadeeasy.com"}, quotes: true, dot: true, labels: [2]string{"Name", "Value"}},
	{Name: "Porkbun", suffixes: []string{"porkbun.com"}, labels: [2]string{"Host", "Answer"}},
	{Name: "Squarespace", suffixes: []string{"squarespacedns.com"}, apex: "@", labels: [2]string{"Host", "Data"}},
	{
		Name: "a host with cPanel", suffixes: []string{"bluehost.com", "hostgator.com", "websitewelcome.com", "siteground.net", "inmotionhosting.com", "a2hosting.com"},
		absolute: true, labels: [2]string{"Name", "Record"},
	},
}

// DetectHost tells who hosts a zone from the names of its servers. It is the zero Host when they
// are unknown, or not all of one host.
func DetectHost(servers []rrset.Name) Host {
	for _, h := range hosts {
		all := len(servers) > 0
		for _, s := range servers {
			all = all && h.runs(s)
		}
		if all {
			return h
		}
	}
	return Host{}
}

func (h Host) runs(server rrset.Name) bool {
	for _, suffix := range h.suffixes {
		if label, ok := strings.CutPrefix(suffix, "label:"); ok {
			if strings.Contains("."+string(server), "."+label) {
				return true
			}
		} else if server.IsAtOrBelow(rrset.Name(suffix)) {
			return true
		}
	}
	return false
}

func (h Host) unknown() bool { return h.Name == "" }

// Entry gives what to type into the host's panel for a record; nothing if the host is unknown.
func (h Host) Entry(r Record, zone rrset.Name) []Field {
	if h.unknown() {
		return nil
	}
	value, priority := h.value(r)
	out := []Field{{"Type", r.Type.String()}, {h.labels[0], h.name(r.Name, zone)}}
	if priority != "" {
		out = append(out, Field{"Priority", priority})
	}
	out = append(out, Field{h.labels[1], value})
	if h.sets {
		out = append(out, Field{"Note", "one entry holds all values of this name and type: if it exists, add the value to it on a line of its own"})
	}
	return out
}

// name is the record's name as the panel wants it.
func (h Host) name(n, zone rrset.Name) string {
	switch {
	case h.absolute:
		return n.FQDN()
	case n != zone:
		return strings.TrimSuffix(string(n), "."+string(zone))
	case h.apex == "":
		return "(leave empty)"
	}
	return h.apex
}

// value is the record's value as the panel wants it, and the priority if that has a field.
func (h Host) value(r Record) (value, priority string) {
	switch r.Type {
	case rrset.TXT:
		if h.quotes {
			return quoteTXT(r.Value), ""
		}
		return r.Value, ""
	case rrset.MX:
		priority, host := exchange(r.Value)
		if h.together {
			return priority + " " + h.target(host), ""
		}
		return h.target(host), priority
	case rrset.CNAME, rrset.NS, rrset.PTR:
		return h.target(r.Value), ""
	case rrset.A, rrset.AAAA, rrset.SOA, rrset.TLSA, rrset.CAA, rrset.DS, rrset.RRSIG, rrset.DNSKEY:
	}
	return r.Value, ""
}

func (h Host) target(host string) string {
	host = strings.TrimSuffix(host, ".")
	if h.dot {
		return host + "."
	}
	return host
}

// exchange reads "10 host" or "host".
func exchange(value string) (priority, host string) {
	if f := strings.Fields(value); len(f) == 2 {
		return f[0], f[1]
	}
	return "10", strings.TrimSpace(value)
}

// MasterFile gives a record in the syntax of RFC 1035 section 5.1, with whole names, so that
// nothing can be appended to them.
func MasterFile(r Record) string {
	value := r.Value
	switch r.Type {
	case rrset.TXT:
		value = quoteTXT(r.Value)
	case rrset.MX:
		priority, host := exchange(r.Value)
		value = priority + " " + strings.TrimSuffix(host, ".") + "."
	case rrset.CNAME, rrset.NS, rrset.PTR:
		value = strings.TrimSuffix(r.Value, ".") + "."
	case rrset.A, rrset.AAAA, rrset.SOA, rrset.TLSA, rrset.CAA, rrset.DS, rrset.RRSIG, rrset.DNSKEY:
	}
	return fmt.Sprintf("%s IN %s %s", r.Name.FQDN(), r.Type, value)
}

// quoteTXT gives a text as quoted character-strings of at most 255 octets each (RFC 1035
// section 3.3.14), with \DDD for what is special in them.
func quoteTXT(text string) string {
	var out strings.Builder
	for i := 0; i == 0 || i < len(text); i += 255 {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteByte('"')
		for _, c := range []byte(text[i:min(i+255, len(text))]) {
			switch {
			case c == '"' || c == '\\':
				out.WriteByte('\\')
				out.WriteByte(c)
			case c < ' ' || c >= 0x7f:
				fmt.Fprintf(&out, `\%03d`, c)
			default:
				out.WriteByte(c)
			}
		}
		out.WriteByte('"')
	}
	return out.String()
}
