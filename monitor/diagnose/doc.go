// Package diagnose says why a record is not there, or not as it should be: it looks where
// people put records by mistake, reads what stands there instead, compares the zone's
// servers with each other and with its delegation, and names the cause with what to do and the
// exact record to publish, also in the form that the zone's DNS host asks for.
//
// It asks nobody itself. [Diagnose] is a pure function of a [Case] and a [view.View]; run over
// a [view.Book] with [view.Settle], what it would like to know comes out as the book's
// missing questions:
//
//	view.Settle(&book, func(v view.View) { found = diagnose.Diagnose(c, v) }, ask)
//
// Whoever asks should ask the zone's own servers without recursion: then no resolver learns
// that a name does not exist which is about to be published (RFC 2308 section 5). The record's
// own name is never among the questions of its own type; what it says is in the Case.
//
// All functions may be called concurrently as long as their arguments are not shared. Text
// from the wire is escaped before it gets into a [Diagnosis].
//
// The rules rest on RFC 1034 and 1035 (names, aliases, master files), RFC 2308 (negative caching),
// RFC 4592 (wildcards), RFC 8020 (NXDOMAIN), and on the record formats of RFC 7208, 6376 and 9989.
package diagnose
