package impair

import (
	"bytes"
	"net"
	"time"

	"golang.org/x/net/ipv4"
)

// queued is how many batches may be on a road that takes time.
const queued = 4096

// road leads to a socket. It belongs to the goroutine that sends on it.
type road struct {
	proxy *Proxy
	to    *ipv4.PacketConn
	// travelling batches arrive after the path's delay; nil on a road that takes no time.
	travelling chan parcel
}

// parcel is a batch that arrives later.
type parcel struct {
	due time.Time
	ms  []ipv4.Message
}

// pave makes the road to a socket; end ends it.
func (p *Proxy) pave(conn *net.UDPConn) *road {
	r := &road{proxy: p, to: ipv4.NewPacketConn(conn)}
	if p.path.Delay > 0 {
		r.travelling = make(chan parcel, queued)
		p.running.Go(r.deliver)
	}
	return r
}

func (r *road) end() {
	if r.travelling != nil {
		close(r.travelling)
	}
}

// send passes messages on, at once or when they have travelled. A road that is full loses them.
func (r *road) send(ms []ipv4.Message) {
	if r.travelling == nil {
		r.write(ms)
		return
	}
	if len(ms) == 0 {
		return
	}
	travellers := make([]ipv4.Message, len(ms))
	for i, m := range ms {
		travellers[i] = ipv4.Message{Buffers: [][]byte{bytes.Clone(m.Buffers[0])}, Addr: m.Addr}
	}
	select {
	case r.travelling <- parcel{time.Now().Add(r.proxy.path.Delay), travellers}:
	default:
		r.proxy.undelivered.Add(int64(len(ms)))
	}
}

func (r *road) deliver() {
	for p := range r.travelling {
		time.Sleep(time.Until(p.due))
		r.write(p.ms)
	}
}

// write sends all of them, and counts what the kernel does not take.
func (r *road) write(ms []ipv4.Message) {
	for len(ms) > 0 {
		n, err := r.to.WriteBatch(ms, 0)
		if err != nil {
			// The error is the first unsent datagram's, or an earlier one's that nobody wanted.
			n = max(n, 0) + 1
			r.proxy.undelivered.Add(1)
		}
		ms = ms[min(n, len(ms)):]
	}
}
