package store

import (
	"bytes"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// writeTx is a read-write transaction that notes which keys it writes while there is a compaction, which has to know. It
// gives no way to write that is not noted.
type writeTx struct {
	tx      *bolt.Tx
	touched *touched
}

// Bucket gives a bucket by its name; nil if there is none.
func (t *writeTx) Bucket(name []byte) *writeBucket {
	b := t.tx.Bucket(name)
	if b == nil {
		return nil
	}
	return &writeBucket{b, name, t.touched}
}

// CreateBucketIfNotExists gives a bucket by its name, a new one if there is none.
func (t *writeTx) CreateBucketIfNotExists(name []byte) (*writeBucket, error) {
	b, err := t.tx.CreateBucketIfNotExists(name)
	return &writeBucket{b, name, t.touched}, err
}

// writeBucket is a bucket in a writeTx.
type writeBucket struct {
	b       *bolt.Bucket
	name    []byte
	touched *touched
}

// Fill has pages filled up that are written in order of their keys.
func (b *writeBucket) Fill() { b.b.FillPercent = fill }

// Get gives a value; nil if there is none.
func (b *writeBucket) Get(k []byte) []byte { return b.b.Get(k) }

// Put writes a value, which must stay as it is until the transaction ends.
func (b *writeBucket) Put(k, v []byte) error {
	b.touched.note(b.name, k)
	return b.b.Put(k, v)
}

// Delete deletes a key if it is there.
func (b *writeBucket) Delete(k []byte) error {
	b.touched.note(b.name, k)
	return b.b.Delete(k)
}

// NextSequence and SetSequence change the number of the last entry, which is no key: a compaction looks at it last.
func (b *writeBucket) NextSequence() (uint64, error) { return b.b.NextSequence() }

// SetSequence sets the number of the last entry.
func (b *writeBucket) SetSequence(seq uint64) error { return b.b.SetSequence(seq) }

// Cursor reads in order of keys.
func (b *writeBucket) Cursor() reading { return b.b.Cursor() }

// reading is a cursor that cannot write.
type reading interface {
	First() (k, v []byte)
	Seek(k []byte) (key, v []byte)
	Next() (k, v []byte)
}

// touched are the keys that were written, by bucket, some of them more than once. Nothing is noted in nil.
type touched struct {
	keys map[string][][]byte
	n    int
}

func newTouched() *touched { return &touched{keys: map[string][][]byte{}} }

func (t *touched) note(bucket, k []byte) {
	if t == nil {
		return
	}
	t.keys[string(bucket)] = append(t.keys[string(bucket)], bytes.Clone(k))
	t.n++
}

// place is a key in a bucket.
type place struct{ bucket, k []byte }

// places gives each key once, in order of buckets and keys.
func (t *touched) places() []place {
	var out []place
	for _, name := range slices.Sorted(maps.Keys(t.keys)) {
		keys := t.keys[name]
		slices.SortFunc(keys, bytes.Compare)
		for _, k := range slices.CompactFunc(keys, bytes.Equal) {
			out = append(out, place{[]byte(name), k})
		}
	}
	return out
}
