package store

import (
	"bytes"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
)

// sweepsLooked is how many of the newest summaries are looked through for the last one of each group. A daily schedule stands among 17,280 of
// one that sweeps every five seconds; to look through as many as these takes about ten milliseconds.
const sweepsLooked = 50_000

// lastSweeps gives the newest summary of each of these groups, as far as it is found, see monitor.Memory.
func (s *Store) lastSweeps(groups []string) ([]monitor.SweepSummary, error) {
	wanted, err := groupMarks(groups)
	if err != nil {
		return nil, err
	}
	var out []monitor.SweepSummary
	err = s.view(func(tx *bolt.Tx) error {
		looked := 0
		return walk(tx.Bucket(bucketSweeps).Cursor(), nil, true, func(k, v []byte) (bool, error) {
			sweep, is, err := sweepOf(wanted, v)
			if err != nil {
				return false, fmt.Errorf("sweep %d: %w", seqOf(k), err)
			}
			if is {
				out = append(out, sweep)
				delete(wanted, sweep.Group)
			}
			looked++
			return len(wanted) > 0 && looked < sweepsLooked, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read sweeps: %w", err)
	}
	return out, nil
}

// groupMarks gives how groups stand in their summaries.
func groupMarks(groups []string) (map[string][]byte, error) {
	marks := make(map[string][]byte, len(groups))
	for _, group := range groups {
		name, err := json.Marshal(group)
		if err != nil {
			return nil, fmt.Errorf("name of a group: %w", err)
		}
		marks[group] = append([]byte(`"group":`), name...)
	}
	return marks, nil
}

// sweepOf decodes a summary, and says whether it is of one of the groups. One that has the mark of none is not decoded: that takes ten times as
// long as looking for them.
func sweepOf(groups map[string][]byte, v []byte) (sweep monitor.SweepSummary, is bool, err error) {
	for _, mark := range groups {
		if is = bytes.Contains(v, mark); is {
			break
		}
	}
	if !is {
		return sweep, false, nil
	}
	err = json.Unmarshal(v, &sweep)
	_, is = groups[sweep.Group]
	return sweep, is && err == nil, err
}
