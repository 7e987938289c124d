package diagnose

import (
	"strings"

	"maildrift/monitor/rrset"
)

// Commands gives what to type to see the same: dig for Linux and macOS, nslookup for Windows, first
// at a server of the zone, which knows at once, then at the machine's own resolver, which may
// remember an older state.
func Commands(name rrset.Name, typ rrset.Type, servers []rrset.Name) []string {
	if !plain(name) {
		return nil
	}
	var out []string
	for _, s := range servers {
		if plain(s) {
			out = append(out, "dig +norecurse @"+string(s)+" "+string(name)+" "+typ.String(),
				"nslookup -type="+typ.String()+" "+name.FQDN()+" "+string(s))
			break
		}
	}
	return append(out, "dig "+string(name)+" "+typ.String(), "nslookup -type="+typ.String()+" "+name.FQDN())
}

// plain says whether a name may be pasted into a shell. Names of servers come from the wire.
func plain(n rrset.Name) bool {
	if n == "" || n[0] == '-' {
		return false
	}
	return strings.Trim(string(n), "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}
