package store

import (
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
)

// The last value of each enum that is written as a number. The numbers are on disk: new values go behind the last
// one, and a test holds all numbers against their names.
const (
	lastPhase     = judge.Overdue
	lastVerdict   = judge.Blind
	lastStage     = judge.Recovering
	lastAuthority = judge.AuthoritySplit
	lastStand     = judge.Bogus
	lastOutcome   = resolve.Local
	lastKind      = mailrec.BIMI
	lastMatch     = mailrec.Maintained
	lastClass     = mailrec.Absent
	lastImpact    = mailrec.Rejected
	lastRelation  = mailrec.Broken
)
