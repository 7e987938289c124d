package resolve

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// messagesOf makes a message of each length, no two alike.
func messagesOf(lengths ...int) [][]byte {
	out := make([][]byte, len(lengths))
	for i, n := range lengths {
		out[i] = bytes.Repeat([]byte{byte(i + 1)}, n)
	}
	return out
}

// outbound gives a socket to send from, and another that it sends to.
func outbound(t *testing.T) (*packets, *net.UDPConn) {
	t.Helper()
	to, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	p, err := openPackets(netip.MustParseAddrPort(to.LocalAddr().String()), newBuffers(batch))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p, to
}

// arrive checks that these messages come, one a datagram, in order.
func arrive(t *testing.T, at *net.UDPConn, want [][]byte) {
	t.Helper()
	buf := make([]byte, 4096)
	_ = at.SetReadDeadline(time.Now().Add(10 * time.Second))
	for i, m := range want {
		n, err := at.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], m) {
			t.Fatalf("message %d: %x, %v; want %x", i, buf[:n], err, m)
		}
	}
}

func TestMessagesOfOneLengthGoTogetherAndArriveApart(t *testing.T) {
	tests := map[string]struct{ lengths, together []int }{
		"one":                {[]int{40}, []int{1}},
		"alike":              {[]int{40, 40, 40}, []int{3}},
		"the last shorter":   {[]int{40, 40, 39}, []int{3}},
		"one shorter within": {[]int{40, 39, 39, 39}, []int{2, 2}},
		"longer":             {[]int{40, 41, 41}, []int{1, 2}},
		"all different":      {[]int{40, 41, 42}, []int{1, 1, 1}},
		"a whole batch":      {slices.Repeat([]int{300}, batch), []int{batch}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, to := outbound(t)
			messages := messagesOf(tt.lengths...)
			for _, m := range messages {
				p.queue(m, false)
			}
			var together []int
			for i := range p.gather(0, p.queued) {
				together = append(together, int(p.out[i].head.Iovlen))
			}
			if !slices.Equal(together, tt.together) {
				t.Errorf("together go %v, want %v", together, tt.together)
			}
			if n, err := p.flush(); n != len(messages) || err != nil {
				t.Fatalf("%d sent, %v", n, err)
			}
			arrive(t, to, messages)
		})
	}
}

// TestWhereTheKernelPartsNothingEachMessageGoesAlone: it refuses to part datagrams without checksums, as old kernels and some
// devices refuse it at all.
func TestWhereTheKernelPartsNothingEachMessageGoesAlone(t *testing.T) {
	p, to := outbound(t)
	var failed error
	if err := p.raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	for range 2 {
		messages := messagesOf(50, 40, 40, 40, 30)
		for _, m := range messages {
			p.queue(m, false)
		}
		if n, err := p.flush(); n != len(messages) || err != nil {
			t.Fatalf("%d sent, %v", n, err)
		}
		arrive(t, to, messages)
		if !p.whole {
			t.Error("the kernel has parted datagrams")
		}
	}
}

func TestWhatIsSentAgainGoesAlone(t *testing.T) {
	p, to := outbound(t)
	messages := messagesOf(40, 40, 40, 40, 40)
	for i, m := range messages {
		p.queue(m, i == 2)
	}
	if n := p.gather(0, p.queued); n != 3 || p.out[1].head.Iovlen != 1 {
		t.Errorf("%d datagrams, the second of %d", n, p.out[1].head.Iovlen)
	}
	if n, err := p.flush(); n != len(messages) || err != nil {
		t.Fatalf("%d sent, %v", n, err)
	}
	arrive(t, to, messages)
}

// TestAServerThatIsGoneIsTold: the kernel's word comes with a later message.
func TestAServerThatIsGoneIsTold(t *testing.T) {
	p, to := outbound(t)
	_ = to.Close()
	for range 100 {
		for _, m := range messagesOf(40, 40, 40) {
			p.queue(m, false)
		}
		if _, err := p.flush(); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("nobody listens there, and it is not told")
}
