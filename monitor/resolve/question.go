package resolve

import (
	"encoding/binary"
	"errors"

	"maildrift/monitor/rrset"
)

const (
	headerSize = 12
	// maxQuestion is the longest query that we send: header, name, type, class and OPT record.
	maxQuestion = headerSize + 255 + 4 + 11

	flagRD = 0x01 // in the third octet
	flagTC = 0x02
	flagAA = 0x04
	flagQR = 0x80
	flagRA = 0x80 // in the fourth octet
)

var errName = errors.New("not a name that can be asked for")

// appendQuery writes a query as it goes over the wire (RFC 1035 section 4.1, RFC 6891 section 6.1.2).
func appendQuery(b []byte, id uint16, q Question, recursive, edns bool) ([]byte, error) {
	flags, extra := byte(0), byte(0)
	if recursive {
		flags = flagRD
	}
	if edns {
		extra = 1
	}
	b = append(b, byte(id>>8), byte(id), flags, 0, 0, 1, 0, 0, 0, 0, 0, extra)
	b, err := appendName(b, q.Name)
	if err != nil {
		return nil, err
	}
	b = append(b, byte(q.Type>>8), byte(q.Type), 0, 1)
	if edns {
		b = append(b, 0, 0, 41, udpSize>>8, udpSize&0xff, 0, 0, 0, 0, 0, 0)
	}
	return b, nil
}

// appendName writes a name without compression.
func appendName(b []byte, name rrset.Name) ([]byte, error) {
	if name == rrset.Root {
		return append(b, 0), nil
	}
	begin, label := len(b), len(b)
	b = append(b, 0)
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '.':
			if b[label] == 0 {
				return nil, errName
			}
			label = len(b)
			b = append(b, 0)
			continue
		case c == '\\' && i+3 < len(name):
			c, i = (name[i+1]-'0')*100+(name[i+2]-'0')*10+name[i+3]-'0', i+3
		case c == '\\':
			return nil, errName
		}
		b = append(b, c)
		if b[label]++; b[label] > 63 {
			return nil, errName
		}
	}
	if b[label] == 0 || len(b)-begin > 254 {
		return nil, errName
	}
	return append(b, 0), nil
}

// answers says whether a message speaks to a query at all, its ID apart (RFC 5452 section 9.1): it is a reply to exactly
// this question. query is the message that was sent.
func answers(reply, query []byte) bool {
	if len(reply) < headerSize || reply[2]&flagQR == 0 || reply[2]&0x78 != 0 || binary.BigEndian.Uint16(reply[4:]) != 1 {
		return false
	}
	end := questionEnd(query)
	if len(reply) < end || string(reply[end-4:end]) != string(query[end-4:end]) {
		return false
	}
	for i := headerSize; i < end-4; i++ {
		if lower(reply[i]) != lower(query[i]) {
			return false
		}
	}
	return true
}

// questionEnd is where the question of a message that we wrote ends.
func questionEnd(query []byte) int {
	at := headerSize
	for query[at] != 0 {
		at += 1 + int(query[at])
	}
	return at + 5
}

// lower lower-cases an octet of a name (RFC 4343 section 3). Lengths of labels are below 64 and not changed by it.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
