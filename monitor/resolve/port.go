package resolve

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	// A port is given up for another after so many questions or so long: who wants to forge an answer has to find both port
	// and ID of a question while it is open (RFC 5452 section 9), and no port is open long enough to be searched for.
	portQuestions = 4000
	portLife      = 2 * time.Second
	// oldPorts is how many ports before are listened at, for replies that take longer than the port was used.
	oldPorts = 8
	// batch is how many messages go to or come from the kernel at once; few are enough for few questions.
	batch, smallBatch = 32, 4
	// received is the room for one reply: more than the 1232 octets that EDNS offers. What is longer is asked for over TCP.
	received = 2048
	// receiveRoom is what the kernel may keep of replies until they are taken, in octets: a window full of long ones.
	receiveRoom = defaultWindow * 4096
	// smallestTable and largestTable are the sizes of tables of IDs, at least twice as many as there are questions.
	smallestTable, largestTable = 64, 8192
)

// buffers are what messages stand in while they are sent and received, and the room for a port's IDs.
type buffers struct {
	in  [][received]byte
	out [][maxQuestion]byte
	ids []idEntry
	// expected is how many questions there are for the port, 0 if that is not known.
	expected int
}

func newBuffers(n int) *buffers {
	return &buffers{in: make([][received]byte, n), out: make([][maxQuestion]byte, n)}
}

// port is a socket for some questions, and the IDs under which they went out. IDs are never used twice on one port, so that
// a reply under an ID that is not known is none of ours. It belongs to one goroutine.
type port struct {
	*packets
	opened time.Time
	// worn is when questions ceased to go out from it.
	worn  time.Time
	sent  int
	limit int
	// open counts the questions that were sent from it and not answered there.
	open int
	// ids is a hash table with open addressing, never more than half full; nothing is taken out.
	ids []idEntry
	// random are octets for IDs, the first drawn of them used up.
	random [256]byte
	drawn  int
}

type idEntry struct {
	id uint16
	// item is one more than the number of the question, so that 0 is none.
	item int32
}

func openPort(server netip.AddrPort, b *buffers, now time.Time) (*port, error) {
	p, err := openPackets(server, b)
	if err != nil {
		return nil, err
	}
	limit, size := b.room()
	if len(b.in) == batch {
		_ = p.conn.SetReadBuffer(receiveRoom) // the kernel gives what it allows, which may be less
	}
	fresh := &port{packets: p, opened: now, limit: limit, ids: b.ids[:size]}
	fresh.drawn = len(fresh.random)
	return fresh, nil
}

// room gives how many questions a port may have, and the size of the table for their IDs, which is there and empty then. A small
// one stays in the processor's cache.
func (b *buffers) room() (limit, size int) {
	limit, size = portQuestions, largestTable
	if len(b.in) == smallBatch {
		limit, size = 16, smallestTable
	}
	for b.expected > 0 && size > smallestTable && size/4 >= b.expected {
		size /= 2
	}
	if cap(b.ids) < size {
		b.ids = make([]idEntry, size)
	}
	clear(b.ids[:size])
	return min(limit, size/2), size
}

// old says whether the port has been used long enough.
func (p *port) old(now time.Time) bool { return p.sent >= p.limit || now.Sub(p.opened) >= portLife }

// newID gives a question an ID that nobody can guess.
func (p *port) newID(item int32) uint16 {
	for {
		if p.drawn == len(p.random) {
			_, _ = rand.Read(p.random[:]) // never fails
			p.drawn = 0
		}
		id := binary.BigEndian.Uint16(p.random[p.drawn:])
		p.drawn += 2
		if e := p.entry(id); e.item == 0 {
			e.id, e.item = id, item+1
			p.sent++
			p.open++
			return id
		}
	}
}

// item gives the question that went out under an ID.
func (p *port) item(id uint16) (int32, bool) {
	e := p.entry(id)
	return e.item - 1, e.item != 0
}

// entry gives the ID's place in the table, or the free one that it would take.
func (p *port) entry(id uint16) *idEntry {
	mask := uint16(len(p.ids) - 1)
	for at := id & mask; ; at = (at + 1) & mask {
		if e := &p.ids[at]; e.item == 0 || e.id == id {
			return e
		}
	}
}
