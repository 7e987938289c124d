package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

type expectInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Key  string `path:"key" doc:"Key of the record"`
	Body wire.Announcement
}

type withdrawInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Key  string `path:"key" doc:"Key of the record"`
	By   string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
	Why  string `query:"why" maxLength:"2000" doc:"Why, for the audit trail"`
}

type rotateInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Key  string `path:"key" doc:"Key of the old key's record"`
	Body wire.Rotation
}

type pauseInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Body wire.Pause
}

type resumeInput struct {
	Name   string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Record string `query:"record" doc:"Key of the record, if only that was paused"`
	By     string `query:"by" maxLength:"200" doc:"Who does it, for the audit trail"`
	Why    string `query:"why" maxLength:"2000" doc:"Why, for the audit trail"`
}

// plannedOperations are about planned work.
func (s *site) plannedOperations(api huma.API) {
	huma.Register(api, operation(http.MethodPut, "/domains/{name}/records/{key}/change", "announce-change",
		"Announce a change: until its window ends the old and the new value both hold", 404, 409, 422), s.announce)
	huma.Register(api, operation(http.MethodDelete, "/domains/{name}/records/{key}/change", "withdraw-change",
		"Take an announced change back", 404, 409, 422), s.withdraw)
	huma.Register(api, operation(http.MethodPost, "/domains/{name}/records/{key}/rotate", "rotate-key",
		"Begin a rotation of DKIM keys: the new one appears, both hold, the old one is retired", 404, 409, 422), s.rotate)
	huma.Register(api, operation(http.MethodPut, "/domains/{name}/pause", "pause-domain",
		"Tell nothing new about a domain or a record for a time", 404, 422), s.pause)
	huma.Register(api, operation(http.MethodDelete, "/domains/{name}/pause", "resume-domain",
		"End a pause before its time", 404, 409, 422), s.resume)
}

// planned does something about a domain and answers with the domain as it is then. A time is read where one is due.
func (s *site) planned(rawName string, until *string, doing string, do func(name rrset.Name, until time.Time) error) (*answer[wire.Domain], error) {
	name, err := pathName(rawName)
	if err != nil {
		return nil, err
	}
	var at time.Time
	if until != nil {
		if at, err = ParseAhead(*until, s.Now()); err != nil {
			return nil, badParameter("body.until", err)
		}
	}
	if err := do(name, at); err != nil {
		return nil, s.problem(doing, err)
	}
	return s.domain(name)
}

func (s *site) announce(ctx context.Context, in *expectInput) (*answer[wire.Domain], error) {
	return s.planned(in.Name, &in.Body.Until, "announce the change", func(name rrset.Name, until time.Time) error {
		return s.Engine.Announce(ctx, monitor.Announcement{
			ID: monitor.RecordID{Domain: name, Key: in.Key}, Value: in.Body.Value, Gone: in.Body.Gone, Until: until,
			Force: in.Body.Force, By: by(ctx, in.Body.By), Why: in.Body.Why,
		})
	})
}

func (s *site) withdraw(ctx context.Context, in *withdrawInput) (*answer[wire.Domain], error) {
	return s.planned(in.Name, nil, "withdraw the change", func(name rrset.Name, _ time.Time) error {
		return s.Engine.Withdraw(ctx, monitor.RecordID{Domain: name, Key: in.Key}, by(ctx, in.By), in.Why)
	})
}

func (s *site) rotate(ctx context.Context, in *rotateInput) (*answer[wire.Domain], error) {
	return s.planned(in.Name, &in.Body.Until, "rotate the key", func(name rrset.Name, until time.Time) error {
		_, err := s.Engine.Rotate(ctx, monitor.Rotation{
			ID: monitor.RecordID{Domain: name, Key: in.Key}, Selector: in.Body.Selector, Value: in.Body.Value, Until: until,
			By: by(ctx, in.Body.By), Why: in.Body.Why,
		})
		return err
	})
}

func (s *site) pause(ctx context.Context, in *pauseInput) (*answer[wire.Domain], error) {
	return s.planned(in.Name, &in.Body.Until, "pause the domain", func(name rrset.Name, until time.Time) error {
		return s.Engine.Pause(ctx, monitor.RecordID{Domain: name, Key: in.Body.Record}, until, by(ctx, in.Body.By), in.Body.Why)
	})
}

func (s *site) resume(ctx context.Context, in *resumeInput) (*answer[wire.Domain], error) {
	return s.planned(in.Name, nil, "resume the domain", func(name rrset.Name, _ time.Time) error {
		return s.Engine.Resume(ctx, monitor.RecordID{Domain: name, Key: in.Record}, by(ctx, in.By), in.Why)
	})
}
