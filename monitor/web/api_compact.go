package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/web/wire"
)

// ErrBusy is that what was asked for is under way already.
var ErrBusy = errors.New("it is under way already")

// compactWithin is how long a compaction may take until nobody is told what it did.
const compactWithin = time.Hour

// compactInput knows the response, whose deadline is moved: a large database takes its time.
type compactInput struct {
	By     string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
	writer http.ResponseWriter
}

// Resolve is called by huma after the parameters are read.
func (in *compactInput) Resolve(ctx huma.Context) []error {
	_, in.writer = humago.Unwrap(ctx)
	return nil
}

// compact compacts the database, unless whoever asked for it hangs up.
func (s *site) compact(ctx context.Context, in *compactInput) (*answer[wire.Compaction], error) {
	s.deadline(http.NewResponseController(in.writer).SetWriteDeadline, compactWithin)
	done, err := s.Compact(ctx)
	if errors.Is(err, ErrBusy) {
		return nil, huma.Error409Conflict(err.Error())
	}
	if err != nil {
		return nil, s.problem("compact the database", err)
	}
	s.note(context.WithoutCancel(ctx), monitor.Audit{Action: "compact", By: by(ctx, in.By), Detail: done.String()})
	return &answer[wire.Compaction]{done}, nil
}
