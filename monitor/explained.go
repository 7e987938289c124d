package monitor

import (
	"slices"
	"strings"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Explained is why receivers judge a domain's mail as they do: what they find when they follow its records. It is made
// of what was heard last; nobody is asked for it.
type Explained struct {
	// SPF are the trees of its SPF records, by the records' keys.
	SPF map[string]spf.Tree
	// Keys are its DKIM keys, in order of the records' keys.
	Keys []KeyPath
	// DMARC is the policy that applies; nil if no DMARC record is watched.
	DMARC *PolicyPath
}

// KeyPath is how verifiers come to a DKIM key.
type KeyPath struct {
	Record string
	// Name is where they look, Chain the CNAME targets that they are led over.
	Name  rrset.Name
	Chain []rrset.Name
	// Found says whether there is a key record at the end, Key what it gives.
	Found bool
	Key   mailrec.PublishedKey
}

// PolicyPath is how receivers come to a DMARC policy.
type PolicyPath struct {
	Record string
	Name   rrset.Name
	// Found says whether the domain has a record of its own. Without one the policy is that of a domain above, if there
	// is any.
	Found  bool
	Policy mailrec.PublishedPolicy
}

// Explain follows a domain's records as receivers do.
func (s *Snapshot) Explain(d *Domain) Explained {
	var out Explained
	look := s.spfView(d)
	for _, r := range d.Records {
		id := RecordID{d.Name, r.Key}
		state := s.States.Get(id)
		if state == nil {
			continue
		}
		switch {
		case r.Kind == mailrec.SPF:
			if out.SPF == nil {
				out.SPF = map[string]spf.Tree{}
			}
			out.SPF[r.Key] = spf.Explore(look, r.Name)
		case r.Kind == mailrec.DKIM, r.Kind == mailrec.CNAME && strings.Contains(string(r.Name), "._domainkey."):
			out.Keys = append(out.Keys, s.keyPath(r, state))
		case r.Kind == mailrec.DMARC:
			path := PolicyPath{Record: r.Key, Name: r.Name}
			if path.Policy, path.Found = mailrec.ReadDMARC(state.present()); !path.Found {
				path.Policy.Policy = state.Inherited
			}
			out.DMARC = &path
		}
	}
	return out
}

// present gives what is there as most see it: what was verified while it holds, else what was seen last.
func (s *RecordState) present() rrset.Set {
	if s.Phase == judge.Verified && s.Verdict == judge.Holding {
		return s.Baseline
	}
	return s.Seen
}

func (s *Snapshot) keyPath(r Record, state *RecordState) KeyPath {
	out := KeyPath{Record: r.Key, Name: r.Name}
	out.Key, out.Found = mailrec.ReadDKIM(state.present())
	if r.Kind == mailrec.CNAME {
		out.Chain = state.present().Hosts()
	}
	for _, v := range s.Votes.Of(state.ID) {
		if len(v.Chain) > 0 && v.Stand == judge.Good {
			out.Chain = slices.Clone(v.Chain)
			break
		}
	}
	return out
}

// spfView answers questions for SPF records that are watched, the domain's own before others', from what was heard last.
// What nobody watches, addresses among it, is unasked.
func (s *Snapshot) spfView(d *Domain) view.View {
	answer := func(owner *Domain, q view.Question) (view.Answer, bool) {
		for _, r := range owner.Records {
			state := s.States.Get(RecordID{owner.Name, r.Key})
			if r.Name != q.Name || q.Type != rrset.TXT || r.Kind != mailrec.SPF || state == nil {
				continue
			}
			set := state.present()
			switch {
			case !set.Empty():
				return view.Answer{Status: view.Found, Set: set}, true
			case state.Verdict == judge.Missing || state.Finding.Class == mailrec.Absent && state.Phase != judge.Verified:
				return view.Answer{Status: view.NoData}, true
			}
		}
		return view.Answer{}, false
	}
	return view.Func(func(q view.Question) view.Answer {
		if a, ok := answer(d, q); ok {
			return a
		}
		for _, all := range [][]*Domain{s.Domains, s.Shared} {
			if owner, ok := findDomain(all, q.Name); ok {
				if a, ok := answer(owner, q); ok {
					return a
				}
			}
		}
		return view.Answer{}
	})
}

// findDomain looks a domain up in a list that is sorted by name.
func findDomain(sorted []*Domain, name rrset.Name) (*Domain, bool) {
	i, ok := slices.BinarySearchFunc(sorted, name, func(d *Domain, name rrset.Name) int {
		return strings.Compare(string(d.Name), string(name))
	})
	if !ok {
		return nil, false
	}
	return sorted[i], true
}
