package judge

// Verdict is what a tally comes to.
type Verdict uint8

// The verdicts.
const (
	// Unjudged is the verdict of a record that was never verified.
	Unjudged Verdict = iota
	// Holding is as it should be; a few dissenting voters may exist.
	Holding
	// Disagreeing is that part of the receivers see it wrong, or that the zone's own
	// servers do not say the same.
	Disagreeing
	// Drifted is that the record says something else now.
	Drifted
	// Missing is that the record is gone.
	Missing
	// Blind is that too little was heard to say anything. It is never a record's
	// standing verdict: the last one stays.
	Blind
)

var verdictNames = [...]string{
	Unjudged: "unjudged", Holding: "holding", Disagreeing: "disagreeing",
	Drifted: "drifted", Missing: "missing", Blind: "blind",
}

// String gives the name used in metrics, labels and JSON.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the name.
func (v *Verdict) UnmarshalText(b []byte) error {
	return enumFromText(v, verdictNames[:], b, "verdict")
}

// Lost says whether the record is not what was verified: drifted or missing.
func (v Verdict) Lost() bool { return v == Drifted || v == Missing }

// Verdicts lists all verdicts, for metrics.
func Verdicts() []Verdict { return enumAll[Verdict](len(verdictNames)) }

// Stage is how far a change has come.
type Stage uint8

// The stages.
const (
	// NoStage is that nothing has changed.
	NoStage Stage = iota
	// AtAuthority is that the change is made; caches still hold the old record.
	AtAuthority
	// AtReceivers is that a quorum of operators sees it.
	AtReceivers
	// Recovering is that the authority has the good record again and caches follow.
	Recovering
)

var stageNames = [...]string{NoStage: "none", AtAuthority: "authority", AtReceivers: "receivers", Recovering: "recovering"}

// String gives the name used in annotations and JSON.
func (s Stage) String() string { return stageNames[s] }

// MarshalText writes the name.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Stage) UnmarshalText(b []byte) error { return enumFromText(s, stageNames[:], b, "stage") }

// Phase is where a record is in its life.
type Phase uint8

// The phases.
const (
	// Pending waits for the record to be published and to propagate.
	Pending Phase = iota
	// Verified has been seen by a quorum and the authority; its baseline is kept.
	Verified
	// Overdue was not seen in the time that propagation takes at most.
	Overdue
)

var phaseNames = [...]string{Pending: "pending", Verified: "verified", Overdue: "overdue"}

// String gives the name used in metrics, labels and JSON.
func (p Phase) String() string { return phaseNames[p] }

// MarshalText writes the name.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Phase) UnmarshalText(b []byte) error { return enumFromText(p, phaseNames[:], b, "phase") }

// Phases lists all phases, for metrics.
func Phases() []Phase { return enumAll[Phase](len(phaseNames)) }

func enumAll[T ~uint8](n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = T(i)
	}
	return all
}
