package monitor

import (
	"testing"

	"maildrift/monitor/rrset"
)

// BenchmarkNear looks for what lives beside a bad record among 100,000 domains with six records each.
func BenchmarkNear(b *testing.B) {
	table, domains := livingAt(100_000, 6, func(int) []rrset.Name { return []rrset.Name{"ns1.host.test"} })
	n := neighbourhood{domains: map[rrset.Name]bool{}, zones: map[rrset.Name]bool{}}
	for _, d := range domains[500:503] {
		n.domains[d.Name], n.zones[d.Name] = true, true
	}
	b.ReportAllocs()
	for b.Loop() {
		found := 0
		for range table.near(n) {
			found++
		}
		if found != 18 {
			b.Fatal(found)
		}
	}
}
