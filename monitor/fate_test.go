package monitor

import (
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

// TestADelegationThatCouldNotBeFoundHasNotMoved loses all records of a zone while its delegation cannot be looked up:
// that the lookup ended above says nothing about the zone.
func TestADelegationThatCouldNotBeFoundHasNotMoved(t *testing.T) {
	server := &resolve.Source{ID: "a.nic.example/192.0.2.1", Role: resolve.Authoritative}
	for _, row := range []struct {
		name string
		now  resolve.Zone
		want rootcause.Kind
	}{
		{"not delegated any more", resolve.Zone{Apex: "example", Servers: []*resolve.Source{server}}, rootcause.Zone},
		{"nobody tells the servers above", resolve.Zone{Apex: "example", Detail: "no resolver tells the servers of example"}, ""},
		{"the servers above do not say", resolve.Zone{Apex: "example", Servers: []*resolve.Source{server}, Unsure: true}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var records []rootcause.Record
			for _, key := range []string{"dmarc", "mx", "spf"} {
				j := &job{evidence: Evidence{Zone: row.now}}
				j.state = RecordState{ID: RecordID{"shop.example", key}, Name: "shop.example", Zone: "shop.example", Servers: []rrset.Name{"ns1.shop.example"}}
				j.state.Phase, j.state.Verdict, j.state.Stage = judge.Verified, judge.Missing, judge.AtReceivers
				records = append(records, j.fate(time.Now(), time.Hour, time.Hour))
			}
			for i, c := range rootcause.Find(records) {
				if c.Kind != row.want {
					t.Errorf("record %d has the cause %q, want %q", i, c, row.want)
				}
			}
		})
	}
}
