package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
)

// take2 fills a new database with what is in one of version 2, in which domains alone were written otherwise: as JSON. Then it
// holds the two against each other, key by key.
func (s *Store) take2(ctx context.Context, from *bolt.Tx) error {
	m := migration{ctx: ctx, from: from, to: bulk{db: s.db}}
	defer m.to.drop()
	err := from.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if bytes.Equal(name, bucketDomains) {
			return m.domains()
		}
		return m.plain(name)
	})
	if err != nil {
		return err
	}
	if err := m.newVersion(); err != nil {
		return err
	}
	if err := m.to.end(); err != nil {
		return err
	}
	return s.view(func(tx *bolt.Tx) error { return sameAs2(ctx, from, tx) })
}

// newVersion says which version the new database is of.
func (m *migration) newVersion() error {
	return m.to.put(bucketMeta, keyVersion, fmt.Append(nil, schemaVersion))
}

func (m *migration) domains() error {
	from := m.from.Bucket(bucketDomains)
	err := from.ForEach(func(k, v []byte) error {
		d, err := domain2(k, v)
		if err != nil {
			return err
		}
		return m.to.put(bucketDomains, k, writeDomain(&d))
	})
	if err != nil {
		return err
	}
	return m.sequence(bucketDomains, from.Sequence())
}

// domain2 reads a domain as versions 1 and 2 wrote it.
func domain2(k, v []byte) (d monitor.StoredDomain, err error) {
	if err := json.Unmarshal(v, &d); err != nil {
		return d, fmt.Errorf("domain %q: %w", k, err)
	}
	if string(d.Name) != string(k) {
		return d, fmt.Errorf("domain %q is %q: %w", k, d.Name, errValue)
	}
	return d, nil
}

// sameAs2 holds a migrated database against that of version 2 from which it was made.
func sameAs2(ctx context.Context, from, to *bolt.Tx) error {
	err := from.ForEach(func(name []byte, b *bolt.Bucket) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		same := sameValue
		switch {
		case bytes.Equal(name, bucketDomains):
			same = sameDomain2
		case bytes.Equal(name, bucketMeta):
			same = sameMeta2
		}
		if err := sameBucket(b, to.Bucket(name), same); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the copy is not what it was made from: %w", err)
	}
	return nil
}

// sameBucket holds one bucket against another, which may be nil: they have the same keys, with values that are the same in their way, and
// go on with the same number.
func sameBucket(from, to *bolt.Bucket, same func(k, was, is []byte) error) error {
	if to == nil || from.Sequence() != to.Sequence() {
		return errValue
	}
	a, b := from.Cursor(), to.Cursor()
	k, was := a.First()
	l, is := b.First()
	for k != nil || l != nil {
		if !bytes.Equal(k, l) {
			return fmt.Errorf("%q in place of %q: %w", l, k, errValue)
		}
		if err := same(k, was, is); err != nil {
			return err
		}
		k, was = a.Next()
		l, is = b.Next()
	}
	return nil
}

func sameValue(k, was, is []byte) error {
	return same(k, was, func() ([]byte, error) { return is, nil })
}

// sameMeta2 knows that the version is another one.
func sameMeta2(k, was, is []byte) error {
	if bytes.Equal(k, keyVersion) {
		was = fmt.Append(nil, schemaVersion)
	}
	return sameValue(k, was, is)
}

// sameDomain2 compares all of a domain, also what a way to write it might have forgotten: as JSON, with all times in one zone.
func sameDomain2(k, was, is []byte) error {
	old, err := domain2(k, was)
	if err != nil {
		return err
	}
	inUTC(&old)
	want, err := json.Marshal(old)
	if err != nil {
		return err
	}
	return same(k, want, func() ([]byte, error) {
		d, err := readDomain(k, is, nil)
		if err != nil {
			return nil, err
		}
		inUTC(&d)
		return json.Marshal(d)
	})
}

// inUTC puts the times of a domain into one zone: which one they were written in is not kept.
func inUTC(d *monitor.StoredDomain) {
	d.Registered = d.Registered.UTC()
	d.Pauses = append([]monitor.Pause(nil), d.Pauses...)
	for i := range d.Pauses {
		for _, at := range []*time.Time{&d.Pauses[i].Since, &d.Pauses[i].Until} {
			*at = at.UTC()
		}
	}
}
