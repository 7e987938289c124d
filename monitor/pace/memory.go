package pace

import (
	"math"
	"time"
)

// shortest is the longest TTL in seconds that promises nothing. Resolvers give it to answers that have expired while
// they look for a new one (RFC 8767 section 4), and from then on may have a new one at any moment.
const shortest = 30

// Longest is after how long a resolver is asked even if its answer should stand longer. Caches keep their word; resolvers that
// lie, filter or are hijacked never gave one, and this bounds for how long they are not noticed. Six hours save 24 of
// 25 questions at a sweep every fifteen minutes; a whole day would save three in a hundred more.
const Longest = 6 * time.Hour

// leastKept is for how long resolvers that raise short TTLs keep answers.
const leastKept = 5 * time.Minute

// Memory is what is remembered of the answer that one resolver gave last about one record: eight bytes, since a large fleet
// has millions of them. The zero Memory is of a resolver whose answer cannot stand: none, a failure, anything but the good
// record, one without a vote.
type Memory struct {
	// heard is in seconds since 1970, rounded down; ttl in seconds.
	heard, ttl uint32
}

// Heard remembers that the good record was heard with a TTL of so many seconds. The time is that at which the question went out,
// for the resolver may have looked at its clock at once. A TTL of half a minute or less promises nothing, and neither does
// one that is no TTL (RFC 2181 section 8).
func Heard(asked time.Time, ttl uint32) Memory {
	at := asked.Unix()
	if at <= 0 || at > math.MaxUint32 || ttl <= shortest || ttl > math.MaxInt32 {
		return Memory{}
	}
	return Memory{uint32(at), ttl}
}

// Ends gives the moment from which the resolver may have another answer; zero for the zero Memory. TTLs are
// whole seconds, some cut and some rounded up, so it is a second before they have run out.
func (m Memory) Ends() time.Time {
	if m == (Memory{}) {
		return time.Time{}
	}
	return time.Unix(m.ends(), 0)
}

func (m Memory) ends() int64 { return int64(m.heard) + int64(m.ttl) - 1 }

// Authority is what sweep after sweep heard of one record from the servers of its zone: since when they have said the same.
// The zero Authority has said nothing yet.
type Authority struct {
	said uint64
	// since is in seconds since 1970, rounded up; 0 while it is not known what they say. ttl is the longest one that
	// caches can still have, in seconds.
	since, ttl uint32
}

// Hear takes what a sweep heard: all servers that answer, at least half, say the same, and the content itself: servers that
// only know a CNAME which leads into another zone cannot vouch for what is there, which is to be silent. What is said is a hash of all that
// makes it so: the content, the RCODE, which servers they are, and the zone's SOA serial if it is known, but no TTLs. The TTL is the
// longest that they gave, in seconds.
func (a Authority) Hear(at time.Time, said uint64, ttl uint32) Authority {
	now := roundedUp(at)
	if now <= 0 || now > math.MaxUint32 {
		return a.Silent()
	}
	if ttl > math.MaxInt32 {
		ttl = 0
	}
	switch {
	case a.since == 0 || a.said != said:
		return Authority{said, uint32(now), max(a.ttl, ttl)}
	case at.Unix() < a.settled():
		return Authority{said, a.since, max(a.ttl, ttl)}
	}
	// What caches have now they have from after the change, with no longer a TTL than before or than now.
	return Authority{said, a.since, ttl}
}

// Silent takes that a sweep could not tell what the zone's servers say: they were not asked, too few answered, or they
// differ.
func (a Authority) Silent() Authority { return Authority{a.said, 0, a.ttl} }

// Same says whether what the servers say is known and what they said in the sweep before, or the first that is known.
func (a Authority) Same() bool { return a.since != 0 }

// Settled gives the moment from which no cache holds anything from before the servers' last change: when
// the longest TTL has run out since, but at least after five minutes, which some resolvers keep everything, and at most
// after [Longest]. It is zero if it is not known what they say.
func (a Authority) Settled() time.Time {
	if a.since == 0 {
		return time.Time{}
	}
	return time.Unix(a.settled(), 0)
}

func (a Authority) settled() int64 {
	kept := min(max(int64(a.ttl), int64(leastKept/time.Second)), int64(Longest/time.Second))
	return int64(a.since) + kept
}

// roundedUp gives a moment in seconds since 1970.
func roundedUp(at time.Time) int64 {
	if at.Nanosecond() > 0 {
		return at.Unix() + 1
	}
	return at.Unix()
}
