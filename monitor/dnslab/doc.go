// Package dnslab is a DNS laboratory on loopback: authoritative servers with
// zones that can be edited while they serve, caching resolvers that read through
// to them, and faults that make each of them slow, silent, wrong or a liar.
// `maildrift demo` lives in it, and so do tests that need more than a scripted
// answer.
//
//	lab, err := dnslab.New(2)                      // two servers of the root and of every zone
//	defer lab.Close()
//	err = lab.Set("shop.example", "shop.example", rrset.TXT, 300, "v=spf1 -all")
//	r, err := lab.Resolver("one")                  // ask it at r.Addr()
//	r.Fault(dnslab.Match{Type: rrset.TXT}, dnslab.Rcode(dns.RcodeServerFailure))
//	asked := lab.Queries(func(q dnslab.Query) bool { return q.Server == "one" })
//
// # How true it is
//
// Authorities answer as RFC 1034 section 4.3.2 says: with authority for the zones
// that they host, with a referral for zones delegated below, and REFUSED for all
// else. Empty non-terminals exist (RFC 8020), wildcards are synthesised (RFC
// 4592), absence is proven by the SOA (RFC 2308), and long answers are truncated
// at the size that EDNS (RFC 6891) offers, 1232 octets at most. Resolvers keep
// RRsets and absences for their time and count TTLs down.
//
// Two things are simpler than in the world. A resolver knows at once which
// servers a zone is delegated to, so a delegation is never stale in a cache. And it
// asks them in process, not over sockets: a query of a resolver is in the
// log with the transport [Inside], and authorities' faults strike it as any other.
// There is no DNSSEC.
//
// All servers share one port, chosen by the kernel, on addresses of their own below
// 127.53.0.0/16: authorities have 127.53.0.n, resolvers 127.53.1.n. Labs of several
// processes live side by side, each on a port of its own, and nothing needs root or
// an installed program. All methods may be called concurrently.
package dnslab
