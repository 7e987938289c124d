package monitor

import (
	"errors"
	"fmt"
)

// The outcomes that callers tell apart with errors.Is.
var (
	// ErrNotFound is that no such domain or record is registered.
	ErrNotFound = errors.New("not found")
	// ErrExists is that the domain is registered already.
	ErrExists = errors.New("already registered")
	// ErrReadOnly is that the domain comes from a configuration file and can only be
	// changed there.
	ErrReadOnly = errors.New("read-only")
	// ErrHasSenders is that the domain still has sender addresses, so that its mail service would
	// not delete it either.
	ErrHasSenders = errors.New("has sender addresses")
	// ErrNothingToAccept is that nothing differs from the baseline.
	ErrNothingToAccept = errors.New("nothing to accept")
)

// FieldError says which part of a person's input is wrong.
type FieldError struct {
	// Path is the field within the input: "service", "expect[0].kind".
	Path string
	Err  error
}

// Error gives "path: what is wrong".
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap gives what is wrong.
func (e *FieldError) Unwrap() error { return e.Err }

func fieldErr(path string, err error) error { return &FieldError{Path: path, Err: err} }
