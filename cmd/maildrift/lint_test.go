package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// commandWith runs maildrift in this process with something on standard input.
func commandWith(t *testing.T, input string, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(input), &out, &errs)
	return said{code, out.String(), errs.String()}
}

func TestLintCommand(t *testing.T) {
	command(t, "lint", "spf", "v=spf1 include:_spf.example.com -all").expect(t, exitGood, "valid\n", "")
	command(t, "lint", "spf", "v=spf1 a -all", "v=spf1 mx -all").expect(t, exitProblems, "invalid\n  error    there are 2 SPF records", "")
	command(t, "lint", "spf", " v=spf1 -all").expect(t, exitProblems, "write   v=spf1 -all", "")
	command(t, "lint", "dkim", "v=DKIM1; p=", "--format", "json").expect(t, exitProblems, `{"kind":"dkim","valid":false,"state":"revoked"`, "")
	command(t, "lint", "spv", "x").expect(t, exitUsage, "", `unknown kind "spv"`)
	commandWith(t, "", "lint", "spv").expect(t, exitUsage, "", `unknown kind "spv"`)
	commandWith(t, "v=spf1 -all\nv=spf1 +all\n", "lint", "spf").expect(t, exitGood, "valid\nvalid\n  warning  +all", "")
	commandWith(t, "version: STSv1\r\nmode: enforce\r\nmx: a.example\r\nmax_age: 604800\r\n", "lint", "mta-sts-policy").expect(t, exitGood, "valid\n", "")
}

func TestLintJSONLines(t *testing.T) {
	s := commandWith(t, `{"kind":"dmarc","record":"v=DMARC1; p=reject; rua=mailto:a@x.example"}
{"kind":"mx","record":["10 a.example","20 b.example"]}

{"kind":"spf","record":["v=spf1 -all","v=spf1 +all"]}
{"kind":"spf","record":null}
`, "lint")
	s.expect(t, exitProblems, "", "")
	var states []string
	for line := range strings.Lines(s.out) {
		var a struct {
			Kind, State string
			Valid       *bool
			Findings    []struct{ Severity, Text string }
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.Valid == nil || *a.Valid != (a.State == "valid") || a.Findings == nil {
			t.Errorf("%s: %v", line, err)
		}
		states = append(states, a.Kind+" "+a.State)
	}
	if got := strings.Join(states, ", "); got != "dmarc valid, mx valid, spf invalid, spf absent" {
		t.Errorf("got %s", got)
	}
	commandWith(t, `{"kind":"dmarc","record":"v=DMARC1; p=reject"}`, "lint").expect(t, exitGood, `"valid":true`, "")
	bad := commandWith(t, "not json\n{\"kind\":\"nothing\",\"record\":\"x\"}\n{\"kind\":\"spf\",\"record\":\"v=spf1 -all\"}\n", "lint")
	bad.expect(t, exitUsage, `"state":"valid"`, "2 lines could not be read")
	bad.expect(t, exitUsage, `"line":2`, "")
}
