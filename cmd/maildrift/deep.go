package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/monitor"
	"maildrift/monitor/fetch"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// deepFlags say what else a check looks at.
type deepFlags struct {
	on        bool
	addresses []string
	mailFrom  string
	rdap      string
}

func (f *deepFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.on, "deep", false, "look also at what mail stands on: exchanges, delegation, DNSSEC, MTA-STS policy, TLSA and more")
	c.Flags().StringSliceVar(&f.addresses, "sending-address", nil, "with --deep: address that mail is sent from, to look at its reverse name; repeatable")
	c.Flags().StringVar(&f.mailFrom, "mail-from-domain", "", "with --deep: domain of the envelope sender, if it is another one")
	c.Flags().StringVar(&f.rdap, "rdap", "", "with --deep: base URL of the registry's RDAP server, to look at the registration (default: not asked)")
}

// diver gathers what hygiene judges.
type diver struct {
	flags     *checkFlags
	asker     resolve.Asker
	resolvers []*resolve.Source
	evidence  []monitor.Evidence
}

// dive judges the hygiene of each domain and takes it into the domain's first result.
func (d *diver) dive(ctx context.Context, results []checkResult) error {
	for i, e := range d.evidence {
		if i > 0 && results[i-1].Domain == results[i].Domain {
			continue
		}
		findings, err := d.judge(ctx, e.Subject.Domain.Name)
		if err != nil {
			return err
		}
		results[i].Hygiene = findings
	}
	return nil
}

func (d *diver) judge(ctx context.Context, domain rrset.Name) ([]hygiene.Finding, error) {
	s := hygiene.Subject{Domain: domain, AllowPrivate: d.flags.private, Now: time.Now()}
	var err error
	for _, a := range d.flags.deep.addresses {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			return nil, usageError(fmt.Errorf("--sending-address %q is not an IP address", a))
		}
		s.Addresses = append(s.Addresses, addr)
	}
	if m := d.flags.deep.mailFrom; m != "" {
		if s.MailFrom, err = rrset.ParseName(m); err != nil {
			return nil, usageError(fmt.Errorf("--mail-from-domain: %w", err))
		}
	}
	if d.flags.deep.rdap != "" {
		s.Registration = d.registration(ctx, domain)
	}
	s.Delegation = d.delegation(ctx, domain)
	var book view.Book
	findings := d.settle(ctx, &book, s)
	if a := book.Look(view.Question{Name: domain.Child("_mta-sts"), Type: rrset.TXT}); a.Status == view.Found {
		s.Policy = &hygiene.Policy{}
		if s.Policy.Text, err = d.fetcher().STSPolicy(ctx, domain); err != nil {
			s.Policy.Problem = err.Error()
		}
		findings = d.settle(ctx, &book, s)
	}
	return findings, nil
}

func (d *diver) settle(ctx context.Context, book *view.Book, s hygiene.Subject) (findings []hygiene.Finding) {
	view.Settle(book, func(v view.View) { findings = hygiene.Judge(v, s) }, func(qs []view.Question) {
		for _, batch := range byZone(qs, byTrust(d.resolvers, d.evidence), d.evidence) {
			resolve.Fill(ctx, d.asker, batch.sources, book, batch.questions)
		}
	})
	return findings
}

// fetcher fetches from hosts that the resolvers find.
func (d *diver) fetcher() fetch.Fetcher {
	return fetch.Fetcher{AllowPrivate: d.flags.private, Lookup: func(ctx context.Context, host rrset.Name) ([]netip.Addr, error) {
		var book view.Book
		questions := []view.Question{{Name: host, Type: rrset.A}, {Name: host, Type: rrset.AAAA}}
		resolve.Fill(ctx, d.asker, d.resolvers, &book, questions)
		var out []netip.Addr
		for _, q := range questions {
			a := book.Look(q)
			if a.Status == view.Failed && len(out) == 0 && q.Type == rrset.AAAA {
				return nil, fmt.Errorf("look up %s: %s", host, a.Detail)
			}
			out = append(out, a.Set.Addrs()...)
		}
		return out, nil
	}}
}

// registration asks the registry about the domain that is registered there.
func (d *diver) registration(ctx context.Context, domain rrset.Name) *hygiene.Registration {
	registered := mailrec.Registrable(domain)
	body, err := d.fetcher().RDAP(ctx, d.flags.deep.rdap, registered)
	if err == nil {
		var r hygiene.Registration
		if r, err = hygiene.ParseRDAP(registered, body); err == nil {
			return &r
		}
	}
	return &hygiene.Registration{Domain: registered, Problem: err.Error()}
}

// delegation asks each server of the domain's zone about it; nil if the zone's servers are not known.
func (d *diver) delegation(ctx context.Context, domain rrset.Name) *hygiene.Delegation {
	i := slices.IndexFunc(d.evidence, func(e monitor.Evidence) bool {
		return e.Subject.Domain.Name == domain && len(e.Zone.Servers) > 0 && domain.IsAtOrBelow(e.Zone.Apex)
	})
	if i < 0 || d.evidence[i].Zone.Apex == rrset.Root {
		return nil
	}
	zone := d.evidence[i].Zone
	out := &hygiene.Delegation{Apex: zone.Apex}
	seen := map[string]view.Answer{}
	var queries []resolve.Query
	for _, s := range zone.Servers {
		for _, t := range []rrset.Type{rrset.SOA, rrset.NS, rrset.DNSKEY, rrset.RRSIG} {
			queries = append(queries, resolve.Query{Source: s, Question: resolve.Question{Name: zone.Apex, Type: t}})
		}
	}
	d.asker.Ask(ctx, queries, func(o resolve.Observation) { seen[o.Source.ID+" "+o.Question.Type.String()] = o.Seen() })
	for _, s := range zone.Servers {
		host, _, _ := strings.Cut(s.ID, "/")
		out.Servers = append(out.Servers, hygiene.Server{
			Host: rrset.Name(host), Addr: s.Addrs[0].Addr(), SOA: seen[s.ID+" SOA"], NS: seen[s.ID+" NS"],
		})
		if !slices.Contains(out.Parent, rrset.Name(host)) {
			out.Parent = append(out.Parent, rrset.Name(host))
		}
		if key := seen[s.ID+" DNSKEY"]; key.Status != view.Failed {
			out.DNSKEY, out.RRSIG = key, seen[s.ID+" RRSIG"]
		}
	}
	var book view.Book
	ds := view.Question{Name: zone.Apex, Type: rrset.DS}
	resolve.Fill(ctx, d.asker, d.resolvers, &book, []view.Question{ds})
	out.DS = book.Look(ds)
	return out
}

// severityColours are those of hygiene findings.
var severityColours = map[hygiene.Severity]string{hygiene.Critical: red, hygiene.Warning: yellow, hygiene.Note: dim}

// hygiene writes findings.
func (p *printer) hygiene(findings []hygiene.Finding) {
	if len(findings) == 0 {
		return
	}
	p.printf("  %s\n", p.paint(bold, "what the mail stands on"))
	for _, f := range findings {
		p.printf("    %s  %s: %s%s\n", p.paint(severityColours[f.Severity], fmt.Sprintf("%-8s", f.Severity)), rrset.Printable([]byte(f.At)), rrset.Printable([]byte(f.Text)), inBrackets(f.Rule))
		if f.Do != "" {
			p.printf("              %s %s\n", p.paint(dim, "do"), f.Do)
		}
	}
}

// troubled says whether a finding is worth an exit code.
func troubled(findings []hygiene.Finding) bool {
	return slices.ContainsFunc(findings, func(f hygiene.Finding) bool { return f.Severity > hygiene.Note })
}
