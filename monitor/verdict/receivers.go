package verdict

// receiver is one receiver's published rules for bulk senders.
type receiver struct {
	name  string
	rules []rule
}

// rule is one published rule: mail that broken says is treated with action.
type rule struct {
	broken func(Facts) bool
	action Action
	code   string
	why    string
}

// rule gives the worst that a receiver's rules say; of equals the first. Codes are given as
// far as the receiver publishes them.
func (r receiver) rule(f Facts) Ruling {
	out := Ruling{Receiver: r.name}
	for _, rule := range r.rules {
		if rule.action > out.Action && rule.broken(f) {
			out.Action, out.Code, out.Why = rule.action, rule.code, rule.why
		}
	}
	return out
}

// What rules speak of.
func neither(f Facts) bool {
	return f.SPF != Pass && f.DKIM != Pass && (f.SPF != Untried || f.DKIM != Untried)
}
func temporary(f Facts) bool  { return f.SPF == TempError || f.DKIM == TempError || f.PolicyUnknown }
func spfFails(f Facts) bool   { return !passes(f.SPF) && f.SPF != TempError }
func dkimFails(f Facts) bool  { return !passes(f.DKIM) && f.DKIM != TempError }
func hardFails(f Facts) bool  { return f.SPF == Fail && f.HardFail }
func noPolicy(f Facts) bool   { return f.Policy == NoPolicy && !f.PolicyUnknown }
func unaligned(f Facts) bool  { return !f.DMARC() && (f.SPF == Pass || f.DKIM == Pass) }
func dmarcFails(f Facts) bool { return !f.DMARC() && (f.SPF != Untried || f.DKIM != Untried) }
func rejects(f Facts) bool    { return dmarcFails(f) && f.Policy == Reject && !temporary(f) }
func quarantines(f Facts) bool {
	return dmarcFails(f) && f.Policy == Quarantine && !temporary(f)
}

// receivers are those whose rules are public, with where they were read.
var receivers = []receiver{
	// Google's e-mail sender guidelines and its list of SMTP errors (support.google.com/a/answer/81126
	// and 3726730, copies of February and March 2026). Enforcement has ramped up since November 2025.
	{"Gmail", []rule{
		{rejects, Refuse, "550 5.7.26", "the domain's own DMARC policy rejects it"},
		{hardFails, Refuse, "550 5.7.26", "the SPF record ends in -all and the mail does not pass it"},
		{func(f Facts) bool { return neither(f) && !temporary(f) }, Refuse, "550 5.7.26", "neither SPF nor DKIM passes"},
		{spfFails, Refuse, "550 5.7.27", "SPF does not pass, which bulk senders need"},
		{dkimFails, Refuse, "550 5.7.30", "DKIM does not pass, which bulk senders need"},
		{noPolicy, Refuse, "550 5.7.40", "there is no DMARC record, which bulk senders need"},
		{func(f Facts) bool { return temporary(f) && !f.DMARC() }, Defer, "451 4.7.26", "the records cannot be looked up"},
		{unaligned, Defer, "421 4.7.32", "neither SPF nor DKIM passes for the From domain"},
		{quarantines, Junk, "", "the domain's own DMARC policy puts it with the spam"},
	}},
	// Yahoo's sender requirements and error codes (copies of April 2025 and February 2026).
	{"Yahoo", []rule{
		{rejects, Refuse, "554", "the domain's own DMARC policy rejects it"},
		{func(f Facts) bool { return neither(f) && !temporary(f) }, Refuse, "553", "neither SPF nor DKIM passes"},
		{spfFails, Refuse, "553", "SPF does not pass, which bulk senders need"},
		{dkimFails, Refuse, "553", "DKIM does not pass, which bulk senders need"},
		{noPolicy, Refuse, "553", "there is no DMARC record, which bulk senders need"},
		{func(f Facts) bool { return dmarcFails(f) && !temporary(f) }, Refuse, "553", "DMARC does not pass, which bulk senders need"},
		{func(f Facts) bool { return temporary(f) && !f.DMARC() }, Defer, "451", "the records cannot be looked up"},
	}},
	// Microsoft's requirements for high-volume senders to Outlook.com, enforced since May 2025
	// (copy of August 2025): both must pass, stricter than DMARC.
	{"Microsoft", []rule{
		{spfFails, Refuse, "550 5.7.515", "SPF does not pass, which high-volume senders need"},
		{dkimFails, Refuse, "550 5.7.515", "DKIM does not pass, which high-volume senders need"},
		{noPolicy, Refuse, "550 5.7.515", "there is no DMARC record, which high-volume senders need"},
		{func(f Facts) bool { return dmarcFails(f) && !temporary(f) }, Refuse, "550 5.7.515", "DMARC does not pass, which high-volume senders need"},
		{func(f Facts) bool { return temporary(f) && !f.DMARC() }, Defer, "451", "the records cannot be looked up"},
	}},
	// NetEase and Alibaba Mail publish less: an SPF check that fails is refused (NetEase: 550 MI:SPF), and
	// the domain's DMARC policy is followed (Alibaba Mail).
	{"NetEase, Alibaba Mail", []rule{
		{rejects, Refuse, "550", "the domain's own DMARC policy rejects it"},
		{hardFails, Refuse, "550 MI:SPF", "the SPF record ends in -all and the mail does not pass it"},
		{func(f Facts) bool { return neither(f) && !temporary(f) }, Refuse, "550 MI:SPF", "neither SPF nor DKIM passes"},
		{func(f Facts) bool { return temporary(f) && !f.DMARC() }, Defer, "451", "the records cannot be looked up"},
		{quarantines, Junk, "", "the domain's own DMARC policy puts it with the spam"},
	}},
}
