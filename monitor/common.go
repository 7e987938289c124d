package monitor

import (
	"hash/maphash"
	"strings"
)

// How many common texts are known at most, how many texts are remembered to have been seen once, and how long a common
// text may be: keys are nobody else's.
const (
	commonKnown   = 1 << 12
	commonOnce    = 1 << 12
	commonLongest = 200
)

// common are texts that several domains have, such as the keys of records and what a mail service asks everybody for: each is in memory
// once. The zero value knows none and learns none. A domain must ask for each of its texts but once.
type common struct {
	seed  maphash.Seed
	once  []uint64
	known map[string]string
}

// learn lets it learn from now on.
func (c *common) learn() {
	c.seed, c.once, c.known = maphash.MakeSeed(), make([]uint64, commonOnce), map[string]string{}
}

// get gives the text that all have, if this is one.
func (c *common) get(text string) (string, bool) {
	if text == "" {
		return "", true
	}
	if len(c.once) == 0 || len(text) > commonLongest {
		return "", false
	}
	if is, ok := c.known[text]; ok {
		return is, true
	}
	hash := maphash.String(c.seed, text)
	slot := &c.once[hash%commonOnce]
	if *slot != hash || len(c.known) == commonKnown {
		*slot = hash
		return "", false
	}
	is := strings.Clone(text) // it must not keep the domain in which it was met
	c.known[is] = is
	return is, true
}
