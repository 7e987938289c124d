package wire

import (
	"time"

	"maildrift/monitor/access"
)

// TokenRequest asks for a token.
type TokenRequest struct {
	Name    string       `json:"name" minLength:"1" maxLength:"100" doc:"Whose it is; what is done with it stands under this name in the audit trail"`
	Scope   access.Scope `json:"scope" enum:"read,operate,admin" doc:"read looks; operate also registers, checks, accepts, announces, pauses and silences; admin does all"`
	Expires string       `json:"expires,omitempty" doc:"When it ends: RFC 3339, a date, or in how long (90d); absent for never"`
}

// Token is a token without its secret.
type Token struct {
	Name    string       `json:"name"`
	Scope   access.Scope `json:"scope" enum:"read,operate,admin"`
	Created time.Time    `json:"created"`
	By      string       `json:"by,omitempty"`
	Expires time.Time    `json:"expires,omitzero"`
	Used    time.Time    `json:"used,omitzero" doc:"The day on which it was used last; absent if it never was"`
}

// NewToken is a token that was just made.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"The token itself; it is shown this once"`
}

// TokenOf gives a token.
func TokenOf(t access.Token) Token {
	return Token{Name: printable(t.Name), Scope: t.Scope, Created: t.Created, By: printable(t.By), Expires: t.Expires, Used: t.Used}
}

// Tokens is the list of tokens.
type Tokens struct {
	Tokens []Token `json:"tokens" nullable:"false"`
}
