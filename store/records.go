package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
)

// RecordHistory is all that is kept of one watched record.
type RecordHistory struct {
	State monitor.RecordState
	// Intervals are by source, then in order; Transitions in order.
	Intervals   []monitor.Interval
	Transitions []monitor.Transition
}

// Records gives the watched records one after the other, in order of domain and key, so that no more than one
// has to be in memory. What f gives as an error ends it. Of the query only the domain counts.
func (s *Store) Records(ctx context.Context, q Query, f func(RecordHistory) error) error {
	in := newInterner()
	err := s.view(func(tx *bolt.Tx) error {
		var prefix []byte
		if q.Domain != "" {
			prefix = append([]byte(q.Domain), 0)
		}
		return walk(tx.Bucket(bucketStates).Cursor(), prefix, false, func(k, v []byte) (bool, error) {
			h, err := s.historyOf(tx, k, v, in)
			if err == nil {
				err = f(h)
			}
			return ctx.Err() == nil, err
		})
	})
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	return ctx.Err()
}

// historyOf reads all of the record with that key and state.
func (s *Store) historyOf(tx *bolt.Tx, k, v []byte, in *interner) (RecordHistory, error) {
	state, err := readState(k, v, in)
	if err != nil {
		return RecordHistory{}, err
	}
	h := RecordHistory{State: *state}
	known := tx.Bucket(bucketCurrent).Get(k)
	if known == nil {
		return h, nil // nothing was heard of it yet
	}
	w, err := s.names.readRow(state.ID, known, in)
	if err != nil {
		return h, err
	}
	if h.Intervals, err = s.answersOf(tx, state.ID, w, in); err != nil {
		return h, err
	}
	seqs, err := appendChanges(nil, tx, w.changed)
	if err != nil {
		return h, err
	}
	slices.Reverse(seqs)
	for _, seq := range seqs {
		t, err := s.names.readTransition(seq, tx.Bucket(bucketTransitions).Get(seqKey(seq)))
		if err != nil {
			return h, err
		}
		h.Transitions = append(h.Transitions, t)
	}
	return h, nil
}

// Incidents gives the incidents that have ended, in order of their end. What f gives as an error ends it. Of the
// query the domain and the record count.
func (s *Store) Incidents(ctx context.Context, q Query, f func(monitor.Incident) error) error {
	err := s.view(func(tx *bolt.Tx) error {
		return walk(tx.Bucket(bucketIncidents).Cursor(), nil, false, func(k, v []byte) (bool, error) {
			var in monitor.Incident
			if err := json.Unmarshal(v, &in); err != nil {
				return false, fmt.Errorf("incident %q: %w", k, err)
			}
			if q.Domain != "" && in.ID.Domain != q.Domain || q.Record != "" && in.ID.Key != q.Record {
				return ctx.Err() == nil, nil
			}
			return ctx.Err() == nil, f(in)
		})
	})
	if err != nil {
		return fmt.Errorf("read incidents: %w", err)
	}
	return ctx.Err()
}

// Registry gives what is kept of domains, and what the monitor remembers of itself.
func (s *Store) Registry(ctx context.Context) ([]monitor.StoredDomain, monitor.SelfState, error) {
	var domains []monitor.StoredDomain
	var self monitor.SelfState
	err := s.view(func(tx *bolt.Tx) error {
		if v := tx.Bucket(bucketSelf).Get(keySelf); v != nil {
			if err := json.Unmarshal(v, &self); err != nil {
				return fmt.Errorf("the monitor's own state: %w", err)
			}
		}
		var err error
		domains, err = all(s.path, tx.Bucket(bucketDomains), readDomain)
		return err
	})
	if err != nil {
		return nil, self, fmt.Errorf("read the registry: %w", err)
	}
	return domains, self, ctx.Err()
}

// Sources gives the IDs of all sources that were ever heard. Those that only ever failed are not among them.
func (s *Store) Sources(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketNames).ForEach(func(k, v []byte) error {
			name, err := readNamed(k, v)
			if name.heard {
				out[string(k)] = true
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read sources: %w", err)
	}
	return out, ctx.Err()
}
