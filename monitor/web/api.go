package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// apiPrefix is where the API lives.
const apiPrefix = "/api/v1"

// answer is a response with a JSON body.
type answer[T any] struct{ Body T }

// api adds all operations of the API and the document that describes them.
func (s *site) api() error {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrict}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "maildrift", Version: s.Version,
				Description: "Watches the DNS records that mail sending domains live on. Errors are application/problem+json (RFC 9457). " +
					"Alerts and silences are spoken of by the Alertmanager API v2 under /alertmanager.",
			},
			Servers: []*huma.Server{{URL: apiPrefix}},
		},
		// The second is for what ends in +json: problems.
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
	// Neither huma's documentation page, which loads scripts from elsewhere, nor its way of
	// serving the document, which writes a shared variable from every request.
	api := humago.NewWithPrefix(s.mux, apiPrefix, config)
	s.statusOperations(api)
	s.domainOperations(api)
	s.plannedOperations(api)
	s.importOperations(api)
	s.historyOperations(api)
	s.timelineOperations(api)
	s.eventOperations(api)
	s.presetOperations(api)
	s.tokenOperations(api)
	s.diagnoseOperations(api)
	document, err := json.Marshal(api.OpenAPI())
	if err != nil {
		return fmt.Errorf("describe the API: %w", err)
	}
	s.mux.HandleFunc("GET "+apiPrefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(document) //nolint:errcheck // the client's loss
	})
	return nil
}

// operation describes one operation of the API; errors lists its status codes beside those that
// every operation has.
func operation(method, path, id, summary string, errors ...int) huma.Operation {
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Errors: append(errors, http.StatusForbidden, http.StatusInternalServerError),
	}
}
