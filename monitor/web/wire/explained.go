package wire

import (
	"maildrift/monitor"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// Explained is why receivers judge a domain's mail as they do.
type Explained struct {
	SPF   []SPFTree   `json:"spf,omitempty" doc:"What its SPF records lead to"`
	Keys  []KeyPath   `json:"dkim,omitempty" doc:"Where its DKIM keys are found"`
	DMARC *PolicyPath `json:"dmarc,omitempty" doc:"The DMARC policy that applies"`
}

// SPFTree is what an SPF record leads to.
type SPFTree struct {
	Record  string  `json:"record" doc:"Key of the record"`
	Lookups int     `json:"lookups" doc:"Terms that look something up, as far as is known"`
	Limit   int     `json:"limit" doc:"How many receivers allow (RFC 7208 section 4.6.4)"`
	Known   bool    `json:"known" doc:"Whether all that it leads to is known; addresses are not looked up"`
	Problem string  `json:"problem,omitempty" doc:"Why receivers give up on it"`
	Root    SPFNode `json:"root"`
}

// SPFNode is one record of the tree.
type SPFNode struct {
	Domain   rrset.Name `json:"domain"`
	Via      string     `json:"via,omitempty" doc:"The term that leads here; absent for the root"`
	Text     string     `json:"text,omitempty" doc:"The record; absent if it is not known or there is none"`
	Problem  string     `json:"problem,omitempty"`
	Own      int        `json:"own" doc:"Lookups of its own terms"`
	Total    int        `json:"total" doc:"With those below it"`
	Children []SPFNode  `json:"children,omitempty"`
}

// KeyPath is how verifiers come to a DKIM key.
type KeyPath struct {
	Record  string       `json:"record" doc:"Key of the record"`
	Name    rrset.Name   `json:"name" doc:"Where verifiers look"`
	Chain   []rrset.Name `json:"chain,omitempty" doc:"CNAME targets that they are led over"`
	Found   bool         `json:"found" doc:"Whether a key record is known at the end"`
	Key     string       `json:"key,omitempty" doc:"What it is, as in 2048-bit RSA"`
	Problem string       `json:"problem,omitempty" doc:"Why it cannot be used"`
	Testing bool         `json:"testing,omitempty" doc:"The flag t=y"`
}

// PolicyPath is how receivers come to a DMARC policy.
type PolicyPath struct {
	Record     string     `json:"record"`
	Name       rrset.Name `json:"name"`
	Own        bool       `json:"own" doc:"Whether the domain has a record of its own; else the policy is that of a domain above"`
	Policy     string     `json:"policy,omitempty" doc:"none, quarantine or reject; absent if none applies"`
	StrictSPF  bool       `json:"strict_spf,omitempty"`
	StrictDKIM bool       `json:"strict_dkim,omitempty"`
}

func explainedOf(d *monitor.Domain, e monitor.Explained) *Explained {
	out := Explained{}
	for _, r := range d.Records {
		if t, ok := e.SPF[r.Key]; ok {
			out.SPF = append(out.SPF, SPFTree{
				Record: r.Key, Lookups: t.Lookups, Limit: spf.MaxLookups, Known: t.Final, Problem: printable(t.Problem), Root: spfNodeOf(t.Root),
			})
		}
	}
	for _, k := range e.Keys {
		out.Keys = append(out.Keys, KeyPath{
			Record: k.Record, Name: k.Name, Chain: k.Chain, Found: k.Found, Key: k.Key.About, Problem: printable(k.Key.Problem), Testing: k.Key.Testing,
		})
	}
	if p := e.DMARC; p != nil {
		out.DMARC = &PolicyPath{
			Record: p.Record, Name: p.Name, Own: p.Found, Policy: p.Policy.Policy, StrictSPF: p.Policy.StrictSPF, StrictDKIM: p.Policy.StrictDKIM,
		}
	}
	if out.SPF == nil && out.Keys == nil && out.DMARC == nil {
		return nil
	}
	return &out
}

func spfNodeOf(n *spf.Node) SPFNode {
	out := SPFNode{Domain: n.Domain, Via: printable(n.Via), Text: printable(n.Text), Problem: printable(n.Problem), Own: n.Own, Total: n.Total}
	for _, c := range n.Children {
		out.Children = append(out.Children, spfNodeOf(c))
	}
	return out
}
