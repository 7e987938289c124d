package monitor

import (
	"context"
	"time"

	"maildrift/monitor/judge"
)

// Explainer finds out why records are not where they should be.
type Explainer interface {
	// Explain gives an explanation for each piece of evidence, the zero one where it finds none. It may
	// ask, and take its time.
	Explain(ctx context.Context, evidence []Evidence) []Explanation
}

// Explanation is why a record is not there, and what to do.
type Explanation struct {
	Cause string `json:"cause"`
	Fix   string `json:"fix,omitempty"`
}

// explainAtMost bounds how many records of a sweep are explained: when more turn at once, the cause is
// not in each of them, and asking about each would hold up the alert.
const explainAtMost = 20

// explainWithin bounds how long alerts wait for explanations.
const explainWithin = 15 * time.Second

// explain has it found out why records are gone, or never came, that are about to be told.
func (sw *sweep) explain(ctx context.Context) {
	if sw.engine.o.Explainer == nil || sw.gated || sw.summary.Distrusted != "" {
		return
	}
	var jobs []*job
	var evidence []Evidence
	for _, j := range sw.jobs {
		if j.subject.Domain.Shared == nil && j.startsMissing() && len(jobs) < explainAtMost {
			jobs, evidence = append(jobs, j), append(evidence, j.evidence)
		}
	}
	if len(jobs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainWithin)
	defer cancel()
	explanations := sw.engine.o.Explainer.Explain(ctx, evidence)
	if ctx.Err() != nil {
		return // half a search explains nothing, and nobody waits for the rest
	}
	for i, x := range explanations {
		if x.Cause != "" {
			jobs[i].explanation = &x
		}
	}
}

// startsMissing says whether the job's record has just been found to be gone, or overdue.
func (j *job) startsMissing() bool {
	for _, t := range j.transitions {
		overdue := t.To.Phase == judge.Overdue && t.From.Phase != judge.Overdue
		if overdue || t.To.Verdict == judge.Missing && t.From.Verdict != judge.Missing {
			return true
		}
	}
	return false
}
