package usage

import (
	"os"
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

func TestBooksOfAnotherProcessAreRead(t *testing.T) {
	c, err := parseStat([]byte("7 (a) b (c) S 1 7 7 0 -1 4194560 115 0 1 0 250 75 0 0 20 0 13 0 100 1 1"))
	if err != nil || c != (CPU{User: 2500 * time.Millisecond, System: 750 * time.Millisecond}) {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, bad := range []string{"", "7 (a) S 1 7 7 0 -1 4194560 115 0 1 0 250", "7 (a) S 1 7 7 0 -1 4194560 115 0 1 0 x 75 0", "7 (a) S 1 7 7 0 -1 4194560 115 0 1 0 250 x 0"} {
		if c, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q says %+v", bad, c)
		}
	}
	ours, err := OfProcess(os.Getpid())
	if now := Now(); err != nil || ours.Total() > now.Total()+2*tick {
		t.Errorf("%+v, %v; the kernel's own word is %+v", ours, err, now)
	}
	if _, err := OfProcess(0); err == nil {
		t.Error("process 0 has books")
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
