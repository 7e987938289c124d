package monitor

import (
	"reflect"
	"strings"
)

// pieceSize is the size of a piece in bytes. From 32 KiB on the runtime gives each its own pages.
const pieceSize = 64 << 10

// piece is a large place for things of a kind, of which the rest is free. It lives as long as anything in it. The zero value
// has none yet.
type piece[T any] struct{ free []T }

// copy gives a copy of a list: in the piece, or else by itself.
func (p *piece[T]) copy(together bool, list []T) []T {
	if !together || len(list) == 0 {
		return copied(list)
	}
	out := p.room(len(list))[:len(list)]
	copy(out, list)
	return out
}

// place gives a list without elements that has room for so many: in the piece, or else by itself.
func (p *piece[T]) place(together bool, n int) []T {
	if !together {
		return make([]T, 0, n)
	}
	return p.room(n)
}

// room gives a list without elements that has room for so many, in the piece.
func (p *piece[T]) room(n int) []T {
	if len(p.free) < n {
		p.free = make([]T, max(n, pieceSize/int(reflect.TypeFor[T]().Size())))
	}
	out := p.free[:0:n]
	p.free = p.free[n:]
	return out
}

// one gives a copy of one thing.
func (p *piece[T]) one(together bool, thing T) *T {
	out := &p.place(together, 1)[:1][0]
	*out = thing
	return out
}

// text is a piece for texts. The zero value has none yet.
type text struct{ strings.Builder }

// grow makes room for so many octets, and for more if what comes lies together. What was written stays where it is, for those who
// have it.
func (t *text) grow(together bool, n int) {
	if t.Cap()-t.Len() >= n {
		return
	}
	if t.Builder = (strings.Builder{}); together {
		n = max(n, pieceSize)
	}
	t.Grow(n)
}

// clone gives a copy of a text: in the piece, or else by itself.
func (t *text) clone(together bool, s string) string {
	if !together {
		return strings.Clone(s)
	}
	t.grow(together, len(s))
	from := t.Len()
	t.WriteString(s)
	return t.String()[from:]
}
