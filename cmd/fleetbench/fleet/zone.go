package fleet

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"maildrift/monitor/rrset"
)

// Record is a line of the zone. Data is in presentation format.
type Record struct {
	Name rrset.Name
	TTL  uint32
	Type rrset.Type
	Data string
}

// String gives the line of a master file.
func (r Record) String() string {
	return fmt.Sprintf("%s %d IN %s %s", r.Name.FQDN(), r.TTL, r.Type, r.Data)
}

// txt makes a TXT record, its text cut into strings of 255 octets. The fleet's texts have nothing to be escaped.
func txt(name rrset.Name, ttl uint32, text string) Record {
	var cut []string
	for len(text) > 255 {
		cut, text = append(cut, text[:255]), text[255:]
	}
	return Record{Name: name, TTL: ttl, Type: rrset.TXT, Data: `"` + strings.Join(append(cut, text), `" "`) + `"`}
}

// WriteZone writes the master file.
func (f Fleet) WriteZone(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s 3600 IN SOA ns1.test. hostmaster.test. 1 3600 600 86400 60\n", Apex.FQDN())
	for i := 1; i <= 2; i++ {
		fmt.Fprintf(out, "%s 3600 IN NS ns%d.test.\nns%d.test. 3600 IN A 127.0.2.%d\n", Apex.FQDN(), i, i, i)
	}
	for _, r := range f.common() {
		fmt.Fprintf(out, "%s\n", r)
	}
	for d := range f.All() {
		for _, r := range d.Zone {
			fmt.Fprintf(out, "%s\n", r)
		}
	}
	return out.Flush()
}

// common is what the domains rest on: mail services and mailbox providers.
func (f Fleet) common() []Record {
	out := []Record{txt(Apex.Child("canary"), ttlShort, "sings")}
	dice := f.dice(-1)
	for i := range services {
		s := service(i)
		out = append(out, txt(s.Child("_spf"), ttlShort, fmt.Sprintf("v=spf1 ip4:198.51.100.%d/28 -all", 16*i)),
			Record{Name: s.Child("bounce"), TTL: ttlShort, Type: rrset.A, Data: fmt.Sprintf("198.51.100.%d", 16*i+1)})
		for k := range serviceKeys {
			out = append(out, txt(serviceKey(s, k), ttlShort, key(dice)))
		}
	}
	for i := range mailboxes {
		m := mailbox(i)
		out = append(out, txt(m.Child("_spf"), ttlShort, fmt.Sprintf("v=spf1 ip4:203.0.113.%d/28 -all", 16*i)),
			Record{Name: m.Child("mx"), TTL: ttlShort, Type: rrset.A, Data: fmt.Sprintf("203.0.113.%d", 16*i+1)})
	}
	return out
}
