package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// Engine is what is shown and acted upon. *monitor.Engine is one.
type Engine interface {
	// Snapshot gives the current state, which is shared and read-only.
	Snapshot() *monitor.Snapshot
	// Changed gives a channel that is closed when the state changes next.
	Changed() <-chan struct{}
	// AddAll registers all domains or none: *monitor.FieldError, monitor.ErrExists.
	AddAll(ctx context.Context, specs []monitor.Spec, by string) ([]*monitor.Domain, error)
	// Remove forgets a domain: monitor.ErrNotFound, monitor.ErrReadOnly, monitor.ErrHasSenders.
	// ForceRemove does so even if the domain has sender addresses.
	Remove(ctx context.Context, name rrset.Name, by string) error
	ForceRemove(ctx context.Context, name rrset.Name, by string) error
	// SetSenders replaces a domain's sender addresses: monitor.ErrNotFound,
	// monitor.ErrReadOnly, *monitor.FieldError.
	SetSenders(ctx context.Context, name rrset.Name, senders []string, by string) error
	// CheckNow asks about a domain and returns when that is judged: monitor.ErrNotFound.
	CheckNow(ctx context.Context, name rrset.Name) error
	// Accept makes what is there the baseline: monitor.ErrNotFound, monitor.ErrNothingToAccept.
	Accept(ctx context.Context, id monitor.RecordID, by, why string) error
	Planner
}

// Planner is told of planned work. Its errors are monitor.ErrNotFound, *monitor.FieldError, and where named.
type Planner interface {
	// Announce lets another value hold too, Withdraw takes that back: monitor.ErrNotVerified,
	// monitor.ErrNothingAnnounced.
	Announce(ctx context.Context, a monitor.Announcement) error
	Withdraw(ctx context.Context, id monitor.RecordID, by, why string) error
	// Rotate begins a rotation of DKIM keys and gives the record of the new key: monitor.ErrNotVerified.
	Rotate(ctx context.Context, r monitor.Rotation) (monitor.Record, error)
	// Pause keeps quiet about a domain or record, Resume ends that: monitor.ErrNotPaused.
	Pause(ctx context.Context, id monitor.RecordID, until time.Time, by, why string) error
	Resume(ctx context.Context, id monitor.RecordID, by, why string) error
	// Note writes down what a person did elsewhere.
	Note(ctx context.Context, a monitor.Audit) error
}

// Query selects a part of the history.
type Query struct {
	// Domain and Record narrow it down; empty means all.
	Domain rrset.Name
	Record string
	// Since is inclusive, Until exclusive; zero means no bound.
	Since, Until time.Time
	// Limit is the most rows to give, at least 1.
	Limit int
	// Newest says that the newest come first and that the limit cuts the oldest.
	Newest bool
	// Lasting, for answers, also gives those that began before Since and lasted until then.
	Lasting bool
}

// History is what was kept. A store is one, adapted to Query.
type History interface {
	Transitions(ctx context.Context, q Query) ([]monitor.Transition, error)
	Intervals(ctx context.Context, q Query) ([]monitor.Interval, error)
	Sweeps(ctx context.Context, q Query) ([]monitor.SweepSummary, error)
	// Audit gives what people did.
	Audit(ctx context.Context, q Query) ([]monitor.Audit, error)
	// Notices gives what receivers were told.
	Notices(ctx context.Context, q Query) ([]monitor.Notice, error)
	// Backup writes a copy of the whole database and gives its size in bytes.
	Backup(ctx context.Context, w io.Writer) (int64, error)
}

// Options are what the handler stands on. Engine, History and Ready must be set.
type Options struct {
	Engine  Engine
	History History
	// Ready gives nil once state is loaded and the store takes commits, else why not. The
	// text is shown to anybody.
	Ready func() error
	// Metrics serves /metrics, Alertmanager everything under /alertmanager/ with the prefix left in
	// the path. Without them these paths do not exist.
	Metrics, Alertmanager http.Handler
	// TryAlert sends a test of that severity to a receiver, or without one where the routes lead, and says what each
	// integration answers; a *monitor.FieldError for a receiver that does not exist. Without it the operation does not exist.
	TryAlert func(ctx context.Context, receiver, severity string) ([]wire.Trial, error)
	// Compact writes the database anew while it is used, without the room that deleted history has left. It is ErrBusy while
	// another compaction is under way. Without it the operation does not exist.
	Compact func(ctx context.Context) (wire.Compaction, error)
	// Health says how resolvers have answered lately, Receivers how those fare who are told of alerts. Nil: nobody knows.
	Health    func() []health.Source
	Receivers func() []wire.Receiver
	// Diagnose asks around why a domain's records are not as they should be; state gives what is known of each. Without
	// it the operation does not exist.
	Diagnose func(ctx context.Context, d *monitor.Domain, state func(key string) *monitor.RecordState) ([]wire.RecordDiagnosis, error)
	// Reload reads the configuration again, all of it or, with an error, nothing, and writes into the audit trail what came of it and
	// who asked for it. Without it POST /-/reload does not exist.
	Reload func(ctx context.Context, by string) (changes string, err error)
	// Tokens keeps the tokens that callers may have; nil for none. RequireToken lets nobody in without one, or a session
	// that was begun with one; else whoever comes without may do everything. UsersChecked says that a server before the
	// handler has checked the names and passwords of basic authentication: whoever has one may do everything.
	Tokens                     Tokens
	RequireToken, UsersChecked bool
	// Stopping is closed when the daemon stops: streams end then. Nil: never.
	Stopping <-chan struct{}
	// Version and Started are shown.
	Version string
	Started time.Time
	// AllowedHosts are the host names, without port, by which the daemon may be called besides
	// localhost and IP addresses: the host of the external URL. "*" allows any.
	AllowedHosts []string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger gets failures of requests; nil means none.
	Logger *slog.Logger
}

func (o *Options) complete() error {
	switch {
	case o.Engine == nil:
		return errors.New("web: no engine")
	case o.History == nil:
		return errors.New("web: no history")
	case o.Ready == nil:
		return errors.New("web: nobody to say whether it is ready")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Health == nil {
		o.Health = func() []health.Source { return nil }
	}
	if o.Receivers == nil {
		o.Receivers = func() []wire.Receiver { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}
