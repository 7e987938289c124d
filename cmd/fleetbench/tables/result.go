package tables

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Kind says what a result is about.
type Kind string

// The kinds. In brackets are the cases and what their values are.
const (
	// Setup is what was measured with [the versions; cores].
	Setup Kind = "setup"
	// Asking is one client asking one server [the client; lookups, answered, recognised, lost, seconds, user, system].
	Asking Kind = "asking"
	// Impaired is the same over a bad way [the way and the client; also limit, questions and limited].
	Impaired Kind = "impaired"
	// Sweep is one sweep of the engine [Healthy or OneDead; see sweeping.Sweep].
	Sweep Kind = "sweep"
	// Engine is a whole run of the engine [Healthy or OneDead; see sweeping.Result and sweeping.Restarted].
	Engine Kind = "engine"
)

// The cases.
const (
	Read       = "maildrift, every reply read"
	Recognised = "maildrift, answers known"
	Plain      = "miekg/dns, a socket a question"
	DNSPerf    = "dnsperf"

	Healthy = "healthy"
	OneDead = "one dead resolver"
)

// Result is one measurement.
type Result struct {
	// Run numbers the runs from 1.
	Run  int    `json:"run"`
	Kind Kind   `json:"kind"`
	Case string `json:"case"`
	// Domains is the fleet's size, Sweep the sweep's number from 1; 0 where there is none.
	Domains int `json:"domains,omitempty"`
	Sweep   int `json:"sweep,omitempty"`
	// Values are in seconds, bytes and plain numbers.
	Values map[string]float64 `json:"values"`
}

// Set is all that was measured.
type Set []Result

// Write writes one line of JSON a result.
func (s Set) Write(w io.Writer) error {
	out := json.NewEncoder(w)
	for _, r := range s {
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// ReadSet reads what Write wrote; files may be put together. An error names the result that it is in.
func ReadSet(r io.Reader) (Set, error) {
	in := json.NewDecoder(r)
	in.DisallowUnknownFields()
	var s Set
	for {
		var one Result
		err := in.Decode(&one)
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, fmt.Errorf("result %d: %w", len(s)+1, err)
		}
		s = append(s, one)
	}
}
