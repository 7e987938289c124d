package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/access"
	"maildrift/monitor/web/wire"
)

type tokenInput struct {
	By   string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
	Body wire.TokenRequest
}

type revokeInput struct {
	Name string `path:"name" doc:"Name of the token"`
	By   string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
}

// tokenOperations manage tokens.
func (s *site) tokenOperations(api huma.API) {
	if s.Tokens == nil {
		return
	}
	huma.Register(api, operation(http.MethodGet, "/tokens", "list-tokens", "Tokens, by name, without their secrets"),
		func(ctx context.Context, _ *struct{}) (*answer[wire.Tokens], error) {
			all, err := s.Tokens.Tokens(ctx)
			return &answer[wire.Tokens]{wire.Tokens{Tokens: each(all, wire.TokenOf)}}, s.problem("list the tokens", err)
		})
	create := operation(http.MethodPost, "/tokens", "create-token", "Make a token; its secret is given now and never again", 409, 422)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, s.createToken)
	huma.Register(api, operation(http.MethodDelete, "/tokens/{name}", "revoke-token", "Revoke a token, and end the sessions that were begun with it", 404), s.revokeToken)
}

func (s *site) createToken(ctx context.Context, in *tokenInput) (*answer[wire.NewToken], error) {
	now := s.Now()
	var expires time.Time
	var err error
	if in.Body.Expires != "" {
		if expires, err = ParseAhead(in.Body.Expires, now); err != nil {
			return nil, badParameter("body.expires", err)
		}
	}
	who := by(ctx, in.By)
	secret, t, err := access.NewToken(in.Body.Name, in.Body.Scope, who, now, expires)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	if err := s.Tokens.AddToken(ctx, t); err != nil {
		return nil, huma.Error409Conflict(err.Error())
	}
	if err := s.gate.load(); err != nil {
		return nil, s.problem("take the token", err)
	}
	s.note(ctx, monitor.Audit{Action: "token", By: who, Detail: t.Name + " with scope " + t.Scope.String()})
	return &answer[wire.NewToken]{wire.NewToken{Token: wire.TokenOf(t), Secret: secret}}, nil
}

func (s *site) revokeToken(ctx context.Context, in *revokeInput) (*struct{}, error) {
	if err := s.Tokens.RemoveToken(ctx, in.Name); err != nil {
		return nil, huma.Error404NotFound(err.Error())
	}
	if err := s.gate.load(); err != nil {
		return nil, s.problem("forget the token", err)
	}
	s.note(ctx, monitor.Audit{Action: "revoke", By: by(ctx, in.By), Detail: in.Name})
	return nil, nil //nolint:nilnil // an answer without a body
}

// note writes into the audit trail what was done already.
func (s *site) note(ctx context.Context, a monitor.Audit) {
	if err := s.Engine.Note(ctx, a); err != nil {
		s.Logger.Error("what was done is not in the audit trail", "action", a.Action, "by", a.By, "err", err)
	}
}
