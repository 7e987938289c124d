package dnslab

import (
	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Authority is an authoritative server.
type Authority struct {
	*Server
	// frozen, guarded by the lab's mu, is what it serves instead of the live zones.
	frozen *world
}

// Freeze makes it serve all zones as they are now, as a secondary does that no
// transfer reaches any more, or lets it catch up.
func (a *Authority) Freeze(freeze bool) {
	a.lab.mu.Lock()
	defer a.lab.mu.Unlock()
	a.frozen = nil
	if freeze {
		a.frozen = a.lab.live.clone()
	}
}

// answer answers from the zones that it hosts, without recursion.
func (a *Authority) answer(q, m *dns.Msg) {
	a.lab.mu.RLock()
	defer a.lab.mu.RUnlock()
	w := a.lab.live
	if a.frozen != nil {
		w = a.frozen
	}
	w.look(rrset.Name(a.name), rrset.FromFQDN(q.Question[0].Name), rrset.Type(q.Question[0].Qtype)).fill(m)
}
