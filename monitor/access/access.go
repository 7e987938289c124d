// Package access decides who may do what over HTTP: tokens with scopes, and which scope a request needs. It is pure, but
// for the making of tokens, which needs randomness; who keeps tokens is another's business.
//
//	secret, token := access.NewToken("grafana", access.Read, "ada", now, time.Time{})
//	hash, err := access.Hash(secret)             // what is kept and looked up
//	if access.Needed(method, path) > token.Scope // 403
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Scope is what somebody may do. A higher one includes those below.
type Scope uint8

// The scopes.
const (
	// Nobody may do nothing but see whether the daemon lives.
	Nobody Scope = iota
	// Read may look at everything but tokens and backups.
	Read
	// Operate may also register domains, check, accept, announce, pause and silence.
	Operate
	// Admin may also remove domains, make backups, compact the database, reload the configuration and manage tokens.
	Admin
)

var scopeNames = [...]string{Nobody: "nobody", Read: "read", Operate: "operate", Admin: "admin"}

// String gives the name that is written in JSON and commands.
func (s Scope) String() string { return scopeNames[s] }

// MarshalText writes the name.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a scope that a token can have.
func (s *Scope) UnmarshalText(b []byte) error {
	i := slices.Index(scopeNames[:], string(b))
	if i <= int(Nobody) {
		return fmt.Errorf("%q is not a scope: use read, operate or admin", b)
	}
	*s = Scope(i) //nolint:gosec // one of four
	return nil
}

// Token is what is kept of a token: enough to recognise it, not enough to use it.
type Token struct {
	// Name says whose it is. It is unique, and what is done with the token stands under it in the audit trail.
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
	// Hash is that of the secret, in hexadecimal digits.
	Hash    string    `json:"hash"`
	Created time.Time `json:"created"`
	By      string    `json:"by,omitempty"`
	// Expires is when it ends; zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Used is the day on which it was used last; zero if it never was.
	Used time.Time `json:"used,omitzero"`
}

// Expired reports whether the token has ended.
func (t Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

const (
	// prefix makes tokens easy to find where they must not be, such as in a repository.
	prefix = "mdt_"
	// secretBytes are 256 bits: nobody can try them all, so a plain hash is enough, unlike for passwords.
	secretBytes = 32
	// mostOfName bounds a name.
	mostOfName = 100
)

var encoding = base64.RawURLEncoding

// ErrMalformed is that a text is no token: cut off, or mistyped.
var ErrMalformed = errors.New("that is no token of maildrift: it begins with mdt_ and has 52 characters; copy all of it")

// NewToken makes a token. The secret is given once, here, and kept nowhere. An error names what is wrong.
func NewToken(name string, scope Scope, by string, now, expires time.Time) (secret string, t Token, err error) {
	switch {
	case strings.TrimSpace(name) == "" || len(name) > mostOfName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' }):
		return "", t, fmt.Errorf("a token's name has 1 to %d characters without / and control characters", mostOfName)
	case scope == Nobody:
		return "", t, errors.New("a token needs a scope: read, operate or admin")
	case !expires.IsZero() && !expires.After(now):
		return "", t, errors.New("a token must end in the future")
	}
	raw := make([]byte, secretBytes, secretBytes+4)
	rand.Read(raw) // it never fails, see crypto/rand
	raw = binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
	secret = prefix + encoding.EncodeToString(raw)
	hash, err := Hash(secret)
	return secret, Token{Name: name, Scope: scope, Hash: hash, Created: now.UTC(), By: by, Expires: expires.UTC()}, err
}

// Hash gives the hash under which a token is kept. It is ErrMalformed for what cannot be one, without a look into any
// memory.
func Hash(secret string) (string, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(secret), prefix)
	raw, err := encoding.DecodeString(rest)
	if !ok || err != nil || len(raw) != secretBytes+4 || binary.BigEndian.Uint32(raw[secretBytes:]) != crc32.ChecksumIEEE(raw[:secretBytes]) {
		return "", ErrMalformed
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Needed gives the scope that a request needs.
func Needed(method, path string) Scope {
	reads := method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
	api, isAPI := strings.CutPrefix(path, "/api/v1/")
	switch {
	case path == "/-/healthy", path == "/-/ready", path == "/signin", path == "/signout", strings.HasPrefix(path, "/static/"):
		return Nobody
	case isAPI && (api == "backup" || api == "compact" || api == "tokens" || strings.HasPrefix(api, "tokens/")):
		return Admin
	case reads:
		return Read
	case path == "/-/reload", isAPI && isDomain(method, api), strings.HasPrefix(path, "/domains/") && strings.HasSuffix(path, "/remove"):
		return Admin
	}
	return Operate
}

// isDomain says whether a request removes a domain.
func isDomain(method, api string) bool {
	name, ok := strings.CutPrefix(api, "domains/")
	return ok && method == http.MethodDelete && !strings.Contains(name, "/")
}

// Caller is who makes a request.
type Caller struct {
	// Name is the token's or the user's; empty if nobody had to say.
	Name  string
	Scope Scope
}

// By gives the name for the audit trail: that of the caller, who may say on whose behalf; who has none may say anything.
func (c Caller) By(said, otherwise string) string {
	switch {
	case c.Name == "" && said == "":
		return otherwise
	case c.Name == "":
		return said
	case said == "" || said == c.Name:
		return c.Name
	}
	return c.Name + " (" + said + ")"
}
