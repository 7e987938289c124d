// Package pace decides which resolvers a sweep need not ask, and says in numbers whether a sweep fits into its
// interval. It is pure: no clock, no network, no goroutine. All its values are copied freely.
//
// # Why an answer may stand
//
// A resolver answers from its cache, and says with the TTL for how long it will go on to. What it says after that it has
// from the zone's own servers. So if these, which are asked in every sweep, have said the same all the time, asking the
// resolver again before its TTL has run out can only bring the answer that is known already. That question is saved, and the
// answer that the resolver gave last stands in the tally as if it had been given now.
//
// That cannot hide a drift, because a drift has to come from somewhere:
//
//   - From the zone. Its servers are asked in every sweep, whatever the pace. From the sweep in which they say anything else
//     than before, or are silent or split, or are other servers, everybody is asked in every sweep, until for as long as
//     the longest TTL that they gave they have said the same again: no cache holds anything from before then (see
//     [Authority]).
//   - From the zone, changed and changed back between two sweeps. A cache that ran out in between may have the
//     change. It is asked in the sweep after it ran out, which is the next one: when it was given is known to the second, and
//     all rounding is to the early side (see [Memory]).
//   - From the resolver itself, or from somebody between it and us: it lies, filters, is poisoned. No TTL says when. It is
//     found when the answer ends, or after [Longest], whichever comes first; the canaries of every sweep find at once the one that
//     lies about everything.
//
// The one thing that TTLs do not promise is what other caches behind the same address hold (anycast), or one that was flushed
// before its time. They too can only have what the zone's servers said, so a change that any sweep sees is found as without
// TTL sense. A change and its reverse between two sweeps may be in such a cache, and is then found as a resolver's
// own lie is, if it is still there. Who has the zone's SOA serial in the hash that [Authority.Hear] is given closes this
// too: then there is no change that a sweep does not see.
//
// What is not settled is asked of everyone in every sweep: records that are pending, suspected, not holding, about which
// anybody dissents, for which a change is announced. A resolver that failed, or said anything but the good record, has no
// answer that could stand.
//
// # Use
//
//	sweep := pace.Sweep{Policy: policy, Now: now, Next: next}
//	authority = authority.Hear(now, hash, ttl)      // or .Silent()
//	d := sweep.Decide(pace.Record{Settled: settled, Authority: authority}, memory)
//	if d.Ask {
//		memory = pace.Heard(asked, answer.TTL)       // or pace.Memory{} if it is not the good record
//	}
//
// Estimate gives the sweep in numbers before it begins, and the policy that "auto" comes to.
package pace
