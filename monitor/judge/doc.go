// Package judge decides: from what many sources said about one record to one
// verdict ([Decide]), and from a verdict to a change of the record's state
// ([Step]). Both are pure functions without I/O, clock or goroutines; time comes in
// as an argument. They may be called concurrently.
//
// The usual sequence, for each record and sweep:
//
//	tally := judge.Tally{Configured: 12, Operators: votes, Authority: servers}
//	decision := judge.Decide(tally, rules)
//	next, transitions, again := judge.Step(state, decision, now, rules)
//
// The rules that keep it honest:
//
//   - Only an answer is evidence. A voter that failed to answer is Unheard and moves
//     a decision towards Blind, never towards Missing (RFC 7208 section 4.4 calls
//     such a result temperror, not none).
//   - Operators vote, not addresses, and a few may dissent: none below three
//     voters, one up to five, two from six on, as certificate authorities corroborate
//     DNS from several places (CA/Browser Forum Baseline Requirements 3.2.2.9).
//   - The zone's own servers are the truth to which caches converge, so a change
//     there is told before caches run out.
//   - Every change of verdict is seen again, and once more after a wait, before it
//     counts; going back to good needs the same.
//   - A record that keeps changing is one episode ([Flapping]): it stays bad until it has held for a
//     while.
//   - An answer from a cache that was filled before the last change is an echo of what was
//     ([Vote].Echo): it neither ends what was told nor tells it again.
package judge
