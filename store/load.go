package store

import (
	"bytes"
	"context"
	"fmt"
	"runtime"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"maildrift/monitor"
)

// loadChunk is how many records are decoded at a time by one goroutine, but for the rest of a domain.
const loadChunk = 1024

// kept is what the database has of a record: its key, its state and, if anything was ever heard of it, its row.
type kept struct{ key, state, row []byte }

// records hands over all records that are watched, as monitor.Memory says. One goroutine reads pages, one a core decodes and
// hands over; what is equal shares memory.
func (s *Store) records(take func([]monitor.Remembered)) error {
	return s.view(func(tx *bolt.Tx) error {
		g, ctx := errgroup.WithContext(context.Background())
		chunks := make(chan []kept, 1)
		for range runtime.GOMAXPROCS(0) {
			g.Go(func() error { return guard(s.path, func() error { return s.decodeRecords(chunks, take) }) })
		}
		g.Go(func() error {
			defer close(chunks)
			return guard(s.path, func() error { return readRecords(ctx, tx, chunks) })
		})
		return g.Wait()
	})
}

// readRecords cuts the records into chunks of whole domains.
func readRecords(ctx context.Context, tx *bolt.Tx, chunks chan<- []kept) error {
	states, rows := tx.Bucket(bucketStates).Cursor(), tx.Bucket(bucketCurrent).Cursor()
	k, v := states.First()
	rowKey, row := rows.First()
	for k != nil {
		chunk := make([]kept, 0, loadChunk+64)
		for ; k != nil && (len(chunk) < loadChunk || sameDomain(k, chunk[len(chunk)-1].key)); k, v = states.Next() {
			next := kept{key: k, state: v}
			for rowKey != nil && bytes.Compare(rowKey, k) < 0 {
				rowKey, row = rows.Next() // of a record that is not watched any more
			}
			if bytes.Equal(rowKey, k) {
				next.row = row
			}
			chunk = append(chunk, next)
		}
		select {
		case chunks <- chunk:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// sameDomain says whether the keys of two records have the same domain.
func sameDomain(a, b []byte) bool {
	at := bytes.IndexByte(a, 0)
	return at >= 0 && at < len(b) && bytes.Equal(a[:at+1], b[:at+1])
}

// decodeRecords decodes chunks and hands them over, a domain at a time.
func (s *Store) decodeRecords(chunks <-chan []kept, take func([]monitor.Remembered)) error {
	in := newInterner()
	var domain []monitor.Remembered
	for chunk := range chunks {
		for from := 0; from < len(chunk); {
			to := from + 1
			for to < len(chunk) && sameDomain(chunk[from].key, chunk[to].key) {
				to++
			}
			for len(domain) < to-from {
				domain = append(domain, monitor.Remembered{})
			}
			for i, k := range chunk[from:to] {
				if err := s.decodeRecord(k, in, &domain[i]); err != nil {
					return err
				}
			}
			take(domain[:to-from])
			from = to
		}
	}
	return nil
}

// decodeRecord decodes a record into the memory of one that is not needed any more.
func (s *Store) decodeRecord(k kept, in *interner, into *monitor.Remembered) error {
	if err := readStateInto(k.key, k.state, in, &into.State); err != nil {
		return err
	}
	into.Last = into.Last[:0]
	if k.row == nil {
		return nil // nothing was heard of it yet
	}
	w, err := s.names.readRowInto(into.State.ID, k.row, in, into.Last)
	if err != nil {
		return fmt.Errorf("record %q: %w", k.key, err)
	}
	into.Last = w.last
	return nil
}
