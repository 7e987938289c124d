package mailrec

import (
	"slices"
	"strings"
)

// readURIs reads a list of report addresses (RFC 9990, RFC 8460 section 3). Their order
// means nothing, nor does the case of schemes and hosts; that of the rest does.
func readURIs(s string) (string, bool) {
	var out []string
	for uri := range strings.SplitSeq(s, ",") {
		scheme, rest, found := strings.Cut(trimBlank(uri), ":")
		if !found || !isTagName(scheme) || rest == "" || strings.ContainsAny(rest, " \t") {
			return "", false
		}
		out = append(out, strings.ToLower(scheme)+":"+lowerHost(strings.ToLower(scheme), rest))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ","), true
}

// lowerHost lower-cases the host of mailto:user@host and https://host/path.
func lowerHost(scheme, rest string) string {
	var begin int
	end := len(rest)
	if scheme == "mailto" {
		if i := strings.IndexAny(rest, "?!"); i >= 0 {
			end = i
		}
		begin = strings.LastIndexByte(rest[:end], '@') + 1
		if begin == 0 {
			return rest
		}
	} else {
		if !strings.HasPrefix(rest, "//") {
			return rest
		}
		begin = 2
		if i := strings.IndexAny(rest[begin:], "/?#"); i >= 0 {
			end = begin + i
		}
	}
	return rest[:begin] + strings.ToLower(rest[begin:end]) + rest[end:]
}

func splitURIs(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
