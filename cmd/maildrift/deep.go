package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"maildrift/monitor/hygiene"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/survey"
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

// dive judges the hygiene of each domain and takes it into the domain's first result.
func (f *checkFlags) dive(ctx context.Context, s survey.Surveyor, resolvers []*resolve.Source, results []checkResult) error {
	subject := hygiene.Subject{}
	for _, a := range f.deep.addresses {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			return usageError(fmt.Errorf("--sending-address %q is not an IP address", a))
		}
		subject.Addresses = append(subject.Addresses, addr)
	}
	if m := f.deep.mailFrom; m != "" {
		name, err := rrset.ParseName(m)
		if err != nil {
			return usageError(fmt.Errorf("--mail-from-domain: %w", err))
		}
		subject.MailFrom = name
	}
	for i, r := range results {
		if i > 0 && results[i-1].Domain == r.Domain {
			continue
		}
		subject.Domain = rrset.Name(r.Domain)
		if f.deep.rdap != "" {
			subject.Registration = s.Register(ctx, f.deep.rdap, mailrec.Registrable(subject.Domain), resolvers)
		}
		results[i].Hygiene = s.Look(ctx, subject, resolvers).Findings
	}
	return nil
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
