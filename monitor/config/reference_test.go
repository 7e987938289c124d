package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/resolve"
)

// TestReferenceIsComplete wants every field described that the decoder reads.
func TestReferenceIsComplete(t *testing.T) {
	known := map[string]bool{}
	for _, f := range Reference() {
		if known[f.Path] {
			t.Errorf("%s is described twice", f.Path)
		}
		known[f.Path] = true
		if f.Doc == "" || f.Type == "" || strings.ContainsAny(f.Doc+f.Type+f.Default, "|\n") {
			t.Errorf("%s: type %q, default %q, meaning %q", f.Path, f.Type, f.Default, f.Doc)
		}
	}
	for _, path := range []string{"asking.spread", "schedules.NAME.cron", "resolvers.list[].rate", "domains[].expect[].kind", "alerting.alertmanagers[].http_config"} {
		if !known[path] {
			t.Errorf("%s is not described", path)
		}
	}
}

// TestReferenceTellsTheDefaults loads a file that says nothing, and one that says what the reference gives as defaults.
func TestReferenceTellsTheDefaults(t *testing.T) {
	empty, err := load(t, one("domains: []"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range Reference() {
		section, field, deep := strings.Cut(f.Path, ".")
		if f.Section || f.Default == "" || strings.Contains(f.Path, "NAME") || strings.Contains(f.Path, "[]") || strings.ContainsAny(f.Default, " ") || f.Path == "external_url" {
			continue
		}
		if !deep {
			fmt.Fprintf(&text, "%s: %q\n", section, f.Default)
			continue
		}
		if !strings.Contains(text.String(), "\n"+section+":\n") {
			fmt.Fprintf(&text, "%s:\n", section)
		}
		fmt.Fprintf(&text, "  %s: %q\n", field, f.Default)
	}
	told, err := load(t, one(text.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	told.File, told.Hash, told.Alerting.Line = empty.File, empty.Hash, empty.Alerting.Line
	told.Schedules, told.Sources, told.Groups, told.Presets = empty.Schedules, empty.Sources, empty.Groups, empty.Presets
	if !reflect.DeepEqual(told, empty) {
		t.Errorf("with the defaults of the reference:\n%+v\nwith nothing:\n%+v\n%s", told, empty, text.String())
	}
	if strings.Count(text.String(), "\n") < 30 {
		t.Errorf("only these were tried:\n%s", text.String())
	}
}

// TestReferenceTellsDefaultsThatAreWorkedOut holds what tags say of defaults against what comes of an empty file.
func TestReferenceTellsDefaultsThatAreWorkedOut(t *testing.T) {
	cfg, err := load(t, one("schedules: {slow: {every: 2h}, default: {every: 1m}}\nresolvers: {list: [{name: office, addresses: [192.0.2.1]}]}"))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Rules.FlapWithin != time.Hour || cfg.Rules.FlapCalm != 30*time.Minute {
		t.Errorf("flapping within %s until calm for %s", cfg.Rules.FlapWithin, cfg.Rules.FlapCalm)
	}
	if cfg.ExternalURL != "http://"+cfg.Listen {
		t.Errorf("external_url is %s", cfg.ExternalURL)
	}
	i := slices.IndexFunc(cfg.Sources, func(s *resolve.Source) bool { return s.ID == "office" })
	if s := cfg.Sources[i]; s.Operator != "office" || s.Transport.String() != "udp" || s.Rate != 0 || s.Window != 0 || !slices.Contains(cfg.Groups["default"], s) {
		t.Errorf("a resolver of which nothing is said: %+v", s)
	}
	usual, err := load(t, one("domains: []"))
	if err != nil {
		t.Fatal(err)
	}
	if s := usual.Schedules["default"]; s.Text != "*/15 * * * *" || s.location != time.UTC || s.Resolvers != "default" {
		t.Errorf("the usual schedule is %+v", s)
	}
	if usual.Rules.FlapWithin != time.Hour || usual.Rules.FlapCalm != 30*time.Minute {
		t.Errorf("flapping within %s until calm for %s", usual.Rules.FlapWithin, usual.Rules.FlapCalm)
	}
	if got := fmt.Sprint(usual.Canaries[0].Question, usual.Canaries[1].Question, usual.Canaries[2].Question, usual.Canaries[2].Random, len(usual.Canaries)); got != ". NS com NS invalid A true 3" {
		t.Errorf("the canaries are %s", got)
	}
}

// bounds finds the numbers that a type may be.
var bounds = regexp.MustCompile(`, ([0-9]+) to ([0-9.]+)`)

// TestReferenceTellsWhatIsTaken tries each word that a field is said to take, and the bounds of numbers.
func TestReferenceTellsWhatIsTaken(t *testing.T) {
	tried := 0
	try := func(path, value string, good bool) {
		tried++
		section, field, _ := strings.Cut(path, ".")
		if _, err := load(t, one(fmt.Sprintf("%s: {%s: %s}", section, field, value))); (err == nil) != good {
			t.Errorf("%s: %s is taken or not, other than the reference says: %v", path, value, err)
		}
	}
	for _, f := range Reference() {
		if strings.Contains(f.Path, "[]") || strings.Contains(f.Path, "NAME") || f.Section {
			continue
		}
		kind, unit, _ := strings.Cut(f.Type, ":")
		if list, last, ok := strings.Cut(kind, " or "); ok && kind != "true or false" {
			for _, word := range append(strings.Split(list, ", "), last) {
				try(f.Path, word, true)
			}
			try(f.Path, "nothing-of-that", false)
		}
		if m := bounds.FindStringSubmatch("," + unit); m != nil {
			most, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			try(f.Path, m[1], true)
			try(f.Path, "-1", false)
			try(f.Path, m[2], true)
			try(f.Path, fmt.Sprint(most+1), false)
		}
	}
	if tried < 50 {
		t.Errorf("only %d values were tried", tried)
	}
}

// TestConfigurationPageIsTrue holds docs/configuration.md against the code. With UPDATE_DOCS=1 it writes it.
func TestConfigurationPageIsTrue(t *testing.T) {
	const path = "../../docs/configuration.md"
	want := configurationPage()
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/configuration.md is stale (%v): UPDATE_DOCS=1 go test ./monitor/config", err)
	}
}

const configurationHead = `# Configuration

All fields of maildrift's configuration file, made from the code (` + "`UPDATE_DOCS=1 go test ./monitor/config`" + `);
` + "`maildrift config reference`" + ` prints the same. [configs/maildrift.yml](../configs/maildrift.yml), which ` + "`maildrift config example`" + ` prints, shows them as they
are written; ` + "`maildrift config check FILE`" + ` says all that is wrong with a file.

The file is YAML, of at most 16 MB, as is each file that it includes. A key that is not known is an error, never ignored. Durations are written as 250ms, 30s, 15m,
48h or 400d; ` + "`${NAME}`" + ` stands for an environment variable. In the paths below NAME is a key that you choose, and ` + "`[]`" + ` each entry of a list. A list of texts with one
entry may be written as that text. ` + "`SIGHUP`" + ` and ` + "`POST /-/reload`" + ` read the file again: all of it is taken, or nothing. With a change of a field that
cannot change while maildrift runs it is refused; one that is taken at a start waits for the next start.
`

// configurationPage writes the reference as a page: what stands at the top first, then each section.
func configurationPage() string {
	var top, rest strings.Builder
	const head = "\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
	for _, f := range Reference() {
		section := f.Section && !strings.ContainsAny(f.Path, ".[")
		row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.Path, f.Type, code(f.Default), f.Doc)
		switch {
		case section:
			fmt.Fprintf(&rest, "\n## %s\n\n%s%s\n%s", f.Path, f.Doc, withDefault(f.Default), head)
		case strings.ContainsAny(f.Path, ".["):
			rest.WriteString(row)
		default:
			top.WriteString(row)
		}
	}
	return configurationHead + head + top.String() + rest.String()
}

func withDefault(text string) string {
	if text == "" {
		return ""
	}
	return " Default: " + text + "."
}

// code marks a default that can be written as it stands, and is not said in words.
func code(text string) string {
	if text == "" || strings.Contains(text, " ") && strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz") {
		return text
	}
	return "`" + text + "`"
}
