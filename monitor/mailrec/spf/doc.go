// Package spf is the Sender Policy Framework (RFC 7208): it parses records, judges
// them without a message ([Explore]), and evaluates them for one as a receiver
// would ([Check]).
//
// Both judgements are pure functions over a [view.View], which answers their DNS
// questions. Where it has no answer yet they say so (Final is false) instead of
// guessing; with a [view.Book] they tell by that what to ask next.
//
//	record, err := spf.Parse("v=spf1 include:_spf.example.com -all")
//	outcome := spf.Check(v, spf.Request{IP: ip, MailFrom: "a@example.com", Helo: "mx.example.com"})
//	tree := spf.Explore(v, "example.com")
//
// Nobody can make them work long: a record costs at most what section 4.6.4 allows,
// ten terms that look something up, however they refer to each other.
package spf
