package resolve

import "net/netip"

// notPublic are the networks that look global and are not, or that lead to others: shared
// address space (RFC 6598), benchmarks (RFC 2544), 6to4 (RFC 3056), Teredo (RFC 4380) and NAT64 (RFC 6052),
// through which an inner IPv4 address could be reached, "this network" and the reserved rest.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
}

// IsPublic says whether an address is one of the public Internet. Names in foreign zones must not
// have us knock at doors inside our own network.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
