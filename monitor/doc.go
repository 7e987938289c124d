// Package monitor is maildrift's engine: it knows the registered domains, asks
// about their records on schedule, lets package judge decide, and hands what
// happened to a journal and a notifier.
//
// The flow is a straight line:
//
//	registry → schedule → plan → ask → observe → judge → commit → notify
//
// [Engine] owns all state. Readers get immutable snapshots ([Engine.Snapshot]);
// everything that changes state goes through its methods, which may be called from
// any goroutine. [Inquiry] is the asking and judging of one round, without state: the
// one-shot check uses it too.
//
// What is told is on disk first: an incident is committed in the same transaction as the
// transition that opened it, then handed to the notifier, again and again until it
// is closed.
package monitor
