package resolve

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options of a Client; the zero value is ready for use.
type Options struct {
	// Timeout is how long a reply is waited for that is slow but on its way; 0 means 2 s. A question that nobody answers
	// has twice that, over up to six tries whose times are learned from the answers.
	Timeout time.Duration
	// Rate is the most questions a second for a source that names none; 0 means 20.
	Rate float64
	// Window is the most questions in flight to an address of a source that names none, over all calls; 0 means 160. It begins
	// small and grows while answers come.
	Window int
	// Rest is for how long a source that answers nothing is left alone before it is tried again; 0 means 30 s. A resolver that goes
	// on to be silent while others are not is left alone longer each time, at most thirty times as long.
	Rest time.Duration
	// Log is told of resolvers that fall silent and those that are back; nil discards it.
	Log *slog.Logger
}

const (
	defaultTimeout = 2 * time.Second
	defaultRate    = 20
	// defaultWindow is below what waits at a server's socket before Linux throws questions away, if the server has asked for
	// no more room than usual: some 190.
	defaultWindow = 160
	// udpSize is the EDNS payload size that avoids fragments (DNS flag day 2020).
	udpSize = 1232
	// manyServers is how many of zones' own servers are asked side by side: each has a socket.
	manyServers = 512
)

// Client asks sources over the network. It implements Asker.
type Client struct {
	o Options
	// seed is the key of prints.
	seed maphash.Seed

	mu     sync.Mutex
	lanes  map[string]*lane
	pacers map[Operator]*pacer
	closed bool
	// tidyAt is how many lanes there may be until those that are not used any more are forgotten.
	tidyAt int

	// ctx is that of soundings, which belong to no batch. It ends with the client.
	ctx       context.Context //nolint:containedctx // as above
	stop      context.CancelFunc
	soundings sync.WaitGroup

	// longest hold UDP replies of any size until they are parsed; few and many are the buffers of legs, batches the
	// room of batches.
	longest, few, many, batches sync.Pool
}

// room is where the queries of a batch stand by source, and what becomes of them.
type room struct {
	queries []Query
	items   []item
	// order is in which order they are put there.
	order []int32
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
	if o.Rest <= 0 {
		o.Rest = firstRest
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Client{
		o: o, ctx: ctx, stop: stop, seed: maphash.MakeSeed(), lanes: map[string]*lane{}, pacers: map[Operator]*pacer{},
		longest: sync.Pool{New: func() any { b := make([]byte, 65535); return &b }},
		few:     sync.Pool{New: func() any { return newBuffers(smallBatch) }},
		many:    sync.Pool{New: func() any { return newBuffers(batch) }},
		batches: sync.Pool{New: func() any { return &room{} }},
	}
}

// Close lets go of idle connections, those in use when they no longer are. Whoever still asks is answered.
func (c *Client) Close() {
	c.mu.Lock()
	lanes := c.lanes
	c.lanes, c.closed = map[string]*lane{}, true
	c.mu.Unlock()
	c.stop()
	c.soundings.Wait()
	for _, l := range lanes {
		l.close()
	}
}

// buffer gives buffers for n messages at once, which is batch or smallBatch.
func (c *Client) buffer(n int) *buffers {
	pool := &c.many
	if n == smallBatch {
		pool = &c.few
	}
	b, _ := pool.Get().(*buffers)
	return b
}

func (c *Client) release(b *buffers) {
	if len(b.in) == smallBatch {
		c.few.Put(b)
		return
	}
	c.many.Put(b)
}

// timeout is how long a source may take for one reply.
func (c *Client) timeout(s *Source) time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return c.o.Timeout
}

// Ask implements Asker.
func (c *Client) Ask(ctx context.Context, queries []Query, emit func(Observation)) {
	var out sync.Mutex
	oneAtATime := func(o Observation) {
		out.Lock()
		defer out.Unlock()
		emit(o)
	}
	r, _ := c.batches.Get().(*room)
	defer c.batches.Put(r)
	servers := make(chan struct{}, manyServers)
	var wg sync.WaitGroup
	for _, own := range r.bySource(queries) {
		server := own.queries[0].Source.Role == Authoritative
		if server {
			servers <- struct{}{}
		}
		wg.Go(func() {
			c.askSource(ctx, own, oneAtATime)
			if server {
				<-servers
			}
		})
	}
	wg.Wait()
	clear(r.queries) // so that they do not outlive the batch
}

// share is one source's part of a batch.
type share struct {
	queries []Query
	items   []item
}

// bySource parts queries by whom they are for, resolvers first.
func (r *room) bySource(queries []Query) []share {
	index := map[string]int{}
	counts := []int{}
	for i := range queries {
		id := queries[i].Source.ID
		at, ok := index[id]
		if !ok {
			at = len(counts)
			index[id], counts = at, append(counts, 0)
		}
		counts[at]++
	}
	if cap(r.queries) < len(queries) {
		r.queries, r.items = make([]Query, len(queries)), make([]item, len(queries))
	}
	r.queries, r.items = r.queries[:len(queries)], r.items[:len(queries)]
	clear(r.items)
	out := make([]share, len(counts))
	from := 0
	for at, n := range counts {
		out[at] = share{r.queries[from : from : from+n], r.items[from : from+n]}
		from += n
	}
	for _, i := range r.byLength(queries) {
		s := &out[index[queries[i].Source.ID]]
		s.queries = append(s.queries, queries[i])
	}
	slices.SortStableFunc(out, func(a, b share) int { return int(a.queries[0].Source.Role) - int(b.queries[0].Source.Role) })
	return out
}

// byLength gives the places of queries, those with the longest names first, since messages of one length can be sent together.
// Those of one length keep their order.
func (r *room) byLength(queries []Query) []int32 {
	const longest = 255
	var begin [longest + 1]int32
	for i := range queries {
		begin[longest-min(longest, len(queries[i].Question.Name))]++
	}
	sum := int32(0)
	for k, n := range begin {
		begin[k], sum = sum, sum+n
	}
	r.order = slices.Grow(r.order[:0], len(queries))[:len(queries)]
	for i := range queries {
		at := &begin[longest-min(longest, len(queries[i].Question.Name))]
		r.order[*at] = int32(i)
		*at++
	}
	return r.order
}

// askSource asks one source all its questions. One that answers nothing is not asked the rest, nor those of later batches until
// it has rested, but for the few that a zone's server is tried with.
func (c *Client) askSource(ctx context.Context, own share, emit func(Observation)) {
	queries := own.queries
	s := queries[0].Source
	l, err := c.lane(s)
	if err != nil {
		for _, q := range queries {
			emit(Observation{Source: q.Source, Question: q.Question, Ref: q.Ref, At: time.Now(), Outcome: Local, Detail: err.Error()})
		}
		return
	}
	a := &asking{
		client: c, lane: l, source: s, ctx: ctx, emit: emit, own: queries, items: own.items, whole: 2 * c.timeout(s), began: time.Now(),
		moved: make([][]int32, len(s.Addrs)), walking: make([]bool, len(s.Addrs)),
	}
	a.ask()
}

func given(q Query, err error) Observation {
	return Observation{Source: q.Source, Question: q.Question, Ref: q.Ref, At: time.Now(), Outcome: Local, Detail: fmt.Sprintf("given up: %v", err)}
}
