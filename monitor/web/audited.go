package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

// maxSilence bounds the description of a silence.
const maxSilence = 1 << 20

// postedSilence is what Alertmanager's API is sent to begin a silence, as far as it is written down.
type postedSilence struct {
	Matchers []struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual *bool  `json:"isEqual"`
	} `json:"matchers"`
	EndsAt    string `json:"endsAt"`
	CreatedBy string `json:"createdBy"`
	Comment   string `json:"comment"`
}

// audited writes silences that begin and end into the audit trail, whoever asks for them: our commands,
// amtool or another client.
func (s *site) audited(alertmanager http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var entry monitor.Audit
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/api/v2/silences"):
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSilence))
			if err != nil {
				writeProblem(w, http.StatusRequestEntityTooLarge, "a silence has at most 1 MiB")
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			entry = silenceEntry(body)
			entry.By = by(r.Context(), entry.By)
		case r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/api/v2/silence/"):
			id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
			entry = monitor.Audit{Action: "unsilence", By: by(r.Context(), r.URL.Query().Get("by")), Detail: id}
		default:
			alertmanager.ServeHTTP(w, r)
			return
		}
		seen := &statusSeen{ResponseWriter: w, status: http.StatusOK}
		alertmanager.ServeHTTP(seen, r)
		if seen.status/100 != 2 {
			return
		}
		if err := s.Engine.Note(r.Context(), entry); err != nil {
			s.Logger.Error("silence is not in the audit trail", "action", entry.Action, "by", entry.By, "err", err)
		}
	})
}

// silenceEntry describes a silence for the audit trail.
func silenceEntry(body []byte) monitor.Audit {
	var p postedSilence
	if json.Unmarshal(body, &p) != nil {
		return monitor.Audit{} // Alertmanager refuses it
	}
	out := monitor.Audit{Action: "silence", By: p.CreatedBy, Why: p.Comment}
	var what []string
	for _, m := range p.Matchers {
		equal := m.IsEqual == nil || *m.IsEqual
		op := matchOperator(equal, m.IsRegex)
		what = append(what, fmt.Sprintf("%s%s%q", m.Name, op, m.Value))
		if op != "=" {
			continue
		}
		switch m.Name {
		case "domain":
			if name, err := rrset.ParseName(m.Value); err == nil {
				out.Domain = name
			}
		case "record":
			out.Record = m.Value
		}
	}
	out.Detail = strings.Join(what, " ") + " until " + p.EndsAt
	return out
}

// matchOperator is how a matcher is written.
func matchOperator(equal, regex bool) string {
	return map[[2]bool]string{{true, false}: "=", {false, false}: "!=", {true, true}: "=~", {false, true}: "!~"}[[2]bool{equal, regex}]
}

// statusSeen remembers the status of a response.
type statusSeen struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusSeen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (s *statusSeen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
