package monitor

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"maildrift/monitor/judge"
)

// loggedEach is up to how many first verifications of a stage have a line each in the log. More are the beginning of a fleet, of
// which nobody reads ten thousand lines; a loss, a drift or a recovery always has its own.
const loggedEach = 20

// move is what a transition comes to, for who counts them.
type move uint8

// The moves, in the order in which they are told.
const (
	moveVerified move = iota
	moveOverdue
	moveMissing
	moveDrifted
	moveDisagreeing
	moveMended
	// moveFurther is a change that had begun before: it has reached more of those who look, says a third thing, flaps, or was made by
	// whoever maintains the record.
	moveFurther

	kindsOfMoves
)

var moveNames = [kindsOfMoves]string{
	moveVerified: "verified", moveOverdue: "overdue", moveMissing: "missing", moveDrifted: "drifted", moveDisagreeing: "disagreeing", moveMended: "mended", moveFurther: "further",
}

// moveOf says what a transition is.
func moveOf(t judge.Transition) move {
	switch {
	case t.To.Phase == judge.Verified && t.From.Phase != judge.Verified:
		return moveVerified
	case t.To.Phase == judge.Overdue && t.From.Phase != judge.Overdue:
		return moveOverdue
	case t.From.Verdict == t.To.Verdict:
		return moveFurther
	}
	switch t.To.Verdict {
	case judge.Holding:
		return moveMended
	case judge.Disagreeing:
		return moveDisagreeing
	case judge.Drifted:
		return moveDrifted
	case judge.Missing:
		return moveMissing
	case judge.Unjudged, judge.Blind:
	}
	return moveFurther
}

// bad says whether somebody may have to be told of it.
func (m move) bad() bool { return m >= moveOverdue && m <= moveDisagreeing }

// moves counts transitions by kind.
type moves [kindsOfMoves]int

func movesOf(transitions []Transition) moves {
	var m moves
	for i := range transitions {
		m[moveOf(transitions[i].Transition)]++
	}
	return m
}

func (m *moves) add(o moves) {
	for i, n := range o {
		m[i] += n
	}
}

// attrs gives those that there were, for the log.
func (m moves) attrs() []any {
	var out []any
	for i, n := range m {
		if n > 0 {
			out = append(out, slog.Int(moveNames[i], n))
		}
	}
	return out
}

// logMoves writes what happened to records: a line each, and one for all that are verified for the first time if they are many.
func (e *Engine) logMoves(sw *sweep, transitions []Transition) {
	many := sw.moves[moveVerified] > loggedEach
	for i := range transitions {
		t := &transitions[i]
		if many && moveOf(t.Transition) == moveVerified {
			continue
		}
		level := slog.LevelInfo
		if moveOf(t.Transition).bad() {
			level = slog.LevelWarn
		}
		e.log.Log(context.Background(), level, "transition", "domain", t.ID.Domain, "record", t.ID.Key, "from", position(t.From), "to", position(t.To))
	}
	if many {
		e.log.Info("records verified", "count", sw.moves[moveVerified], "of", cmp.Or(sw.summary.Group, "single domains"))
	}
}

// report writes what a sweep of a whole group came to, if anything happened.
func (w *whole) report() {
	s, m := w.sum.summary, w.sum.moves
	if w.group == "" || m == (moves{}) && s.Failures+s.Withheld+s.Blind == 0 && s.Distrusted == "" {
		return
	}
	attrs := []any{"group", w.group, "records", s.Records}
	attrs = append(attrs, m.attrs()...)
	for _, more := range []struct {
		name string
		n    int
	}{{"blind", s.Blind}, {"unanswered", s.Failures}, {"withheld", s.Withheld}} {
		if more.n > 0 {
			attrs = append(attrs, more.name, more.n)
		}
	}
	if s.Distrusted != "" { // why stands in a line of its own
		attrs = append(attrs, "trusted", false)
	}
	w.engine.log.Info("sweep done", append(attrs, "took", time.Since(w.started).Round(time.Millisecond))...)
}
