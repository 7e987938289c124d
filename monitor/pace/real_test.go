package pace

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// assumedTTL is the TTL of the real records whose zones leave it to their host, in seconds. Route 53 and others take five minutes.
const assumedTTL = 300

// realTTLs counts the TTLs of the real records that mail depends on, each name and type once.
func realTTLs(t testing.TB) map[uint32]int {
	t.Helper()
	root := os.Getenv("MAILDRIFT_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	f, err := os.Open(filepath.Join(root, "testdata", "real", "records.jsonl"))
	if err != nil {
		t.Fatalf("outside test data is expected in ../shared/testdata beside the checkout, or in $MAILDRIFT_SHARED/testdata: %v", err)
	}
	defer func() { _ = f.Close() }()
	ttls, seen := map[uint32]int{}, map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			Name, Type, Class string
			TTL               any
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		key := strings.ToLower(r.Name) + " " + r.Type
		if seen[key] || strings.HasPrefix(r.Class, "acme/") {
			continue
		}
		seen[key] = true
		ttl := uint64(assumedTTL)
		if r.TTL != nil {
			if ttl, err = strconv.ParseUint(fmt.Sprint(r.TTL), 10, 32); err != nil {
				t.Fatalf("%s: TTL %v", key, r.TTL)
			}
		}
		ttls[uint32(ttl)]++
	}
	return ttls
}

// TestRealTTLs says how many questions to resolvers pace ttl saves on records that mail really depends on, with their real TTLs. The
// golden table is the measurement. Its last column is for an address with four caches that others keep filled: each answer then has
// some of its TTL to go, half of it on the average.
func TestRealTTLs(t *testing.T) {
	ttls := realTTLs(t)
	records := 0
	for _, n := range ttls {
		records += n
	}
	var got strings.Builder
	fmt.Fprintf(&got, "%d records, %d of them with a TTL of 300 s or less\n", records, atMost(ttls, 300))
	fmt.Fprintf(&got, "%-8s  %-12s  %-12s  %-7s  %s\n", "interval", "every a day", "ttl a day", "saved", "saved in fleets")
	for _, interval := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour} {
		perDay := float64(records) * float64(24*time.Hour/interval) * 12
		share := simulated(ttls, interval, 1)
		fmt.Fprintf(&got, "%-8s  %-12.0f  %-12.0f  %-7s  %s\n", Span(interval), perDay, perDay*share, percent(1-share), percent(1-simulated(ttls, interval, 4)))
		if reckoned := Share(interval, ttls); reckoned-share > 0.01 || share-reckoned > 0.01 {
			t.Errorf("at %s the estimate is a share of %.3f, and it is %.3f", interval, reckoned, share)
		}
	}
	golden := filepath.Join("testdata", "real.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func atMost(ttls map[uint32]int, most uint32) int {
	n := 0
	for ttl, records := range ttls {
		if ttl <= most {
			n += records
		}
	}
	return n
}

// simulated gives the share of questions that is asked of resolvers in a day of sweeps, after one of getting to know. Where an
// address has several caches, others ask each of them twenty times a TTL.
func simulated(ttls map[uint32]int, interval time.Duration, caches int) float64 {
	day := int(24 * time.Hour / interval)
	var asked, all float64
	for ttl, records := range ttls {
		w := world{zone: zone{changes: []change{{-30 * 24 * hour, good, int64(ttl)}}}, interval: interval.Milliseconds(), jitter: []int64{0}}
		w.resolvers = []manners{{caches: caches}}
		if caches > 1 && ttl > shortest {
			w.resolvers[0].visits = busy(int64(ttl)*second, caches)
		}
		w.sweeps = day
		before := w.under(TTL).questions
		w.sweeps = 2 * day
		asked += float64(records) * float64(w.under(TTL).questions-before)
		all += float64(records) * float64(day)
	}
	return asked / all
}

// busy gives two days of others' questions to caches that were filled one after another.
func busy(ttl int64, caches int) []visit {
	var out []visit
	for at := int64(0); at < 48*hour; at += ttl / 20 {
		for c := range caches {
			if at >= int64(c)*ttl/int64(caches) {
				out = append(out, visit{at: at, cache: c})
			}
		}
	}
	return out
}
