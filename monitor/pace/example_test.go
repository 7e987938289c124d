package pace_test

import (
	"fmt"
	"time"

	"maildrift/monitor/pace"
)

func ExampleSweep_Decide() {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	sweep := pace.Sweep{Policy: pace.TTL, Now: noon, Next: noon.Add(15 * time.Minute)}
	// The zone's servers have said the same since yesterday, and say so now.
	authority := pace.Authority{}.Hear(noon.Add(-24*time.Hour), 1, 3600).Hear(noon, 1, 3600)
	record := pace.Record{Settled: true, Authority: authority}
	fmt.Println(sweep.Decide(record, pace.Heard(noon.Add(-30*time.Minute), 3600)))
	fmt.Println(sweep.Decide(record, pace.Heard(noon.Add(-60*time.Minute), 3600)))
	record.Authority = authority.Hear(noon, 2, 3600) // now they say something else
	fmt.Println(sweep.Decide(record, pace.Heard(noon.Add(-30*time.Minute), 3600)))
	// Output:
	// not asked: its last answer stands until 12:29:59 UTC, and the zone's servers say the same since before it
	// asked: its last answer has run out
	// asked: the zone's servers said something else before, which caches may still have
}

func ExampleLoad_Estimate() {
	load := pace.Load{
		Group: "default", Interval: 15 * time.Minute, Policy: pace.Auto, TTLs: map[uint32]int{3600: 60000},
		Parties: []pace.Party{{Name: "google", Questions: 60000, Fixed: 3, Rate: 20}},
	}
	e := load.Estimate()
	fmt.Println(e.Pace)
	fmt.Println(e.Reason())
	fmt.Println(e)
	// Output:
	// ttl
	// resolvers are asked when their answers end: asking resolvers about everything takes 50m of an interval of 15m, more than half
	// a sweep fits into its interval of 15m: 15003 questions asked of google at 20 a second take 12m30s (83.4 %)
}
