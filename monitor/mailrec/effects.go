package mailrec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// effects collects what a change does to mail, in the order in which a reader wants to
// know it.
type effects struct{ all []fault }

func (e *effects) add(impact Impact, rule, format string, args ...any) {
	e.all = append(e.all, fault{reason: fmt.Sprintf(format, args...), rule: rule, impact: impact})
}

// tighten adds that others are treated more strictly: mail that never passed suffers, and if
// some of that is one's own, nobody knew.
func (e *effects) tighten(rule, format string, args ...any) {
	e.add(Degraded, rule, format, args...)
	e.all[len(e.all)-1].relation = Tightened
}

// sum says the worst effects first, three at most, and has the impact and rule of
// the worst.
func (e *effects) sum(otherwise fault) *fault {
	if len(e.all) == 0 {
		return &otherwise
	}
	slices.SortStableFunc(e.all, func(a, b fault) int { return cmp.Compare(b.impact, a.impact) })
	worst := e.all[0]
	for i := range e.all {
		worst.relation = max(worst.relates(), e.all[i].relates())
	}
	var reasons []string
	for _, f := range e.all[:min(3, len(e.all))] {
		reasons = append(reasons, f.reason)
	}
	worst.reason = strings.Join(reasons, "; ")
	return &worst
}
