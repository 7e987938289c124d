package resolve

import (
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// TestServersThatAreNotAskedAnyMoreAreForgotten: zones' servers come and go for years.
func TestServersThatAreNotAskedAnyMoreAreForgotten(t *testing.T) {
	c := NewClient(Options{})
	defer c.Close()
	asked := 0
	ask := func(n int, ago time.Duration) {
		for range n {
			asked++
			l, err := c.lane(&Source{ID: strconv.Itoa(asked), Role: Authoritative, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}})
			if err != nil {
				t.Fatal(err)
			}
			l.used.Store(time.Now().Add(-ago).UnixNano())
		}
	}
	ask(3*manyLanes, 2*laneLife)
	if n := len(c.lanes); n > manyLanes {
		t.Errorf("%d of %d servers are remembered that nobody asks any more", n, asked)
	}
	ask(2*manyLanes, 0)
	if n := len(c.lanes); n < 2*manyLanes {
		t.Errorf("%d of %d servers are remembered that are asked", n, 2*manyLanes)
	}
	for _, l := range c.lanes {
		l.used.Store(time.Now().Add(-2 * laneLife).UnixNano())
	}
	ask(4*manyLanes, 2*laneLife)
	if n := len(c.lanes); n > 2*manyLanes {
		t.Errorf("%d servers are remembered in the end", n)
	}
}
