package client

import (
	"context"
	"net/http"

	"maildrift/monitor/web/wire"
)

// Tokens lists the tokens, by name.
func (c *Client) Tokens(ctx context.Context) ([]wire.Token, error) {
	out, err := get[wire.Tokens](ctx, c, api(http.MethodGet, "tokens"))
	return out.Tokens, err
}

// CreateToken makes a token. Its secret is in the answer, and nowhere else.
func (c *Client) CreateToken(ctx context.Context, t wire.TokenRequest) (wire.NewToken, error) {
	what := api(http.MethodPost, "tokens")
	what.query = values("by", c.by)
	if err := what.setJSON(t); err != nil {
		return wire.NewToken{}, err
	}
	return get[wire.NewToken](ctx, c, what)
}

// RevokeToken revokes a token.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	what := api(http.MethodDelete, "tokens", name)
	what.query = values("by", c.by)
	resp, err := c.send(ctx, what)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
