package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// sampleDomain is what presets are shown for when nobody names a domain.
const sampleDomain = "notice.example.com"

type presetInput struct {
	ID     string   `path:"id" doc:"ID of the preset, for example directmail"`
	Domain string   `query:"domain" doc:"Domain to expand it for; notice.example.com if not given"`
	Params []string `query:"param,explode" doc:"Parameter NAME=VALUE; repeatable. Required ones that are not given have their example"`
}

// presetOperations show the mail services that are known.
func (s *site) presetOperations(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/presets", "list-presets", "Mail services that are known"),
		func(context.Context, *struct{}) (*answer[wire.Presets], error) {
			return &answer[wire.Presets]{wire.Presets{Presets: each(s.presets().List(), wire.PresetOf)}}, nil
		})
	huma.Register(api, operation(http.MethodGet, "/presets/{id}", "get-preset", "A mail service, and what a domain must publish for it", 404, 422), s.getPreset)
}

// presets are those of the configuration in force.
func (s *site) presets() preset.Set { return s.index.current().snap.Presets }

func (s *site) getPreset(_ context.Context, in *presetInput) (*answer[wire.ExpandedPreset], error) {
	p, err := s.presets().Get(in.ID)
	if err != nil {
		return nil, huma.Error404NotFound(err.Error())
	}
	params, err := presetParams(p, in.Params)
	if err != nil {
		return nil, badParameter("query.param", err)
	}
	name, err := rrset.ParseName(cmp.Or(in.Domain, sampleDomain))
	if err != nil {
		return nil, badParameter("query.domain", err)
	}
	expected, err := p.Expand(name, params)
	if err != nil {
		return nil, badParameter("query.param", err)
	}
	return &answer[wire.ExpandedPreset]{wire.ExpandedPreset{
		Preset: wire.PresetOf(p), Domain: name, Values: params, Records: each(expected, wire.ExpectedRecordOf),
	}}, nil
}

// presetParams reads NAME=VALUE parameters and fills required ones with their examples.
func presetParams(p preset.Preset, given []string) (map[string]string, error) {
	params := map[string]string{}
	for _, g := range given {
		name, value, ok := strings.Cut(g, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=VALUE", g)
		}
		params[name] = value
	}
	return p.WithExamples(params), nil
}
