package resolve

import "context"

// Query is one question for one source.
type Query struct {
	Source   *Source
	Question Question
	// Fresh asks in another way than the time before: a new source port, TCP, the
	// source's next address. Used to confirm what a first answer said.
	Fresh bool
	// Known is the print of the answer that the source gave last; 0 if there is none. A reply that says the same is
	// recognised by it and not read again.
	Known Print
	// Ref comes back with the observation: for the asker to know its question by.
	Ref int
}

// Print identifies what a reply says, but for TTLs, the order of records and the case of names. Replies with one
// print would be interpreted alike. It means something to the asker that it came from only; 0 is none.
type Print uint64

// Asker answers batches of queries. The shape is a batch with a callback, not
// a call a question, so that an implementation may share sockets, pipeline
// questions and pace each source without a goroutine or a timer a question.
//
// Ask calls emit exactly once for every query, in any order, from any
// goroutine but never from two at a time, and returns when all are done. A
// slow source does not hold up the others. When ctx ends, what is still open is emitted as Local at
// once. Ask may be called by several goroutines; the rate and window of a
// source hold over all calls. What goes to a source that has answered nothing for a while may be emitted without being
// asked (Observation.Withheld).
type Asker interface {
	Ask(ctx context.Context, queries []Query, emit func(Observation))
}
