package mailrec

import "fmt"

// Match is how a published record is held against what was asked for.
type Match uint8

// The ways to match.
const (
	// Equal wants the same meaning as the wanted value.
	Equal Match = iota
	// Contains wants all wanted terms, in a record that is otherwise valid and may hold
	// more: an SPF record with the service's include before all, an MX set with the service's host.
	Contains
	// Captured takes whatever valid value is published when the record is verified;
	// from then on it must keep that meaning.
	Captured
	// Present wants any valid, usable record, now and later.
	Present
	// Maintained is for SPF records of others that one's own includes: they may change as
	// they like as long as receivers can use them and what they say about strangers (all) stays.
	Maintained
)

var matchNames = [...]string{Equal: "equal", Contains: "contains", Captured: "captured", Present: "present", Maintained: "maintained"}

// String gives the configuration's name.
func (m Match) String() string { return matchNames[m] }

// MarshalText writes the configuration's name.
func (m Match) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the configuration's name.
func (m *Match) UnmarshalText(b []byte) error {
	for i, name := range matchNames {
		if name == string(b) {
			*m = Match(i)
			return nil
		}
	}
	return fmt.Errorf("unknown match %q: use equal, contains, captured, present or maintained", b)
}
