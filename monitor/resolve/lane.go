package resolve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	// manyLanes is from how many on those that have not been used for laneLife are forgotten.
	manyLanes = 4096
	laneLife  = time.Hour
)

// lane is what one source's questions share over all calls.
type lane struct {
	source *Source
	pacer  *pacer
	// window is the most questions in flight to one address.
	window int
	http   *http.Client
	tls    *tls.Config
	// turn goes round the source's addresses; prefer is the one that is asked first.
	turn, prefer atomic.Uint32
	// breaker is what is known of whether the source answers at all, known a question that it has answered lately; nil if there is none.
	breaker breaker
	known   atomic.Pointer[known]
	// barren counts the questions without an answer since the last that had one; fruit is when one of a batch of many was answered last, as
	// Unix nanoseconds. Canaries are few, and may be what the source has had for long.
	barren atomic.Int32
	fruit  atomic.Int64
	log    *slog.Logger
	// gone says that the lane was forgotten.
	gone atomic.Bool
	// plain is until when EDNS is left out, used when the lane was asked for last, as Unix nanoseconds.
	plain, used atomic.Int64

	mu      sync.Mutex
	streams map[netip.AddrPort]*stream
	// doors are held while a connection to an address is made.
	doors map[netip.AddrPort]*sync.Mutex
	// crowds are those who ask an address over UDP.
	crowds map[int]*crowd
}

// crowd are the legs of one address, of all calls. They share a window, since all that they have in flight waits in one queue.
type crowd struct{ legs, inflight atomic.Int32 }

// reserve gives how many of n more questions there is room for in a window, and counts them as in flight. A leg that is new waits
// until those that were alone have had their answers.
func (c *crowd) reserve(n, window int) int {
	for {
		had := c.inflight.Load()
		n = min(n, window-int(had))
		if n <= 0 {
			return 0
		}
		if c.inflight.CompareAndSwap(had, had+int32(n)) {
			return n
		}
	}
}

// lane gives the lane of a source, by all that it depends on.
func (c *Client) lane(s *Source) (*lane, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%s %v %s %v %d", s.ID, s.Addrs, s.Transport, s.Rate, s.Window)
	l, ok := c.lanes[key]
	if !ok {
		var err error
		if l, err = c.newLane(s); err != nil {
			return nil, err
		}
		c.forget()
		c.lanes[key] = l
	}
	l.used.Store(time.Now().UnixNano())
	return l, nil
}

// forget drops the lanes that were not used for long, once there are many: zones' servers come and go. The caller holds mu.
func (c *Client) forget() {
	if len(c.lanes) < max(manyLanes, c.tidyAt) {
		return
	}
	for key, l := range c.lanes {
		if time.Since(time.Unix(0, l.used.Load())) > laneLife {
			l.gone.Store(true)
			l.close()
			delete(c.lanes, key)
		}
	}
	c.tidyAt = 2 * len(c.lanes) // looking at all for each new one would take forever
}

func (c *Client) newLane(s *Source) (*lane, error) {
	l := &lane{source: s, log: c.o.Log, window: s.Window, streams: map[netip.AddrPort]*stream{}, doors: map[netip.AddrPort]*sync.Mutex{}}
	if l.window <= 0 {
		l.window = c.o.Window
	}
	l.pacer = c.pacer(s, l.window)
	if s.Transport == DoT || s.Transport == DoH {
		l.tls = &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
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
	return l, nil
}

// pacer gives the pacer of a source: all resolvers of one operator share one, which is as fast as the fastest of them may
// be asked. The caller holds mu.
func (c *Client) pacer(s *Source, window int) *pacer {
	rate := s.Rate
	if rate <= 0 {
		rate = c.o.Rate
	}
	if s.Role != Recursive || s.Operator == "" {
		return newPacer(rate, window)
	}
	p, ok := c.pacers[s.Operator]
	if !ok {
		p = newPacer(rate, window)
		c.pacers[s.Operator] = p
	}
	p.raise(rate)
	return p
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

// close lets go of idle connections, and has those in use end when they no longer are.
func (l *lane) close() {
	if l.http != nil {
		l.http.CloseIdleConnections()
	}
	l.mu.Lock()
	streams := l.streams
	l.streams = map[netip.AddrPort]*stream{}
	l.mu.Unlock()
	for _, s := range streams {
		if s.retire() {
			<-s.ended
		}
	}
}

// preferred is the address that is asked first.
func (l *lane) preferred() int { return int(l.prefer.Load()) % len(l.source.Addrs) }

// avoid has another address asked first from the next batch on, since this one does not answer.
func (l *lane) avoid(address int) {
	if l.preferred() == address {
		l.prefer.Store(uint32(address + 1))
	}
}

// plainNow says whether questions go without EDNS.
func (l *lane) plainNow(now time.Time) bool { return now.UnixNano() <= l.plain.Load() }

// refusesEDNS says whether a reply means that the source does not know EDNS (RFC 6891 section 7), if the question had it, and
// remembers it for an hour. Others may be on their way with EDNS by then.
func (l *lane) refusesEDNS(reply *dns.Msg, now time.Time) bool {
	if reply.Rcode != dns.RcodeFormatError && reply.Rcode != dns.RcodeNotImplemented {
		return false
	}
	if !l.plainNow(now) {
		l.plain.Store(now.Add(time.Hour).UnixNano())
	}
	return true
}

// crowd gives those who ask an address, by its place in the source's list.
func (l *lane) crowd(address int) *crowd {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.crowds == nil {
		l.crowds = map[int]*crowd{}
	}
	if l.crowds[address] == nil {
		l.crowds[address] = &crowd{}
	}
	return l.crowds[address]
}

// door is held while a connection to an address is made.
func (l *lane) door(address netip.AddrPort) *sync.Mutex {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doors[address] == nil {
		l.doors[address] = &sync.Mutex{}
	}
	return l.doors[address]
}
