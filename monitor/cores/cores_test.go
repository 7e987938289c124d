package cores_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"maildrift/monitor/cores"
)

func TestEveryPartIsDoneOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 256, 257, 10_007} {
		done := make([]atomic.Int32, n)
		err := cores.Ranges(n, func(from, to int) error {
			for i := from; i < to; i++ {
				done[i].Add(1)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for i := range done {
			if times := done[i].Load(); times != 1 {
				t.Fatalf("part %d of %d was done %d times", i, n, times)
			}
		}
	}
}

func TestAnErrorComesBack(t *testing.T) {
	broken := errors.New("broken")
	err := cores.Ranges(1000, func(from, _ int) error {
		if from == 0 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}
