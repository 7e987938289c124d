package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// anonymous stands in the history for a person that did not say a name.
const anonymous = "api"

type listInput struct {
	Text     string `query:"q" maxLength:"253" doc:"Looked for in names, services, labels (name=value) and notes"`
	Standing string `query:"standing" enum:"holding,pending,blind,overdue,disagreeing,drifted,missing" doc:"Only domains whose worst record stands so"`
	Service  string `query:"service" doc:"Only domains of this mail service"`
	Schedule string `query:"schedule" doc:"Only domains of this schedule group"`
	Label    string `query:"label" doc:"Only domains with this label: name=value, or a name alone"`
	Cursor   string `query:"cursor" doc:"The next of the page before"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most domains to give"`
}

type nameInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
}

type addInput struct {
	By   string `query:"by" maxLength:"200" doc:"Who does it, for the history"`
	Body monitor.Spec
}

type addOutput struct {
	Location string `header:"Location"`
	Body     wire.Domain
}

type removeInput struct {
	Name  string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	By    string `query:"by" maxLength:"200" doc:"Who does it, for the history"`
	Force bool   `query:"force" doc:"Even if the domain still has sender addresses"`
}

type sendersInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	By   string `query:"by" maxLength:"200" doc:"Who does it, for the history"`
	Body wire.Senders
}

type acceptInput struct {
	Name string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Key  string `path:"key" doc:"Key of the record"`
	Body wire.Acceptance
}

// domainOperations are about registered domains.
func (s *site) domainOperations(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/domains", "list-domains", "Registered domains, by name", 422), s.listDomains)
	huma.Register(api, operation(http.MethodGet, "/domains/{name}", "get-domain", "All about one domain", 404, 422), s.getDomain)
	add := operation(http.MethodPost, "/domains", "add-domain", "Register a domain and begin to look for its records", 409, 422)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, s.addDomain)
	huma.Register(api, operation(http.MethodDelete, "/domains/{name}", "remove-domain",
		"Forget a domain that was added at run time; its alerts end", 404, 409, 422), s.removeDomain)
	huma.Register(api, operation(http.MethodPut, "/domains/{name}/senders", "set-senders",
		"Replace the sender addresses of a domain that was added at run time", 404, 409, 422), s.setSenders)
	huma.Register(api, operation(http.MethodPost, "/domains/{name}/check", "check-domain",
		"Ask about a domain now; answers when it is judged, confirmations included", 404, 422, 503), s.checkDomain)
	huma.Register(api, operation(http.MethodPost, "/domains/{name}/records/{key}/accept", "accept-record",
		"Make what a drifted record says now its baseline", 404, 409, 422), s.acceptRecord)
}

func (s *site) listDomains(_ context.Context, in *listInput) (*answer[wire.Page], error) {
	f := filter{text: in.Text, standing: in.Standing, service: in.Service, schedule: in.Schedule, label: in.Label}
	return &answer[wire.Page]{s.index.current().list(f, in.Cursor, in.Limit)}, nil
}

func (s *site) getDomain(_ context.Context, in *nameInput) (*answer[wire.Domain], error) {
	name, err := pathName(in.Name)
	if err != nil {
		return nil, err
	}
	return s.domain(name)
}

// domain answers with all about one domain.
func (s *site) domain(name rrset.Name) (*answer[wire.Domain], error) {
	x := s.index.current()
	d, ok := x.find(name)
	if !ok {
		return nil, notRegistered(name)
	}
	return &answer[wire.Domain]{wire.DomainOf(x.snap, d)}, nil
}

func (s *site) addDomain(ctx context.Context, in *addInput) (*addOutput, error) {
	added, err := s.Engine.AddAll(ctx, []monitor.Spec{in.Body}, by(ctx, in.By))
	if err != nil {
		return nil, s.problem("register the domain", err)
	}
	out := &addOutput{Location: apiPrefix + "/domains/" + url.PathEscape(string(added[0].Name))}
	out.Body = wire.DomainOf(s.Engine.Snapshot(), added[0])
	return out, nil
}

func (s *site) removeDomain(ctx context.Context, in *removeInput) (*struct{}, error) {
	name, err := pathName(in.Name)
	if err != nil {
		return nil, err
	}
	remove := s.Engine.Remove
	if in.Force {
		remove = s.Engine.ForceRemove
	}
	return nil, s.problem("remove the domain", remove(ctx, name, by(ctx, in.By)))
}

func (s *site) setSenders(ctx context.Context, in *sendersInput) (*answer[wire.Domain], error) {
	name, err := pathName(in.Name)
	if err != nil {
		return nil, err
	}
	if err := s.Engine.SetSenders(ctx, name, in.Body.Senders, by(ctx, in.By)); err != nil {
		return nil, s.problem("set the sender addresses", err)
	}
	return s.domain(name)
}

// checkDomain may take as long as confirming takes, which is longer than other answers may.
func (s *site) checkDomain(ctx context.Context, in *checkInput) (*answer[wire.Domain], error) {
	name, err := pathName(in.Name)
	if err != nil {
		return nil, err
	}
	if _, ok := s.index.current().find(name); !ok {
		return nil, notRegistered(name)
	}
	s.deadline(http.NewResponseController(in.writer).SetWriteDeadline, checkWithin)
	ctx, cancel := context.WithTimeout(ctx, checkWithin-writeWithin)
	defer cancel()
	if err := s.Engine.CheckNow(ctx, name); err != nil {
		return nil, s.problem("check the domain", err)
	}
	return s.domain(name)
}

// checkInput knows the response, whose deadline is moved.
type checkInput struct {
	Name   string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	writer http.ResponseWriter
}

// Resolve is called by huma after the parameters are read.
func (in *checkInput) Resolve(ctx huma.Context) []error {
	_, in.writer = humago.Unwrap(ctx)
	return nil
}

func (s *site) acceptRecord(ctx context.Context, in *acceptInput) (*answer[wire.Domain], error) {
	name, err := pathName(in.Name)
	if err != nil {
		return nil, err
	}
	id := monitor.RecordID{Domain: name, Key: in.Key}
	if err := s.Engine.Accept(ctx, id, by(ctx, in.Body.By), in.Body.Why); err != nil {
		return nil, s.problem("accept the record", err)
	}
	return s.domain(name)
}
