// Package resolve asks DNS servers and says what they answered, or why nothing
// can be said. It has no opinion on what an answer means for mail.
//
//	client := resolve.NewClient(resolve.Options{})
//	defer client.Close()
//	client.Ask(ctx, queries, func(o resolve.Observation) { … })
//
// A reply counts only if it is one: sent by whom we asked, with our ID, to exactly our
// question (RFC 5452 section 9.1), with an answer section that leads from the name asked to
// the data over at most eight CNAMEs. After a reply to something else the question is asked
// again over TCP, where forging is harder. Truncated replies are asked for over TCP and
// their partial data is never used (RFC 7766 section 5). Absence needs NXDOMAIN, or an empty
// answer with its SOA record or from an authority (RFC 2308). Everything else is a failure with a
// class of its own ([Outcome]), and never evidence.
//
// Questions to resolvers have RD=1, those to a zone's own servers RD=0 and their answers must be
// authoritative. EDNS offers 1232 bytes, which no path fragments (RFC 9715).
//
// Questions over UDP share sockets, windows and a rate that follows what an operator answers. An answer has a [Print]: whoever
// gives it back with the next question is told, without the reply being parsed, that the same was said again.
//
// A source that answers nothing is found out once for all who ask it. Its questions then end as timeouts at once
// ([Observation.Withheld]), but for one now and then that finds out whether it is back ([Options.Rest], [Client.Silent]).
//
// [Delegations] finds the zone that a name lives in and the servers that it is delegated
// to, without asking any resolver for a name that may not exist yet.
//
// Record data comes out as package rrset has it: exact bytes, never presentation text.
package resolve
