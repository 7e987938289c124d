// Package report writes all that was seen of a domain's mail records into one file, Markdown or
// HTML, to be attached to a support ticket: what each source said in full, what that means, and what
// to publish.
//
//	err := r.Write(out, report.HTML)
//
// What comes from the DNS is hostile. In Markdown it stands in code fences longer than any run of
// backticks in it, or is escaped; the HTML is made by html/template, holds no script and forbids
// whatever might be loaded or run. All text in a [Report] must be printable (see
// rrset.Printable); nothing here knows the network or the clock.
package report
