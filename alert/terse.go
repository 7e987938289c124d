package alert

import (
	"context"
	"log/slog"
)

// terse is the logger for Alertmanager's stores, without their debug lines:
// here their maintenance runs every second, and it reports twice each time.
func terse(log *slog.Logger, component string) *slog.Logger {
	return slog.New(terseHandler{log.Handler()}).With("component", component)
}

type terseHandler struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h terseHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l > slog.LevelDebug && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h terseHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return terseHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h terseHandler) WithGroup(name string) slog.Handler {
	return terseHandler{h.Handler.WithGroup(name)}
}
