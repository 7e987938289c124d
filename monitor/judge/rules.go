package judge

import "time"

// Rules are the settings of judging. The zero value is strict and immediate;
// DefaultRules is what a daemon uses.
type Rules struct {
	// MinOperators is the least number of operators that must be heard; below 1 counts as 1.
	MinOperators int
	// Confirmations is how often a change must be seen again after the first sight.
	Confirmations int
	// ConfirmWait is how long after the first sight the last confirmation comes at the
	// earliest.
	ConfirmWait time.Duration
	// DisagreementAfter is how long sources must disagree before it counts. Servers of a
	// zone lag behind each other for a while after every edit.
	DisagreementAfter time.Duration
	// OverdueAfter is how long a record may take to be verified.
	OverdueAfter time.Duration
	// FlapChanges of the verdict in the time FlapWithin make an episode of flapping, which lasts until
	// the record has held for FlapCalm. At most 8 are counted; 0 turns this off.
	FlapChanges int
	FlapWithin  time.Duration
	FlapCalm    time.Duration
}

// DefaultRules gives the settings for unattended use: two operators at least,
// two confirmations over 30 seconds, half an hour of disagreement, the 48 hours
// that propagation takes at most, and four changes within an hour for flapping, which ends when the record has
// held for half an hour.
func DefaultRules() Rules {
	return Rules{
		MinOperators:      2,
		Confirmations:     2,
		ConfirmWait:       30 * time.Second,
		DisagreementAfter: 30 * time.Minute,
		OverdueAfter:      48 * time.Hour,
		FlapChanges:       4,
		FlapWithin:        time.Hour,
		FlapCalm:          30 * time.Minute,
	}
}

func (r Rules) minOperators() int { return max(r.MinOperators, 1) }

// settled says whether a suspicion has been seen often and long enough.
func (r Rules) settled(s Suspicion, now time.Time) bool {
	wait := r.ConfirmWait
	if s.Verdict == Disagreeing {
		wait = max(wait, r.DisagreementAfter)
	}
	if r.Confirmations == 0 && s.Verdict != Disagreeing {
		wait = 0
	}
	return s.Sightings > r.Confirmations && now.Sub(s.First) >= wait
}
