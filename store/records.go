package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

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
	err := s.view(func(tx *bolt.Tx) error {
		return walk(tx.Bucket(bucketStates).Cursor(), q.prefix(), false, func(k, v []byte) (bool, error) {
			h, err := historyOf(tx, k, v)
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
func historyOf(tx *bolt.Tx, k, v []byte) (RecordHistory, error) {
	var h RecordHistory
	if err := json.Unmarshal(v, &h.State); err != nil {
		return h, fmt.Errorf("state of %q: %w", k, err)
	}
	prefix := append(bytes.Clone(k), 0)
	err := walk(tx.Bucket(bucketIntervals).Cursor(), prefix, false, func(k, v []byte) (bool, error) {
		iv, err := decodeInterval(tx, k, v)
		h.Intervals = append(h.Intervals, iv)
		return true, err
	})
	if err != nil {
		return h, err
	}
	log := tx.Bucket(bucketTransitions)
	return h, walk(tx.Bucket(bucketByRecord).Cursor(), prefix, false, func(k, _ []byte) (bool, error) {
		var t monitor.Transition
		err := json.Unmarshal(log.Get(k[len(k)-8:]), &t)
		h.Transitions = append(h.Transitions, t)
		return true, err
	})
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
		return each(tx.Bucket(bucketDomains), func(d monitor.StoredDomain) { domains = append(domains, d) })
	})
	if err != nil {
		return nil, self, fmt.Errorf("read the registry: %w", err)
	}
	return domains, self, ctx.Err()
}

// Sources gives the IDs of all sources that were ever heard, by the keys of the answers alone.
func (s *Store) Sources(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.view(func(tx *bolt.Tx) error {
		return walk(tx.Bucket(bucketIntervals).Cursor(), nil, false, func(k, _ []byte) (bool, error) {
			parts := bytes.SplitN(k[:max(len(k)-8, 0)], []byte{0}, 3)
			if len(parts) != 3 {
				return false, fmt.Errorf("interval %q: %w", k, errKey)
			}
			if source := bytes.TrimSuffix(parts[2], []byte{0}); !out[string(source)] {
				out[string(source)] = true
			}
			return ctx.Err() == nil, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read sources: %w", err)
	}
	return out, ctx.Err()
}
