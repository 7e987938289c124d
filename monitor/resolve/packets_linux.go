package resolve

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagram is how the kernel takes one of a batch (recvmmsg(2)). To be sent it may be several messages: those of one length, of
// which the last may be shorter, go through the kernel as one and are parted before they leave (udp(7), UDP_SEGMENT).
type datagram struct {
	head unix.Msghdr
	size uint32
}

// segments is the control message that says where the kernel is to part a datagram. It takes up to 64 messages, more than a batch.
type segments struct {
	head unix.Cmsghdr
	size uint16
	_    [6]byte
}

// packets is a UDP socket that is connected to one server, so that the kernel throws away what others send, and speaks to the
// kernel a batch at a time. It belongs to one goroutine.
type packets struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	out, in       []datagram
	outVec, inVec []unix.Iovec
	buffers       *buffers
	parts         []segments
	// single says of each queued message whether it is to go by itself.
	single []bool
	// queued messages wait to be sent; got were received.
	queued, got int
	// whole says that the kernel does not part datagrams.
	whole      bool
	err        error
	send, take func(fd uintptr) bool
}

func openPackets(server netip.AddrPort, b *buffers) (*packets, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n := len(b.in)
	p := &packets{
		conn: conn, raw: raw, buffers: b,
		out: make([]datagram, n), in: make([]datagram, n), outVec: make([]unix.Iovec, n), inVec: make([]unix.Iovec, n), parts: make([]segments, n), single: make([]bool, n),
	}
	for i := range n {
		p.inVec[i].Base = &b.in[i][0]
		p.inVec[i].SetLen(len(b.in[i]))
		p.in[i].head.Iov = &p.inVec[i]
		p.in[i].head.SetIovlen(1)
	}
	p.send, p.take = p.sendBatch, p.takeBatch
	return p, nil
}

// queue puts a message, which stays the caller's and must stay as it is until flush, into the batch. What is sent again goes by
// itself: should a device lose what it is to part, it is found out so.
func (p *packets) queue(message []byte, again bool) {
	p.single[p.queued] = again
	p.outVec[p.queued].Base = &message[0]
	p.outVec[p.queued].SetLen(len(message))
	p.queued++
}

// flush sends what is queued and gives how many messages went out. Without an error all did; the kernel may refuse the
// rest for now.
func (p *packets) flush() (int, error) {
	n := p.queued
	if n == 0 {
		return 0, nil
	}
	p.err = nil
	err := p.raw.Write(p.send)
	sent := n - p.queued
	p.queued = 0
	return sent, errors.Join(err, p.err)
}

// sendBatch sends what is queued. The socket never blocks, so the scheduler need not be told of the call.
func (p *packets) sendBatch(fd uintptr) bool {
	for first := 0; p.queued > 0; {
		n := p.gather(first, first+p.queued)
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&p.out[0])), uintptr(n), 0, 0, 0)
		switch {
		case errno == 0:
			for i := range p.out[:sent] {
				first, p.queued = first+int(p.out[i].head.Iovlen), p.queued-int(p.out[i].head.Iovlen)
			}
		case errno == unix.EINTR:
		case (errno == unix.EINVAL || errno == unix.EIO) && p.out[0].head.Iovlen > 1:
			p.whole = true // an old kernel, or a device that cannot
		case errno == unix.EAGAIN:
			return true
		default:
			p.err = os.NewSyscallError("sendmmsg", errno)
			return true
		}
	}
	return true
}

// gather puts queued messages, from one to before another, into as few datagrams as the kernel can part again, and gives how many.
func (p *packets) gather(from, to int) int {
	n := 0
	for ; from < to; n++ {
		count := p.alike(from, to)
		head := &p.out[n].head
		head.Iov, head.Control = &p.outVec[from], nil
		head.SetIovlen(count)
		head.SetControllen(0)
		if count > 1 {
			part := &p.parts[n]
			part.head.Level, part.head.Type, part.size = unix.SOL_UDP, unix.UDP_SEGMENT, uint16(p.outVec[from].Len)
			part.head.SetLen(unix.CmsgLen(2))
			head.Control = (*byte)(unsafe.Pointer(part))
			head.SetControllen(unix.CmsgSpace(2))
		}
		from += count
	}
	return n
}

// alike counts the messages from one on that can go as one datagram.
func (p *packets) alike(from, to int) int {
	if p.whole || p.single[from] {
		return 1
	}
	size, at := p.outVec[from].Len, from+1
	for at < to && p.outVec[at].Len == size && !p.single[at] {
		at++
	}
	if at < to && p.outVec[at].Len < size && !p.single[at] {
		at++
	}
	return at - from
}

// receive waits until messages come, the deadline passes (os.ErrDeadlineExceeded) or the socket fails.
func (p *packets) receive(deadline time.Time) error {
	p.got, p.err = 0, nil
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	if err := p.raw.Read(p.take); err != nil {
		return err
	}
	return p.err
}

// poll takes what has come and does not wait.
func (p *packets) poll() error {
	p.got, p.err = 0, nil
	if err := p.raw.Control(func(fd uintptr) { p.take(fd) }); err != nil {
		return err
	}
	return p.err
}

// takeBatch takes what has come, and says whether anything had. It never blocks either.
func (p *packets) takeBatch(fd uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&p.in[0])), uintptr(len(p.in)), unix.MSG_DONTWAIT, 0, 0)
	switch {
	case errno == unix.EINTR:
		return p.takeBatch(fd)
	case errno == unix.EAGAIN:
		return false
	case errno != 0:
		p.err = os.NewSyscallError("recvmmsg", errno)
	default:
		p.got = int(n)
	}
	return true
}

// message gives the i-th message that was received, valid until the next receive, and whether it was longer than what there is
// room for.
func (p *packets) message(i int) (message []byte, cut bool) {
	return p.buffers.in[i][:p.in[i].size], p.in[i].head.Flags&unix.MSG_TRUNC != 0
}

func (p *packets) close() { _ = p.conn.Close() }
