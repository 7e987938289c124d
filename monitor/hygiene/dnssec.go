package hygiene

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // DS records of digest type 1 are made with it (RFC 4034 section 5.1.4)
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// soonExpired is how long before their end signatures ought to have been renewed.
const soonExpired = 3 * 24 * time.Hour

// signatures looks at the chain of trust and at when its signatures end.
func (j *judgement) signatures(d Delegation) {
	at := string(d.Apex) + " DNSKEY"
	const do = "Have the DNS host sign the zone anew, or take the DS record away at the registrar until it can."
	signed := d.DS.Status == view.Found
	switch {
	case signed && d.DNSKEY.Status.Absent():
		j.say("ds_without_key", Critical, mailrec.Rejected, at, "RFC 4035 section 5.2", do,
			"the parent has a DS record and the zone has no keys: resolvers that validate see none of its records")
	case signed && d.DNSKEY.Status == view.Found && !matched(d):
		j.say("ds_matches_no_key", Critical, mailrec.Rejected, at, "RFC 4035 section 5.2", do,
			"no DS record of the parent is of one of the zone's keys: resolvers that validate see none of its records")
	case !signed:
		return // nobody validates without a DS record
	}
	j.expiry(d, do)
}

// expiry tells of signatures that have ended or are about to.
func (j *judgement) expiry(d Delegation, do string) {
	for _, s := range d.RRSIG.Set.Data {
		covered, ends, ok := signature(s, j.subject.Now)
		if !ok {
			continue
		}
		at := string(d.Apex) + " " + covered.String()
		left := ends.Sub(j.subject.Now)
		switch {
		case left <= 0:
			j.say("rrsig_expired", Critical, mailrec.Rejected, at, "RFC 4035 section 5.3.1", do,
				"the signature ended at %s: resolvers that validate do not see the record", ends.UTC().Format("2006-01-02 15:04 UTC"))
		case left < soonExpired:
			j.say("rrsig_ends_soon", Warning, mailrec.None, at, "RFC 6781 section 4.4.2", do,
				"the signature ends at %s and was not renewed: then resolvers that validate no longer see the record", ends.UTC().Format("2006-01-02 15:04 UTC"))
		}
	}
}

// signature reads what a RRSIG record covers and when it ends (RFC 4034 section 3.1). Times are
// in serial number arithmetic around now.
func signature(d []byte, now time.Time) (rrset.Type, time.Time, bool) {
	if len(d) < 18 {
		return 0, time.Time{}, false
	}
	at := uint32(now.Unix()) //nolint:gosec // wraps around as the field does
	delta := int32(binary.BigEndian.Uint32(d[8:]) - at)
	return rrset.Type(binary.BigEndian.Uint16(d)), now.Add(time.Duration(delta) * time.Second).Truncate(time.Second), true
}

// matched says whether a DS record is of one of the zone's keys (RFC 4034 section 5.1.4).
func matched(d Delegation) bool {
	owner := wireName(d.Apex)
	for _, ds := range d.DS.Set.Data {
		if len(ds) < 5 {
			continue
		}
		known := false
		for _, key := range d.DNSKEY.Set.Data {
			digest, ok := digestOf(ds[3], owner, key)
			known = known || ok
			if ok && bytes.Equal(digest, ds[4:]) {
				return true
			}
		}
		if !known {
			return true // a digest that is not known here may well match
		}
	}
	return false
}

func digestOf(kind byte, owner, key []byte) ([]byte, bool) {
	data := slices.Concat(owner, key)
	switch kind {
	case 1:
		sum := sha1.Sum(data) //nolint:gosec // see the import
		return sum[:], true
	case 2:
		sum := sha256.Sum256(data)
		return sum[:], true
	case 4:
		sum := sha512.Sum384(data)
		return sum[:], true
	}
	return nil, false
}

// wireName writes a name as it is on the wire.
func wireName(n rrset.Name) []byte {
	var out []byte
	if n != rrset.Root {
		for label := range strings.SplitSeq(string(n), ".") {
			out = append(append(out, byte(len(label))), label...)
		}
	}
	return append(out, 0)
}
