package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// Rotation is a change of DKIM keys in order: the new selector appears, both hold, the old one is retired.
type Rotation struct {
	// ID is the record of the old key.
	ID RecordID
	// Selector is the new key's; Value its record, empty to take what is published.
	Selector string
	Value    string
	// Until is when the old key is no longer needed.
	Until   time.Time
	By, Why string
}

// Rotate begins a rotation and gives the record of the new key, which is looked for at once. From when that is
// verified the old record may vanish or be revoked; when the window ends it is no longer watched. If the new
// one is not there by then, that is told, and the old one stays as it is. It returns ErrNotFound,
// ErrNotVerified or a *FieldError.
func (e *Engine) Rotate(ctx context.Context, rot Rotation) (Record, error) {
	var successor Record
	err := e.amend(ctx, rot.ID.Domain, func(d *Domain, had *StoredDomain, batch *Batch, now time.Time) error {
		state, _, err := e.registered(rot.ID)
		if err != nil {
			return err
		}
		old, _ := d.Record(rot.ID.Key)
		switch {
		case old.Kind != mailrec.DKIM:
			return fieldErr("record", fmt.Errorf("%s is a %s record: only DKIM keys are rotated; use expect", rot.ID.Key, old.Kind))
		case state.Phase != judge.Verified:
			return fmt.Errorf("record %s is %w", rot.ID, ErrNotVerified)
		}
		if err := checkWindow("until", rot.Until, now, longestWindow); err != nil {
			return err
		}
		added, err := rot.successor(d.Name, old.Name)
		if err != nil {
			return err
		}
		if successor, err = added.record(d.Name); err != nil {
			return fieldErr("value", err)
		}
		if successor.Name == old.Name {
			return fieldErr("selector", fmt.Errorf("%s is the old key's selector: a new key needs a new one", rot.Selector))
		}
		if r, ok := d.at(successor.Name); ok {
			successor = r // it is watched already
		} else {
			had.Added = append(slices.Clone(had.Added), added)
		}
		changed := *state
		changed.outlast(e.heard.lastWords(rot.ID), now)
		batch.Incidents = append(batch.Incidents, changed.dropChange(now, "announced anew")...)
		changed.Change = &Change{Successor: successor.Key, Announced: now, Until: rot.Until, By: rot.By, Why: rot.Why}
		batch.States = append(batch.States, changed)
		batch.note(now, rot.By, "rotate", rot.ID, rot.Why, fmt.Sprintf("to %s until %s", successor.Name, rot.Until.UTC().Format(time.RFC3339)))
		return nil
	})
	if err == nil {
		e.background(func(ctx context.Context) { e.lookAgain(ctx, rot.ID.Domain) })
	}
	return successor, err
}

// successor is what is expected of the new key, which lives beside the old one.
func (rot Rotation) successor(domain, old rrset.Name) (ExpectSpec, error) {
	selector := strings.TrimSuffix(strings.TrimSuffix(rot.Selector, "."), "._domainkey")
	if selector == "" || strings.ContainsAny(selector, " \t") {
		return ExpectSpec{}, fieldErr("selector", errors.New("name the new key's selector, for example s2"))
	}
	host := selector + "." + string(old.Parent())
	if under, ok := strings.CutSuffix(host, "."+string(domain)); ok {
		host = under
	} else {
		host += "."
	}
	x := ExpectSpec{Kind: mailrec.DKIM, Host: host}
	if rot.Value != "" {
		x.Value = StringList{rot.Value}
	}
	return x, nil
}

// at gives the record that lives at a name.
func (d *Domain) at(name rrset.Name) (Record, bool) {
	i := slices.IndexFunc(d.Records, func(r Record) bool { return r.Name == name })
	if i < 0 {
		return Record{}, false
	}
	return d.Records[i], true
}

// unretired forgets the retirement of records that are not written down any more, and says whether there were any: where one is written
// down again, it is another one. The domain may be nil.
func (had StoredDomain) unretired(d *Domain) (StoredDomain, bool) {
	if d == nil || d.written == nil {
		return had, false
	}
	kept := slices.DeleteFunc(slices.Clone(had.Retired), func(key string) bool { return d.written.record(key) == nil })
	changed := len(kept) < len(had.Retired)
	had.Retired = kept
	return had, changed
}

// retire stops watching a record that has gone as announced. The caller holds mu.
func (e *Engine) retire(id RecordID, had *StoredDomain, batch *Batch, now time.Time) {
	c := e.states.get(id).Change
	why := "gone as announced: " + c.Why
	if c.Successor != "" {
		why = "retired: " + c.Successor + " has taken over"
	}
	e.planRemoval(id, batch, now, why, c.By)
	before := len(had.Added)
	had.Added = slices.DeleteFunc(slices.Clone(had.Added), func(x ExpectSpec) bool {
		r, err := x.record(id.Domain)
		return err == nil && r.Key == id.Key
	})
	if len(had.Added) == before {
		had.Retired = append(slices.Clone(had.Retired), id.Key)
	}
	batch.note(now, c.By, "retire", id, why, "")
}
