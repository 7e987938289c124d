package monitor

import (
	"context"
	"time"

	"maildrift/monitor/rrset"
)

// Audit is one thing that a person did, or that followed from it: who, when, what, why.
type Audit struct {
	// Seq orders entries; the store gives it.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	By  string    `json:"by"`
	// Action is a word: add, remove, senders, accept, expect, withdraw, rotate, retire, pause, resume, silence,
	// unsilence, token, revoke, backup, compact, reload, reload-failed.
	Action string     `json:"action"`
	Domain rrset.Name `json:"domain,omitempty"`
	Record string     `json:"record,omitempty"`
	Why    string     `json:"why,omitempty"`
	// Detail is what exactly: the value, the end of a window.
	Detail string `json:"detail,omitempty"`
}

// note adds an entry to the audit trail.
func (b *Batch) note(now time.Time, by, action string, id RecordID, why, detail string) {
	b.Audit = append(b.Audit, Audit{At: now, By: by, Action: action, Domain: id.Domain, Record: id.Key, Why: why, Detail: detail})
}

// Note writes down what a person did elsewhere, such as silencing an alert.
func (e *Engine) Note(ctx context.Context, a Audit) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		a.At = now
		batch.Audit = append(batch.Audit, a)
		return nil
	}, nil)
}
