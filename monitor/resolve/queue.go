package resolve

// queue is a first-in, first-out queue that reuses its room. The zero value is empty.
type queue[T any] struct {
	rows []T
	head int
}

func (q *queue[T]) push(row T) {
	if q.head > 64 && q.head*2 > len(q.rows) {
		q.rows = append(q.rows[:0], q.rows[q.head:]...)
		q.head = 0
	}
	q.rows = append(q.rows, row)
}

func (q *queue[T]) len() int { return len(q.rows) - q.head }

// at gives the row that has so many before it.
func (q *queue[T]) at(i int) *T { return &q.rows[q.head+i] }

// first gives the row that is next; there must be one.
func (q *queue[T]) first() *T { return &q.rows[q.head] }

func (q *queue[T]) pop() T {
	row := q.rows[q.head]
	if q.head++; q.head == len(q.rows) {
		q.rows, q.head = q.rows[:0], 0
	}
	return row
}
