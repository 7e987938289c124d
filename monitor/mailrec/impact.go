package mailrec

import "fmt"

// Impact is what receivers would do about a finding.
type Impact uint8

// The impacts, from harmless to worst.
const (
	// None is cosmetic: receivers see no difference.
	None Impact = iota
	// Weakened is a loss of protection; mail is still delivered.
	Weakened
	// Degraded is that some mail suffers at some receivers.
	Degraded
	// Rejected is that receivers refuse mail.
	Rejected
)

var impactNames = [...]string{None: "none", Weakened: "weakened", Degraded: "degraded", Rejected: "rejected"}

// String gives the name that labels, JSON and texts use.
func (i Impact) String() string { return impactNames[i] }

// MarshalText writes the name.
func (i Impact) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads the name.
func (i *Impact) UnmarshalText(b []byte) error {
	for n, name := range impactNames {
		if name == string(b) {
			*i = Impact(n)
			return nil
		}
	}
	return fmt.Errorf("unknown impact %q: use none, weakened, degraded or rejected", b)
}
