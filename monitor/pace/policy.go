package pace

import "fmt"

// Policy says whether resolvers are spared questions.
type Policy uint8

// The policies.
const (
	// Every asks every resolver about every record in every sweep.
	Every Policy = iota
	// TTL asks a resolver when the answer that it gave last has ended, as long as nothing else speaks for asking.
	TTL
	// Auto is Every while a sweep of everything takes up to half of its interval, and TTL from then on.
	Auto
)

var policyNames = [...]string{Every: "every", TTL: "ttl", Auto: "auto"}

// String gives the name that the configuration uses.
func (p Policy) String() string { return policyNames[p] }

// MarshalText writes the configuration's name.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the configuration's name.
func (p *Policy) UnmarshalText(b []byte) error {
	for i, name := range policyNames {
		if name == string(b) {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("unknown pace %q: use every, ttl or auto", b)
}
