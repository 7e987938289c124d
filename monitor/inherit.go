package monitor

import (
	"context"
	"strings"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// inherited stands between what is wrong with a record and what applies instead.
const inherited = "; instead, "

// inherit finds, for DMARC records that are not there or cannot be used, what receivers apply
// instead: the policy of a domain above (RFC 9989 section 4.10). A record that is gone may be
// harmless then, or worse than it looks.
func (sw *sweep) inherit(ctx context.Context) {
	var book view.Book
	var heirs []*job
	for _, j := range sw.jobs {
		if !j.mayInherit() {
			continue
		}
		heirs = append(heirs, j)
		// What the record's own name says is known; nobody need be asked, and remember that it is not there.
		book.Put(view.Question{Name: j.state.Name, Type: rrset.TXT}, view.Answer{Status: view.NoData})
	}
	if len(heirs) == 0 {
		return
	}
	policies := make([]mailrec.EffectivePolicy, len(heirs))
	settled := view.Settle(&book, func(v view.View) {
		for i, j := range heirs {
			policies[i] = mailrec.DiscoverDMARC(v, j.state.Name.Parent()) // the record lives at _dmarc below its domain
		}
	}, func(qs []view.Question) {
		resolve.Fill(ctx, sw.inquiry.Asker, heirs[0].subject.Resolvers, &book, qs)
	})
	if !settled || ctx.Err() != nil {
		return
	}
	for i, j := range heirs {
		if p := policies[i]; !p.Temporary {
			j.state.Inherited = p.Applied
			reason, _, _ := strings.Cut(j.state.Finding.Reason, inherited)
			j.state.Finding.Reason = reason + inherited + p.String()
			for i := range j.transitions {
				j.transitions[i].Finding.Reason = j.state.Finding.Reason
			}
		}
	}
}

// mayInherit says whether the job is about a verified DMARC record that receivers do not have.
func (j *job) mayInherit() bool {
	if j.state.Expectation.Kind != mailrec.DMARC {
		return false
	}
	lost := j.state.Verdict == judge.Missing || j.state.Verdict == judge.Drifted
	if j.state.Phase != judge.Verified || !lost || j.evidence.Decision.Verdict != j.state.Verdict {
		if j.state.Verdict == judge.Holding {
			j.state.Inherited = ""
		}
		return false
	}
	_, usable := mailrec.ReadDMARC(j.state.Seen)
	return !usable
}
