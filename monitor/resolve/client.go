package resolve

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"

	"maildrift/monitor/rrset"
)

// Options of a Client; the zero value is ready for use.
type Options struct {
	// Timeout is how long one try may take; 0 means 2 s.
	Timeout time.Duration
	// Rate is the most questions a second for a source that names none; 0 means 20.
	Rate float64
	// Window is the most questions in flight to a source that names none; 0 means 16.
	Window int
}

const (
	defaultTimeout = 2 * time.Second
	defaultRate    = 20
	defaultWindow  = 16
	// udpSize is the EDNS payload size that avoids fragments (DNS flag day 2020).
	udpSize = 1232
	// downAfter is how many questions in a row a source may leave unanswered before the
	// rest of a batch is not sent to it.
	downAfter = 8
	// givenUp marks a resolver that did not even answer for the root.
	givenUp = 1 << 20
)

// Client asks sources over the network. It implements Asker.
type Client struct {
	o     Options
	mu    sync.Mutex
	lanes map[string]*lane
	// buffers hold UDP replies, which may be of any size, until they are parsed.
	buffers sync.Pool
}

// NewClient makes a Client.
func NewClient(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Rate <= 0 {
		o.Rate = defaultRate
	}
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	return &Client{o: o, lanes: map[string]*lane{}, buffers: sync.Pool{New: func() any { b := make([]byte, 65535); return &b }}}
}

// Close lets go of idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		if l.http != nil {
			l.http.CloseIdleConnections()
		}
	}
}

// lane is what one source's questions share.
type lane struct {
	limit  *rate.Limiter
	window chan struct{}
	http   *http.Client
	// turn goes round the source's addresses.
	turn atomic.Uint32
	// plain is until when EDNS is left out, as Unix nanoseconds.
	plain atomic.Int64
	tls   *tls.Config
}

func (c *Client) lane(s *Source) (*lane, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%s %v %s %v %d", s.ID, s.Addrs, s.Transport, s.Rate, s.Window)
	if l, ok := c.lanes[key]; ok {
		return l, nil
	}
	perSecond, window := s.Rate, s.Window
	if perSecond <= 0 {
		perSecond = c.o.Rate
	}
	if window <= 0 {
		window = c.o.Window
	}
	l := &lane{limit: rate.NewLimiter(rate.Limit(perSecond), max(1, window)), window: make(chan struct{}, window)}
	if s.Transport == DoT || s.Transport == DoH {
		l.tls = &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12}
		if s.RootCAFile != "" {
			pem, err := os.ReadFile(s.RootCAFile)
			if err != nil {
				return nil, fmt.Errorf("read certificates of %s: %w", s.ID, err)
			}
			l.tls.RootCAs = x509.NewCertPool()
			if !l.tls.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("no certificate in %s", s.RootCAFile)
			}
		}
	}
	if s.Transport == DoH {
		l.http = dohClient(s, l.tls)
	}
	c.lanes[key] = l
	return l, nil
}

// dohClient makes an HTTP client that connects to the source's addresses only.
func dohClient(s *Source, conf *tls.Config) *http.Client {
	var turn atomic.Uint32
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, s.Addrs[int(turn.Add(1))%len(s.Addrs)].String())
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Ask implements Asker.
func (c *Client) Ask(ctx context.Context, queries []Query, emit func(Observation)) {
	bySource := map[string][]Query{}
	for _, q := range queries {
		bySource[q.Source.ID] = append(bySource[q.Source.ID], q)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for _, qs := range bySource {
		wg.Go(func() {
			c.askSource(ctx, qs, func(o Observation) {
				out.Lock()
				defer out.Unlock()
				emit(o)
			})
		})
	}
	wg.Wait()
}

// askSource asks one source all its questions, as many at a time as its window
// allows. A source that answers nothing for a while is not asked the rest.
func (c *Client) askSource(ctx context.Context, queries []Query, emit func(Observation)) {
	l, err := c.lane(queries[0].Source)
	if err != nil {
		for _, q := range queries {
			emit(Observation{Source: q.Source, Question: q.Question, At: time.Now(), Outcome: Local, Detail: err.Error()})
		}
		return
	}
	var silent atomic.Int32
	var probing sync.Mutex
	work := make(chan Query)
	var wg sync.WaitGroup
	for range min(cap(l.window), len(queries)) {
		wg.Go(func() {
			for q := range work {
				o := Observation{Source: q.Source, Question: q.Question, Outcome: Timeout, Detail: "not asked: it answered none of the questions before"}
				if silent.Load() < downAfter || q.Source.Role == Recursive && c.lives(ctx, l, q.Source, &probing, &silent) {
					o = c.askOne(ctx, l, q)
				}
				if o.Outcome == Timeout || o.Outcome == Network {
					silent.Add(1)
				} else {
					silent.Store(0)
				}
				if o.At.IsZero() {
					o.At = time.Now()
				}
				emit(o)
			}
		})
	}
	for _, q := range queries {
		work <- q
	}
	close(work)
	wg.Wait()
}

// lives asks a resolver that has been silent for the root's servers, which every resolver knows: it
// may be slow only for zones whose own servers are dead, and those of one domain must not blind
// it for the others. One asks for all; silent is set back if it lives.
func (c *Client) lives(ctx context.Context, l *lane, s *Source, probing *sync.Mutex, silent *atomic.Int32) bool {
	probing.Lock()
	defer probing.Unlock()
	if n := silent.Load(); n < downAfter || n >= givenUp {
		return n < downAfter
	}
	o := c.askOne(ctx, l, Query{Source: s, Question: Question{Name: rrset.Root, Type: rrset.NS}})
	if o.Outcome == Timeout || o.Outcome == Network {
		silent.Store(givenUp)
		return false
	}
	silent.Store(0)
	return true
}

// askOne asks one question with its retry at the source's other address.
func (c *Client) askOne(ctx context.Context, l *lane, q Query) Observation {
	var o Observation
	select {
	case l.window <- struct{}{}:
		defer func() { <-l.window }()
	case <-ctx.Done():
		return given(q, ctx.Err())
	}
	first := 0
	if q.Fresh {
		first = int(l.turn.Add(1))
	}
	mismatches := 0
	for try := range 2 {
		if err := l.limit.Wait(ctx); err != nil {
			return given(q, err)
		}
		addr := q.Source.Addrs[(first+try)%len(q.Source.Addrs)]
		o = c.try(ctx, l, q, addr, try)
		o.Tries = try + 1
		o.Mismatches += mismatches
		mismatches = o.Mismatches
		if !o.Outcome.retriable() {
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
	if l.limit.Wait(ctx) != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	m := newQuery(q, true)
	m.CheckingDisabled = true
	o := Observation{Source: q.Source, Question: q.Question, Server: q.Source.Addrs[0], Transport: q.Source.Transport}
	reply, err := c.exchange(ctx, l, &o, m)
	return err == nil && (reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError)
}

func given(q Query, err error) Observation {
	return Observation{Source: q.Source, Question: q.Question, At: time.Now(), Outcome: Local, Detail: "given up: " + err.Error()}
}

// try is one question to one address, over as many messages as the server's
// answers make necessary.
func (c *Client) try(ctx context.Context, l *lane, q Query, addr netip.AddrPort, try int) Observation {
	timeout := c.o.Timeout
	if q.Source.Timeout > 0 {
		timeout = q.Source.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	o := Observation{Source: q.Source, Question: q.Question, Server: addr, Transport: q.Source.Transport}
	if o.Transport == UDP && q.Fresh && try == 0 {
		o.Transport = TCP // the retry goes over UDP, for sources that cannot be reached over TCP
	}
	m := newQuery(q, time.Now().UnixNano() > l.plain.Load())
	reply, err := c.exchange(ctx, l, &o, m)
	if err == nil && o.Transport == UDP && (reply.Truncated || o.Mismatches > 0) {
		o.Transport = TCP
		truncated := reply.Truncated
		if reply, err = c.exchange(ctx, l, &o, m); err != nil && truncated {
			o.Outcome, o.Detail = Truncated, "truncated over UDP, and over TCP: "+plainError(err)
			return finish(o, began)
		}
	}
	if err == nil && m.IsEdns0() != nil && (reply.Rcode == dns.RcodeFormatError || reply.Rcode == dns.RcodeNotImplemented) {
		l.plain.Store(time.Now().Add(time.Hour).UnixNano())
		m = newQuery(q, false)
		reply, err = c.exchange(ctx, l, &o, m)
	}
	switch {
	case err != nil:
		o.Outcome, o.Detail = classify(err, o.Mismatches)
	case reply.Truncated:
		o.Outcome, o.Detail = Truncated, "truncated even over TCP"
	default:
		interpret(&o, reply)
	}
	return finish(o, began)
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

// exchange sends a message over o.Transport and gives the reply that matches.
func (c *Client) exchange(ctx context.Context, l *lane, o *Observation, m *dns.Msg) (*dns.Msg, error) {
	if o.Transport == DoH {
		m = m.Copy()
		m.Id = 0 // RFC 8484 section 4.1
	}
	wire, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	switch o.Transport {
	case UDP:
		return c.exchangeUDP(ctx, o, m, wire)
	case DoH:
		return c.exchangeHTTP(ctx, l, o, m, wire)
	case TCP, DoT:
	}
	return exchangeStream(ctx, l, o, m, wire)
}

func (c *Client) exchangeUDP(ctx context.Context, o *Observation, m *dns.Msg, wire []byte) (*dns.Msg, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", o.Server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(wire); err != nil {
		return nil, err
	}
	pooled, _ := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(pooled)
	buf := *pooled
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		reply, err := parseReply(m, bytes.Clone(buf[:n]))
		if err == nil {
			return reply, nil
		}
		var bad *unreadable
		if errors.As(err, &bad) && n >= 2 && binary.BigEndian.Uint16(buf) == m.Id {
			return nil, err
		}
		o.Mismatches++
	}
}

// unreadable is a reply that does not parse.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return "the reply does not parse: " + u.err.Error() }

func exchangeStream(ctx context.Context, l *lane, o *Observation, m *dns.Msg, wire []byte) (*dns.Msg, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", o.Server.String())
	if err != nil {
		return nil, err
	}
	if o.Transport == DoT {
		secure := tls.Client(conn, l.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secure
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	return parseReply(m, buf)
}

func parseReply(m *dns.Msg, wire []byte) (*dns.Msg, error) {
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
	if !matches(m, reply) {
		return nil, errMismatch
	}
	return reply, nil
}

func (c *Client) exchangeHTTP(ctx context.Context, l *lane, o *Observation, m *dns.Msg, wire []byte) (*dns.Msg, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.Source.URL, bytes.NewReader(wire))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/dns-message")
	req.Header.Set("Accept", "application/dns-message")
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 65536))
	if err != nil {
		return nil, err
	}
	return parseReply(m, body)
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
