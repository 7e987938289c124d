package resolve

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is a server whose every answer is written by the test.
type script struct {
	udp  func(q *dns.Msg, reply func([]byte))
	tcp  func(q *dns.Msg, conn net.Conn)
	addr netip.AddrPort
	// asked counts the messages over UDP and TCP.
	asked, askedTCP atomic.Int32
}

// listenBoth listens at a loopback port that is free for UDP and TCP.
func listenBoth(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 200 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, l
		}
		_ = pc.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// serve starts a script on a loopback address.
func serve(t testing.TB, s *script) *script {
	t.Helper()
	pc, l := listenBoth(t)
	s.addr = netip.MustParseAddrPort(pc.LocalAddr().String())
	var running sync.WaitGroup
	t.Cleanup(func() { _ = pc.Close(); running.Wait() })
	running.Go(func() {
		buf := make([]byte, 65535)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) == nil && s.udp != nil {
				s.asked.Add(1)
				s.udp(q, func(b []byte) { _, _ = pc.WriteTo(b, from) })
			}
		}
	})
	if s.tcp == nil {
		_ = l.Close() // nobody listens: connections are refused
		return s
	}
	t.Cleanup(func() { _ = l.Close() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
				var size [2]byte
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return
				}
				b := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(conn, b); err != nil {
					return
				}
				q := new(dns.Msg)
				if q.Unpack(b) == nil {
					s.askedTCP.Add(1)
					s.tcp(q, conn)
				}
			})
		}
	})
	return s
}

func (s *script) source(role Role) *Source {
	return &Source{ID: s.addr.String(), Operator: "op", Role: role, Addrs: []netip.AddrPort{s.addr}}
}

func pack(t testing.TB, m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

func overTCP(t testing.TB, conn net.Conn, m *dns.Msg) {
	b := pack(t, m)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
}

func rr(t testing.TB, line string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answerTo makes an honest reply of records to a question.
func answerTo(t testing.TB, q *dns.Msg, lines ...string) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	for _, l := range lines {
		r := rr(t, l)
		if r.Header().Rrtype == dns.TypeSOA && q.Question[0].Qtype != dns.TypeSOA {
			m.Ns = append(m.Ns, r)
		} else {
			m.Answer = append(m.Answer, r)
		}
	}
	return m
}

const (
	good    = `shop.test. 300 IN TXT "v=spf1 -all"`
	soaLine = `test. 900 IN SOA ns.test. h.test. 1 2 3 4 60`
)

var shopTXT = Question{"shop.test", rrset.TXT}

// ask asks one question and gives the one observation.
func ask(t testing.TB, c *Client, q Query) Observation {
	t.Helper()
	var got []Observation
	c.Ask(context.Background(), []Query{q}, func(o Observation) { got = append(got, o) })
	if len(got) != 1 {
		t.Fatalf("%d observations of one question", len(got))
	}
	return got[0]
}

// patientClient is for what must be answered, however busy the machine is.
func patientClient(t testing.TB) *Client {
	c := NewClient(Options{Timeout: 20 * time.Second, Rate: 1e6})
	t.Cleanup(c.Close)
	return c
}

// quickClient is for what is never answered.
func quickClient(t testing.TB) *Client {
	c := NewClient(Options{Timeout: 150 * time.Millisecond, Rate: 1e6})
	t.Cleanup(c.Close)
	return c
}

func TestReplies(t *testing.T) {
	tests := []struct {
		name string
		role Role
		typ  rrset.Type
		udp  func(t *testing.T, q *dns.Msg) *dns.Msg
		want Outcome
		line string // of the set
		ttl  uint32
	}{
		{"an answer", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg { return answerTo(t, q, good) }, Answered, "v=spf1 -all", 300},
		{"F27 the name does not exist", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, soaLine)
			m.Rcode = dns.RcodeNameError
			return m
		}, NXDomain, "", 60},
		{"no data, with its proof", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg { return answerTo(t, q, soaLine) }, NoData, "", 60},
		{"F22 empty without proof", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg { return answerTo(t, q) }, Lame, "", 0},
		{"F22 a referral from a resolver", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q)
			m.Ns = []dns.RR{rr(t, "test. 300 IN NS ns.test.")}
			return m
		}, Lame, "", 0},
		{"F23 no recursion offered", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, good)
			m.RecursionAvailable = false
			return m
		}, Lame, "", 0},
		{"F3 SERVFAIL", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q)
			m.Rcode = dns.RcodeServerFailure
			return m
		}, ServFail, "", 0},
		{"F4 REFUSED", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q)
			m.Rcode = dns.RcodeRefused
			return m
		}, Refused, "", 0},
		{"F20 two OPT records", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, good)
			m.SetEdns0(1232, false)
			m.Extra = append(m.Extra, m.Extra[0])
			return m
		}, Malformed, "", 0},
		{"F25 over a chain", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return answerTo(t, q, "shop.test. 60 IN CNAME A.other.test.", "a.OTHER.test. 30 IN CNAME b.other.test.", `b.other.test. 300 IN TXT "x"`)
		}, Answered, "x", 30},
		{"F26 a loop", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return answerTo(t, q, "shop.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME shop.test.")
		}, Malformed, "", 0},
		{"F26 two CNAMEs at a name", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return answerTo(t, q, "shop.test. 60 IN CNAME a.test.", "shop.test. 60 IN CNAME b.test.", `a.test. 300 IN TXT "x"`)
		}, Malformed, "", 0},
		{"F27 dangling: the target does not exist", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, "shop.test. 60 IN CNAME a.test.", soaLine)
			m.Rcode = dns.RcodeNameError
			return m
		}, NXDomain, "", 60},
		{"F37 records of other names and classes do not count", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, `evil.test. 300 IN TXT "v=spf1 +all"`, good)
			ch := rr(t, `shop.test. 300 CH TXT "chaos"`)
			m.Answer = append(m.Answer, ch)
			return m
		}, Answered, "v=spf1 -all", 300},
		{"F37 an answer of another owner only", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return answerTo(t, q, `evil.test. 300 IN TXT "v=spf1 +all"`)
		}, Lame, "", 0},
		{"F33 a TTL of 2^31 is none", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, good)
			m.Answer[0].Header().Ttl = 1 << 31
			return m
		}, Answered, "v=spf1 -all", 0},
		{"F33 a TTL of a year is a week", Recursive, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := answerTo(t, q, good)
			m.Answer[0].Header().Ttl = 365 * 86400
			return m
		}, Answered, "v=spf1 -all", 7 * 86400},
		{"F36 filtered", Recursive, rrset.TXT, withEDE(15, dns.RcodeNameError), Filtered, "", 0},
		{"F36 forged", Recursive, rrset.TXT, withEDE(4, dns.RcodeSuccess), Filtered, "v=spf1 -all", 300},
		{"F35 stale", Recursive, rrset.TXT, withEDE(3, dns.RcodeSuccess), Stale, "v=spf1 -all", 300},
		{"F35 stale absence", Recursive, rrset.TXT, withEDE(19, dns.RcodeNameError), Stale, "", 0},
		{"an authority's answer", Authoritative, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg { return authority(answerTo(t, q, good)) }, Answered, "v=spf1 -all", 300},
		{"F39 a server that is not authoritative", Authoritative, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg { return answerTo(t, q, good) }, Lame, "", 0},
		{"an authority's CNAME leads elsewhere", Authoritative, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return authority(answerTo(t, q, "shop.test. 60 IN CNAME a.elsewhere."))
		}, Elsewhere, "", 0},
		{"the same, with a word about the target that is not its to say", Authoritative, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := authority(answerTo(t, q, "shop.test. 60 IN CNAME a.elsewhere.", soaLine))
			m.Rcode = dns.RcodeNameError
			return m
		}, Elsewhere, "", 0},
		{"a CNAME that was asked for", Authoritative, rrset.CNAME, func(t *testing.T, q *dns.Msg) *dns.Msg {
			return authority(answerTo(t, q, "shop.test. 60 IN CNAME A.Elsewhere."))
		}, Answered, "a.elsewhere", 60},
		{"F48 an authority's absence without SOA", Authoritative, rrset.TXT, func(t *testing.T, q *dns.Msg) *dns.Msg {
			m := authority(answerTo(t, q))
			m.Rcode = dns.RcodeNameError
			return m
		}, NXDomain, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, tt.udp(t, q))) }})
			o := ask(t, patientClient(t), Query{Source: s.source(tt.role), Question: Question{"shop.test", tt.typ}})
			if o.Outcome != tt.want || strings.Join(o.Set.Lines(), "|") != tt.line || o.TTL != tt.ttl {
				t.Errorf("%s %q TTL %d (%s), want %s %q TTL %d", o.Outcome, o.Set.Lines(), o.TTL, o.Detail, tt.want, tt.line, tt.ttl)
			}
		})
	}
}

func withEDE(code uint16, rcode int) func(t *testing.T, q *dns.Msg) *dns.Msg {
	return func(t *testing.T, q *dns.Msg) *dns.Msg {
		m := answerTo(t, q)
		if rcode == dns.RcodeSuccess {
			m = answerTo(t, q, good)
		}
		m.Rcode = rcode
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: "why"})
		return m
	}
}

func authority(m *dns.Msg) *dns.Msg {
	m.Authoritative, m.RecursionAvailable = true, false
	return m
}

func TestQuestionsAreAskedAsTheyMustBe(t *testing.T) {
	for _, role := range []Role{Recursive, Authoritative} {
		s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
			if q.RecursionDesired != (role == Recursive) {
				t.Errorf("RD is %v for a source of role %d", q.RecursionDesired, role)
			}
			if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != 1232 {
				t.Errorf("EDNS %v, want a payload of 1232", opt)
			}
			reply(pack(t, authority(answerTo(t, q, good))))
		}})
		ask(t, patientClient(t), Query{Source: s.source(role), Question: shopTXT})
	}
}

func TestF29TXTComesOutByteForByte(t *testing.T) {
	chunks := "\x03a\"b\x00\x05\\\x00\xff\n;"
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		b := pack(t, answerTo(t, q, good))
		// Replace the RDATA, the last 12 bytes and their length, by bytes that presentation form would escape.
		b = append(b[:len(b)-14], byte(len(chunks)>>8), byte(len(chunks)))
		reply(append(b, chunks...))
	}})
	o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT})
	if o.Outcome != Answered || string(o.Set.Data[0]) != chunks {
		t.Errorf("%s (%s) %q, want the bytes as they were sent", o.Outcome, o.Detail, o.Set.Data)
	}
}

func TestF11F12WrongRepliesNeverCount(t *testing.T) {
	wrong := map[string]func(m *dns.Msg){
		"F11 wrong ID":                 func(m *dns.Msg) { m.Id++ },
		"F12 wrong name":               func(m *dns.Msg) { m.Question[0].Name = "other.test." },
		"F12 wrong type":               func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX },
		"F12 wrong class":              func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"F12 no question":              func(m *dns.Msg) { m.Question = nil },
		"F12 the question thrown back": func(m *dns.Msg) { m.Response = false },
		"wrong opcode":                 func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
	}
	for name, spoil := range wrong {
		t.Run(name, func(t *testing.T) {
			forged := func(q *dns.Msg) []byte {
				m := answerTo(t, q, `shop.test. 300 IN TXT "v=spf1 +all"`)
				spoil(m)
				return pack(t, m)
			}
			s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
				reply(forged(q))
				reply(pack(t, answerTo(t, q, good)))
			}, tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) }})
			o := ask(t, quickClient(t), Query{Source: s.source(Recursive), Question: shopTXT})
			if o.Outcome != Answered || o.Set.Lines()[0] != "v=spf1 -all" || o.Mismatches == 0 || o.Transport != TCP {
				t.Errorf("%s %q over %s, %d mismatches: want the honest answer, over TCP after the first wrong one", o.Outcome, o.Set.Lines(), o.Transport, o.Mismatches)
			}
			only := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(forged(q)) }})
			if o := ask(t, quickClient(t), Query{Source: only.source(Recursive), Question: shopTXT}); o.Outcome.Evidence() {
				t.Errorf("nothing but wrong replies gave %s %q", o.Outcome, o.Set.Lines())
			}
		})
	}
}

func TestF15TruncatedGoesToTCP(t *testing.T) {
	s := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) {
			m := answerTo(t, q)
			m.Truncated = true
			reply(pack(t, m))
		},
		tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) },
	})
	if o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT}); o.Outcome != Answered || o.Transport != TCP {
		t.Errorf("%s over %s (%s)", o.Outcome, o.Transport, o.Detail)
	}
}

func TestF16TruncatedAndTCPRefusedIsNoEvidence(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		m := answerTo(t, q, good)
		m.Truncated = true
		reply(pack(t, m))
	}})
	if o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT}); o.Outcome != Truncated || !o.Set.Empty() {
		t.Errorf("%s %q: the partial answer must not be used", o.Outcome, o.Set.Lines())
	}
}

func TestF17BrokenTCP(t *testing.T) {
	broken := map[string]func(q *dns.Msg, conn net.Conn){
		"reset in the middle": func(_ *dns.Msg, conn net.Conn) { _, _ = conn.Write([]byte{1, 0, 1, 2}) },
		"length 0":            func(_ *dns.Msg, conn net.Conn) { _, _ = conn.Write([]byte{0, 0}) },
		"half a length":       func(_ *dns.Msg, conn net.Conn) { _, _ = conn.Write([]byte{1}) },
		"closed at once":      func(*dns.Msg, net.Conn) {},
		"a length past the message": func(q *dns.Msg, conn net.Conn) {
			b := pack(t, answerTo(t, q, good))
			_, _ = conn.Write(append([]byte{0xff, 0xff}, b...))
		},
		"a length before its end": func(q *dns.Msg, conn net.Conn) {
			b := pack(t, answerTo(t, q, good))
			_, _ = conn.Write(append([]byte{0, byte(len(b) - 5)}, b...))
		},
	}
	for name, tcp := range broken {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &script{tcp: tcp})
			src := s.source(Recursive)
			src.Transport = TCP
			if o := ask(t, quickClient(t), Query{Source: src, Question: shopTXT}); o.Outcome.Evidence() {
				t.Errorf("%s %q", o.Outcome, o.Set.Lines())
			}
		})
	}
}

func TestF19F20Malformed(t *testing.T) {
	broken := map[string]func(b []byte) []byte{
		"cut short":              func(b []byte) []byte { return b[:len(b)-3] },
		"more records than data": func(b []byte) []byte { b[7] = 9; return b },
		"compression loop": func(b []byte) []byte {
			return append(b[:len(b)-26], 0xc0, byte(len(b)-26), 0, 16, 0, 1, 0, 0, 0, 1, 0, 0)
		},
		"only a header": func(b []byte) []byte { return b[:12] },
	}
	for name, spoil := range broken {
		t.Run(name, func(t *testing.T) {
			s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(spoil(pack(t, answerTo(t, q, good)))) }})
			if o := ask(t, quickClient(t), Query{Source: s.source(Recursive), Question: shopTXT}); o.Outcome.Evidence() {
				t.Errorf("%s %q", o.Outcome, o.Set.Lines())
			}
		})
	}
}

func TestF21TrailingBytesAreAccepted(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		reply(append(pack(t, answerTo(t, q, good)), 1, 2, 3))
	}})
	if o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT}); o.Outcome != Answered {
		t.Errorf("%s (%s)", o.Outcome, o.Detail)
	}
}

func TestF5WithoutEDNSAfterFORMERR(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		m := answerTo(t, q, good)
		if q.IsEdns0() != nil {
			m = answerTo(t, q)
			m.Rcode = dns.RcodeFormatError
		}
		reply(pack(t, m))
	}})
	c, src := patientClient(t), s.source(Recursive)
	for i, want := range []int32{2, 3} {
		if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Answered {
			t.Errorf("question %d: %s", i, o.Outcome)
		}
		if got := s.asked.Load(); got != want {
			t.Errorf("question %d: %d messages in all, want %d: it is remembered", i, got, want)
		}
	}
}

func TestF1WhatIsNotAnsweredIsAskedAgainAtTheOtherAddress(t *testing.T) {
	silent := serve(t, &script{udp: func(*dns.Msg, func([]byte)) {}})
	alive := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) }})
	src := silent.source(Recursive)
	src.Addrs = append(src.Addrs, alive.addr)
	o := ask(t, quickClient(t), Query{Source: src, Question: shopTXT})
	if o.Outcome != Answered || o.Tries != 2 || o.Server != alive.addr {
		t.Errorf("%s after %d tries from %s", o.Outcome, o.Tries, o.Server)
	}
	if o := ask(t, quickClient(t), Query{Source: silent.source(Recursive), Question: shopTXT}); o.Outcome != Timeout || o.Tries != maxTries {
		t.Errorf("%s after %d tries, want a timeout after %d", o.Outcome, o.Tries, maxTries)
	}
}

func TestFreshGoesAnotherWay(t *testing.T) {
	s := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) },
		tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) },
	})
	if o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT, Fresh: true}); o.Outcome != Answered || o.Transport != TCP {
		t.Errorf("%s over %s, want TCP", o.Outcome, o.Transport)
	}
}

func TestFreshFallsBackToUDPWhereTCPIsBlocked(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) }})
	if o := ask(t, patientClient(t), Query{Source: s.source(Recursive), Question: shopTXT, Fresh: true}); o.Outcome != Answered {
		t.Errorf("%s (%s): a source without TCP could never confirm anything", o.Outcome, o.Detail)
	}
}

func TestF2ASlowSourceDoesNotHoldUpTheOthers(t *testing.T) {
	const each = 50
	answered := make(chan struct{}) // closed once the fast source has answered everything
	slow := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		go func() {
			<-answered
			reply(pack(t, answerTo(t, q, good)))
		}()
	}})
	fast := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) }})
	var queries []Query
	for range each {
		queries = append(queries, Query{Source: slow.source(Recursive), Question: shopTXT}, Query{Source: fast.source(Recursive), Question: shopTXT})
	}
	counts := map[string]int{}
	patientClient(t).Ask(context.Background(), queries, func(o Observation) {
		if o.Outcome != Answered {
			return
		}
		counts[o.Source.ID]++
		if o.Source.ID == queries[1].Source.ID && counts[o.Source.ID] == each {
			close(answered)
		}
	})
	if counts[queries[0].Source.ID] != each || counts[queries[1].Source.ID] != each {
		t.Errorf("answers: %v", counts)
	}
}

// mortal is a server that answers only while it is alive.
func mortal(t *testing.T) (s *script, alive *atomic.Bool) {
	alive = &atomic.Bool{}
	return serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		if alive.Load() {
			reply(pack(t, answerTo(t, q, q.Question[0].Name+` 300 IN TXT "v=spf1 -all"`)))
		}
	}}), alive
}

// TestADeadSourceIsGivenUpAndLeftAlone: what one batch has found out holds for those that come later.
func TestADeadSourceIsGivenUpAndLeftAlone(t *testing.T) {
	for _, role := range []Role{Recursive, Authoritative} {
		s, _ := mortal(t)
		c := quickClient(t)
		queries := many(s.source(role), 500)
		c.Ask(context.Background(), queries, func(o Observation) {
			if o.Outcome != Timeout || o.Withheld != (o.Tries == 0) || o.Withheld != (o.Detail == notAsked) {
				t.Errorf("%s after %d tries, withheld %v (%s)", o.Outcome, o.Tries, o.Withheld, o.Detail)
			}
		})
		if n := s.asked.Load(); n > 2*(downAfter+2*defaultWindow) {
			t.Errorf("a dead source was sent %d messages for 500 questions", n)
		}
		before := s.asked.Load()
		queries[7].Fresh = true
		tried := 0
		for _, o := range askAll(t, c, queries) {
			if o.Outcome != Timeout || o.Withheld != (o.Tries == 0) {
				t.Fatalf("%s after %d tries (%s)", o.Outcome, o.Tries, o.Detail)
			}
			if !o.Withheld {
				tried++
			}
		}
		samples := 0
		if role == Authoritative { // it may be silent about other zones only
			samples = mostSamples
		}
		if n := s.asked.Load() - before; tried != samples || int(n) > samples*s.source(role).signs() {
			t.Errorf("a source that was dead a moment ago was sent %d messages for %d questions", n, tried)
		}
		silent := c.Silent()
		if role == Authoritative && len(silent) > 0 || role == Recursive && (len(silent) != 1 || silent[0].Source.ID != s.source(role).ID || silent[0].Outcome != Timeout) {
			t.Errorf("said to be silent: %v", silent)
		}
	}
}

// TestADeadSourceIsTriedOnceItHasRested: by a message or two, and if it answers it is asked everything.
func TestADeadSourceIsTriedOnceItHasRested(t *testing.T) {
	for _, role := range []Role{Recursive, Authoritative} {
		s, alive := mortal(t)
		var told strings.Builder
		c := NewClient(Options{
			Timeout: 150 * time.Millisecond, Rate: 1e6, Rest: time.Nanosecond, Log: slog.New(slog.NewTextHandler(&told, nil)),
		})
		defer c.Close()
		queries := many(s.source(role), 100)
		askAll(t, c, queries)
		before := s.asked.Load()
		for _, o := range askAll(t, c, queries) {
			if o.Outcome != Timeout || !o.Withheld && (role == Recursive || o.Tries != s.source(role).signs()) {
				t.Fatalf("%s after %d tries (%s)", o.Outcome, o.Tries, o.Detail)
			}
		}
		if n := s.asked.Load() - before; n > 4*(mostSamples+2) { // the last try of the batch before may still be out
			t.Errorf("it was tried with %d messages", n)
		}
		alive.Store(true)
		heard := func() bool { // a busy machine may take longer for an answer than is waited for
			for _, o := range askAll(t, c, queries) {
				if o.Withheld || o.Outcome == Timeout {
					return false
				}
			}
			return true
		}
		for !heard() {
			if t.Context().Err() != nil {
				return
			}
		}
		if silent := c.Silent(); len(silent) > 0 {
			t.Errorf("it answers, and is said to be silent: %v", silent)
		}
		c.Close()
		said := told.String()
		if both := strings.Contains(said, "level=WARN") && strings.Contains(said, "answers again"); both != (role == Recursive) {
			t.Errorf("told of role %d was %q", role, said)
		}
	}
}

// told is a log that hands over what it is told.
type told chan string

// Enabled implements slog.Handler.
func (told) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (c told) Handle(_ context.Context, r slog.Record) error {
	c <- r.Message
	return nil
}

// WithAttrs implements slog.Handler.
func (c told) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup implements slog.Handler.
func (c told) WithGroup(string) slog.Handler { return c }

// TestAResolverThatReturnsIsSeenWithoutBeingAsked: it is tried by itself, so that the next batch is asked at once.
func TestAResolverThatReturnsIsSeenWithoutBeingAsked(t *testing.T) {
	s, alive := mortal(t)
	log := make(told, 10)
	c := NewClient(Options{Timeout: 150 * time.Millisecond, Rate: 1e6, Rest: time.Millisecond, Log: slog.New(log)})
	defer c.Close()
	queries := many(s.source(Recursive), 100)
	askAll(t, c, queries)
	if said := <-log; !strings.Contains(said, "answers nothing") || len(c.Silent()) != 1 {
		t.Fatalf("told was %q, silent are %v", said, c.Silent())
	}
	alive.Store(true)
	if said := <-log; !strings.Contains(said, "answers again") || len(c.Silent()) != 0 {
		t.Fatalf("told was %q, silent are %v", said, c.Silent())
	}
	slow := *queries[0].Source // it has time to answer, however busy the machine is
	slow.Timeout = 20 * time.Second
	for i := range queries {
		queries[i].Source = &slow
	}
	for _, o := range askAll(t, c, queries) {
		if o.Outcome != Answered {
			t.Fatalf("%s (%s)", o.Outcome, o.Detail)
		}
	}
}

// TestBatchesFindOutTogetherThatASourceIsDead: those that are asked at the same time do not each wait for it.
func TestBatchesFindOutTogetherThatASourceIsDead(t *testing.T) {
	s, _ := mortal(t)
	c := quickClient(t)
	var batches sync.WaitGroup
	var sent atomic.Int32
	for range 8 {
		batches.Go(func() {
			c.Ask(context.Background(), many(s.source(Recursive), 300), func(o Observation) {
				if o.Outcome != Timeout {
					t.Errorf("%s (%s)", o.Outcome, o.Detail)
				}
				if !o.Withheld {
					sent.Add(1)
				}
			})
		})
	}
	batches.Wait()
	if n := sent.Load(); n > 8*mostWaiting*firstWindow {
		t.Errorf("%d of 2400 questions went out", n)
	}
}

// TestAServerThatIsSilentAboutOneZoneIsAskedAboutOthers: it is tried with questions about several.
func TestAServerThatIsSilentAboutOneZoneIsAskedAboutOthers(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		if name := q.Question[0].Name; !strings.Contains(name, "gone") {
			reply(pack(t, authority(answerTo(t, q, name+` 300 IN TXT "v=spf1 -all"`))))
		}
	}})
	src := s.source(Authoritative)
	c := NewClient(Options{Timeout: 300 * time.Millisecond, Rate: 1e6})
	defer c.Close()
	const gone = 2 * downAfter
	all := many(src, 2*gone)
	for i := range all {
		zone := "gone"
		if i >= gone {
			zone = "live"
		}
		all[i].Question.Name = rrset.Name(fmt.Sprintf("d%d.%s.test", i, zone))
	}
	for _, batch := range [][]Query{all, all[:gone], all} {
		for _, o := range askAll(t, c, batch) {
			if want := strings.Contains(string(o.Question.Name), "live"); want != (o.Outcome == Answered) || o.Withheld {
				t.Errorf("%s: %s (%s)", o.Question, o.Outcome, o.Detail)
			}
		}
	}
}

// TestAZoneThatLeavesAServerDoesNotBlindItForOthers, though it was the first that the server answered for, and those that only its own
// questions are asked of meanwhile find it dead each time.
func TestAZoneThatLeavesAServerDoesNotBlindItForOthers(t *testing.T) {
	var left atomic.Bool
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		if name := q.Question[0].Name; !left.Load() || !strings.Contains(name, "left") {
			reply(pack(t, authority(answerTo(t, q, name+` 300 IN TXT "v=spf1 -all"`))))
		}
	}})
	src := s.source(Authoritative)
	c := NewClient(Options{Timeout: 300 * time.Millisecond, Rate: 1e6})
	defer c.Close()
	zone := func(name string, n int) []Query {
		all := many(src, n)
		for i := range all {
			all[i].Question.Name = rrset.Name(fmt.Sprintf("d%d.%s.test", i, name))
		}
		return all
	}
	askAll(t, c, zone("left", 6))
	askAll(t, c, zone("live", 100))
	left.Store(true)
	l, err := c.lane(src)
	if err != nil {
		t.Fatal(err)
	}
	for !l.breaker.open() { // each recheck is one batch
		askAll(t, c, zone("left", 6))
	}
	asked := 0
	for _, o := range askAll(t, c, zone("left", 6)) {
		if o.Outcome != Timeout {
			t.Errorf("%s: %s", o.Question, o.Outcome)
		}
		if !o.Withheld {
			asked++
		}
	}
	if asked != mostSamples || !l.breaker.open() {
		t.Errorf("of the zone that left %d questions were asked", asked)
	}
	live := zone("live", 100)
	live[7].Fresh = true
	for _, o := range askAll(t, c, live) {
		if o.Outcome != Answered {
			t.Errorf("%s: %s, withheld %v", o.Question, o.Outcome, o.Withheld)
		}
	}
	askAll(t, c, zone("left", 6))
	askAll(t, c, zone("left", 6))
	if l.breaker.open() {
		t.Error("it has answered for a zone that is there, and is found dead by one that is not")
	}
}

// TestWhatASourceAnswersIsLearnedAgain: after a minute it is another question.
func TestWhatASourceAnswersIsLearnedAgain(t *testing.T) {
	var l lane
	now := time.Now()
	for _, tt := range []struct {
		name  rrset.Name
		after time.Duration
		want  rrset.Name
	}{{"a.test", 0, "a.test"}, {"b.test", knownFor, "a.test"}, {"c.test", knownFor + 1, "c.test"}} {
		l.answeredTo(Question{tt.name, rrset.TXT}, now.Add(tt.after))
		if got := l.known.Load().Name; got != tt.want {
			t.Errorf("after %s it is %s, want %s", tt.after, got, tt.want)
		}
	}
}

// TestF4AResolverThatRefusesEverythingIsLeftAlone, and questions to it end as refused.
func TestF4AResolverThatRefusesEverythingIsLeftAlone(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		m := answerTo(t, q)
		m.Rcode = dns.RcodeRefused
		reply(pack(t, m))
	}})
	c := NewClient(Options{Timeout: 10 * time.Second, Rate: 200})
	defer c.Close()
	withheld := 0
	for _, o := range askAll(t, c, many(s.source(Recursive), 1000)) {
		if o.Outcome != Refused {
			t.Errorf("%s (%s)", o.Outcome, o.Detail)
		}
		if o.Withheld {
			withheld++
		}
	}
	if withheld < 500 {
		t.Errorf("%d of 1000 questions were spared a resolver that refuses them all", withheld)
	}
	if silent := c.Silent(); len(silent) != 1 || silent[0].Outcome != Refused {
		t.Errorf("said to be silent: %v", silent)
	}
}

// TestF60WhereAllAreSilentNobodyIsLeftAloneForLong: it is our own network then, and once it is back all are to be heard.
func TestF60WhereAllAreSilentNobodyIsLeftAloneForLong(t *testing.T) {
	c := quickClient(t)
	laneOf := func(id string, role Role) *lane {
		l, err := c.lane(&Source{ID: id, Role: role, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	lanes := []*lane{laneOf("a", Recursive), laneOf("b", Recursive), laneOf("c", Recursive), laneOf("d", Recursive)}
	short, now := firstRest/shortestRest, time.Now()
	for i, want := range [][2]time.Duration{{firstRest, longestRest * firstRest}, {short, short}, {short, short}, {short, short}} {
		first, most := c.rests(lanes[i])
		if first != want[0] || most != want[1] {
			t.Errorf("with %d of 4 resolvers silent they rest for %s to %s, want %s", i+1, first, most, want)
		}
		for range downAfter {
			lanes[i].breaker.unanswered()
		}
		lanes[i].breaker.ask(now, 0)
		lanes[i].sounded(mute, first, most)
	}
	for i, l := range lanes {
		if rests := l.breaker.until.Sub(now); rests > 2*short {
			t.Errorf("resolver %d rests for %s more", i, rests)
		}
	}
	if first, most := c.rests(laneOf("ns", Authoritative)); first != firstRest || most != firstRest {
		t.Errorf("a zone's server rests for %s to %s", first, most)
	}
}

// TestADeadResolverRestsForLongerBetweenSweepsThatAreHoursApart: the others are as many as they were when they were asked last.
func TestADeadResolverRestsForLongerBetweenSweepsThatAreHoursApart(t *testing.T) {
	c := quickClient(t)
	var lanes []*lane
	for _, id := range []string{"a", "b", "c", "d", "replaced", "silent", "too"} {
		l, err := c.lane(&Source{ID: id, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
		if err != nil {
			t.Fatal(err)
		}
		ago := 2 * laneLife
		if id == "replaced" {
			ago *= 4
		}
		l.used.Store(time.Now().Add(-ago).UnixNano())
		lanes = append(lanes, l)
	}
	silent := lanes[5:]
	if first, most := c.rests(silent[0]); first != firstRest || most != longestRest*firstRest {
		t.Errorf("one of six is silent, and rests for %s to %s", first, most)
	}
	for _, l := range append(silent[1:], lanes[3:5]...) {
		l.breaker.shut.Store(true)
	}
	if _, most := c.rests(silent[0]); most != firstRest/shortestRest {
		t.Errorf("three of six are silent, and rest for up to %s", most)
	}
}

// TestF60AfterAnOutageOfOurOwnZonesServersAreTriedAtOnce, but not where it is one resolver of many that is back.
func TestF60AfterAnOutageOfOurOwnZonesServersAreTriedAtOnce(t *testing.T) {
	for _, dead := range []int{1, 2} {
		c := quickClient(t)
		lanes := map[string]*lane{}
		for _, id := range []string{"a", "b", "c", "ns"} {
			role := Recursive
			if id == "ns" {
				role = Authoritative
			}
			l, err := c.lane(&Source{ID: id, Role: role, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
			if err != nil {
				t.Fatal(err)
			}
			lanes[id] = l
		}
		now := time.Now()
		for _, id := range []string{"a", "b", "ns"}[2-dead:] {
			for range downAfter {
				lanes[id].breaker.unanswered()
			}
			lanes[id].breaker.ask(now, 0)
			lanes[id].sounded(mute, firstRest, firstRest)
		}
		if !lanes["b"].sounded(living, 0, 0) {
			t.Fatal("the resolver lives, and is not back")
		}
		c.back(lanes["b"])
		if tried := lanes["ns"].breaker.ask(time.Now(), 0) == sounding; tried != (dead == 2) {
			t.Errorf("%d of 3 resolvers were silent and one is back: a zone's server is tried at once: %v", dead, tried)
		}
	}
}

// A resolver is slow for zones whose servers are dead, and answers all else.
func TestDeadZonesDoNotBlindAResolverForOthers(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		name := q.Question[0].Name
		if strings.Contains(name, "dead") {
			return // as resolvers do for a zone whose servers are silent: no answer within two seconds
		}
		m := answerTo(t, q, name+` 300 IN TXT "v=spf1 -all"`)
		reply(pack(t, m))
	}})
	c := NewClient(Options{Timeout: 300 * time.Millisecond})
	defer c.Close()
	var qs []Query
	src := s.source(Recursive)
	for i := range 24 {
		qs = append(qs, Query{Source: src, Question: Question{rrset.Name(fmt.Sprintf("r%d.dead.test", i)), rrset.TXT}})
	}
	for i := range 60 {
		qs = append(qs, Query{Source: src, Question: Question{rrset.Name(fmt.Sprintf("d%d.live.test", i)), rrset.TXT}})
	}
	live := 0
	c.Ask(context.Background(), qs, func(o Observation) {
		if strings.Contains(string(o.Question.Name), "live") {
			if o.Outcome == Answered {
				live++
			}
		}
	})
	if live < 60 {
		t.Errorf("%d of 60 questions about live zones were answered", live)
	}
}

func TestWhenTheContextEndsWhatIsOpenIsLocal(t *testing.T) {
	s := serve(t, &script{udp: func(*dns.Msg, func([]byte)) {}})
	c := NewClient(Options{Timeout: time.Minute})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	n := 0
	c.Ask(ctx, slices.Repeat([]Query{{Source: s.source(Recursive), Question: shopTXT}}, 40), func(o Observation) {
		n++
		if o.Outcome != Local {
			t.Errorf("%s, want local", o.Outcome)
		}
	})
	if n != 40 || time.Since(began) > 2*time.Second {
		t.Errorf("%d of 40 after %s", n, time.Since(began))
	}
}

func TestTheRateHoldsOverAllCalls(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) }})
	src := s.source(Recursive)
	src.Rate, src.Window = 100, 1
	c := patientClient(t)
	began := time.Now()
	for range 2 {
		c.Ask(context.Background(), slices.Repeat([]Query{{Source: src, Question: shopTXT}}, 15), func(Observation) {})
	}
	if took := time.Since(began); took < 280*time.Millisecond {
		t.Errorf("30 questions at 100 a second took only %s", took)
	}
}

// FuzzReply feeds bytes as a reply: nothing may panic, and absence needs its proof.
func FuzzReply(f *testing.F) {
	q := newQuery(Query{Source: &Source{}, Question: shopTXT}, true)
	q.Id = 7
	for _, m := range []*dns.Msg{answerTo(f, q, good), answerTo(f, q, soaLine), answerTo(f, q, "shop.test. 60 IN CNAME shop.test.")} {
		f.Add(pack(f, m), true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, recursive bool) {
		message, err := parseReply(q, wire)
		reply := message.Msg
		if err != nil || reply.Truncated {
			return
		}
		o := Observation{Source: &Source{Role: Authoritative}, Question: shopTXT}
		if recursive {
			o.Source.Role = Recursive
		}
		interpret(&o, reply)
		switch {
		case o.Outcome.Absent() && (!reply.Response || !matches(q, reply)):
			t.Errorf("absence from a reply that does not match: %v", reply)
		case o.Outcome == NoData && startOfAuthority(reply.Ns, "shop.test.") == nil && !reply.Authoritative && len(o.Chain) == 0:
			t.Errorf("absence without proof: %v", reply)
		case o.Outcome == NXDomain && reply.Rcode != dns.RcodeNameError:
			t.Errorf("NXDOMAIN from RCODE %d", reply.Rcode)
		case o.Outcome == Answered && len(o.Set.Data) == 0:
			t.Errorf("an answer without data: %v", reply)
		}
	})
}
