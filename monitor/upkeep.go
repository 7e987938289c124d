package monitor

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// AlertAtRisk is about what a domain's mail stands on besides its records.
const AlertAtRisk AlertName = "DomainAtRisk"

// UpkeepKey stands where incidents about records have the record's key.
const UpkeepKey = "upkeep"

const (
	// upkeepTick is how often it is looked which domains are due.
	upkeepTick = time.Minute
	// upkeepAgain is after how long a domain is looked at again whose findings changed: nothing is told
	// on a first sight, nor taken back.
	upkeepAgain = 15 * time.Minute
	// upkeepTogether is how many are looked at side by side: most of a look is waiting.
	upkeepTogether = 8
	// upkeepAtOnce bounds how many domains are looked at in one go.
	upkeepAtOnce = 200
)

// Surveyor looks at what a domain's mail stands on.
type Surveyor interface {
	Look(ctx context.Context, s hygiene.Subject, resolvers []*resolve.Source) hygiene.Survey
}

// Upkeep is what a domain's mail stands on, as it was found last.
type Upkeep struct {
	Domain rrset.Name `json:"domain"`
	At     time.Time  `json:"at"`
	// Seen are the findings of the last look; Confirmed those that were seen twice and not since found
	// in order twice.
	Seen      []hygiene.Finding `json:"seen,omitempty"`
	Confirmed []Confirmed       `json:"confirmed,omitempty"`
	// Again says that the last look changed something that is not confirmed yet.
	Again bool `json:"again,omitempty"`
	// Known is the MTA-STS policy under its id.
	Known *hygiene.KnownPolicy `json:"known_policy,omitempty"`
	// Incident is the alert that is open; nil if none is.
	Incident *Incident `json:"incident,omitempty"`
}

// Confirmed is a finding that counts.
type Confirmed struct {
	hygiene.Finding
	// Missed grows with looks that did not find it: by two, or by one if not everything could be asked.
	Missed int `json:"missed,omitempty"`
}

// forgetAt is the Missed at which a finding counts no longer: after two looks, or four that could not
// ask everything, since something else may fail to answer for good.
const forgetAt = 4

func sameFinding(a hygiene.Finding) func(hygiene.Finding) bool {
	return func(b hygiene.Finding) bool { return a.ID == b.ID && a.At == b.At }
}

// after gives the state after another look.
func (u Upkeep) after(s hygiene.Survey, now time.Time) Upkeep {
	next := Upkeep{Domain: u.Domain, At: now, Seen: s.Findings, Known: s.Known, Incident: u.Incident}
	for _, f := range s.Findings {
		counts := slices.ContainsFunc(u.Confirmed, func(c Confirmed) bool { return sameFinding(f)(c.Finding) })
		if counts || slices.ContainsFunc(u.Seen, sameFinding(f)) {
			next.Confirmed = append(next.Confirmed, Confirmed{Finding: f})
		} else {
			next.Again = true
		}
	}
	for _, c := range u.Confirmed {
		if slices.ContainsFunc(s.Findings, sameFinding(c.Finding)) {
			continue
		}
		if c.Missed++; s.Complete {
			c.Missed++
		}
		if c.Missed < forgetAt {
			next.Confirmed = append(next.Confirmed, c)
			next.Again = next.Again || s.Complete
		}
	}
	return next
}

// worst gives the confirmed findings that somebody has to be told, and how much they matter.
func (u Upkeep) worst() (tell []hygiene.Finding, severity hygiene.Severity, impact mailrec.Impact) {
	for _, f := range u.Confirmed {
		if f.Severity > hygiene.Note {
			tell = append(tell, f.Finding)
			severity, impact = max(severity, f.Severity), max(impact, f.Impact)
		}
	}
	return tell, severity, impact
}

// incidents opens, updates or closes the domain's incident as the findings ask for.
func (u *Upkeep) incidents(d *Domain, now time.Time) []Incident {
	tell, severity, impact := u.worst()
	var out []Incident
	if u.Incident != nil && (len(tell) == 0 || u.Incident.Value != severity.String()) {
		why := "recovered"
		if len(tell) > 0 {
			why = "replaced"
		}
		out = append(out, closeIncident(*u.Incident, now, why))
		u.Incident = nil
	}
	if len(tell) == 0 {
		return out
	}
	facts := Facts{Service: d.Service(), Labels: d.Spec.Labels, Hygiene: tell}
	switch {
	case u.Incident == nil && d.paused(UpkeepKey, now) != nil:
		return out
	case u.Incident == nil:
		u.Incident = &Incident{
			ID: RecordID{d.Name, UpkeepKey}, Name: AlertAtRisk, Value: severity.String(), Impact: impact, Opened: now, Facts: facts,
		}
	case slices.Equal(u.Incident.Facts.Hygiene, tell):
		return out
	default:
		updated := *u.Incident
		facts.Labels, facts.Service = u.Incident.Facts.Labels, u.Incident.Facts.Service
		updated.Facts = facts
		u.Incident = &updated
	}
	return append(out, *u.Incident)
}

// keepUp looks at domains as they come due.
func (e *Engine) keepUp(ctx context.Context) {
	if e.o.Surveyor == nil {
		return
	}
	tick := time.NewTicker(upkeepTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var looks errgroup.Group
		looks.SetLimit(upkeepTogether)
		for _, d := range e.dueForUpkeep(time.Now()) {
			looks.Go(func() error {
				if err := e.lookAt(ctx, d); err != nil && ctx.Err() == nil {
					e.log.Error("what a domain stands on could not be kept", "domain", d.Name, "err", err)
				}
				return nil
			})
		}
		_ = looks.Wait() // each has said what went wrong
	}
}

// dueForUpkeep gives domains with a verified record whose time has come, those that waited longest
// first. While the monitor cannot see, none has.
func (e *Engine) dueForUpkeep(now time.Time) []*Domain {
	e.mu.Lock()
	defer e.mu.Unlock()
	every := e.settings.Upkeep
	if every <= 0 || len(e.self.BlindGroups) > 0 {
		return nil
	}
	var due []*Domain
	for _, d := range e.domains {
		if !e.upkeepDue(d, every).After(now) && slices.ContainsFunc(d.Records, func(r Record) bool {
			s := e.states.get(RecordID{d.Name, r.Key})
			return s != nil && s.Phase == judge.Verified
		}) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b *Domain) int { return e.upkeepDue(a, every).Compare(e.upkeepDue(b, every)) })
	return due[:min(len(due), upkeepAtOnce)]
}

// upkeepDue is when a domain is to be looked at. The first time is spread over the second half of the
// interval, so that a fleet that was imported at once is not looked at at once.
func (e *Engine) upkeepDue(d *Domain, every time.Duration) time.Time {
	u, ok := e.upkeep.get(d.Name)
	switch {
	case !ok:
		return d.Registered.Add(every/2 + time.Duration(hashOf(d.Name)%uint64(every/2+1))) //nolint:gosec // not negative
	case u.Again:
		return u.At.Add(min(every, upkeepAgain))
	}
	return u.At.Add(every)
}

// hashOf spreads names.
func hashOf(n rrset.Name) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n))
	return h.Sum64()
}

// turned begins a list of resolvers at another one for each domain, so that one does not get all
// questions.
func turned(resolvers []*resolve.Source, name rrset.Name) []*resolve.Source {
	if len(resolvers) == 0 {
		return nil
	}
	at := int(hashOf(name) % uint64(len(resolvers)))
	return slices.Concat(resolvers[at:], resolvers[:at])
}

// lookAt looks at one domain and keeps what it finds.
func (e *Engine) lookAt(ctx context.Context, d *Domain) error {
	settings := e.currentSettings()
	subject := hygiene.Subject{Domain: d.Name, SingleMX: d.wantsSingleMX()}
	for _, a := range d.Spec.SendingAddresses {
		addr, _ := netip.ParseAddr(a) // Resolve has checked both
		subject.Addresses = append(subject.Addresses, addr)
	}
	if d.Spec.MailFrom != "" {
		subject.MailFrom, _ = rrset.ParseName(d.Spec.MailFrom)
	}
	e.mu.Lock()
	if u, ok := e.upkeep.get(d.Name); ok {
		subject.Known = u.Known
	}
	e.mu.Unlock()
	survey := e.o.Surveyor.Look(ctx, subject, turned(settings.Groups[d.Schedule()].Resolvers, d.Name))
	if ctx.Err() != nil {
		return fmt.Errorf("look at %s: %w", d.Name, ctx.Err())
	}
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		if e.domains[d.Name] != d {
			return nil // removed or registered anew while it was looked at
		}
		had := Upkeep{Domain: d.Name}
		if u, ok := e.upkeep.get(d.Name); ok {
			had = *u
		}
		next := had.after(survey, now)
		batch.Incidents = append(batch.Incidents, next.incidents(d, now)...)
		batch.Upkeep = append(batch.Upkeep, next)
		return nil
	}, nil)
}

// wantsSingleMX says whether the domain's service names exactly one exchange.
func (d *Domain) wantsSingleMX() bool {
	i := slices.IndexFunc(d.Records, func(r Record) bool { return r.Kind == mailrec.MX })
	return i >= 0 && d.Records[i].Match == mailrec.Equal && len(d.Records[i].Want) == 1 && len(d.Records[i].Alternatives) == 0
}

// planUpkeepRemoval forgets what a domain stood on. The caller holds mu.
func (e *Engine) planUpkeepRemoval(name rrset.Name, batch *Batch, now time.Time) {
	u, ok := e.upkeep.get(name)
	if !ok {
		return
	}
	batch.UpkeepGone = append(batch.UpkeepGone, name)
	if u.Incident != nil {
		batch.Incidents = append(batch.Incidents, closeIncident(*u.Incident, now, "removed"))
	}
}

// checkSurvey says what is wrong with what a spec tells about how the domain sends.
func (s Spec) checkSurvey() error {
	for i, a := range s.SendingAddresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return fieldErr(fmt.Sprintf("sending_addresses[%d]", i), fmt.Errorf("%q is not an IP address", a))
		}
	}
	if s.MailFrom != "" {
		if _, err := rrset.ParseName(s.MailFrom); err != nil {
			return fieldErr("mail_from", err)
		}
	}
	return nil
}
