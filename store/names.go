package store

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
)

// names gives sources and their operators small numbers, since each is named in millions of answers and votes. 0 is
// no name. The numbers of a database are never used again for other names; there is one for each resolver and for
// each address of a nameserver that was ever asked.
//
// Only Commit changes them, one at a time; everybody reads.
type names struct {
	// numbers and unsaved are Commit's own: the numbers by name, and what the next transaction has to write.
	numbers map[string]named
	unsaved map[string]bool
	// list are the names by number. It is replaced as a whole, before what refers to it is on disk.
	list atomic.Pointer[[]string]
}

// named is the number of a name.
type named struct {
	number uint32
	// heard says that answers of it are or were kept, which is not so of operators and of sources that only failed.
	heard bool
}

// load reads the names of a database.
func (n *names) load(tx *bolt.Tx) error {
	bucket := tx.Bucket(bucketNames)
	n.numbers, n.unsaved = map[string]named{}, map[string]bool{}
	list := make([]string, 1)
	err := bucket.ForEach(func(k, v []byte) error {
		name, err := readNamed(k, v)
		if err != nil {
			return err
		}
		n.numbers[string(k)] = name
		list = append(list, "")
		return nil
	})
	if err != nil {
		return err
	}
	for text, name := range n.numbers {
		if int(name.number) >= len(list) || list[name.number] != "" {
			return fmt.Errorf("name %q has number %d: %w", text, name.number, errValue)
		}
		list[name.number] = text
	}
	n.list.Store(&list)
	return nil
}

func readNamed(k, v []byte) (named, error) {
	r := reader{b: v}
	name := named{number: r.uint32(), heard: r.byte() != 0}
	if err := r.end(); err != nil || name.number == 0 {
		return named{}, fmt.Errorf("name %q: %w", k, errValue)
	}
	return name, nil
}

// learn gives numbers to the names of a batch that have none. Until they are saved they stay unsaved.
func (n *names) learn(b monitor.Batch) {
	list := *n.list.Load()
	had := len(list)
	note := func(text string, heard bool) {
		name, ok := n.numbers[text]
		if text == "" || ok && (name.heard || !heard) {
			return
		}
		if !ok {
			name.number = uint32(len(list))
			list = append(list, text)
		}
		name.heard = heard
		n.numbers[text], n.unsaved[text] = name, true
	}
	for _, iv := range b.Intervals {
		note(iv.Source, true)
	}
	for _, t := range b.Transitions {
		for _, v := range t.Votes {
			note(v.Source, false)
			note(string(v.Operator), false)
		}
	}
	if len(list) > had {
		n.list.Store(&list)
	}
}

// save writes what is unsaved; saved is for when that is on disk.
func (n *names) save(tx *writeTx) error {
	bucket := tx.Bucket(bucketNames)
	for text := range n.unsaved {
		name := n.numbers[text]
		v := binary.AppendUvarint(nil, uint64(name.number))
		if name.heard {
			v = append(v, 1)
		} else {
			v = append(v, 0)
		}
		if err := bucket.Put([]byte(text), v); err != nil {
			return err
		}
	}
	return nil
}

func (n *names) saved() { clear(n.unsaved) }

// append writes a name as its number. It must have been learned.
func (n *names) append(b []byte, text string) []byte {
	return binary.AppendUvarint(b, uint64(n.numbers[text].number))
}

// read reads what append wrote.
func (n *names) read(r *reader) string {
	list := *n.list.Load()
	i := r.uint()
	if i >= uint64(len(list)) {
		r.fail()
		return ""
	}
	return list[i]
}
