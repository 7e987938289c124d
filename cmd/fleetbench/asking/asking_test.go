package asking

import (
	"net"
	"strings"
	"testing"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/fleet/fleettest"
)

func TestBothClientsGetEveryAnswer(t *testing.T) {
	f := fleet.Fleet{Size: 30, Seed: 3}
	job := Job{Fleet: f, Server: fleettest.Serve(t, f), Rounds: 2, Window: 10}
	want := 2 * len(f.Questions())
	ours, err := Maildrift(t.Context(), job)
	if err != nil || ours.Lookups != want || ours.Answered != want || ours.Lost != 0 {
		t.Errorf("maildrift's: %+v, %v; want %d answers", ours, err, want)
	}
	plain, err := Plain(t.Context(), job)
	if err != nil || plain.Lookups != want || plain.Answered != want || plain.Lost != 0 {
		t.Errorf("plain: %+v, %v; want %d answers", plain, err, want)
	}
	if ours.Time <= 0 || ours.CPU.Total() <= 0 || plain.Time <= 0 || plain.CPU.Total() <= 0 {
		t.Errorf("no time: %+v, %+v", ours, plain)
	}
}

func TestKnownAnswersAreAskedForBeforehand(t *testing.T) {
	f := fleet.Fleet{Size: 10, Seed: 3}
	job := Job{Fleet: f, Server: fleettest.Serve(t, f), Rounds: 1, Window: 10, Known: true}
	r, err := Maildrift(t.Context(), job)
	if want := len(f.Questions()); err != nil || r.Lookups != want || r.Answered != want {
		t.Errorf("%+v, %v; want %d", r, err, want)
	}
}

func TestWhatNobodyAnswersIsLost(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = conn.Close() // the kernel says so at once
	f := fleet.Fleet{Size: 2, Seed: 1}
	job := Job{Fleet: f, Server: at, Rounds: 1, Window: 4}
	want := len(f.Questions())
	if r, err := Plain(t.Context(), job); err != nil || r.Lost != want || r.Answered != 0 {
		t.Errorf("plain: %+v, %v", r, err)
	}
	if r, err := Maildrift(t.Context(), job); err != nil || r.Lost != want || r.Answered != 0 {
		t.Errorf("maildrift's: %+v, %v", r, err)
	}
}

const dnsperfSays = `[Status] Command line: dnsperf -s 127.0.0.1
Statistics:

  Queries sent:         60000
  Queries completed:    59990 (99.98%)
  Queries lost:         10 (0.02%)

  Response codes:       NOERROR 59980 (99.98%), NXDOMAIN 10 (0.02%)
  Average packet size:  request 53, response 170
  Run time (s):         0.250000
  Queries per second:   239960.000000
`

func TestStatisticsOfDNSPerfAreRead(t *testing.T) {
	r, err := parseDNSPerf([]byte(dnsperfSays))
	if want := (Result{Lookups: 60000, Answered: 59980, Lost: 10, Time: 250 * time.Millisecond}); err != nil || r != want {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, without := range []string{"Queries sent", "Queries lost", "Run time"} {
		if _, err := parseDNSPerf([]byte(strings.ReplaceAll(dnsperfSays, without, "x"))); err == nil {
			t.Errorf("without %s there is no result", without)
		}
	}
	if r, err := parseDNSPerf([]byte(strings.ReplaceAll(dnsperfSays, "NOERROR", "SERVFAIL"))); err != nil || r.Answered != 0 {
		t.Errorf("nobody answered: %+v, %v", r, err)
	}
}

func TestQuestionsForDNSPerf(t *testing.T) {
	var out strings.Builder
	f := fleet.Fleet{Size: 1, Seed: 1}
	if err := writeQuestions(&out, f.Questions()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, q := range f.Questions() {
		if lines[i] != string(q.Name)+" "+q.Type.String() {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
}
