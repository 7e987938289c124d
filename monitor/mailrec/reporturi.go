package mailrec

import "strings"

// readURIs reads a list of report addresses (RFC 8460 section 3). Their order means nothing, nor
// does the case of schemes and hosts; that of the rest does.
func readURIs(s string) (string, bool) {
	good, ok := readReportURIs(s)
	return good, ok && len(wrongURIs(s)) == 0
}

// readReportURIs reads those addresses of a list that are right; one is enough (RFC 9989 section
// 4.10.1).
func readReportURIs(s string) (string, bool) {
	var out []string
	for uri := range strings.SplitSeq(s, ",") {
		if good, ok := readURI(uri); ok {
			out = append(out, good)
		}
	}
	return strings.Join(sortedSet(out), ","), len(out) > 0
}

// wrongURIs gives the others.
func wrongURIs(s string) []string {
	var out []string
	for uri := range strings.SplitSeq(s, ",") {
		if _, ok := readURI(uri); !ok {
			out = append(out, trimBlank(uri))
		}
	}
	return out
}

func readURI(s string) (string, bool) {
	scheme, rest, found := strings.Cut(trimBlank(s), ":")
	if !found || !isTagName(scheme) || rest == "" || strings.ContainsAny(rest, " \t") {
		return "", false
	}
	scheme = strings.ToLower(scheme)
	return scheme + ":" + lowerHost(scheme, rest), true
}

// withoutSizes gives the addresses of a list without the limits (!10m) that they had in RFC 7489
// section 6.2 and that reporters ignore since RFC 9989.
func withoutSizes(list string) []string {
	uris := splitURIs(list)
	for i, uri := range uris {
		if at := strings.LastIndexByte(uri, '!'); at > 0 && strings.Trim(uri[at+1:], "0123456789kmgtKMGT") == "" {
			uris[i] = uri[:at]
		}
	}
	return uris
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
