package resolve

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// start is where asking with care begins.
type start struct {
	// address and transport are those of the first try from here on.
	address   int
	transport Transport
	// tries went before, and the last one ended so; nil if it has not ended. mismatches replies to something else came.
	tries, mismatches int
	last              *Observation
	// truncated says that there is an answer, and it is too long for UDP.
	truncated bool
	// since is when the batch that the question is of began.
	since time.Time
}

// connectedSince gives the moment before which a connection must not have been made that a question goes over. A server that has
// taken up a new zone may go on to answer from the old one over connections that it had then (NSD does), and a
// question that is to confirm what was heard must reach whoever answers now.
func (s start) connectedSince(q Query) time.Time {
	if q.Fresh || q.Source.Role == Authoritative {
		return s.since
	}
	return time.Time{}
}

// askOne asks one question with its retry at the source's other address, one message after the other.
func (c *Client) askOne(ctx context.Context, l *lane, q Query, s start) Observation {
	var o Observation
	if s.last != nil {
		o = *s.last
		s.address++
	}
	mismatches := s.mismatches
	for try := s.tries; try < wrongTries || s.last == nil && try == s.tries; try++ {
		if err := l.pacer.wait(ctx); err != nil {
			return given(q, err)
		}
		addr := q.Source.Addrs[(s.address+try-s.tries)%len(q.Source.Addrs)]
		transport := q.Source.Transport
		if try == s.tries && s.last == nil {
			transport = s.transport // later ones go over UDP again, for sources that cannot be reached over TCP
		}
		o = c.try(ctx, l, q, addr, transport, s.truncated && try == s.tries, s.connectedSince(q))
		o.Tries = try + 1
		o.Mismatches += mismatches
		mismatches = o.Mismatches
		if !o.Outcome.retriable() {
			// A rate that losses took down grows again however the source is asked. What fails here is no loss: it may be TCP that it
			// does not speak.
			if o.Outcome != Local {
				l.pacer.told(o.At, 1, 0)
			}
			return o
		}
		if ctx.Err() != nil {
			return given(q, ctx.Err())
		}
	}
	if o.Outcome == ServFail && q.Source.Role == Recursive {
		if o.Bogus = o.Bogus || c.answersUnvalidated(ctx, l, q); o.Bogus {
			o.Detail = "DNSSEC validation fails for this name"
		}
	}
	return o
}

// retriable says whether the source's other address may do better.
func (o Outcome) retriable() bool {
	switch o {
	case Timeout, ServFail, Refused, Network, Truncated, Mismatched, Malformed:
		return true
	case Answered, NoData, NXDomain, Elsewhere, OtherRcode, Lame, Filtered, Stale, Local:
	}
	return false
}

// answersUnvalidated asks once more without DNSSEC validation (CD=1, RFC 4035 section 3.2.2), to
// tell a broken chain of trust from a broken server. The answer is never evidence.
func (c *Client) answersUnvalidated(ctx context.Context, l *lane, q Query) bool {
	if l.pacer.wait(ctx) != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	m := newQuery(q, true)
	m.CheckingDisabled = true
	o := Observation{Source: q.Source, Question: q.Question, Server: q.Source.Addrs[0], Transport: q.Source.Transport}
	reply, err := c.exchange(ctx, l, &o, m, time.Time{})
	return err == nil && (reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError)
}

// try is one question to one address, over as many messages as the server's
// answers make necessary.
func (c *Client) try(ctx context.Context, l *lane, q Query, addr netip.AddrPort, transport Transport, truncated bool, since time.Time) Observation {
	ctx, cancel := context.WithTimeout(ctx, c.timeout(q.Source))
	defer cancel()
	began := time.Now()
	o := Observation{Source: q.Source, Question: q.Question, Server: addr, Transport: transport}
	m := newQuery(q, !l.plainNow(began))
	reply, err := c.exchange(ctx, l, &o, m, since)
	if truncated && err != nil {
		o.Outcome, o.Detail = Truncated, "truncated over UDP, and over TCP: "+plainError(err)
		return finish(o, began)
	}
	if err == nil && o.Transport == UDP && (reply.Truncated || o.Mismatches > 0) {
		o.Transport = TCP
		truncated := reply.Truncated
		if reply, err = c.exchange(ctx, l, &o, m, since); err != nil && truncated {
			o.Outcome, o.Detail = Truncated, "truncated over UDP, and over TCP: "+plainError(err)
			return finish(o, began)
		}
	}
	if err == nil && m.IsEdns0() != nil && l.refusesEDNS(reply.Msg, time.Now()) {
		m = newQuery(q, false)
		reply, err = c.exchange(ctx, l, &o, m, since)
	}
	switch {
	case err != nil:
		o.Outcome, o.Detail = classify(err, o.Mismatches)
	case reply.Truncated:
		o.Outcome, o.Detail = Truncated, "truncated even over TCP"
	default:
		interpret(&o, reply.Msg)
		c.recognise(&o, q, reply.wire)
	}
	return finish(o, began)
}

// recognise gives an observation the print by which the same answer is known again, and if it is the one that is known
// leaves it at that.
func (c *Client) recognise(o *Observation, q Query, wire []byte) {
	s := skimmer{seed: c.seed}
	seen, known := s.skim(wire, q.Question, q.Source.Role == Recursive)
	if !known || !seen.stands(o) {
		return
	}
	if o.Print = seen.print; o.Print == q.Known {
		*o = Observation{
			Source: o.Source, Question: o.Question, Print: o.Print, Same: true, TTL: o.TTL,
			Server: o.Server, Transport: o.Transport, Mismatches: o.Mismatches,
		}
	}
}

// message is a message, read and as it came.
type message struct {
	*dns.Msg
	wire []byte
}

func finish(o Observation, began time.Time) Observation {
	o.At = time.Now()
	o.Latency = o.At.Sub(began)
	return o
}

func newQuery(q Query, edns bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.Question.Name.FQDN(), uint16(q.Question.Type))
	m.RecursionDesired = q.Source.Role == Recursive
	if edns {
		m.SetEdns0(udpSize, false)
	}
	return m
}

var errMismatch = errors.New("only replies to other questions came")

// exchange sends a message over o.Transport, if that is a connection one made since then, and gives the reply that matches.
func (c *Client) exchange(ctx context.Context, l *lane, o *Observation, m *dns.Msg, since time.Time) (message, error) {
	if o.Transport == DoH {
		m = m.Copy()
		m.Id = 0 // RFC 8484 section 4.1
	}
	wire, err := m.Pack()
	if err != nil {
		return message{}, fmt.Errorf("pack: %w", err)
	}
	switch o.Transport {
	case UDP:
		return c.exchangeUDP(ctx, o, m, wire)
	case DoH:
		return c.exchangeHTTP(ctx, l, o, m, wire)
	case TCP, DoT:
	}
	return c.exchangeStream(ctx, l, o, m, wire, since)
}

func (c *Client) exchangeUDP(ctx context.Context, o *Observation, m *dns.Msg, wire []byte) (message, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", o.Server.String())
	if err != nil {
		return message{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(wire); err != nil {
		return message{}, err
	}
	pooled, _ := c.longest.Get().(*[]byte)
	defer c.longest.Put(pooled)
	buf := *pooled
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return message{}, err
		}
		reply, err := parseReply(m, bytes.Clone(buf[:n]))
		if err == nil {
			return reply, nil
		}
		if bareRefusal(buf[:n], m.Id) {
			o.Mismatches++ // anybody may have sent it: whoever asks for more than a sign of life asks over TCP
			return unquestioned(bytes.Clone(buf[:n]))
		}
		var bad *unreadable
		if errors.As(err, &bad) && n >= 2 && binary.BigEndian.Uint16(buf) == m.Id {
			return message{}, err
		}
		o.Mismatches++
	}
}

// unreadable is a reply that does not parse.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return "the reply does not parse: " + u.err.Error() }

// parseReply reads a message as the reply to a query.
func parseReply(m *dns.Msg, wire []byte) (message, error) {
	reply, err := parse(wire)
	if err != nil {
		return message{}, err
	}
	if !matches(m, reply) {
		return message{}, errMismatch
	}
	return message{reply, wire}, nil
}

// parseStreamed is parseReply for what came over a connection, where nobody else can have said it: there a refusal need not repeat
// what was asked.
func parseStreamed(m *dns.Msg, wire []byte) (message, error) {
	if bareRefusal(wire, m.Id) {
		return unquestioned(wire)
	}
	return parseReply(m, wire)
}

// bareRefusal says whether a message is REFUSED with that ID and nothing else, the question left out too: so Unbound answers
// whom its access-control refuses.
func bareRefusal(wire []byte, id uint16) bool {
	const counts = 4 // of questions, answers and authorities begin there
	return len(wire) >= headerSize && binary.BigEndian.Uint16(wire) == id && wire[2]&flagQR != 0 && wire[2]&0x78 == 0 && refusal(wire) &&
		bytes.Equal(wire[counts:counts+6], make([]byte, 6))
}

// unquestioned reads a message whose question is left out.
func unquestioned(wire []byte) (message, error) {
	reply, err := parse(wire)
	return message{reply, wire}, err
}

// parse reads a message.
func parse(wire []byte) (*dns.Msg, error) {
	reply := new(dns.Msg)
	if err := reply.Unpack(wire); err != nil {
		return nil, &unreadable{err}
	}
	// The library takes a message that ends before its header says for a whole one.
	for i, section := range [][]dns.RR{reply.Answer, reply.Ns, reply.Extra} {
		if claimed := int(binary.BigEndian.Uint16(wire[6+2*i:])); claimed != len(section) {
			return nil, &unreadable{fmt.Errorf("%d records where the header says %d", len(section), claimed)}
		}
	}
	return reply, nil
}

func (c *Client) exchangeHTTP(ctx context.Context, l *lane, o *Observation, m *dns.Msg, wire []byte) (message, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Source.URL, bytes.NewReader(wire))
	if err != nil {
		return message{}, err
	}
	req.Header.Set("Content-Type", "application/dns-message")
	req.Header.Set("Accept", "application/dns-message")
	resp, err := l.http.Do(req)
	if err != nil {
		return message{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return message{}, fmt.Errorf("HTTP status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 65536))
	if err != nil {
		return message{}, err
	}
	return parseStreamed(m, body)
}

// classify sorts an error into an outcome.
func classify(err error, mismatches int) (Outcome, string) {
	var bad *unreadable
	var timeout net.Error
	switch {
	case errors.As(err, &bad):
		return Malformed, bad.Error()
	case errors.Is(err, errMismatch):
		return Mismatched, errMismatch.Error()
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS),
		errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.ENOMEM):
		return Local, plainError(err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		if mismatches > 0 {
			return Mismatched, errMismatch.Error()
		}
		return Timeout, ""
	}
	return Network, plainError(err)
}

func plainError(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}
