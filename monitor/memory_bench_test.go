package monitor

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/configs"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// fleetOf is a fleet whose every domain has six records, at a dozen resolvers and two servers of a zone, with a
// tenth as many zones' servers as domains. Everything that comes from the disk or the wire is its own copy, as there.
type fleetOf struct {
	domains []*Domain
	zones   []resolve.Zone
	keys    *rand.ChaCha8
}

func newFleet(tb testing.TB, n int) *fleetOf {
	tb.Helper()
	presets, err := preset.Load(configs.Presets)
	if err != nil {
		tb.Fatal(err)
	}
	f := &fleetOf{keys: rand.NewChaCha8([32]byte{1})}
	for i := range n {
		spec := Spec{
			Domain: fmt.Sprintf("notice.customer%06d.example", i), Service: "directmail", Params: map[string]string{"region": "ap-southeast-1", "dkim": f.key(tb)},
			Labels: map[string]string{"customer": strconv.Itoa(i)},
			Expect: []ExpectSpec{{Kind: mailrec.MTASTS}, {Kind: mailrec.TLSRPT}},
		}
		d, err := spec.Resolve(presets)
		if err != nil {
			tb.Fatal(err)
		}
		if len(d.Records) != 6 {
			tb.Fatalf("%d records", len(d.Records))
		}
		d.Origin = Origin{File: "fleet.yml", Line: i}
		f.domains = append(f.domains, d)
	}
	return f
}

// delegate gives the domains their zones, which the engine is told of by whoever knows the delegations.
func (f *fleetOf) delegate() {
	for i := range f.domains {
		f.zones = append(f.zones, f.zone(i))
	}
}

// key gives a DKIM record with what looks like a key of 2048 bits.
func (f *fleetOf) key(tb testing.TB) string {
	tb.Helper()
	modulus := make([]byte, 256)
	_, _ = f.keys.Read(modulus)
	modulus[0] |= 0x80
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537})
	if err != nil {
		tb.Fatal(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func (f *fleetOf) zone(i int) resolve.Zone {
	z := resolve.Zone{Apex: rrset.Name(fmt.Sprintf("customer%06d.example", i))}
	for n := range 2 {
		name, addr := fmt.Sprintf("ns%d.host%d.example", n, i/10), netip.AddrFrom4([4]byte{192, 0, byte(i / 10), byte(n)})
		z.Servers = append(z.Servers, &resolve.Source{
			ID: name + "/" + addr.String(), Role: resolve.Authoritative, Addrs: []netip.AddrPort{netip.AddrPortFrom(addr, 53)},
		})
	}
	return z
}

// published gives what a record says, as fresh bytes.
func published(tb testing.TB, r Record) rrset.Set {
	tb.Helper()
	line := map[mailrec.Kind]string{
		mailrec.MTASTS: "v=STSv1; id=20260101000000Z", mailrec.TLSRPT: "v=TLSRPTv1; rua=mailto:tls@report.example",
		mailrec.DMARC: "v=DMARC1; p=quarantine; rua=mailto:dmarc@report.example",
	}[r.Kind]
	if len(r.Publish) > 0 {
		line = r.Publish[0].Value
	}
	set, err := rrset.Parse(r.Kind.Type(), line)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// memory gives what the disk has of the fleet: all is verified.
func (f *fleetOf) memory(tb testing.TB) Memory {
	var m Memory
	now := time.Now()
	for _, d := range f.domains {
		m.Domains = append(m.Domains, StoredDomain{Name: d.Name, Registered: now})
	}
	m.Records = func(take func([]Remembered)) error {
		for i, d := range f.domains {
			var kept []Remembered
			for _, r := range d.Records {
				k := Remembered{State: *f.stored(tb, i, r, now)}
				for _, source := range append(resolvers(12), f.zones[i].Servers...) {
					k.Last = append(k.Last, Interval{ID: k.State.ID, Source: source.ID, Authority: source.Role == resolve.Authoritative, Set: published(tb, r), TTL: 3600})
				}
				kept = append(kept, k)
			}
			take(kept)
		}
		return nil
	}
	return m
}

// stored gives the state of one record as it comes from the disk.
func (f *fleetOf) stored(tb testing.TB, domain int, r Record, at time.Time) *RecordState {
	tb.Helper()
	s := RecordState{ID: RecordID{f.domains[domain].Name, r.Key}, Name: r.Name, Expectation: r.Expectation, Baseline: published(tb, r), OldTTL: 3600}
	s.Phase, s.Verdict, s.Registered, s.Since, s.VerifiedAt = judge.Verified, judge.Holding, at, at, at
	s.Past.Until, s.Zone, s.Servers = at, f.zones[domain].Apex, serverNames(f.zones[domain])
	text, err := json.Marshal(s)
	if err != nil {
		tb.Fatal(err)
	}
	back := &RecordState{}
	if err := json.Unmarshal(text, back); err != nil {
		tb.Fatal(err)
	}
	return back
}

// sweep lets the engine hear what all sources say about all records.
func (f *fleetOf) sweep(tb testing.TB, e *Engine, resolvers []*resolve.Source) {
	at := time.Now()
	for i, d := range f.domains {
		for _, r := range d.Records {
			s := Subject{Domain: d, Record: r}.as(e.states.get(RecordID{d.Name, r.Key}))
			judged := hear(&s, resolve.Observation{
				Question: s.question(), Set: published(tb, r), Print: resolve.Print(i + 1), At: at, TTL: 300, Latency: 12 * time.Millisecond,
			})
			judged.Said = judged.Stand
			heard := make([]Heard, 0, 14)
			for _, source := range append(resolvers[:12:12], f.zones[i].Servers...) {
				judged.Source, judged.AA = source, source.Role == resolve.Authoritative
				heard = append(heard, judged)
			}
			e.heard.hear(s.ID(), s, heard, pace.Authority{})
		}
	}
}

type noJournal struct{}

func (noJournal) Commit(context.Context, Batch) error { return nil }

// heapOf gives the bytes that are in use.
func heapOf() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkEngineMemory says how many bytes of heap a record costs: the registry, then after the start with what the disk
// has, then after sweeps in which all sources were heard. MAILDRIFT_BENCH_DOMAINS sets the size of the fleet.
func BenchmarkEngineMemory(b *testing.B) {
	n := 1000
	if text := os.Getenv("MAILDRIFT_BENCH_DOMAINS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		before := heapOf()
		f := newFleet(b, n)
		registry := heapOf()
		f.delegate()
		before += heapOf() - registry // the zones are not the engine's
		registry = heapOf()
		settings := testSettings()
		settings.Groups["default"] = Group{Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(12)}
		e, err := New(b.Context(), Options{Journal: noJournal{}, Logger: slog.New(slog.DiscardHandler)}, f.memory(b), settings, f.domains)
		if err != nil {
			b.Fatal(err)
		}
		started := heapOf()
		asked := settings.Groups["default"].Resolvers
		f.sweep(b, e, asked)
		first := heapOf()
		for range 3 {
			f.sweep(b, e, asked)
			if e.Snapshot().States.Len() != 6*n {
				b.Fatal("not all records are there")
			}
		}
		last := heapOf()
		per := 6 * float64(n)
		b.ReportMetric((registry-before)/per, "registry-B/record")
		b.ReportMetric((started-registry)/per, "started-B/record")
		b.ReportMetric((first-started)/per, "first-B/record")
		b.ReportMetric((last-first)/per, "more-B/record")
		b.ReportMetric((last-before)/per, "B/record")
		runtime.KeepAlive(f)
		runtime.KeepAlive(e)
	}
}
