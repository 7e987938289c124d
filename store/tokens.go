package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor/access"
)

var bucketTokens = []byte("tokens")

// ErrToken is that there is a token with that name already, or none.
var ErrToken = errors.New("token")

// Tokens gives all tokens, by name.
func (s *Store) Tokens(ctx context.Context) ([]access.Token, error) {
	var out []access.Token
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketTokens)
		if b == nil {
			return nil // nobody has made one yet
		}
		return b.ForEach(func(_, v []byte) error {
			var t access.Token
			if err := json.Unmarshal(v, &t); err != nil {
				return err
			}
			out = append(out, t)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return out, ctx.Err()
}

// AddToken keeps a new token. It is ErrToken if there is one with that name.
func (s *Store) AddToken(ctx context.Context, t access.Token) error {
	return s.changeToken(ctx, t.Name, func(b *writeBucket, known bool) error {
		if known {
			return fmt.Errorf("%w %s exists already: revoke it first, or choose another name", ErrToken, t.Name)
		}
		return putJSON(b, []byte(t.Name), t)
	})
}

// UseToken writes down when a token was used.
func (s *Store) UseToken(ctx context.Context, t access.Token) error {
	return s.changeToken(ctx, t.Name, func(b *writeBucket, known bool) error {
		if !known {
			return nil // it was revoked meanwhile
		}
		return putJSON(b, []byte(t.Name), t)
	})
}

// RemoveToken forgets a token. It is ErrToken if there is none with that name.
func (s *Store) RemoveToken(ctx context.Context, name string) error {
	return s.changeToken(ctx, name, func(b *writeBucket, known bool) error {
		if !known {
			return fmt.Errorf("%w %s does not exist", ErrToken, name)
		}
		return b.Delete([]byte(name))
	})
}

func (s *Store) changeToken(ctx context.Context, name string, change func(b *writeBucket, known bool) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(func(tx *writeTx) error {
		b, err := tx.CreateBucketIfNotExists(bucketTokens)
		if err != nil {
			return err
		}
		return change(b, b.Get([]byte(name)) != nil)
	})
}
