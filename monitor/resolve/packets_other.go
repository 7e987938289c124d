//go:build !linux

package resolve

import (
	"net"
	"net/netip"
	"time"
)

// packets is a UDP socket that is connected to one server, so that the kernel throws away what others send. It
// belongs to one goroutine.
type packets struct {
	conn     *net.UDPConn
	buffers  *buffers
	messages [][]byte
	// queued messages wait to be sent; got were received.
	queued, got, size int
}

func openPackets(server netip.AddrPort, b *buffers) (*packets, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	return &packets{conn: conn, buffers: b, messages: make([][]byte, len(b.in))}, nil
}

// queue puts a message, which stays the caller's and must stay as it is until flush, into the batch.
func (p *packets) queue(message []byte, _ bool) {
	p.messages[p.queued] = message
	p.queued++
}

// flush sends what is queued and gives how many messages went out.
func (p *packets) flush() (int, error) {
	n := p.queued
	p.queued = 0
	for i, m := range p.messages[:n] {
		if _, err := p.conn.Write(m); err != nil {
			return i, err
		}
	}
	return n, nil
}

// receive waits until a message comes, the deadline passes (os.ErrDeadlineExceeded) or the socket fails.
func (p *packets) receive(deadline time.Time) error {
	p.got = 0
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	n, err := p.conn.Read(p.buffers.in[0][:])
	if err == nil {
		p.got, p.size = 1, n
	}
	return err
}

// poll takes what has come and hardly waits.
func (p *packets) poll() error { return p.receive(time.Now().Add(time.Millisecond)) }

// message gives the message that was received, valid until the next receive, and whether it may have been longer than
// what there is room for.
func (p *packets) message(i int) (message []byte, cut bool) {
	return p.buffers.in[i][:p.size], p.size == len(p.buffers.in[i])
}

func (p *packets) close() { _ = p.conn.Close() }
