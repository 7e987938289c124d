package fleet

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

const (
	// services send the domains' mail, mailboxes receive it; each service has so many keys at which CNAMEs point.
	services, mailboxes, serviceKeys = 8, 3, 4
	// ttlShort and ttlLong are what zones give in practice.
	ttlShort, ttlLong = 300, 3600
)

var (
	colours = []string{"amber", "blue", "crimson", "emerald", "golden", "indigo", "olive", "silver"}
	trades  = []string{"bakery", "books", "clinic", "garage", "hotel", "newsletter", "shop", "travel"}
)

func service(i int) rrset.Name { return Apex.Child(fmt.Sprintf("service%d", i)) }
func mailbox(i int) rrset.Name { return Apex.Child(fmt.Sprintf("mailbox%d", i)) }

// serviceKey is where a mail service publishes one of its keys.
func serviceKey(service rrset.Name, i int) rrset.Name {
	return service.Child(fmt.Sprintf("k%d.dkim", i))
}

// domain makes up domain i.
func (f Fleet) domain(i int) Domain {
	dice := f.dice(i)
	name := Apex.Child(fmt.Sprintf("%s-%s-%06d", colours[dice.IntN(len(colours))], trades[dice.IntN(len(trades))], i))
	d := Domain{Name: name}
	by, boxes := dice.IntN(services), dice.IntN(mailboxes)
	d.addOwnership(by, dice)
	d.addSPF(by, boxes)
	d.addKey(by, dice)
	d.addPolicy(dice)
	exchange := fmt.Sprintf("10 mx.%s", mailbox(boxes))
	d.add(mailrec.MX, "@", rrset.MX, exchange, Record{Name: name, TTL: ttlLong, Type: rrset.MX, Data: exchange + "."})
	if dice.IntN(5) > 0 {
		target := service(by).Child("bounce")
		d.add(mailrec.CNAME, "bounce", rrset.CNAME, string(target), Record{Name: name.Child("bounce"), TTL: ttlLong, Type: rrset.CNAME, Data: target.FQDN()})
	}
	return d
}

// add notes an expectation and what the zone has for it.
func (d *Domain) add(kind mailrec.Kind, host string, asked rrset.Type, want string, published Record) {
	d.Expect = append(d.Expect, monitor.ExpectSpec{Kind: kind, Host: host, Value: monitor.StringList{want}})
	d.Asked = append(d.Asked, resolve.Question{Name: published.Name, Type: asked})
	d.Zone = append(d.Zone, published)
}

func (d *Domain) addTXT(kind mailrec.Kind, host, text string, ttl uint32) {
	name := d.Name
	if host != "@" {
		name = name.Child(host)
	}
	d.add(kind, host, rrset.TXT, text, txt(name, ttl, text))
}

// addOwnership puts the token beside SPF at the domain itself or, for every other service, at a name of its own.
func (d *Domain) addOwnership(by int, dice *rand.Rand) {
	host := "@"
	if by%2 == 1 {
		host = fmt.Sprintf("_service%d", by)
	}
	d.addTXT(mailrec.Ownership, host, fmt.Sprintf("service%d-verification=%016x%016x", by, dice.Uint64(), dice.Uint64()), ttlShort)
}

func (d *Domain) addSPF(by, boxes int) {
	d.addTXT(mailrec.SPF, "@", fmt.Sprintf("v=spf1 include:_spf.%s include:_spf.%s ~all", service(by), mailbox(boxes)), ttlShort)
}

// addKey gives the domain a key of its own, or, as most services want it, the name of one of theirs.
func (d *Domain) addKey(by int, dice *rand.Rand) {
	const selector = "s1"
	if dice.IntN(5) < 2 {
		d.addTXT(mailrec.DKIM, selector+"._domainkey", key(dice), ttlLong)
		return
	}
	target := serviceKey(service(by), dice.IntN(serviceKeys))
	name := d.Name.Child(selector + "._domainkey")
	d.Expect = append(d.Expect, monitor.ExpectSpec{Kind: mailrec.DKIM, Host: selector + "._domainkey"})
	d.Asked = append(d.Asked, resolve.Question{Name: name, Type: rrset.TXT})
	d.Zone = append(d.Zone, Record{Name: name, TTL: ttlLong, Type: rrset.CNAME, Data: target.FQDN()})
}

func (d *Domain) addPolicy(dice *rand.Rand) {
	policy := []string{"none", "quarantine", "reject"}[dice.IntN(3)]
	d.addTXT(mailrec.DMARC, "_dmarc", fmt.Sprintf("v=DMARC1; p=%s; rua=mailto:dmarc@%s", policy, d.Name), ttlLong)
}

// key makes up a DKIM record with an RSA key of 2048 bits. Its modulus is no product of two primes that anybody knows:
// it is to be published and read, not to sign with.
func key(dice *rand.Rand) string {
	modulus := make([]byte, 256)
	for i := range modulus {
		modulus[i] = byte(dice.Uint32())
	}
	modulus[0] |= 0x80
	modulus[255] |= 1
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537})
	if err != nil {
		panic(err) // a key of this form can always be written
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}
