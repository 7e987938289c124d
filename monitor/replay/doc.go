// Package replay says which alerts other rules would have raised about what was recorded: for each record it
// takes the answers of all sources as they stood at every moment at which something changed or a sweep looked,
// and lets package judge decide anew.
//
// The usual sequence, a record at a time, so that a history of any size needs little memory:
//
//	course := replay.Course{Rules: rules, Resolvers: group, Agenda: replay.NewAgenda(sweeps), …}
//	pages := replay.Run(course, replay.Record{State: state, Intervals: answers, Transitions: moves})
//	report.Add(replay.Compare(told, pages, moves))
//
// All is pure: the same input gives the same pages, in whatever order its rows come.
//
// # What history knows
//
// The store keeps each source's answer from the round that first heard it until the next one, with failures
// while a record is not settled or is contradicted. So every round that had a say in a change of the record is there, and with
// the rules that were in force the same alerts come out at the same moments. Between these rounds the record
// was asked in sweeps, which are kept as summaries, and in rechecks, which are not: they are placed at their
// interval, backwards from the next known moment, and nowhere while the daemon was down.
//
// # What it does not know
//
// What was never asked: another schedule, another operator. What counted for nothing: sweeps that were not
// trusted, and what the gate held back. Failures at settled records that nobody contradicts; they page nobody, but a
// group of which half was dead is judged by the last answers of that half. Whose vote would have been lost: echoes,
// distrusted operators and announced values are taken as they were. Rounds of confirmation that other
// rules would have added are judged by what stood then.
package replay
