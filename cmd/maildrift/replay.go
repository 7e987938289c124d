package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"maildrift/alert"
	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/replay"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web"
	"maildrift/store"
)

// everything is a limit that nothing reaches.
const everything = 1 << 40

// replayFlags say what is replayed, and under which rules.
type replayFlags struct {
	remote
	config, dataDir, db  string
	since, until, domain string
	format               string
}

func newReplay() *cobra.Command {
	f := &replayFlags{}
	c := &cobra.Command{
		Use:   "replay",
		Short: "Show which alerts another configuration would have sent on the recorded history",
		Long: `Judges the recorded history anew under the rules of a configuration: quorum, confirm, verification, the
resolvers of each schedule, whether zones' own servers count. It shows each alert that would have been sent
beside those that were: same, earlier, later, added, dropped. Nothing is asked, sent or written, and the same
history and configuration give the same output. With the rules that were in force, and a history without gaps,
it shows what was told.

What history cannot know:
  - What was never asked. Sweeps are those that were; rechecks between them are placed at their interval.
    Operators that are new have no vote, those that the configuration does not have lose theirs.
  - What did not count. Sweeps that were not trusted and what the gate held back stay out, under any rules.
  - Failures to answer while a record was settled and nobody contradicted it: who failed then is taken to have
    said what it said last. Other failures are known.
  - Whose vote would have been lost. Echoes of old caches, operators that failed the canaries or were in
    quarantine, announced values and pauses are taken as they were.
  - What records were expected to say before that was changed. Alerts about records that are no longer
    watched, and those that do not come from judging records (CauseFound, MonitorBlind, DomainAtRisk,
    ChangeNotMade), are shown as kept.
  - Answers recorded before maildrift kept whole rounds of asking: alerts from then may be off by a
    confirmation.

Alerts are counted before routes, silences and common causes group them or hold them back.

It reads the database of the data directory. While a daemon has that open, it takes a backup from the daemon
first and replays it; --db names a backup made earlier.`,
		Example: `  maildrift replay --since 30d --config new.yml
  maildrift replay --since 7d --config new.yml --domain notice.example.com --format json
  maildrift replay --since 30d --config new.yml --db backup.db`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	c.Flags().StringVar(&f.config, "config", "", "the configuration whose rules to try")
	c.Flags().StringVar(&f.dataDir, "data-dir", "", "data directory whose history to take, instead of the configuration's")
	c.Flags().StringVar(&f.db, "db", "", "database or backup to take instead")
	c.Flags().StringVar(&f.since, "since", "30d", "alerts from then on: how long ago (7d, 12h), a date, or a time (RFC 3339)")
	c.Flags().StringVar(&f.until, "until", "", "likewise; excluded")
	c.Flags().StringVar(&f.domain, "domain", "", "only this domain")
	formatFlag(c, &f.format)
	f.flags(c)
	return c
}

func (f *replayFlags) run(ctx context.Context, out io.Writer) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	db, done, err := f.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer done()
	r := &replayer{flags: f, cfg: cfg, db: db, report: &replay.Report{}}
	if err := r.run(ctx); err != nil {
		return err
	}
	if f.format != table {
		return terminal.Write(out, f.format, r.wire())
	}
	return r.print(newPrinter(out))
}

func (f *replayFlags) load() (*config.Config, error) {
	if f.config == "" {
		return nil, usageError(errors.New("--config: name the configuration whose rules to try"))
	}
	presets, err := loadPresets()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(f.config, os.LookupEnv, presets)
	if err != nil {
		return nil, usageError(err)
	}
	if f.dataDir != "" {
		cfg.DataDir = f.dataDir
	}
	return cfg, nil
}

// open opens the history, or a copy of it if a daemon has it open. What it gives last lets go of it.
func (f *replayFlags) open(ctx context.Context, cfg *config.Config) (*store.Store, func(), error) {
	path := f.db
	if path == "" {
		path = filepath.Join(cfg.DataDir, "maildrift.db")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, nil, usageError(fmt.Errorf("no history: %w; name the data directory with --data-dir, or a backup with --db", err))
	}
	db, err := store.Open(ctx, path, store.Options{ReadOnly: true})
	if errors.Is(err, store.ErrLocked) && f.db == "" {
		return f.copied(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	return db, func() { _ = db.Close() }, nil
}

// copied opens a backup that the running daemon makes, and removes it afterwards.
func (f *replayFlags) copied(ctx context.Context) (db *store.Store, done func(), err error) {
	c, err := f.client()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "maildrift-replay-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make room for a backup: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	path := filepath.Join(dir, "maildrift.db")
	if _, err = writeNew(path, func(w io.Writer) (int64, error) { return c.Backup(ctx, w) }); err == nil {
		db, err = store.Open(ctx, path, store.Options{ReadOnly: true})
	}
	if err != nil {
		remove()
		return nil, nil, fmt.Errorf("the database is in use, and its daemon gives no backup: %w; name the daemon with --url, or a backup with --db", err)
	}
	return db, func() { _ = db.Close(); remove() }, nil
}

// replayer replays one database.
type replayer struct {
	flags  *replayFlags
	cfg    *config.Config
	db     *store.Store
	report *replay.Report
	// domain is the only one wanted; empty for all.
	domain rrset.Name

	// told are the alerts that have ended, by record; agendas the sweeps by schedule.
	told    map[monitor.RecordID][]replay.Told
	agendas map[string]*replay.Agenda
	// groups are the schedules of domains; pauses those that people made.
	groups map[rrset.Name]string
	pauses map[rrset.Name][]monitor.Pause
	// resolvers are those of each schedule that history knows; unknown those that it does not.
	resolvers  map[string][]*resolve.Source
	unknown    []string
	begin, end time.Time
}

func (r *replayer) run(ctx context.Context) error {
	query, err := r.query()
	if err != nil {
		return err
	}
	r.domain = query.Domain
	for _, read := range []func(context.Context) error{r.readSweeps, r.readRegistry, r.readSources, r.readTold} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	if err := r.bounds(); err != nil {
		return err
	}
	err = r.db.Records(ctx, query, func(h store.RecordHistory) error {
		r.add(h)
		return nil
	})
	if err != nil {
		return err
	}
	for _, told := range r.told { // nothing is watched any more that these are about
		r.report.Add(replay.KeptOf(told))
	}
	r.report.Sort()
	return nil
}

// query reads the flag that says which domain is wanted.
func (r *replayer) query() (q store.Query, err error) {
	if r.flags.domain == "" {
		return q, nil
	}
	if q.Domain, err = rrset.ParseName(r.flags.domain); err != nil {
		return q, usageError(fmt.Errorf("--domain: %w", err))
	}
	return q, nil
}

// bounds reads the flags that say which time is wanted. How long ago is reckoned from the end of history, so that the
// same history gives the same answer tomorrow.
func (r *replayer) bounds() (err error) {
	if r.report.Since, err = web.ParseMoment(r.flags.since, r.end); err != nil {
		return usageError(fmt.Errorf("--since: %w", err))
	}
	if r.report.Until, err = web.ParseMoment(r.flags.until, r.end); err != nil {
		return usageError(fmt.Errorf("--until: %w", err))
	}
	if r.report.Since.Before(r.begin) {
		r.report.Since = r.begin
	}
	return nil
}

func (r *replayer) readSweeps(ctx context.Context) error {
	sweeps, err := r.db.Sweeps(ctx, store.Query{Limit: everything})
	if err != nil {
		return err
	}
	if len(sweeps) == 0 {
		return errors.New("nothing is recorded: the history has no sweeps")
	}
	groups := map[string][]monitor.SweepSummary{}
	r.begin = sweeps[0].Started.UTC()
	for _, s := range sweeps {
		groups[s.Group] = append(groups[s.Group], s)
		if end := s.Started.Add(s.Duration + 1).UTC(); end.After(r.end) {
			r.end = end
		}
	}
	r.agendas = map[string]*replay.Agenda{"": replay.NewAgenda(sweeps, nil)}
	for name, of := range groups {
		var next func(time.Time) time.Time
		if schedule, ok := r.cfg.Schedules[name]; ok {
			next = schedule.Next
		}
		r.agendas[name] = replay.NewAgenda(of, next)
	}
	return nil
}

// readRegistry finds out which schedule each domain has, by the configuration or as it was registered, and when
// it was paused.
func (r *replayer) readRegistry(ctx context.Context) error {
	stored, self, err := r.db.Registry(ctx)
	if err != nil {
		return err
	}
	r.told = map[monitor.RecordID][]replay.Told{}
	r.keep(self.Blind)
	for _, i := range self.Causes {
		r.keep(&i)
	}
	audit, err := r.db.Audit(ctx, store.Query{Domain: r.domain, Limit: everything})
	if err != nil {
		return err
	}
	r.groups, r.pauses = map[rrset.Name]string{}, map[rrset.Name][]monitor.Pause{}
	done := map[rrset.Name][]monitor.Audit{}
	for _, a := range audit {
		done[a.Domain] = append(done[a.Domain], a)
	}
	for _, d := range stored {
		if d.Spec != nil {
			r.groups[d.Name] = d.Spec.Schedule
		}
		r.pauses[d.Name] = replay.Pauses(done[d.Name], d.Pauses)
	}
	for _, d := range r.cfg.Domains {
		r.groups[d.Name] = d.Schedule()
	}
	return nil
}

// readSources finds out which resolvers of the configuration history knows. Others cannot vote.
func (r *replayer) readSources(ctx context.Context) error {
	heard, err := r.db.Sources(ctx)
	if err != nil {
		return err
	}
	r.resolvers = map[string][]*resolve.Source{}
	unknown := map[string]bool{}
	for name, schedule := range r.cfg.Schedules {
		for _, source := range r.cfg.Groups[schedule.Resolvers] {
			if heard[source.ID] {
				r.resolvers[name] = append(r.resolvers[name], source)
			} else {
				unknown[source.ID] = true
			}
		}
	}
	r.unknown = sortedNames(unknown)
	return nil
}

// readTold reads the alerts that have ended; those that last are with their records.
func (r *replayer) readTold(ctx context.Context) error {
	return r.db.Incidents(ctx, store.Query{Domain: r.domain}, func(i monitor.Incident) error {
		r.keep(&i)
		return nil
	})
}

func (r *replayer) keep(i *monitor.Incident) {
	if i == nil || r.domain != "" && i.ID.Domain != r.domain {
		return
	}
	told := replay.ToldOf(*i)
	told.Severity = alert.Severity(*i)
	r.told[i.ID] = append(r.told[i.ID], told)
}

// add replays one record.
func (r *replayer) add(h store.RecordHistory) {
	id := h.State.ID
	r.keep(h.State.Incident)
	if h.State.Change != nil {
		r.keep(h.State.Change.Incident)
	}
	group := r.groups[id.Domain]
	if _, ok := r.cfg.Schedules[group]; !ok {
		group = monitor.DefaultSchedule
	}
	agenda, ok := r.agendas[group]
	if !ok {
		agenda = r.agendas[""] // it had another name then
	}
	pages := replay.Run(replay.Course{
		Rules: r.cfg.Rules, AskAuthority: r.cfg.Authority.Enabled, Recheck: r.cfg.Recheck,
		Resolvers: r.resolvers[group], Agenda: agenda, Begin: r.begin, End: r.end,
		Pauses: slices.DeleteFunc(slices.Clone(r.pauses[id.Domain]), func(p monitor.Pause) bool { return p.Record != "" && p.Record != id.Key }),
	}, replay.Record(h))
	lines := replay.Compare(r.told[id], pages, h.Transitions)
	for i, l := range lines {
		lines[i].Severity = r.severity(h, l)
	}
	r.report.Records++
	r.report.Add(lines)
	delete(r.told, id)
}

// severity gives the severity of an alert: as it was told, else by what history says that it did to the mail.
func (r *replayer) severity(h store.RecordHistory, l replay.Line) string {
	if l.Told != nil {
		return l.Told.Severity
	}
	return alert.Severity(monitor.Incident{ID: l.ID, Name: l.Name, Impact: replay.ImpactAt(h.Transitions, l.Page), Facts: monitor.Facts{Kind: h.State.Expectation.Kind}})
}

// replayReport is the JSON of a replay.
type replayReport struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Records int       `json:"records"`
	// Unknown are resolvers of the configuration that history has no answers of.
	Unknown    []string      `json:"unknown_resolvers"`
	Total      replayCount   `json:"total"`
	ByAlert    []replayCount `json:"by_alert"`
	BySeverity []replayCount `json:"by_severity"`
	Alerts     []replayAlert `json:"alerts"`
}

type replayCount struct {
	Name  string              `json:"name,omitempty"`
	Told  int                 `json:"told"`
	Would int                 `json:"would"`
	Fates map[replay.Fate]int `json:"fates"`
}

type replayAlert struct {
	Fate     replay.Fate       `json:"fate"`
	Alert    monitor.AlertName `json:"alert"`
	Severity string            `json:"severity"`
	Domain   rrset.Name        `json:"domain,omitempty"`
	Record   string            `json:"record,omitempty"`
	Value    string            `json:"value,omitempty"`
	Cause    string            `json:"cause,omitempty"`
	Told     *replaySpan       `json:"told,omitempty"`
	Would    *replaySpan       `json:"would,omitempty"`
	// Shift is how much later in seconds.
	Shift float64 `json:"shift_seconds,omitempty"`
}

type replaySpan struct {
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed,omitzero"`
}

func (r *replayer) wire() replayReport {
	out := replayReport{
		Since: r.report.Since.UTC(), Until: r.until().UTC(), Records: r.report.Records, Unknown: append([]string{}, r.unknown...),
		Total: replayCountOf("", r.report.Total()), ByAlert: replayCounts(r.report.By(replay.Alert)),
		BySeverity: replayCounts(r.report.By(bySeverity)), Alerts: []replayAlert{},
	}
	for _, l := range r.report.Lines {
		a := replayAlert{
			Fate: l.Fate, Alert: l.Name, Severity: l.Severity, Domain: l.ID.Domain, Record: l.ID.Key, Value: l.Value,
			Shift: l.Shift.Seconds(),
		}
		if l.Told != nil {
			a.Told, a.Cause = &replaySpan{l.Told.Opened, l.Told.Closed}, l.Told.Cause
		}
		if l.Would != nil {
			a.Would = &replaySpan{l.Would.Opened, l.Would.Closed}
		}
		out.Alerts = append(out.Alerts, a)
	}
	return out
}

func bySeverity(l replay.Line) string { return l.Severity }

// until is the end of what is shown.
func (r *replayer) until() time.Time {
	if r.report.Until.IsZero() || r.report.Until.After(r.end) {
		return r.end
	}
	return r.report.Until
}

func replayCountOf(name string, c replay.Count) replayCount {
	return replayCount{Name: name, Told: c.Told, Would: c.Would, Fates: c.Fates}
}

func replayCounts(tallies []replay.Tally) []replayCount {
	out := []replayCount{}
	for _, t := range tallies {
		out = append(out, replayCountOf(t.Name, t.Count))
	}
	return out
}

// print writes the report for people: what would differ, then the numbers.
func (r *replayer) print(p *printer) error {
	for _, l := range r.report.Lines {
		if l.Fate != replay.Same && l.Fate != replay.Kept {
			p.replayed(l)
		}
	}
	total := r.report.Total()
	if total.Fates[replay.Same]+total.Fates[replay.Kept] == len(r.report.Lines) {
		p.printf("no difference\n")
	}
	p.printf("\n%-22s %6s %6s", "", "was", "would")
	for _, f := range replay.Fates() {
		p.printf(" %8s", f)
	}
	p.printf("\n")
	for _, t := range slices.Concat(r.report.By(replay.Alert), r.report.By(bySeverity), []replay.Tally{{Name: "all", Count: total}}) {
		p.replayCount(t)
	}
	p.printf("\n%s judged anew, from %s until %s\n", counted(r.report.Records, "record"), clock(r.report.Since), clock(r.until()))
	for _, source := range r.unknown {
		p.printf("%s resolver %s has no vote: history has no answers of it\n", p.paint(yellow, "note:"), source)
	}
	return p.err
}

var fateColours = map[replay.Fate]string{replay.Added: red, replay.Dropped: green, replay.Earlier: yellow, replay.Later: yellow} //nolint:gochecknoglobals // a constant table

// replayed writes one alert that would differ.
func (p *printer) replayed(l replay.Line) {
	shift := ""
	if l.Shift != 0 {
		shift = " by " + l.Shift.Abs().Round(time.Second).String()
	}
	p.printf("%s  %s  %s %s %s (%s)\n", clock(l.Opened), p.paint(fateColours[l.Fate], fmt.Sprintf("%-7s", l.Fate))+shift,
		l.Name, l.ID.Domain, l.ID.Key, l.Severity)
}

func (p *printer) replayCount(t replay.Tally) {
	p.printf("%-22s %6d %6d", t.Name, t.Told, t.Would)
	for _, f := range replay.Fates() {
		p.printf(" %8d", t.Fates[f])
	}
	p.printf("\n")
}
