package metrics

import (
	"maps"
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
	// lines are those of the domains that had some at the last scrape, and maybe of others; scrape counts those.
	lines  map[rrset.Name]*lines
	scrape int
	text   *rendered
}

// lines are what stands about a domain's records, as it was looked at for a scrape.
type lines struct {
	of     []*line
	scrape int
}

// line is what stands about one record. It is immutable.
type line struct {
	key string
	// trouble says that it does not hold; changing that it has a propagation, which is share.
	trouble, changing bool
	share             float64
	state, spread     string
}

func newSeries(snapshot func() *monitor.Snapshot, o Options) *series {
	return &series{snapshot: snapshot, limit: o.PerRecordLimit, labels: o.PerRecordLabels, lines: map[rrset.Name]*lines{}}
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
	s.scrape++
	page, used := page{left: s.limit, before: s.text, text: &rendered{known: map[*line]*piece{}}}, 0
	take := func(name rrset.Name, wanted func(*line) bool, limited bool) {
		used++
		for _, l := range s.of(name) {
			if wanted(l) {
				page.take(l, limited)
			}
		}
		page.endOf(name)
	}
	for _, name := range s.troubled() {
		if page.left <= 0 {
			break
		}
		take(name, func(l *line) bool { return l.trouble }, true)
	}
	for _, name := range s.opted {
		take(name, func(*line) bool { return true }, false)
	}
	for _, d := range s.snap.Domains {
		if page.left <= 0 {
			break
		}
		if !s.asking[d.Name] {
			take(d.Name, func(l *line) bool { return !l.trouble }, true)
		}
	}
	if len(s.lines) > 2*used {
		maps.DeleteFunc(s.lines, func(_ rrset.Name, l *lines) bool { return l.scrape != s.scrape })
	}
	return page.end(s.snap.States.Counts().Records.Sum())
}

// troubled gives the domains with records that do not hold, by name, but for those that have series anyway.
func (s *series) troubled() []rrset.Name {
	var out []rrset.Name
	last := rrset.Name("")
	for g := range s.snap.States.Glances() {
		if g.Domain != last && g.Key != monitor.SharedKey && g.Verdict != judge.Holding && !s.asking[g.Domain] {
			last = g.Domain
			out = append(out, g.Domain)
		}
	}
	slices.Sort(out)
	return out
}

// of gives the lines of a domain's records. Those that are as before are kept; how far a change has come is looked at
// again for each scrape, since that does not change a state.
func (s *series) of(name rrset.Name) []*line {
	had := s.lines[name]
	if had == nil {
		had = &lines{}
		s.lines[name] = had
	}
	fresh := had.scrape == s.scrape || had.scrape > 0 && !slices.ContainsFunc(had.of, func(l *line) bool { return l.trouble || l.changing })
	had.scrape = s.scrape
	if fresh {
		return had.of
	}
	var out []*line
	for state := range s.snap.States.Of(name) {
		if state.ID.Key == monitor.SharedKey {
			continue
		}
		share, changing := propagation(state, s.snap.Votes)
		if i := slices.IndexFunc(had.of, func(l *line) bool { return l.key == state.ID.Key && l.changing == changing && l.share == share }); i >= 0 {
			out = append(out, had.of[i])
			continue
		}
		out = append(out, newLine(state, share, changing))
	}
	had.of = out
	return out
}

// newLine writes what stands about a record.
func newLine(s *monitor.RecordState, share float64, changing bool) *line {
	domain, key := quoted(string(s.ID.Domain)), quoted(s.ID.Key)
	l := &line{key: s.ID.Key, trouble: s.Verdict != judge.Holding, changing: changing, share: share}
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
	// before is the text of the last scrape, whose pieces are used again where they are the same.
	before, text *rendered
	spreads      []byte
	// piece is what the piece in the making has so far.
	piece []*line
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
	p.piece = append(p.piece, l)
	p.spreads = append(p.spreads, l.spread...)
}

// pieceDomains is how many domains a piece has, about.
const pieceDomains = 128

// endOf ends the piece at some domains, which are the same ones each time: so a record that changes, or goes from one
// place to another, changes few pieces.
func (p *page) endOf(name rrset.Name) {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	if h>>16%pieceDomains == 0 {
		p.endPiece()
	}
}

func (p *page) endPiece() {
	if len(p.piece) == 0 {
		return
	}
	first := p.piece[0]
	var done *piece
	if p.before != nil {
		done = p.before.known[first]
	}
	if done == nil || !slices.Equal(done.lines, p.piece) {
		done = &piece{lines: slices.Clone(p.piece)}
		for _, l := range done.lines {
			done.plain = append(done.plain, l.state...)
		}
	}
	p.text.known[first], p.text.pieces = done, append(p.text.pieces, done)
	p.piece = p.piece[:0]
}

// end gives the text, of a fleet of so many records.
func (p *page) end(records int) *rendered {
	p.endPiece()
	var out []byte
	if len(p.spreads) > 0 {
		out = append(head(out, recordPropagation), p.spreads...)
	}
	out = append(head(out, seriesDropped), seriesDropped.Name+" "+strconv.Itoa(max(records-p.taken, 0))+"\n"...)
	if len(p.text.pieces) > 0 {
		out = head(out, recordState)
	}
	p.text.pieces = slices.Insert(p.text.pieces, 0, &piece{plain: out})
	return p.text
}

// head writes the lines with which a metric begins.
func head(out []byte, d MetricDoc) []byte {
	return append(out, "# HELP "+d.Name+" "+d.Help+"\n# TYPE "+d.Name+" "+d.Type.String()+"\n"...)
}
