package impair

import (
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

// Path is what is wrong with the way to a server. The zero value is a good one.
type Path struct {
	// Loss is the share of datagrams that is lost in each direction, 0 to 1.
	Loss float64
	// Rate is the most questions a second that reach the server, 0 is any number; what is beyond is dropped. Burst is how
	// many may come at once; 0 means those of 50 ms.
	Rate  float64
	Burst int
	// Delay is how long each datagram travels, each way.
	Delay time.Duration
	// Dead swallows every question.
	Dead bool
	// Seed chooses what is lost.
	Seed uint64
}

// burstTime is the span whose questions may come at once.
const burstTime = 50 * time.Millisecond

// fate is what becomes of a datagram.
type fate uint8

const (
	passes fate = iota
	lost
	limited
	swallowed
)

// gate decides the fate of one direction's datagrams. It belongs to one goroutine.
type gate struct {
	dead  bool
	loss  float64
	dice  *rand.Rand
	limit *rate.Limiter
}

// there is the gate for questions, back the one for replies of a socket.
func (p Path) there() *gate {
	g := &gate{dead: p.Dead, loss: p.Loss, dice: rand.New(rand.NewPCG(p.Seed, 0))}
	if p.Rate > 0 {
		burst := p.Burst
		if burst == 0 {
			burst = max(1, int(p.Rate*burstTime.Seconds()))
		}
		g.limit = rate.NewLimiter(rate.Limit(p.Rate), burst)
	}
	return g
}

func (p Path) back(socket int) *gate {
	return &gate{loss: p.Loss, dice: rand.New(rand.NewPCG(p.Seed, uint64(socket)+1))}
}

// fate decides about the next datagram. What is lost on the way does not count towards the limit.
func (g *gate) fate(now time.Time) fate {
	switch {
	case g.dead:
		return swallowed
	case g.loss > 0 && g.dice.Float64() < g.loss:
		return lost
	case g.limit != nil && !g.limit.AllowN(now, 1):
		return limited
	}
	return passes
}
