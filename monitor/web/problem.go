package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// problem gives what the engine or the store says the status code that fits. What is nobody's
// fault outside goes to the log.
func (s *site) problem(doing string, err error) error {
	var field *monitor.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &field):
		return huma.Error422UnprocessableEntity("this cannot be done",
			&huma.ErrorDetail{Location: "body." + field.Path, Message: field.Err.Error()})
	case errors.Is(err, monitor.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, monitor.ErrExists), errors.Is(err, monitor.ErrReadOnly),
		errors.Is(err, monitor.ErrHasSenders), errors.Is(err, monitor.ErrNothingToAccept), errors.Is(err, monitor.ErrNotVerified),
		errors.Is(err, monitor.ErrNothingAnnounced), errors.Is(err, monitor.ErrNotPaused):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return huma.Error503ServiceUnavailable("interrupted while trying to " + doing)
	}
	s.Logger.Error("request failed", "doing", doing, "err", err)
	return huma.Error500InternalServerError(fmt.Sprintf("could not %s: %v", doing, err))
}

// badParameter is an error about one parameter of a request.
func badParameter(location string, err error) error {
	return huma.Error422UnprocessableEntity("a parameter is wrong", &huma.ErrorDetail{Location: location, Message: err.Error()})
}

// pathName reads the domain name in a path.
func pathName(s string) (rrset.Name, error) {
	name, err := rrset.ParseName(s)
	if err != nil {
		return "", badParameter("path.name", err)
	}
	return name, nil
}

func notRegistered(name rrset.Name) error {
	return huma.Error404NotFound(fmt.Sprintf("domain %s is not registered", name))
}

// writeProblem answers with a problem outside of the API's operations.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(wire.Problem{Title: http.StatusText(status), Status: status, Detail: detail}) //nolint:errcheck,errchkjson // the client's loss
}
