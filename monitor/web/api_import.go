package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

const (
	// importBody bounds an import: about a hundred thousand domains.
	importBody = 16 << 20
	// maxImportErrors is how many errors of an import are told at once.
	maxImportErrors = 100
	jsonLines       = "application/x-ndjson"
)

type importInput struct {
	Existing string `query:"existing" enum:"refuse,keep" default:"refuse" doc:"What to do about domains that are registered already: refuse the import, or keep them as they are"`
	By       string `query:"by" maxLength:"200" doc:"Who does it, for the history"`
	RawBody  []byte `contentType:"application/x-ndjson"`
}

type exportInput struct {
	Origin string `query:"origin" enum:"all,api" default:"all" doc:"Which domains: all, or only those added at run time"`
}

// importOperations move many domains at once.
func (s *site) importOperations(api huma.API) {
	spec := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[[]monitor.Spec]())
	in := operation(http.MethodPost, "/import", "import-domains",
		"Register many domains, all or none; the body is a JSON array, or one JSON object a line", 409, 413, 422)
	in.MaxBodyBytes, in.BodyReadTimeout, in.SkipValidateBody = importBody, time.Minute, true
	in.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json": {Schema: spec},
		jsonLines:          {Schema: spec.Items},
	}}
	huma.Register(api, in, s.importDomains)
	out := operation(http.MethodGet, "/export", "export-domains", "Registered domains as they were registered, one JSON object a line")
	out.Responses = map[string]*huma.Response{"200": {
		Description: "One domain a line",
		Content:     map[string]*huma.MediaType{jsonLines: {Schema: spec.Items}},
	}}
	huma.Register(api, out, s.exportDomains)
}

func (s *site) importDomains(ctx context.Context, in *importInput) (*answer[wire.Imported], error) {
	index := s.index.current()
	plan := importPlan{presets: index.snap.Presets, index: index, keep: in.Existing == "keep", first: map[rrset.Name]string{}}
	plan.Added, plan.Kept = []rrset.Name{}, []rrset.Name{}
	entries := readEntries(in.RawBody)
	for _, e := range entries {
		if err := plan.take(e); err != nil {
			plan.problems = append(plan.problems, err)
		}
	}
	switch {
	case len(entries) == 0:
		return nil, huma.Error422UnprocessableEntity("there are no domains in it")
	case len(plan.problems) > 0:
		return nil, importProblem(plan.problems)
	case len(plan.specs) > 0:
		if _, err := s.Engine.AddAll(ctx, plan.specs, by(ctx, in.By)); err != nil {
			return nil, s.problem("import the domains", err)
		}
	}
	return &answer[wire.Imported]{plan.Imported}, nil
}

// importPlan is what an import will do, as far as it has been read.
type importPlan struct {
	wire.Imported
	presets preset.Set
	index   *index
	keep    bool
	// first tells where a domain came first; specs are what to add.
	first    map[rrset.Name]string
	specs    []monitor.Spec
	problems []error
}

// take adds one entry to the plan, or says what is wrong with it.
func (p *importPlan) take(e entry) error {
	wrong := func(err error) error { return &huma.ErrorDetail{Location: e.place, Message: err.Error()} }
	if e.err != nil {
		return wrong(e.err)
	}
	d, err := e.spec.Resolve(p.presets)
	if err != nil {
		return wrong(err)
	}
	if place, twice := p.first[d.Name]; twice {
		return wrong(fmt.Errorf("domain %s is in %s already", d.Name, place))
	}
	p.first[d.Name] = e.place
	switch had, ok := p.index.find(d.Name); {
	case !ok:
		p.Added, p.specs = append(p.Added, d.Name), append(p.specs, e.spec)
	case p.keep:
		p.Kept = append(p.Kept, d.Name)
	default:
		return wrong(errors.New(registeredText(had)))
	}
	return nil
}

func registeredText(d *monitor.Domain) string {
	if d.Origin.ReadOnly() {
		return fmt.Sprintf("domain %s is registered already, in %s:%d", d.Name, d.Origin.File, d.Origin.Line)
	}
	return fmt.Sprintf("domain %s is registered already", d.Name)
}

// importProblem tells what is wrong, up to a number that can still be read.
func importProblem(problems []error) error {
	detail := fmt.Sprintf("nothing was imported: %d of the domains are wrong", len(problems))
	if len(problems) == 1 {
		detail = "nothing was imported: one of the domains is wrong"
	}
	return huma.Error422UnprocessableEntity(detail, problems[:min(len(problems), maxImportErrors)]...)
}

// entry is one domain of an import, or why it is none.
type entry struct {
	// place says where it stands: "line 3", or "[2]" in an array.
	place string
	spec  monitor.Spec
	err   error
}

// readEntries reads a JSON array, or one JSON object a line. Blank lines do not
// count but are counted.
func readEntries(body []byte) []entry {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	var entries []entry
	if bytes.HasPrefix(body, []byte("[")) {
		var texts []json.RawMessage
		if err := json.Unmarshal(body, &texts); err != nil {
			return []entry{{place: "body", err: fmt.Errorf("not a JSON array: %w", err)}}
		}
		for i, text := range texts {
			entries = append(entries, newEntry(fmt.Sprintf("[%d]", i), text))
		}
		return entries
	}
	number := 0
	for line := range bytes.Lines(body) {
		number++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			entries = append(entries, newEntry(fmt.Sprintf("line %d", number), line))
		}
	}
	return entries
}

func newEntry(place string, text []byte) entry {
	e := entry{place: place}
	e.err = decodeSpec(text, &e.spec)
	return e
}

// decodeSpec reads one domain strictly: a misspelt field must not be lost
// silently.
func decodeSpec(text []byte, into *monitor.Spec) error {
	var checked json.RawMessage
	if err := unmarshalStrict(text, &checked); err != nil {
		return err
	}
	if checked[0] != '{' {
		return errors.New("not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(checked))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (s *site) exportDomains(_ context.Context, in *exportInput) (*huma.StreamResponse, error) {
	snap := s.Engine.Snapshot()
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		out := s.newStream(w, jsonLines)
		out.end("export the domains", writeSpecs(out, snap.Domains, in.Origin))
	}}, nil
}

func writeSpecs(out *stream, domains []*monitor.Domain, origin string) error {
	var buf bytes.Buffer
	lines := json.NewEncoder(&buf)
	lines.SetEscapeHTML(false)
	for _, d := range domains {
		if origin == "api" && d.Origin.ReadOnly() {
			continue
		}
		if err := lines.Encode(d.Spec); err != nil {
			return fmt.Errorf("domain %s: %w", d.Name, err)
		}
		if buf.Len() < 64<<10 {
			continue
		}
		if _, err := buf.WriteTo(out); err != nil {
			return err
		}
	}
	_, err := buf.WriteTo(out)
	return err
}
