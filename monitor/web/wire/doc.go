// Package wire is what maildrift's API says, as Go types: the server fills them,
// the client reads them, and the OpenAPI document is made from them.
//
// JSON fields are snake_case, times RFC 3339 in UTC, durations as their field's suffix says
// (latency_ns: nanoseconds). DNS data is given twice, as lines for people and as
// exact RDATA ([Data]). What came from the wire is escaped by rrset.Printable wherever
// it is text, so that it is safe on a terminal; it must still be escaped for HTML.
//
// Fields may be added in later versions; clients must ignore what they do not know.
package wire
