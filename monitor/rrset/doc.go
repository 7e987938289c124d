// Package rrset holds DNS data in the form that can be compared, stored and
// shown without loss: names in one spelling ([Name]), record types ([Type]) and
// resource record sets ([Set]) as the exact bytes of their RDATA.
//
// It is the ground floor of maildrift: asking (package resolve) produces sets,
// judging what they mean for mail (package mailrec) reads them, the store keeps
// them. It does no I/O and knows no clock.
//
// RDATA is kept as uncompressed wire format with the host names inside it
// lower-cased (RFC 3597 section 7, RFC 4034 section 6.2), in canonical order
// (RFC 4034 section 6.3) and without duplicates (RFC 2181 section 5). So two
// sets are the same data exactly if their bytes are, whatever the order,
// compression or case in which a server sent them. TXT data is never held in
// presentation form, where quoting and escapes would have to be undone before
// every comparison.
//
// All types are values; they may be shared between goroutines as long as
// nobody writes to the bytes of a Set.
package rrset
