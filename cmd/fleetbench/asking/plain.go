package asking

import (
	"context"
	"sync"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/resolve"
)

const (
	// plainTries and tryTime are what such programs usually come with.
	plainTries = 3
	tryTime    = time.Second
	// payload is the size of UDP replies that is offered, as maildrift does.
	payload = 1232
)

// Plain asks as a Go program of twenty lines does: a goroutine for each question that may be open, a socket for each
// question, every reply read in full by package miekg/dns.
func Plain(ctx context.Context, job Job) (Result, error) {
	questions := job.Fleet.Questions()
	var r Result
	for range job.Rounds {
		w := start()
		r.add(plainRound(ctx, job, questions))
		w.stop(&r)
		r.Lookups += len(questions)
	}
	return r, ctx.Err()
}

func (r *Result) add(o Result) { r.Answered, r.Lost = r.Answered+o.Answered, r.Lost+o.Lost }

func plainRound(ctx context.Context, job Job, questions []resolve.Question) Result {
	var total Result
	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan resolve.Question, job.Window)
	for range job.Window {
		wg.Go(func() {
			var mine Result
			for q := range work {
				plainLookup(ctx, job, q, &mine)
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(mine)
		})
	}
	for _, q := range questions {
		work <- q
	}
	close(work)
	wg.Wait()
	return total
}

func plainLookup(ctx context.Context, job Job, q resolve.Question, r *Result) {
	client := dns.Client{Timeout: tryTime}
	m := new(dns.Msg).SetQuestion(q.Name.FQDN(), uint16(q.Type))
	m.SetEdns0(payload, false)
	server := job.Server.String()
	for range plainTries {
		reply, _, err := client.ExchangeContext(ctx, m, server)
		if err != nil {
			continue
		}
		if reply.Rcode == dns.RcodeSuccess && len(reply.Answer) > 0 {
			r.Answered++
		}
		return
	}
	r.Lost++
}
