package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// series keeps the series of single records as the text that Prometheus reads. A fleet has hundreds of thousands, and
// from one scrape to the next few of them change: only those are written anew.
type series struct {
	snapshot func() *monitor.Snapshot
	limit    int
	labels   map[string]string

	mu sync.Mutex
	// snap is what the rest was made of; nil before the first scrape.
	snap *monitor.Snapshot
	// opted are the domains whose labels ask for series, in order; asking says of a name that it is one of them.
	opted  []rrset.Name
	asking map[rrset.Name]bool
	// lines are those of the domains that had some lately.
	lines map[rrset.Name][]line
	text  *rendered
}

// line is what stands about one record.
type line struct {
	key string
	// trouble says that it does not hold; changing that it has a propagation, which is share.
	trouble, changing bool
	share             float64
	state, spread     string
}

func newSeries(snapshot func() *monitor.Snapshot, o Options) *series {
	return &series{snapshot: snapshot, limit: o.PerRecordLimit, labels: o.PerRecordLabels, lines: map[rrset.Name][]line{}}
}

// current gives the series as they are now; nil if there are to be none, or no engine yet.
func (s *series) current() *rendered {
	snap := s.snapshot()
	if snap == nil || s.limit <= 0 && len(s.labels) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snap == snap {
		return s.text
	}
	s.follow(snap)
	s.text = s.write()
	return s.text
}

// follow brings the lines to another snapshot: those of domains that have changed are dropped, to be made again if they
// are still wanted.
func (s *series) follow(snap *monitor.Snapshot) {
	before := s.snap
	s.snap = snap
	if before == nil {
		before = &monitor.Snapshot{}
	}
	for name := range snap.States.Changed(before.States) {
		delete(s.lines, name)
	}
	// A registry's list is made anew when it changes.
	if len(before.Domains) != len(snap.Domains) || len(snap.Domains) > 0 && &before.Domains[0] != &snap.Domains[0] {
		s.opted, s.asking = nil, map[rrset.Name]bool{}
		for _, d := range snap.Domains {
			if s.asks(d) {
				s.opted, s.asking[d.Name] = append(s.opted, d.Name), true
			}
		}
	}
}

// asks says whether the domain has one of the labels.
func (s *series) asks(d *monitor.Domain) bool {
	for name, want := range s.labels {
		if has, ok := d.Spec.Labels[name]; ok && (want == "" || want == has) {
			return true
		}
	}
	return false
}

// write puts the lines together: of the records that do not hold, by name, then of others up to the limit, and besides
// of all whose domains asked for it.
func (s *series) write() *rendered {
	page := page{left: s.limit}
	used := map[rrset.Name][]line{}
	take := func(name rrset.Name, wanted func(line) bool, limited bool) {
		lines, ok := used[name]
		if !ok {
			lines = s.of(name)
			used[name] = lines
		}
		for i := range lines {
			if wanted(lines[i]) {
				page.take(&lines[i], limited)
			}
		}
	}
	for _, name := range s.troubled() {
		take(name, func(l line) bool { return l.trouble }, true)
	}
	for _, name := range s.opted {
		take(name, func(line) bool { return true }, false)
	}
	for _, d := range s.snap.Domains {
		if page.left <= 0 {
			break
		}
		if !s.asking[d.Name] {
			take(d.Name, func(l line) bool { return !l.trouble }, true)
		}
	}
	s.lines = used // those of domains that have no series any more are forgotten
	return page.end(s.snap.States.Counts().Records.Sum())
}

// troubled gives the domains with records that do not hold, as many as can have series, by name, but for those that have
// them anyway.
func (s *series) troubled() []rrset.Name {
	var out []rrset.Name
	last := rrset.Name("")
	for state := range s.snap.States.Unsettled() {
		id := state.ID
		if id.Domain != last && id.Key != monitor.SharedKey && state.Verdict != judge.Holding && !s.asking[id.Domain] {
			last = id.Domain
			out = append(out, id.Domain)
		}
	}
	slices.SortFunc(out, func(a, b rrset.Name) int { return cmp.Compare(a, b) })
	return out[:min(len(out), s.limit)]
}

// of gives the lines of a domain's records. Those that are as before are kept; how far a change has come is looked at
// again each time, since that does not change a state.
func (s *series) of(name rrset.Name) []line {
	had, ok := s.lines[name]
	if ok && !slices.ContainsFunc(had, func(l line) bool { return l.trouble || l.changing }) {
		return had
	}
	var out []line
	for state := range s.snap.States.Of(name) {
		if state.ID.Key == monitor.SharedKey {
			continue
		}
		share, changing := propagation(state, s.snap.Votes)
		if i := slices.IndexFunc(had, func(l line) bool { return l.key == state.ID.Key && l.changing == changing && l.share == share }); i >= 0 {
			out = append(out, had[i])
			continue
		}
		out = append(out, newLine(state, share, changing))
	}
	return out
}

// newLine writes what stands about a record.
func newLine(s *monitor.RecordState, share float64, changing bool) line {
	domain, key := quoted(string(s.ID.Domain)), quoted(s.ID.Key)
	l := line{key: s.ID.Key, trouble: s.Verdict != judge.Holding, changing: changing, share: share}
	l.state = recordState.Name + `{domain=` + domain + `,kind="` + s.Expectation.Kind.String() + `",phase="` + s.Phase.String() +
		`",record=` + key + `,verdict="` + s.Verdict.String() + "\"} 1\n"
	if changing {
		l.spread = recordPropagation.Name + `{domain=` + domain + `,record=` + key + `} ` + strconv.FormatFloat(share, 'g', -1, 64) + "\n"
	}
	return l
}

// escapes are those of the exposition format within a label's value.
var escapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`) //nolint:gochecknoglobals // a constant

// quoted gives a label's value as it is written.
func quoted(s string) string { return `"` + escapes.Replace(label(s)) + `"` }

// page is a text of series in the making.
type page struct {
	states, spreads []byte
	// left is how many more may be taken; taken how many were.
	left, taken int
}

func (p *page) take(l *line, limited bool) {
	if limited {
		if p.left <= 0 {
			return
		}
		p.left--
	}
	p.taken++
	p.states = append(p.states, l.state...)
	p.spreads = append(p.spreads, l.spread...)
}

// end gives the text, of a fleet of so many records.
func (p *page) end(records int) *rendered {
	var out []byte
	if len(p.spreads) > 0 {
		out = append(head(out, recordPropagation), p.spreads...)
	}
	out = append(head(out, seriesDropped), seriesDropped.Name+" "+strconv.Itoa(max(records-p.taken, 0))+"\n"...)
	if len(p.states) > 0 {
		out = append(head(out, recordState), p.states...)
	}
	return &rendered{text: out}
}

// head writes the lines with which a metric begins.
func head(out []byte, d MetricDoc) []byte {
	return append(out, "# HELP "+d.Name+" "+d.Help+"\n# TYPE "+d.Name+" "+d.Type.String()+"\n"...)
}
