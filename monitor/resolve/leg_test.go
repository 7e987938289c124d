package resolve

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// parrot answers every question with one TXT record, as cheaply as it can: without an allocation.
type parrot struct {
	addr netip.AddrPort
	// drop says which messages get lost, on their way to it or back.
	drop func() bool
	// ignores says what it does not answer to; nil is nothing.
	ignores atomic.Pointer[func(message []byte) bool]
	// text is what the record says.
	text atomic.Pointer[string]
	// asked counts the questions that arrived, ports the ports that they came from.
	asked atomic.Int64
	mu    sync.Mutex
	ports map[uint16]bool
}

func newParrot(t testing.TB, drop func() bool) *parrot {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	p := &parrot{addr: netip.MustParseAddrPort(conn.LocalAddr().String()), drop: drop, ports: map[uint16]bool{}}
	p.say("v=spf1 -all")
	_ = conn.SetReadBuffer(1 << 22)
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		p.serve(conn)
	}()
	return p
}

func (p *parrot) say(text string) { p.text.Store(&text) }

func (p *parrot) serve(conn *net.UDPConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p.asked.Add(1)
		p.mu.Lock()
		p.ports[from.Port()] = true
		p.mu.Unlock()
		if ignores := p.ignores.Load(); n < headerSize || p.drop != nil && p.drop() || ignores != nil && (*ignores)(buf[:n]) {
			continue
		}
		reply := p.reply(buf[:n:cap(buf)])
		if p.drop == nil || !p.drop() {
			_, _ = conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

// reply turns a question into its answer.
func (p *parrot) reply(m []byte) []byte {
	m = m[:questionEnd(m)]
	m[2], m[3] = m[2]|flagQR, flagRA
	copy(m[6:], []byte{0, 1, 0, 0, 0, 0})
	text := *p.text.Load()
	m = append(m, 0xc0, headerSize, 0, 16, 0, 1, 0, 0, 1, 44, 0, byte(len(text)+1), byte(len(text)))
	return append(m, text...)
}

func (p *parrot) source() *Source {
	return &Source{ID: p.addr.String(), Operator: "parrot", Addrs: []netip.AddrPort{p.addr}, Rate: 1e9}
}

func many(s *Source, n int) []Query {
	qs := make([]Query, n)
	for i := range qs {
		qs[i] = Query{Source: s, Question: Question{rrset.Name(fmt.Sprintf("d%06d.test", i)), rrset.TXT}, Ref: i}
	}
	return qs
}

// askAll asks and gives the observations by Ref. Each must come once.
func askAll(t testing.TB, c *Client, qs []Query) []Observation {
	t.Helper()
	out := make([]Observation, len(qs))
	seen := make([]bool, len(qs))
	c.Ask(context.Background(), qs, func(o Observation) {
		if seen[o.Ref] {
			t.Errorf("%s was told twice", o.Question)
		}
		seen[o.Ref], out[o.Ref] = true, o
	})
	if missing := slices.Index(seen, false); missing >= 0 {
		t.Fatalf("nothing was told of question %d", missing)
	}
	return out
}

// lossy loses a share of messages, the same in every run.
func lossy(share float64) func() bool {
	r := rand.New(rand.NewPCG(1, 2))
	return func() bool { return r.Float64() < share }
}

func TestAnUnchangedAnswerIsRecognised(t *testing.T) {
	p := newParrot(t, nil)
	c := patientClient(t)
	qs := many(p.source(), 500)
	for i, o := range askAll(t, c, qs) {
		if o.Outcome != Answered || o.Same || o.Print == 0 || o.Set.Lines()[0] != "v=spf1 -all" || o.Question != qs[i].Question {
			t.Fatalf("first: %+v", o)
		}
		qs[i].Known = o.Print
	}
	for _, o := range askAll(t, c, qs) {
		if !o.Same || o.TTL != 300 || !o.Set.Empty() || o.Tries == 0 || o.Server != p.addr || o.At.IsZero() {
			t.Fatalf("second: %+v", o)
		}
	}
	p.say("v=spf1 +all")
	for _, o := range askAll(t, c, qs) {
		if o.Same || o.Outcome != Answered || o.Set.Lines()[0] != "v=spf1 +all" {
			t.Fatalf("changed: %+v", o)
		}
	}
}

// TestF1LossIsMadeUpFor: of every twenty messages one is lost in each direction.
func TestF1LossIsMadeUpFor(t *testing.T) {
	p := newParrot(t, lossy(0.05))
	c := NewClient(Options{Timeout: 2 * time.Second})
	defer c.Close()
	retried := 0
	for _, o := range askAll(t, c, many(p.source(), 3000)) {
		if o.Outcome != Answered {
			t.Errorf("%s: %s after %d tries", o.Question, o.Outcome, o.Tries)
		}
		if o.Tries > 1 {
			retried++
		}
	}
	if retried < 150 {
		t.Errorf("only %d questions were asked again: nothing was lost", retried)
	}
}

// TestF11AForgeryMakesAllThatIsOpenGoOverTCP: somebody who guesses IDs is heard; nothing that was open then is
// believed over UDP.
func TestF11AForgeryMakesAllThatIsOpenGoOverTCP(t *testing.T) {
	const n = 6
	var mu sync.Mutex
	var held []func()
	s := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) {
			mu.Lock()
			defer mu.Unlock()
			held = append(held, func() { reply(pack(t, answerTo(t, q, q.Question[0].Name+` 60 IN TXT "forged"`))) })
			if len(held) < n {
				return
			}
			stranger := answerTo(t, query(Question{"nobody.test", rrset.TXT}))
			stranger.Id = q.Id ^ 0x5555
			reply(pack(t, stranger))
			for _, answer := range held {
				answer()
			}
		},
		tcp: func(q *dns.Msg, conn net.Conn) {
			overTCP(t, conn, answerTo(t, q, q.Question[0].Name+` 60 IN TXT "honest"`))
		},
	})
	src := s.source(Recursive)
	src.Rate = 1e6
	// The forged ID may by chance be one of those that are open; then it is a reply with the wrong question, to one of them.
	honest := 0
	for _, o := range askAll(t, patientClient(t), many(src, n)) {
		if o.Outcome == Answered && o.Transport == TCP && o.Set.Lines()[0] == "honest" && o.Mismatches > 0 {
			honest++
		} else {
			t.Log(o.Outcome, o.Transport, o.Detail, o.Mismatches, o.Tries, o.Latency)
		}
	}
	if honest != n {
		t.Errorf("%d of %d questions were asked again over TCP", honest, n)
	}
}

func TestLateAndRepeatedRepliesAreNoForgeries(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		for range 3 {
			reply(pack(t, answerTo(t, q, q.Question[0].Name+` 60 IN TXT "x"`)))
		}
	}})
	src := s.source(Recursive)
	src.Rate = 1e6
	for _, o := range askAll(t, patientClient(t), many(src, 200)) {
		if o.Outcome != Answered || o.Mismatches > 0 || o.Transport != UDP {
			t.Fatalf("%s over %s, %d mismatches", o.Outcome, o.Transport, o.Mismatches)
		}
	}
}

// TestAnAnswerToAnEarlierTryCounts: a resolver that must ask around takes longer than the first try waits.
func TestAnAnswerToAnEarlierTryCounts(t *testing.T) {
	var first sync.Once
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		first.Do(func() {
			b := pack(t, answerTo(t, q, good))
			time.AfterFunc(200*time.Millisecond, func() { reply(b) })
		})
	}})
	c := NewClient(Options{Timeout: 800 * time.Millisecond})
	defer c.Close()
	if o := ask(t, c, Query{Source: s.source(Recursive), Question: shopTXT}); o.Outcome != Answered || o.Tries < 2 {
		t.Errorf("%s after %d tries", o.Outcome, o.Tries)
	}
}

func TestRFC5452PortsAndIDsAreNotKept(t *testing.T) {
	p := newParrot(t, nil)
	askAll(t, patientClient(t), many(p.source(), 5*portQuestions))
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ports) < 5 {
		t.Errorf("%d questions went out from %d ports", 5*portQuestions, len(p.ports))
	}
}

func TestIDsAreUsedOnceOnAPort(t *testing.T) {
	b := newBuffers(batch)
	p, err := openPort(netip.MustParseAddrPort("127.0.0.1:9"), b, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	seen := map[uint16]bool{}
	for i := range int32(portQuestions) {
		id := p.newID(i)
		if seen[id] {
			t.Fatalf("ID %d twice", id)
		}
		seen[id] = true
		if got, ok := p.item(id); !ok || got != i {
			t.Fatalf("ID %d is of %d, %v", id, got, ok)
		}
	}
	unknown := 0
	for id := range 1 << 16 {
		if _, ok := p.item(uint16(id)); !ok {
			unknown++
		}
	}
	if unknown != 1<<16-portQuestions || !p.old(time.Now()) {
		t.Errorf("%d IDs are unknown; old %v", unknown, p.old(time.Now()))
	}
}

// TestTheSteadyStateAllocatesNothing counts what asking 40,000 questions allocates beyond what any batch does.
func TestTheSteadyStateAllocatesNothing(t *testing.T) {
	p := newParrot(t, nil)
	c := patientClient(t)
	const n = 40000
	qs := many(p.source(), n)
	for i, o := range askAll(t, c, qs) {
		qs[i].Known = o.Print
	}
	same := 0
	allocs := testing.AllocsPerRun(1, func() {
		c.Ask(context.Background(), qs, func(o Observation) {
			if o.Same {
				same++
			}
		})
	})
	if same != 2*n { // AllocsPerRun warms up once
		t.Errorf("%d of %d answers were recognised", same, 2*n)
	}
	// A port is a socket, and lasts for some thousand questions.
	if allocs > n/10 {
		t.Errorf("%.0f allocations for %d questions", allocs, n)
	}
}

func TestNamesAsTheyGoOverTheWire(t *testing.T) {
	for name, want := range map[rrset.Name]string{
		".": "\x00", "shop.test": "\x04shop\x04test\x00", `a\046b.test`: "\x03a.b\x04test\x00", `\255.test`: "\x01\xff\x04test\x00",
	} {
		got, err := appendName(nil, name)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		m := query(Question{name, rrset.TXT})
		plain, err := appendQuery(nil, m.Id, Question{name, rrset.TXT}, true, false)
		if lib := pack(t, m); err != nil || !bytes.Equal(plain, lib) {
			t.Errorf("%s: %x, the library has %x", name, plain, lib)
		}
	}
	long := rrset.Name("a")
	for range 130 {
		long += ".a"
	}
	for _, bad := range []rrset.Name{"", "a..b", ".a", "a.", long, rrset.Name(bytes.Repeat([]byte("a"), 64)), `a\1`} {
		if got, err := appendName(nil, bad); err == nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
}

func TestANameThatCannotBeAskedForIsOurFault(t *testing.T) {
	p := newParrot(t, nil)
	if o := ask(t, patientClient(t), Query{Source: p.source(), Question: Question{"a..b", rrset.TXT}}); o.Outcome != Local {
		t.Errorf("%s", o.Outcome)
	}
}

func TestManyServersAreAskedSideBySide(t *testing.T) {
	p := newParrot(t, nil)
	var qs []Query
	for i := range 1500 {
		src := p.source()
		src.ID, src.Operator = fmt.Sprintf("ns%d", i), Operator(fmt.Sprint(i))
		for range 4 {
			qs = append(qs, Query{Source: src, Question: shopTXT, Ref: len(qs)})
		}
	}
	for _, o := range askAll(t, patientClient(t), qs) {
		if o.Outcome != Answered || o.Source != qs[o.Ref].Source {
			t.Fatalf("%s from %s: %s", o.Outcome, o.Source, o.Detail)
		}
	}
}

// TestAResolverThatAnswersNothingButTheRootIsNotWaitedForByAll: it is cut off and lives from what it has had for long.
func TestAResolverThatAnswersNothingButTheRootIsNotWaitedForByAll(t *testing.T) {
	p := newParrot(t, nil)
	c := NewClient(Options{Timeout: 50 * time.Millisecond, Rate: 1e6})
	defer c.Close()
	notRoot := func(m []byte) bool { return m[headerSize] != 0 }
	p.ignores.Store(&notRoot)
	withheld := 0
	for _, o := range askAll(t, c, many(p.source(), 1000)) {
		if o.Outcome != Timeout {
			t.Fatalf("%+v", o)
		}
		if o.Withheld {
			withheld++
		}
	}
	if withheld < 900 || len(c.Silent()) > 0 {
		t.Errorf("%d of 1000 questions were withheld; silent are %v", withheld, c.Silent())
	}
	again := many(p.source(), 100)
	withheld = 0
	for i := range again {
		again[i].Fresh = true
	}
	root := Query{Source: again[0].Source, Question: Question{rrset.Root, rrset.NS}}
	if o := ask(t, c, root); o.Outcome.life() != living {
		t.Fatalf("the root: %+v", o)
	}
	for range barrenAfter {
		_ = ask(t, c, Query{Source: again[0].Source, Question: shopTXT})
	}
	for _, o := range askAll(t, c, again) {
		if o.Withheld {
			withheld++
		}
	}
	if withheld < 80 {
		t.Errorf("%d of 100 questions that confirm were withheld", withheld)
	}
	p.ignores.Store(nil)
	for _, o := range askAll(t, c, many(p.source(), 1000)) {
		if o.Outcome != Answered {
			t.Fatalf("it is back, and %s is %s (%s)", o.Question, o.Outcome, o.Detail)
		}
	}
}

// TestDeadZonesDoNotSilenceAResolverForTheOthers, even if nothing but theirs is asked for a while.
func TestDeadZonesDoNotSilenceAResolverForTheOthers(t *testing.T) {
	p := newParrot(t, nil)
	c := NewClient(Options{Timeout: 50 * time.Millisecond, Rate: 1e6})
	defer c.Close()
	dead := func(m []byte) bool { return bytes.Contains(m, []byte("d0000")) } // the first hundred
	p.ignores.Store(&dead)
	for i, o := range askAll(t, c, many(p.source(), 1000)) {
		if want := map[bool]Outcome{true: Timeout, false: Answered}[i < 100]; o.Outcome != want || o.Withheld {
			t.Fatalf("%s is %s (%s)", o.Question, o.Outcome, o.Detail)
		}
	}
}

// TestAnAddressThatDiesIsNotAskedFirst: the next batch begins at the other one.
func TestAnAddressThatDiesIsNotAskedFirst(t *testing.T) {
	alive := newParrot(t, nil)
	dead := newParrot(t, func() bool { return true })
	src := alive.source()
	src.Addrs = []netip.AddrPort{dead.addr, alive.addr}
	c := NewClient(Options{Timeout: 500 * time.Millisecond})
	defer c.Close()
	for range 2 {
		for _, o := range askAll(t, c, many(src, 40)) {
			if o.Outcome != Answered {
				t.Errorf("%s", o.Outcome)
			}
		}
	}
	before := dead.asked.Load()
	askAll(t, c, many(src, 40))
	if n := dead.asked.Load() - before; n > 0 {
		t.Errorf("the dead address was asked %d times more", n)
	}
}

// TestConnectionsAreShared: questions over TCP share a connection and are answered in any order.
func TestConnectionsAreShared(t *testing.T) {
	addr, conns := serveBackwards(t)
	src := &Source{ID: "tcp", Operator: "tcp", Transport: TCP, Addrs: []netip.AddrPort{addr}, Rate: 1e6}
	c := patientClient(t)
	for range 3 {
		for _, o := range askAll(t, c, many(src, 100)) {
			if o.Outcome != Answered || o.Set.Lines()[0] != string(o.Question.Name) || o.Transport != TCP {
				t.Fatalf("%s: %s %q (%s)", o.Question, o.Outcome, o.Set.Lines(), o.Detail)
			}
		}
	}
	if n := conns.Load(); n > 5 {
		t.Errorf("%d connections for 300 questions", n)
	}
}

// TestAConfirmationGoesOverAConnectionOfItsOwn: a server that has taken up a new zone may answer from the old one where it was
// connected to before. The questions of one batch share a connection.
func TestAConfirmationGoesOverAConnectionOfItsOwn(t *testing.T) {
	addr, conns := serveBackwards(t)
	c := patientClient(t)
	for name, tt := range map[string]struct {
		role  Role
		fresh bool
		want  int32
	}{
		"fresh":              {Recursive, true, 3},
		"of a zone's server": {Authoritative, false, 3},
		"of a resolver":      {Recursive, false, 1},
	} {
		src := &Source{ID: name, Operator: Operator(name), Role: tt.role, Direct: true, Transport: TCP, Addrs: []netip.AddrPort{addr}, Rate: 1e6}
		qs := many(src, 20)
		for i := range qs {
			qs[i].Fresh = tt.fresh
		}
		before := conns.Load()
		for range 3 {
			for _, o := range askAll(t, c, qs) {
				if o.Transport != TCP || o.Outcome == Network || o.Outcome == Timeout {
					t.Fatalf("%s: %s over %s (%s)", name, o.Outcome, o.Transport, o.Detail)
				}
			}
		}
		if n := conns.Load() - before; n != tt.want {
			t.Errorf("%s: %d connections for three batches, want %d", name, n, tt.want)
		}
	}
}

// serveBackwards starts a server of which every connection is answered by backwards, and counts them.
func serveBackwards(t *testing.T) (netip.AddrPort, *atomic.Int32) {
	_, l := listenBoth(t)
	conns := &atomic.Int32{}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			running.Go(func() { backwards(t, conn) })
		}
	})
	return netip.MustParseAddrPort(l.Addr().String()), conns
}

// backwards answers questions of a connection two at a time, the second first, and after a hundred closes it.
func backwards(t *testing.T, conn net.Conn) {
	defer conn.Close()
	var held []*dns.Msg
	for range 100 {
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		b, err := readMessage(conn)
		if err == nil {
			q := new(dns.Msg)
			if q.Unpack(b) != nil {
				return
			}
			if held = append(held, q); len(held) < 2 {
				continue
			}
		}
		slices.Reverse(held)
		for _, q := range held {
			overTCP(t, conn, answerTo(t, q, q.Question[0].Name+" 60 IN TXT "+q.Question[0].Name[:len(q.Question[0].Name)-1]))
		}
		if held = held[:0]; err != nil {
			return
		}
	}
}

// BenchmarkAsk asks, validates and recognises answers of a server in the same process, whose share is in the figures.
func BenchmarkAsk(b *testing.B) {
	p := newParrot(b, nil)
	c := NewClient(Options{})
	defer c.Close()
	qs := many(p.source(), 10000)
	for i, o := range askAll(b, c, qs) {
		qs[i].Known = o.Print
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += len(qs) {
		c.Ask(context.Background(), qs[:min(len(qs), b.N-done)], func(Observation) {})
	}
}

// TestWhatIsAskedWithCareIsRecognisedToo: over any transport, an answer that was heard over another.
func TestWhatIsAskedWithCareIsRecognisedToo(t *testing.T) {
	s := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) { reply(pack(t, answerTo(t, q, good))) },
		tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) },
	})
	c, src := patientClient(t), s.source(Recursive)
	first := ask(t, c, Query{Source: src, Question: shopTXT, Fresh: true})
	if first.Transport != TCP || first.Print == 0 || first.Same {
		t.Fatalf("%+v", first)
	}
	if o := ask(t, c, Query{Source: src, Question: shopTXT, Known: first.Print}); !o.Same || o.Transport != UDP {
		t.Errorf("over UDP: %+v", o)
	}
	if o := ask(t, c, Query{Source: src, Question: shopTXT, Known: first.Print, Fresh: true}); !o.Same || o.TTL != 300 {
		t.Errorf("over TCP again: %+v", o)
	}
}

// TestARateGrowsAgainByConfirmations: losses took the rate of a source down, and all that it is asked since goes over TCP.
func TestARateGrowsAgainByConfirmations(t *testing.T) {
	s := serve(t, &script{tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) }})
	c, src := patientClient(t), s.source(Recursive)
	src.Rate = 2000
	l, err := c.lane(src)
	if err != nil {
		t.Fatal(err)
	}
	pacer := l.pacer
	rate := func() float64 {
		pacer.mu.Lock()
		defer pacer.mu.Unlock()
		return pacer.rate
	}
	pacer.mu.Lock()
	pacer.rate = 100
	pacer.mu.Unlock()
	for end := time.Now().Add(30 * time.Second); rate() < 110; {
		if time.Now().After(end) {
			t.Fatalf("%.0f questions a second after half a minute of nothing but answers", rate())
		}
		ask(t, c, Query{Source: src, Question: shopTXT, Fresh: true})
	}
}

// TestARefusalWithoutAQuestionIsOne: Unbound leaves the question out where its access-control refuses. It is found out soon that the
// resolver refuses everything, though over UDP anybody could have said so.
func TestARefusalWithoutAQuestionIsOne(t *testing.T) {
	bare := func(q *dns.Msg) []byte {
		return pack(t, &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.Id, Response: true, Rcode: dns.RcodeRefused}})
	}
	s := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) { reply(bare(q)) },
		tcp: func(q *dns.Msg, conn net.Conn) {
			m := bare(q)
			_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
		},
	})
	c, src := patientClient(t), s.source(Recursive)
	if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Refused || o.Transport != TCP {
		t.Errorf("%+v", o)
	}
	forger := serve(t, &script{
		udp: func(q *dns.Msg, reply func([]byte)) { reply(bare(q)) },
		tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) },
	})
	if o := ask(t, c, Query{Source: forger.source(Recursive), Question: shopTXT}); o.Outcome != Answered || o.Transport != TCP || o.Mismatches == 0 {
		t.Errorf("beside a forgery: %+v", o)
	}
}

// TestF5ManyWithoutEDNSAfterFORMERR: what was on its way with EDNS when the source was found not to know it is asked again too.
func TestF5ManyWithoutEDNSAfterFORMERR(t *testing.T) {
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		m := answerTo(t, q, q.Question[0].Name+` 300 IN TXT "v=spf1 -all"`)
		if q.IsEdns0() != nil {
			m = answerTo(t, q)
			m.Rcode = dns.RcodeFormatError
		}
		reply(pack(t, m))
	}})
	for _, o := range askAll(t, patientClient(t), many(s.source(Recursive), 40)) {
		if o.Outcome != Answered {
			t.Errorf("%s: %s (%s)", o.Question, o.Outcome, o.Detail)
		}
	}
}

// TestF1WhatWaitsForItsTurnIsNotGivenUp: the time that a question waits to be sent is none that its answer had.
func TestF1WhatWaitsForItsTurnIsNotGivenUp(t *testing.T) {
	now := time.Now()
	a := &asking{
		client: quickClient(t), source: &Source{Addrs: make([]netip.AddrPort, 1)}, items: make([]item, 1), queries: many(&Source{}, 1),
		whole: time.Second, began: now.Add(-time.Minute),
	}
	a.emit = func(o Observation) { t.Errorf("%s after %d tries", o.Outcome, o.Tries) }
	a.lane = &lane{source: a.source, window: 8}
	l := newLeg(a, 0, true)
	l.takeUp(a.began, 1)
	for range maxTries - 1 {
		it := &l.items[l.retry.pop()]
		it.tries.Add(1)
		it.sent.Store(l.since(now.Add(-100 * time.Millisecond)))
		if l.unanswered(0, it, now); l.retry.len() != 1 {
			t.Fatalf("given up after %d tries of 100 ms", it.tries.Load())
		}
	}
}

// TestASocketThatFailsTakesOneTry: what was on its way is asked again before it is given up.
func TestASocketThatFailsTakesOneTry(t *testing.T) {
	a := &asking{client: quickClient(t), source: &Source{Addrs: make([]netip.AddrPort, 1)}, items: make([]item, 2), queries: many(&Source{}, 2)}
	a.emit = func(o Observation) { t.Errorf("%s ended after %d tries", o.Question, o.Tries) }
	a.lane = &lane{source: a.source, window: 8}
	l := newLeg(a, 0, true)
	l.items[0].tries.Store(1)
	l.waiting[0].push(flight{number: 0})
	l.retry.push(1)
	l.failed(time.Now(), net.ErrClosed)
	if l.retry.len() != 2 {
		t.Errorf("%d of 2 questions are asked again", l.retry.len())
	}
}

// TestWhatMovesWhenTheContextEndsIsTold: a leg may have gone by the time that another hands it a question.
func TestWhatMovesWhenTheContextEndsIsTold(t *testing.T) {
	told := 0
	a := &asking{client: quickClient(t), source: &Source{Addrs: make([]netip.AddrPort, 2)}, items: make([]item, 2), queries: many(&Source{}, 2)}
	a.emit = func(Observation) { told++ }
	a.next, a.walking, a.moved = 2, []bool{true, true}, make([][]int32, 2)
	a.open.Store(2)
	a.lane = &lane{source: a.source, window: 8}
	first, second := newLeg(a, 0, true), newLeg(a, 1, false)
	second.giveUp(context.Canceled)
	first.move(0, 1)
	first.giveUp(context.Canceled)
	if told != 2 {
		t.Errorf("%d of 2 questions were told", told)
	}
}

// TestAnAddressThatTakesNoConnectionsHoldsUpNoOther: while somebody waits for a connection to one of a source's addresses,
// others get one to the other.
func TestAnAddressThatTakesNoConnectionsHoldsUpNoOther(t *testing.T) {
	s := serve(t, &script{tcp: func(q *dns.Msg, conn net.Conn) { overTCP(t, conn, answerTo(t, q, good)) }})
	src := s.source(Recursive)
	src.Addrs = append(src.Addrs, netip.MustParseAddrPort("127.0.0.1:1"))
	c := quickClient(t)
	l, err := c.lane(src)
	if err != nil {
		t.Fatal(err)
	}
	door := l.door(src.Addrs[1])
	door.Lock()
	defer door.Unlock()
	if o := c.askOne(t.Context(), l, Query{Source: src, Question: shopTXT}, start{transport: TCP}); o.Outcome != Answered || o.Transport != TCP {
		t.Errorf("%s (%s) over %s", o.Outcome, o.Detail, o.Transport)
	}
}

// TestTheWindowHoldsOverAllCalls: what several calls have in flight at one address waits in one queue there.
func TestTheWindowHoldsOverAllCalls(t *testing.T) {
	const window, calls, each = 12, 5, 60
	var mu sync.Mutex
	var held []func()
	most := 0
	s := serve(t, &script{udp: func(q *dns.Msg, reply func([]byte)) {
		b := pack(t, answerTo(t, q, q.Question[0].Name+` 60 IN TXT "x"`))
		mu.Lock()
		held = append(held, func() { reply(b) })
		if most = max(most, len(held)); len(held) == 1 {
			time.AfterFunc(5*time.Millisecond, func() {
				mu.Lock()
				defer mu.Unlock()
				for _, answer := range held {
					answer()
				}
				held = held[:0]
			})
		}
		mu.Unlock()
	}})
	src := s.source(Recursive)
	src.Rate, src.Window = 1e6, window
	c := patientClient(t)
	var asking sync.WaitGroup
	for range calls {
		asking.Go(func() {
			for _, o := range askAll(t, c, many(src, each)) {
				if o.Outcome != Answered || o.Tries > 1 {
					t.Errorf("%s after %d tries", o.Outcome, o.Tries)
				}
			}
		})
	}
	asking.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > window || most < window/2 {
		t.Errorf("%d questions were in flight at once, with a window of %d", most, window)
	}
}

// TestDeadZonesDoNotKeepWhatIsToBeConfirmedFromAResolver: what is asked again is mostly theirs, since all that is well is not.
func TestDeadZonesDoNotKeepWhatIsToBeConfirmedFromAResolver(t *testing.T) {
	t.Parallel()
	p := newParrot(t, nil)
	c := NewClient(Options{Timeout: 50 * time.Millisecond, Rate: 1e6})
	defer c.Close()
	dead := func(m []byte) bool { return bytes.Contains(m, []byte("d0000")) } // the first hundred
	p.ignores.Store(&dead)
	qs := many(p.source(), 1000)
	askAll(t, c, qs)
	qs = qs[:103]
	for i := range qs {
		qs[i].Fresh = true
	}
	for i, o := range askAll(t, c, qs) {
		if want := map[bool]Outcome{true: Timeout, false: Answered}[i < 100]; o.Outcome != want || o.Withheld {
			t.Fatalf("%s is %s (%s)", o.Question, o.Outcome, o.Detail)
		}
	}
}
