// Package cores has work of many like parts done on all cores.
//
//	err := cores.Ranges(len(specs), func(from, to int) error {
//		for i := from; i < to; i++ {
//			domains[i] = resolve(specs[i])
//		}
//		return nil
//	})
package cores

import (
	"runtime"

	"golang.org/x/sync/errgroup"
)

// least is how many parts are worth another core.
const least = 256

// Ranges has each of n parts done once, in ranges from one to before another, as many as there are cores to
// run on and at once. It returns when all have ended, with the error of the first that failed.
func Ranges(n int, f func(from, to int) error) error {
	if n == 0 {
		return nil
	}
	var g errgroup.Group
	ranges := min(runtime.GOMAXPROCS(0), 1+n/least)
	for i := range ranges {
		g.Go(func() error { return f(n*i/ranges, n*(i+1)/ranges) })
	}
	return g.Wait()
}
