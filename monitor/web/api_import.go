package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"maildrift/monitor"
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
	entries, problems := readEntries(in.RawBody)
	out := wire.Imported{Added: []rrset.Name{}, Kept: []rrset.Name{}}
	x := s.index.current()
	first := map[rrset.Name]string{}
	var specs []monitor.Spec
	for _, e := range entries {
		d, err := e.spec.Resolve(s.Presets)
		var field *monitor.FieldError
		switch {
		case errors.As(err, &field):
			problems = append(problems, fieldDetail(e.place, field))
			continue
		case err != nil:
			problems = append(problems, &huma.ErrorDetail{Location: e.place, Message: err.Error()})
			continue
		case first[d.Name] != "":
			problems = append(problems, &huma.ErrorDetail{Location: e.place, Message: fmt.Sprintf("domain %s is in %s already", d.Name, first[d.Name])})
			continue
		}
		first[d.Name] = e.place
		if had, ok := x.find(d.Name); ok {
			if in.Existing != "keep" {
				problems = append(problems, &huma.ErrorDetail{Location: e.place, Message: registeredText(had)})
				continue
			}
			out.Kept = append(out.Kept, d.Name)
			continue
		}
		out.Added = append(out.Added, d.Name)
		specs = append(specs, e.spec)
	}
	if len(problems) > 0 {
		return nil, importProblem(problems)
	}
	if len(specs) > 0 {
		if _, err := s.Engine.AddAll(ctx, specs, cmp.Or(in.By, anonymous)); err != nil {
			return nil, s.problem("import the domains", err)
		}
	}
	return &answer[wire.Imported]{out}, nil
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

// entry is one domain of an import.
type entry struct {
	// place says where it stands: "line 3", or "[2]" in an array.
	place string
	spec  monitor.Spec
}

// readEntries reads a JSON array, or one JSON object a line. Blank lines do not
// count but are counted.
func readEntries(body []byte) (entries []entry, problems []error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	var texts []json.RawMessage
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(trimmed, &texts); err != nil {
			return nil, []error{&huma.ErrorDetail{Location: "body", Message: "not a JSON array: " + err.Error()}}
		}
		return decodeEntries(texts, func(i int) string { return fmt.Sprintf("[%d]", i) })
	}
	for line := range bytes.Lines(body) {
		texts = append(texts, bytes.TrimSpace(line))
	}
	return decodeEntries(texts, func(i int) string { return fmt.Sprintf("line %d", i+1) })
}

func decodeEntries(texts []json.RawMessage, place func(int) string) (entries []entry, problems []error) {
	for i, text := range texts {
		if len(text) == 0 {
			continue
		}
		e := entry{place: place(i)}
		if err := decodeSpec(text, &e.spec); err != nil {
			problems = append(problems, &huma.ErrorDetail{Location: e.place, Message: err.Error()})
			continue
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 && len(problems) == 0 {
		problems = []error{&huma.ErrorDetail{Location: "body", Message: "there are no domains in it"}}
	}
	return entries, problems
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
	return d.Decode(into)
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
