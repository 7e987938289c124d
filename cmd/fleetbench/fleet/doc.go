// Package fleet makes up sending domains as a mail platform has them by the thousand, and a zone in which they all are
// as they must be. Benchmarks ask about it.
//
//	f := fleet.Fleet{Size: 10_000, Seed: 1}
//	err := f.WriteZone(w)          // a master file for the zone "test."
//	questions := f.Questions()     // what a sweep asks each source, each once
//	domains, err := f.Domains()
//
// A domain has five or six records: a token that proves ownership, SPF that includes its mail service's and its mailbox
// provider's, a DKIM key of 2048 bits of its own or by CNAME at the service, DMARC, MX, and for most a CNAME for
// bounces. The services and mailbox providers are few, so that thousands of domains rest on the same includes.
//
// The same size and seed give the same bytes; a larger fleet begins with the domains of a smaller one. Everything may
// be called from several goroutines.
package fleet
