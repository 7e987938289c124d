package monitor

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"maildrift/monitor/resolve"
)

// tasting is what the canaries showed in one sweep.
type tasting struct {
	// tainted operators have no vote, and why: of several complaints the gravest, which is one about an answer rather than that
	// there is none, and then the first of the canaries'.
	tainted map[resolve.Operator]string
	// distrusted says why the sweep as a whole cannot be relied on; empty if it can.
	distrusted string
	count      Count
}

// taste asks every resolver the canary questions. When so few pass that no
// quorum is left, it asks again at once and once more after the confirmation wait: a
// short hiccup of our own network is not worth waking anybody. Of a sweep's stages those that are not tasting yet when one has waited in
// vain do not wait: it was no short hiccup. Once those of one have passed all wait again.
func (q *Inquiry) taste(ctx context.Context, sources []*resolve.Source, canaries []Canary, b *beside) tasting {
	var t tasting
	vain := b.waitedInVain()
	for try := range 3 {
		if try == 2 && (vain || !q.waitForCanaries(ctx)) {
			return t
		}
		count := t.count
		t = q.tasteOnce(ctx, sources, canaries, try > 0)
		t.count.add(count)
		if t.distrusted == "" {
			b.waitInVain(false)
			return t
		}
	}
	b.waitInVain(true)
	return t
}

// waitForCanaries waits before they are asked for the last time, and says whether the context is still alive.
func (q *Inquiry) waitForCanaries(ctx context.Context) bool {
	if q.unsure != nil {
		q.unsure(true)
		defer q.unsure(false)
	}
	return sleep(ctx, q.Rules.ConfirmWait)
}

func (q *Inquiry) tasteOnce(ctx context.Context, sources []*resolve.Source, canaries []Canary, fresh bool) tasting {
	t := tasting{tainted: map[resolve.Operator]string{}}
	operators := map[resolve.Operator]bool{}
	place := map[resolve.Question]int{}
	var queries []resolve.Query
	for i, c := range canaries {
		question := c.Question
		if c.Random {
			question.Name = question.Name.Child(strings.ToLower("md-" + rand.Text()[:12]))
		}
		place[question] = i
		for _, s := range sources {
			queries = append(queries, resolve.Query{Source: s, Question: question, Fresh: fresh})
		}
	}
	for _, s := range sources {
		operators[s.Operator] = true
	}
	t.count.Sent = len(queries)
	gravest := map[resolve.Operator]int{}
	q.Asker.Ask(ctx, queries, func(o resolve.Observation) {
		if q.Observed != nil {
			q.Observed(o)
		}
		t.count.came(&o)
		op, at := o.Source.Operator, place[o.Question]
		why := canaries[at].complaint(o)
		if !o.Outcome.Evidence() {
			t.count.fail(&o)
			at += len(canaries)
		}
		if had, complained := gravest[op]; why != "" && (!complained || at < had || at == had && why < t.tainted[op]) {
			gravest[op], t.tainted[op] = at, why
		}
	})
	passed := len(operators) - len(t.tainted)
	if len(canaries) > 0 && (passed*2 < len(operators) || passed < q.Rules.MinOperators) {
		t.distrusted = fmt.Sprintf("only %d of %d resolver operators answer the canary questions as they must; the others: %s",
			passed, len(operators), complaints(t.tainted))
	}
	return t
}

// complaint says what is wrong with a canary's answer; empty if nothing is. It is the same in each sweep, so that a resolver that is
// dead for long says nothing new each time.
func (c Canary) complaint(o resolve.Observation) string {
	asked := c.Question.String()
	if c.Random {
		asked = "md-*." + asked
	}
	switch {
	case !o.Outcome.Evidence():
		return fmt.Sprintf("canary %s failed: %s", asked, o.Outcome)
	case c.Want == resolve.NXDomain && o.Outcome == resolve.Answered:
		return fmt.Sprintf("answers %s, which does not exist", asked)
	case c.Want == resolve.Answered && o.Outcome.Absent():
		return fmt.Sprintf("denies %s, which exists (%s)", asked, o.Outcome)
	}
	return ""
}

// complaints joins what operators did, the same thing said once.
func complaints(tainted map[resolve.Operator]string) string {
	by := map[string][]string{}
	for _, op := range sortedKeys(tainted) {
		by[tainted[op]] = append(by[tainted[op]], string(op))
	}
	var parts []string
	for _, why := range sortedKeys(by) {
		parts = append(parts, strings.Join(by[why], ", ")+" "+why)
	}
	return strings.Join(parts, "; ")
}

// sleep waits and says whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
