// Package impair makes the way to a DNS server bad: a proxy for UDP that loses, limits, delays or swallows datagrams,
// in user space, where the kernel's own means are missing or need privileges.
//
//	p, err := impair.Listen(at, server, impair.Path{Loss: 0.05, Seed: 1})
//	defer p.Close()
//	// ask p.Addr() instead of server
//	counts := p.Counts()
//
// A few sockets serve all clients: a question goes on under an ID of the proxy's own, by which its reply is given back
// to whoever asked, under the ID that it had. Loss is decided by seeded dice, so that the nth datagram of a direction
// fares alike in each run. TCP is not relayed; nobody listens for it.
package impair
