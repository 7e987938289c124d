package usage

import (
	"testing"
	"time"
)

func TestStatusIsRead(t *testing.T) {
	m, err := parse([]byte("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t3\n"))
	if err != nil || m != (Memory{Resident: 1 << 20, Peak: 2 << 20}) {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, bad := range []string{"", "\nVmRSS:\t1024 kB\n", "\nVmRSS:\tx kB\nVmHWM:\t1 kB\n", "\nVmRSS:\t1 MB\nVmHWM:\t1 kB\n"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q is no status", bad)
		}
	}
}

func TestWorkIsOnTheBooks(t *testing.T) {
	before := Now()
	for n := 0; Now().Since(before).Total() < 5*time.Millisecond; n++ {
		if n > 1e8 {
			t.Fatal("so much work and no time used")
		}
	}
	if m, err := Resident(); err != nil || m.Resident < 1<<20 || m.Peak < m.Resident {
		t.Errorf("%+v, %v", m, err)
	}
}
