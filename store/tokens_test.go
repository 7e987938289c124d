package store

import (
	"errors"
	"path/filepath"
	"testing"

	"maildrift/monitor/access"
)

func TestTokensAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	if none, err := s.Tokens(ctx); err != nil || len(none) != 0 {
		t.Fatalf("%v, %v", none, err)
	}
	token := access.Token{Name: "ci", Scope: access.Operate, Hash: "ab", Created: day}
	if err := s.AddToken(ctx, token); err != nil {
		t.Fatal(err)
	}
	if err := s.AddToken(ctx, token); !errors.Is(err, ErrToken) {
		t.Errorf("a second one of the same name: %v", err)
	}
	token.Used = day
	if err := errors.Join(s.UseToken(ctx, token), s.UseToken(ctx, access.Token{Name: "revoked"}), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if got, err := s.Tokens(ctx); err != nil || len(got) != 1 || got[0] != token {
		t.Errorf("%+v, %v; want %+v", got, err, token)
	}
	if err := s.RemoveToken(ctx, "ci"); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveToken(ctx, "ci"); !errors.Is(err, ErrToken) {
		t.Errorf("one that is gone: %v", err)
	}
}
