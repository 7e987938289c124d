package mailrec

import "fmt"

// Class is what a source's answer means against what was asked for.
type Class uint8

// The classes, from good to bad.
const (
	// Same is as wanted in meaning.
	Same Class = iota
	// Differs is a record of the kind that says something else, or cannot be used.
	Differs
	// Absent is no record of the kind.
	Absent
)

var classNames = [...]string{Same: "same", Differs: "differs", Absent: "absent"}

// String gives the name that JSON and texts use.
func (c Class) String() string { return classNames[c] }

// MarshalText writes the name.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name.
func (c *Class) UnmarshalText(b []byte) error {
	for i, name := range classNames {
		if name == string(b) {
			*c = Class(i)
			return nil
		}
	}
	return fmt.Errorf("unknown class %q: use same, differs or absent", b)
}
