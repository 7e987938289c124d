package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor/web/wire"
)

func TestImport(t *testing.T) {
	const (
		one = `{"domain":"one.example","service":"directmail"}`
		two = `{"domain":"two.example","service":"directmail","params":{"region":"sg"}}`
	)
	for _, row := range []struct {
		name, query, body string
		added, kept       []string
	}{
		{"a JSON array", "", "[" + one + "," + two + "]", []string{"one.example", "two.example"}, nil},
		{"one a line", "", one + "\n" + two + "\n", []string{"one.example", "two.example"}, nil},
		{"no newline at the end, blank lines, CRLF, a byte order mark", "", "\ufeff" + one + "\r\n\r\n" + two, []string{"one.example", "two.example"}, nil},
		{"registered ones kept", "?existing=keep", one + "\n" + `{"domain":"CALM.example","service":"directmail"}`, []string{"one.example"}, []string{"calm.example"}},
		{"nothing but registered ones", "?existing=keep", `{"domain":"calm.example","service":"directmail"}`, nil, []string{"calm.example"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := populated(t)
			resp := w.ask(http.MethodPost, "/api/v1/import"+row.query, row.body, "Content-Type", "application/x-ndjson")
			if resp.Code != http.StatusOK {
				t.Fatalf("%d %s", resp.Code, resp.Body)
			}
			got := decode[wire.Imported](t, resp)
			if !slices.Equal(names(got.Added), row.added) || !slices.Equal(names(got.Kept), row.kept) {
				t.Errorf("added %v, kept %v", got.Added, got.Kept)
			}
			for _, name := range row.added {
				if resp := w.ask(http.MethodGet, "/api/v1/domains/"+name, ""); resp.Code != http.StatusOK {
					t.Errorf("%s is not registered", name)
				}
			}
		})
	}
}

func names[T ~string](in []T) []string {
	var out []string
	for _, n := range in {
		out = append(out, string(n))
	}
	return out
}

func TestImportIsAllOrNothing(t *testing.T) {
	w := populated(t)
	body := strings.Join([]string{
		`{"domain":"good.example","service":"directmail"}`,
		`{"domain":"good.example.","service":"directmail"}`,
		`{"domain":"calm.example","service":"directmail"}`,
		`{"domain":"notice.example","service":"directmail"}`,
		`{"domain":"bad.example","service":"directmial"}`,
		``,
		`{"domain":"bad.example","servise":"directmail"}`,
		`{"domain":"bad.example","service":"directmail","service":"ses"}`,
		`{"domain":"192.0.2.1","service":"directmail"}`,
		`not json`,
		`["bad.example"]`,
	}, "\n")
	resp := w.ask(http.MethodPost, "/api/v1/import", body, "Content-Type", "application/x-ndjson")
	if resp.Code != http.StatusUnprocessableEntity {
		t.Fatalf("%d %s", resp.Code, resp.Body)
	}
	problem := decode[wire.Problem](t, resp)
	var got strings.Builder
	fmt.Fprintln(&got, problem.Detail)
	for _, e := range problem.Errors {
		fmt.Fprintf(&got, "%s: %s\n", e.Location, e.Message)
	}
	golden(t, "import-errors.txt", got.String())
	if len(w.engine.calls) > 0 {
		t.Errorf("the engine was asked %q", w.engine.calls)
	}
}

func TestImportRefusesWhatIsNoImport(t *testing.T) {
	for _, row := range []struct{ name, body, want string }{
		{"blank", " \n", "there are no domains in it"},
		{"an empty array", "[]", "there are no domains in it"},
		{"a byte order mark and nothing else", "\ufeff", "there are no domains in it"},
		{"an array that is cut off", `[{"domain":"a.example"}`, "not a JSON array"},
		{"an array of something else", `["a.example"]`, "not a JSON object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := populated(t).ask(http.MethodPost, "/api/v1/import", row.body)
			if resp.Code != http.StatusUnprocessableEntity || !strings.Contains(resp.Body.String(), row.want) {
				t.Errorf("%d %s", resp.Code, resp.Body)
			}
		})
	}
}

func TestImportTellsAHundredErrorsAtMost(t *testing.T) {
	resp := newWorld(t).ask(http.MethodPost, "/api/v1/import", strings.Repeat("{}\n", 500))
	problem := decode[wire.Problem](t, resp)
	if len(problem.Errors) != 100 || !strings.Contains(problem.Detail, "500") {
		t.Errorf("%d errors: %s", len(problem.Errors), problem.Detail)
	}
}

// TestExportIsWhatImportTakes moves a fleet to another daemon.
func TestExportIsWhatImportTakes(t *testing.T) {
	from, to := populated(t), newWorld(t)
	// Its keys are such as no registry takes in.
	if err := from.engine.Remove(t.Context(), "zz-hostile.example", ""); err != nil {
		t.Fatal(err)
	}
	export := from.ask(http.MethodGet, "/api/v1/export", "").Body.String()
	if resp := to.ask(http.MethodPost, "/api/v1/import", export); resp.Code != http.StatusOK {
		t.Fatalf("%d %s", resp.Code, resp.Body)
	}
	if again := to.ask(http.MethodGet, "/api/v1/export", "").Body.String(); again != export || strings.Count(export, "\n") != 2 {
		t.Errorf("exported\n%s\nand after the import\n%s", export, again)
	}
	if added := from.ask(http.MethodGet, "/api/v1/export?origin=api", "").Body.String(); strings.Contains(added, "calm.example") || strings.Count(added, "\n") != 1 {
		t.Errorf("added at run time:\n%s", added)
	}
}

func TestExportOfAnEmptyFleetIsEmpty(t *testing.T) {
	resp := newWorld(t).ask(http.MethodGet, "/api/v1/export", "")
	if resp.Code != http.StatusOK || resp.Body.Len() != 0 || resp.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d %s %q", resp.Code, resp.Header().Get("Content-Type"), resp.Body)
	}
}

func TestExportOfALargeFleetIsWhole(t *testing.T) {
	w := newWorld(t)
	w.engine.registerMany(2000)
	if got := strings.Count(w.ask(http.MethodGet, "/api/v1/export", "").Body.String(), "\n"); got != 2000 {
		t.Errorf("%d lines", got)
	}
}
