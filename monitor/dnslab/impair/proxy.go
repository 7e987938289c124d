package impair

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// batch is how many datagrams are read and written by one system call at most.
	batch = 64
	// largest is the largest datagram that is passed on.
	largest = 4096
	// sockets go to the server: with 65,536 IDs each there is room for a quarter of a million open questions.
	sockets = 4
	// header is the length of a DNS message's header; what is shorter is no message.
	header = 12
	// buffers is what is asked of the kernel for each socket; it may give less.
	buffers = 4 << 20
)

// Counts is what a proxy has done so far, in datagrams.
type Counts struct {
	// Questions came, Replies came back. Each of them was passed on unless it was lost on the way, or, questions only,
	// limited (beyond the rate) or swallowed (dead).
	Questions, Replies              int64
	LostThere, LostBack             int64
	Limited, Swallowed, Undelivered int64
}

// Proxy passes questions on to a server, badly. Its methods may be called concurrently.
type Proxy struct {
	path    Path
	front   *net.UDPConn
	addr    netip.AddrPort
	backs   []*back
	running sync.WaitGroup

	questions, replies, lostThere, lostBack, limited, swallowed, undelivered atomic.Int64
}

// back is a socket to the server with the questions that are open on it.
type back struct {
	conn *net.UDPConn
	mu   sync.Mutex
	next uint16
	open []asker
}

// asker is who waits for the reply under an ID, and which ID it had there. It is not known any more once it was answered.
type asker struct {
	at net.Addr
	id uint16
}

// Listen starts a proxy at an address that stands for the server's; its port may be 0.
func Listen(at, server netip.AddrPort, path Path) (*Proxy, error) {
	front, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	_ = front.SetReadBuffer(buffers)
	p := &Proxy{path: path, front: front}
	local, ok := front.LocalAddr().(*net.UDPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%v is no UDP address", front.LocalAddr()), front.Close())
	}
	p.addr = local.AddrPort()
	for range sockets {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		_ = conn.SetReadBuffer(buffers)
		p.backs = append(p.backs, &back{conn: conn, open: make([]asker, 1<<16)})
	}
	p.running.Go(p.carryThere)
	for i := range p.backs {
		p.running.Go(func() { p.carryBack(i) })
	}
	return p, nil
}

// Addr is where to ask.
func (p *Proxy) Addr() netip.AddrPort { return p.addr }

// Counts gives what was done so far.
func (p *Proxy) Counts() Counts {
	return Counts{
		Questions: p.questions.Load(), Replies: p.replies.Load(), LostThere: p.lostThere.Load(), LostBack: p.lostBack.Load(),
		Limited: p.limited.Load(), Swallowed: p.swallowed.Load(), Undelivered: p.undelivered.Load(),
	}
}

// Close stops the proxy and waits for its end. What was on the way is lost.
func (p *Proxy) Close() error {
	err := p.front.Close()
	for _, b := range p.backs {
		err = errors.Join(err, b.conn.Close())
	}
	p.running.Wait()
	return err
}

// carryThere takes questions to the server, one batch over each of the sockets in turn.
func (p *Proxy) carryThere() {
	gate := p.path.there()
	turn := 0
	outs := make([]*road, len(p.backs))
	for i, b := range p.backs {
		outs[i] = p.pave(b.conn)
	}
	defer func() {
		for _, out := range outs {
			out.end()
		}
	}()
	p.read(p.front, func(ms []ipv4.Message) {
		p.questions.Add(int64(len(ms)))
		ms = p.sort(ms, gate, &p.lostThere)
		to := turn % len(p.backs)
		turn++
		p.backs[to].remember(ms)
		out := outs[to]
		out.send(ms)
	})
}

// carryBack takes one socket's replies to those who asked.
func (p *Proxy) carryBack(socket int) {
	gate, b := p.path.back(socket), p.backs[socket]
	out := p.pave(p.front)
	defer out.end()
	p.read(b.conn, func(ms []ipv4.Message) {
		p.replies.Add(int64(len(ms)))
		out.send(b.address(p.sort(ms, gate, &p.lostBack)))
	})
}

// read hands over what comes, batch by batch, until the connection is closed. The messages are the callee's until it
// returns; their first buffer has their length.
func (p *Proxy) read(conn *net.UDPConn, take func(ms []ipv4.Message)) {
	from := ipv4.NewPacketConn(conn)
	ms := make([]ipv4.Message, batch)
	room := make([]byte, batch*largest)
	taken := make([]ipv4.Message, 0, batch)
	for {
		for i := range ms {
			ms[i] = ipv4.Message{Buffers: [][]byte{room[i*largest : (i+1)*largest]}}
		}
		n, err := from.ReadBatch(ms, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Another error tells of an earlier datagram that nobody wanted.
		taken = taken[:0]
		for _, m := range ms[:max(n, 0)] {
			if m.N >= header {
				m.Buffers[0] = m.Buffers[0][:m.N]
				taken = append(taken, m)
			}
		}
		take(taken)
	}
}

// sort keeps the messages that pass the gate and counts the others.
func (p *Proxy) sort(ms []ipv4.Message, g *gate, lostHere *atomic.Int64) []ipv4.Message {
	now := time.Now()
	kept := ms[:0]
	for _, m := range ms {
		switch g.fate(now) {
		case passes:
			kept = append(kept, m)
		case lost:
			lostHere.Add(1)
		case limited:
			p.limited.Add(1)
		case swallowed:
			p.swallowed.Add(1)
		}
	}
	return kept
}

// remember gives questions IDs of the socket's own.
func (b *back) remember(ms []ipv4.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range ms {
		wire := ms[i].Buffers[0]
		b.open[b.next] = asker{ms[i].Addr, binary.BigEndian.Uint16(wire)}
		binary.BigEndian.PutUint16(wire, b.next)
		b.next++
		ms[i].Addr = nil // the socket is connected
	}
}

// address gives replies their askers and IDs back, and leaves out what nobody waits for.
func (b *back) address(ms []ipv4.Message) []ipv4.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := ms[:0]
	for _, m := range ms {
		wire := m.Buffers[0]
		own := binary.BigEndian.Uint16(wire)
		to := b.open[own]
		if to.at == nil {
			continue
		}
		b.open[own] = asker{}
		binary.BigEndian.PutUint16(wire, to.id)
		m.Addr = to.at
		kept = append(kept, m)
	}
	return kept
}
