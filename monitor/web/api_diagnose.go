package web

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// diagnoseWithin bounds a closer look.
const diagnoseWithin = 40 * time.Second

type diagnoseInput struct {
	Name   string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	writer http.ResponseWriter
}

// Resolve is called by huma after the parameters are read.
func (in *diagnoseInput) Resolve(ctx huma.Context) []error {
	_, in.writer = humago.Unwrap(ctx)
	return nil
}

// diagnoseOperations look closer at records that are not as they should be.
func (s *site) diagnoseOperations(api huma.API) {
	if s.Diagnose == nil {
		return
	}
	huma.Register(api, operation(http.MethodPost, "/domains/{name}/diagnose", "diagnose-domain",
		"Ask around why records are not there or not as they should be; nothing is recorded", 404, 422, 503),
		func(ctx context.Context, in *diagnoseInput) (*answer[wire.Diagnoses], error) {
			name, err := pathName(in.Name)
			if err != nil {
				return nil, err
			}
			s.deadline(http.NewResponseController(in.writer).SetWriteDeadline, diagnoseWithin+writeWithin)
			list, err := s.diagnose(ctx, name)
			return &answer[wire.Diagnoses]{wire.Diagnoses{Diagnoses: list}}, err
		})
}

func (s *site) diagnose(ctx context.Context, name rrset.Name) ([]wire.RecordDiagnosis, error) {
	x := s.index.current()
	d, ok := x.find(name)
	if !ok {
		return nil, notRegistered(name)
	}
	ctx, cancel := context.WithTimeout(ctx, diagnoseWithin)
	defer cancel()
	list, err := s.Diagnose(ctx, d, func(key string) *monitor.RecordState {
		return x.snap.States.Get(monitor.RecordID{Domain: name, Key: key})
	})
	if err != nil {
		return nil, s.problem("look closer at "+string(name), err)
	}
	return append([]wire.RecordDiagnosis{}, list...), nil
}

// diagnosisPage is what a closer look found.
type diagnosisPage struct {
	page
	Name      rrset.Name
	Diagnoses []wire.RecordDiagnosis
}

// diagnosisPages show it.
func (s *site) diagnosisPages(templates *template.Template) {
	if s.Diagnose == nil {
		return
	}
	s.mux.HandleFunc("POST /domains/{name}/diagnose", func(w http.ResponseWriter, r *http.Request) {
		name, err := rrset.ParseName(r.PathValue("name"))
		if err != nil {
			s.showError(w, templates, huma.Error404NotFound(err.Error()))
			return
		}
		s.deadline(http.NewResponseController(w).SetWriteDeadline, diagnoseWithin+writeWithin)
		list, err := s.diagnose(r.Context(), name)
		if err != nil {
			s.showError(w, templates, err)
			return
		}
		s.show(w, templates, http.StatusOK, "diagnosis.html", diagnosisPage{s.page(r.Context(), "A closer look at "+string(name), "overview"), name, list})
	})
}
