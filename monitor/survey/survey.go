// Package survey gathers what hygiene judges about a domain: it asks resolvers and the zone's own
// servers, and fetches the MTA-STS policy.
package survey

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/fetch"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Zones finds the servers of the zone that a name lives in.
type Zones interface {
	Find(ctx context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone
}

// Surveyor looks at domains. It may be used concurrently.
type Surveyor struct {
	Asker resolve.Asker
	// Zones, when nil, leaves the zones' own servers unasked.
	Zones Zones
	// AllowPrivate lets it go to loopback, private and link-local addresses.
	AllowPrivate bool
}

// Look looks at a domain, asking these resolvers, the first that answers being believed.
func (s Surveyor) Look(ctx context.Context, subject hygiene.Subject, resolvers []*resolve.Source) hygiene.Survey {
	l := &look{Surveyor: s, resolvers: resolvers}
	subject.AllowPrivate, subject.Now = s.AllowPrivate, time.Now()
	if s.Zones != nil {
		l.zone = s.Zones.Find(ctx, []rrset.Name{subject.Domain})[subject.Domain]
		subject.Delegation = l.delegation(ctx, l.zone)
	}
	out := hygiene.Survey{Findings: l.settle(ctx, subject), Known: subject.Known}
	sts := view.Question{Name: subject.Domain.Child("_mta-sts"), Type: rrset.TXT}
	if a := l.book.Look(sts); a.Status == view.Found && subject.Policy == nil {
		subject.Policy = &hygiene.Policy{}
		var err error
		if subject.Policy.Text, err = l.fetcher().STSPolicy(ctx, subject.Domain); err != nil {
			subject.Policy.Problem = err.Error()
		}
		out.Findings = l.settle(ctx, subject)
		if texts := a.Set.Texts(); len(texts) == 1 {
			out.Known = subject.Known.Learn(string(texts[0]), subject.Policy)
		}
	}
	out.Complete = l.book.Complete() && !l.withheld && ctx.Err() == nil
	return out
}

// Register asks a registry's RDAP server about a domain; base is its URL.
func (s Surveyor) Register(ctx context.Context, base string, registered rrset.Name, resolvers []*resolve.Source) *hygiene.Registration {
	l := &look{Surveyor: s, resolvers: resolvers}
	body, err := l.fetcher().RDAP(ctx, base, registered)
	if err == nil {
		var r hygiene.Registration
		if r, err = hygiene.ParseRDAP(registered, body); err == nil {
			return &r
		}
	}
	return &hygiene.Registration{Domain: registered, Problem: err.Error()}
}

// look is one look under way.
type look struct {
	Surveyor
	resolvers []*resolve.Source
	zone      resolve.Zone
	book      view.Book
	// withheld says that questions to the zone's servers did not go out.
	withheld bool
}

func (l *look) settle(ctx context.Context, s hygiene.Subject) (findings []hygiene.Finding) {
	view.Settle(&l.book, func(v view.View) { findings = hygiene.Judge(v, s) }, func(qs []view.Question) {
		resolve.FillByZone(ctx, l.Asker, []resolve.Zone{l.zone}, l.resolvers, &l.book, qs)
	})
	return findings
}

// fetcher fetches from hosts that the resolvers find.
func (l *look) fetcher() fetch.Fetcher {
	return fetch.Fetcher{AllowPrivate: l.AllowPrivate, Lookup: func(ctx context.Context, host rrset.Name) ([]netip.Addr, error) {
		var book view.Book
		questions := []view.Question{{Name: host, Type: rrset.A}, {Name: host, Type: rrset.AAAA}}
		resolve.Fill(ctx, l.Asker, l.resolvers, &book, questions)
		var out []netip.Addr
		for _, q := range questions {
			out = append(out, book.Look(q).Set.Addrs()...)
		}
		if len(out) == 0 && !book.Complete() {
			return nil, fmt.Errorf("the addresses of %s could not be asked for", host)
		}
		return out, nil
	}}
}

// delegation asks each server of a zone about it; nil if they are not known.
func (l *look) delegation(ctx context.Context, zone resolve.Zone) *hygiene.Delegation {
	if len(zone.Servers) == 0 || zone.Apex == rrset.Root {
		return nil
	}
	out := &hygiene.Delegation{Apex: zone.Apex}
	seen := map[string]view.Answer{}
	var queries []resolve.Query
	for _, s := range zone.Servers {
		for _, t := range []rrset.Type{rrset.SOA, rrset.NS, rrset.DNSKEY, rrset.RRSIG} {
			queries = append(queries, resolve.Query{Source: s, Question: resolve.Question{Name: zone.Apex, Type: t}})
		}
	}
	l.Asker.Ask(ctx, queries, func(o resolve.Observation) {
		if o.Withheld {
			l.withheld = true
			return
		}
		seen[o.Source.ID+" "+o.Question.Type.String()] = o.Seen()
	})
	for _, s := range zone.Servers {
		host, _, _ := strings.Cut(s.ID, "/")
		out.Servers = append(out.Servers, hygiene.Server{
			Host: rrset.Name(host), Addr: s.Addrs[0].Addr(), SOA: seen[s.ID+" SOA"], NS: seen[s.ID+" NS"],
		})
		if !slices.Contains(out.Parent, rrset.Name(host)) {
			out.Parent = append(out.Parent, rrset.Name(host))
		}
		if key := seen[s.ID+" DNSKEY"]; key.Status == view.Found || key.Status.Absent() {
			out.DNSKEY, out.RRSIG = key, seen[s.ID+" RRSIG"]
		}
	}
	ds := view.Question{Name: zone.Apex, Type: rrset.DS}
	resolve.Fill(ctx, l.Asker, l.resolvers, &l.book, []view.Question{ds})
	out.DS = l.book.Look(ds)
	return out
}
