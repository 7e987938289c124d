package tables

import "fmt"

func (s Set) asking() table {
	t := table{head: []string{"client", "lookups/s", "CPU µs/lookup", "in the program", "in the kernel", "÷ miekg/dns", "÷ dnsperf", "answered", "recognised", "lost"}}
	plain, perf := s.measure(is(Asking, Plain), cpuPer("lookups")), s.measure(is(Asking, DNSPerf), cpuPer("lookups"))
	for _, name := range s.cases(Asking) {
		here := is(Asking, name)
		cpu := s.measure(here, cpuPer("lookups"))
		t.add(name, s.measure(here, ratio("lookups", "seconds")).show(whole), cpu.show(micros),
			s.measure(here, ratio("user", "lookups")).show(micros), s.measure(here, ratio("system", "lookups")).show(micros),
			cpu.per(plain).show(times), cpu.per(perf).show(times),
			s.measure(here, ratio("answered", "lookups")).show(percent), s.measure(here, ratio("recognised", "lookups")).show(percent),
			s.measure(here, value("lost")).show(whole))
	}
	return t
}

func (s Set) impaired() table {
	t := table{head: []string{"way, client", "lookups", "answered", "lost", "seconds", "answers/s", "of the limit", "held back by it", "CPU µs/lookup"}}
	for _, name := range s.cases(Impaired) {
		here := is(Impaired, name)
		t.add(name, s.measure(here, value("lookups")).show(whole), s.measure(here, ratio("answered", "lookups")).show(percent), s.measure(here, value("lost")).show(whole),
			s.measure(here, value("seconds")).show(rounded), s.measure(here, ratio("answered", "seconds")).show(whole),
			s.measure(here, func(v map[string]float64) float64 { return v["answered"] / v["seconds"] / v["limit"] }).show(percent),
			s.measure(here, func(v map[string]float64) float64 {
				if v["limit"] == 0 {
					return v["answered"] / v["limit"] // there was none
				}
				return v["limited"] / v["questions"]
			}).show(percent),
			s.measure(here, cpuPer("lookups")).show(micros))
	}
	return t
}

// Unchanged sweeps are all but the first.
const firstUnchanged = 2

func (s Set) sweeps() table {
	t := table{head: []string{"domains, sweep", "seconds", "observations/s", "CPU µs/observation", "in the kernel", "the server's beside", "÷ miekg/dns lookup", "observations", "lost", "missing", "commits ms", "longest ms"}}
	plain := s.measure(is(Asking, Plain), cpuPer("lookups"))
	for _, n := range s.sizes(Sweep, Healthy) {
		for _, part := range []struct {
			name        string
			first, last int
		}{{"first", 1, 1}, {"unchanged", firstUnchanged, 0}} {
			here := of(Sweep, Healthy, n, part.first, part.last)
			cpu := s.measure(here, cpuPer("observed"))
			if len(cpu) == 0 {
				continue
			}
			t.add(fmt.Sprintf("%s, %s", whole(float64(n)), part.name),
				s.measure(here, value("seconds")).show(rounded), s.measure(here, ratio("observed", "seconds")).show(whole),
				cpu.show(micros), s.measure(here, ratio("system", "observed")).show(micros), s.measure(here, known("server", "observed")).show(micros), cpu.per(plain).show(times),
				s.measure(here, value("observed")).show(whole), s.measure(here, value("lost")).show(whole), s.measure(here, value("missing")).show(whole),
				s.measure(here, value("committing")).show(millis), s.measure(here, value("stall")).show(millis))
		}
	}
	return t
}

func (s Set) curve() table {
	t := table{head: []string{"domains", "first, CPU µs/observation", "unchanged, CPU µs/observation", "unchanged, against the smallest fleet"}}
	sizes := s.sizes(Sweep, Healthy)
	for _, n := range sizes {
		cpu := s.measure(of(Sweep, Healthy, n, firstUnchanged, 0), cpuPer("observed"))
		least := s.measure(of(Sweep, Healthy, sizes[0], firstUnchanged, 0), cpuPer("observed"))
		t.add(whole(float64(n)), s.measure(of(Sweep, Healthy, n, 1, 1), cpuPer("observed")).show(micros), cpu.show(micros), cpu.per(least).show(times))
	}
	return t
}

func (s Set) dead() table {
	t := table{head: []string{"domains, sweep", "healthy, seconds", "one dead, seconds", "ratio", "the others' last answer: healthy, s", "one dead, s", "lost or withheld, the dead one's", "lost, the others'", "CPU µs/observation"}}
	for _, n := range s.sizes(Sweep, OneDead) {
		for _, part := range []struct {
			name        string
			first, last int
		}{{"first", 1, 1}, {"unchanged", firstUnchanged, 0}} {
			healthy, dead := of(Sweep, Healthy, n, part.first, part.last), of(Sweep, OneDead, n, part.first, part.last)
			took := s.measure(dead, value("seconds"))
			if len(took) == 0 {
				continue
			}
			before := s.measure(healthy, value("seconds"))
			t.add(fmt.Sprintf("%s, %s", whole(float64(n)), part.name), before.show(rounded), took.show(rounded), took.per(before).show(times),
				s.measure(healthy, value("others_last")).show(rounded), s.measure(dead, value("others_last")).show(rounded),
				s.measure(dead, value("dead_lost")).show(whole),
				s.measure(dead, func(v map[string]float64) float64 { return v["lost"] - v["dead_lost"] }).show(whole),
				s.measure(dead, cpuPer("observed")).show(micros))
		}
	}
	return t
}

func (s Set) memory() table {
	t := table{head: []string{"domains", "records", "MB without an engine", "MB at the highest", "MB at rest", "KB/record", "of it the engine's", "database MB", "KB/record"}}
	for _, n := range s.sizes(Engine, Healthy) {
		here := of(Engine, Healthy, n, 0, 0)
		t.add(whole(float64(n)), s.measure(here, value("records")).show(whole), s.measure(here, value("before")).show(megas),
			s.measure(here, value("peak")).show(megas), s.measure(here, value("settled")).show(megas),
			s.measure(here, ratio("settled", "records")).show(kilos),
			s.measure(here, func(v map[string]float64) float64 { return (v["settled"] - v["before"]) / v["records"] }).show(kilos),
			s.measure(here, value("database")).show(megas), s.measure(here, ratio("database", "records")).show(kilos))
	}
	return t
}

// flatness shows the memory after single sweeps; those of long series that differ by a few only are left out.
func (s Set) flatness() table {
	t := table{head: []string{"domains"}}
	last := 0
	for _, r := range s {
		if r.Kind == Sweep && r.Case == Healthy {
			last = max(last, r.Sweep)
		}
	}
	var shown []int
	for n := 1; n <= last; n++ {
		if n <= 3 || n%5 == 0 || n == last {
			shown = append(shown, n)
			t.head = append(t.head, fmt.Sprintf("MB after sweep %d", n))
		}
	}
	for _, n := range s.sizes(Sweep, Healthy) {
		row := []string{whole(float64(n))}
		for _, sweep := range shown {
			row = append(row, s.measure(of(Sweep, Healthy, n, sweep, sweep), value("resident")).show(megas))
		}
		t.add(row...)
	}
	return t
}

func (s Set) start() table {
	t := table{head: []string{"domains", "empty database: ready after s", "filled: opened after s", "ready after s", "MB then", "specs in the database: ready after s", "KB/record then", "scrape ms after a change", "scrape ms", "scrape KB"}}
	for _, n := range s.sizes(Engine, Healthy) {
		here := of(Engine, Healthy, n, 0, 0)
		t.add(whole(float64(n)), s.measure(here, value("registered")).show(rounded), s.measure(here, value("open")).show(rounded),
			s.measure(here, value("ready")).show(rounded), s.measure(here, value("restarted_resident")).show(megas),
			s.measure(here, given("stored_ready")).show(rounded), s.measure(here, known("stored_resident", "records")).show(kilos),
			s.measure(here, value("scrape_first")).show(millis), s.measure(here, value("scrape_next")).show(millis),
			s.measure(here, value("scrape_size")).show(kilos))
	}
	return t
}
