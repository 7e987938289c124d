package resolve

import (
	"net/netip"
	"testing"
)

func TestIsPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700:4700::1111": true, "203.0.113.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "::1": false, "::": false, "fe80::1": false, "fd00::1": false,
		"::ffff:10.0.0.1": false, "::ffff:127.0.0.1": false, "2002:0a00:0001::": false, "64:ff9b::a00:1": false, "2001::1": false,
	} {
		if IsPublic(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s: %v, want %v", addr, !want, want)
		}
	}
}
