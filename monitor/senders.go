package monitor

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/rrset"
)

// sendersShown is how many sender addresses an error names.
const sendersShown = 10

// checkSenders says what is wrong with sender addresses of a domain. An error is a *FieldError.
func checkSenders(senders []string, domain rrset.Name) error {
	for i, text := range senders {
		field := fmt.Sprintf("senders[%d]", i)
		a, err := mail.ParseAddress(text)
		if err != nil || a.Address != text || rrset.Printable([]byte(text)) != text {
			return fieldErr(field, fmt.Errorf("%q is not an address, for example news@%s", text, domain))
		}
		at := strings.LastIndexByte(text, '@')
		if name, err := rrset.ParseName(text[at+1:]); err != nil || name != domain {
			return fieldErr(field, fmt.Errorf("%q is not an address of %s", text, domain))
		}
		if slices.ContainsFunc(senders[:i], func(o string) bool { return strings.EqualFold(o, text) }) {
			return fieldErr(field, fmt.Errorf("%q is listed twice", text))
		}
	}
	return nil
}

// keepsSenders refuses to forget a domain that still has sender addresses, as Direct Mail
// refuses to delete it.
func (d *Domain) keepsSenders() error {
	senders := d.Spec.Senders
	if len(senders) == 0 {
		return nil
	}
	named, more := strings.Join(senders[:min(len(senders), sendersShown)], ", "), ""
	if n := len(senders) - sendersShown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("domain %s %w: %s%s; delete them at the mail service and empty the list, or force it", d.Name, ErrHasSenders, named, more)
}

// SetSenders replaces the sender addresses of a domain that was added at run time; none
// empties the list. It returns ErrNotFound, ErrReadOnly or a *FieldError.
func (e *Engine) SetSenders(ctx context.Context, name rrset.Name, senders []string, by string) error {
	if err := checkSenders(senders, name); err != nil {
		return err
	}
	var next Domain
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		d, err := e.changeable(name)
		if err != nil {
			return err
		}
		next = *d
		next.Spec.Senders = slices.Clone(senders)
		spec := next.Spec
		if d.written != nil { // what came at run time is kept by itself, and goes by itself
			spec.Expect = d.written.Spec.Expect
		}
		had := e.stored[name]
		had.Spec = &spec
		batch.Domains = append(batch.Domains, had)
		batch.note(now, by, "senders", RecordID{Domain: name}, "", strings.Join(senders, ", "))
		return nil
	}, func() { e.register(&next) })
}

// changeable gives a domain that was added at run time. The caller holds mu.
func (e *Engine) changeable(name rrset.Name) (*Domain, error) {
	d, ok := e.domains[name]
	if !ok {
		return nil, fmt.Errorf("domain %s: %w", name, ErrNotFound)
	}
	if d.Origin.ReadOnly() {
		return nil, fmt.Errorf("domain %s is %w: it stands in %s:%d", name, ErrReadOnly, d.Origin.File, d.Origin.Line)
	}
	return d, nil
}
