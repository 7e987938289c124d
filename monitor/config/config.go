// Package config reads maildrift's configuration file, strictly: a key that it
// does not know, a value of the wrong type, a domain named twice is refused with
// the file, the line, the field and what to do. Nothing is half taken.
//
//	cfg, err := config.Load("maildrift.yml", os.LookupEnv, presets)
//
// Load reads each file once. The result is immutable and may be shared.
package config

import (
	"log/slog"
	"time"

	"go.yaml.in/yaml/v3"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
)

// Config is a whole configuration.
type Config struct {
	// File is the main file; Hash identifies the content of all files read.
	File string
	Hash string
	// Listen is the HTTP address, ExternalURL where people reach it.
	Listen      string
	ExternalURL string
	// Web is who may come in there, and how.
	Web     Web
	DataDir string
	// Schedules always has "default".
	Schedules map[string]Schedule
	// Sources are all resolvers; Groups name some of them. "default" always exists.
	Sources []*resolve.Source
	Groups  map[string][]*resolve.Source
	Rules   judge.Rules
	Gate    monitor.Gate
	// Quarantine is when operators that are alone with what they say lose their vote.
	Quarantine monitor.Quarantine
	// Canaries are questions with known answers.
	Canaries  []monitor.Canary
	Authority Authority
	Asking    Asking
	// Recheck is how often unsettled records are asked between sweeps.
	Recheck time.Duration
	// Upkeep is how often it is looked at what domains' mail stands on; 0 is never.
	Upkeep time.Duration
	// Presets are the built-in mail services with those of the files that "presets" names.
	Presets preset.Set
	// Domains are those of the main file and of included files.
	Domains   []*monitor.Domain
	Alerting  Alerting
	Retention Retention
	Metrics   Metrics
	Log       Log
	// Warnings say what is allowed but unwise.
	Warnings []string
}

// Web is who may come in over HTTP.
type Web struct {
	// ConfigFile is a web configuration file as Prometheus' exporters have it, with TLS and users; empty for none.
	ConfigFile string
	// RequireToken lets nobody in without a token.
	RequireToken bool
}

// Authority is how the zones' own servers are asked.
type Authority struct {
	Enabled      bool
	Port         uint16
	AllowPrivate bool
	IPv6         bool
}

// Asking is how sources are asked unless they say otherwise.
type Asking struct {
	// Timeout is how long a reply is waited for. Rate is how many questions a second an operator gets at most, Window how
	// many are in flight at most.
	Timeout time.Duration
	Rate    float64
	Window  int
	// Pace says whether resolvers are spared what they can only answer from their caches.
	Pace pace.Policy
	// Spread is over which share of the time to the next sweep the stages of a large one begin; 0 is at once.
	Spread float64
}

// Alerting is how people are told.
type Alerting struct {
	// YAML is the Alertmanager configuration as a document of its own; Line is where it begins.
	YAML []byte
	Line int
	// Heartbeat is called after every good sweep; empty for none.
	Heartbeat Secret
	// Resend is how often open alerts are handed over again.
	Resend time.Duration
	// Runbooks is the base of the runbook links.
	Runbooks string
	// Alertmanagers are those elsewhere that are told instead of the embedded one, as Prometheus' configuration writes
	// them; empty for the embedded one. HTTP is the YAML of an http_config.
	Alertmanagers []Alertmanager
	// Language is that of alerts: "en" or another one that package alert knows.
	Language string
	// FailingAfter is after how long a receiver that cannot be told counts as failing.
	FailingAfter time.Duration
}

// Alertmanager is one elsewhere.
type Alertmanager struct {
	URL     string
	Timeout time.Duration
	// HTTP is its http_config as YAML: credentials, TLS, a proxy.
	HTTP []byte
}

// Retention is how long history is kept; 0 means for ever.
type Retention struct {
	History time.Duration
	Sweeps  time.Duration
}

// Metrics are the settings of /metrics.
type Metrics struct {
	// PerRecordLimit is the most records that get series of their own, but for those of domains that have one of
	// PerRecordLabels; an empty value stands for any.
	PerRecordLimit  int
	PerRecordLabels map[string]string
}

// Log is how the daemon logs.
type Log struct {
	Level  slog.Level
	Format string
}

// Secret is text that is never shown.
type Secret string

// String hides it.
func (Secret) String() string { return "<redacted>" }

// MarshalText hides it.
func (Secret) MarshalText() ([]byte, error) { return []byte("<redacted>"), nil }

// The structure of the file. Every default stands in defaults below.
type file struct {
	Listen       string                  `yaml:"listen"`
	ExternalURL  string                  `yaml:"external_url"`
	Web          webSpec                 `yaml:"web"`
	DataDir      string                  `yaml:"data_dir"`
	Include      []string                `yaml:"include"`
	Presets      []string                `yaml:"presets"`
	Schedules    map[string]scheduleSpec `yaml:"schedules"`
	Resolvers    resolversSpec           `yaml:"resolvers"`
	Authority    authoritySpec           `yaml:"authority"`
	Asking       askingSpec              `yaml:"asking"`
	Quorum       quorumSpec              `yaml:"quorum"`
	Confirm      confirmSpec             `yaml:"confirm"`
	Gate         gateSpec                `yaml:"gate"`
	Flapping     flappingSpec            `yaml:"flapping"`
	Quarantine   quarantineSpec          `yaml:"quarantine"`
	Canaries     []canarySpec            `yaml:"canaries"`
	Verification verificationSpec        `yaml:"verification"`
	Domains      []monitor.Spec          `yaml:"domains"`
	Alerting     alertingSpec            `yaml:"alerting"`
	Retention    retentionSpec           `yaml:"retention"`
	Metrics      metricsSpec             `yaml:"metrics"`
	Log          logSpec                 `yaml:"log"`
}

type webSpec struct {
	ConfigFile   string `yaml:"config_file"`
	RequireToken bool   `yaml:"require_token"`
}

// included is what an included file may hold.
type included struct {
	Domains []monitor.Spec `yaml:"domains"`
}

type scheduleSpec struct {
	Cron      string        `yaml:"cron"`
	Every     time.Duration `yaml:"every"`
	Timezone  string        `yaml:"timezone"`
	Resolvers string        `yaml:"resolvers"`
}

type resolversSpec struct {
	Builtin bool                `yaml:"builtin"`
	Drop    []string            `yaml:"drop"`
	List    []resolverSpec      `yaml:"list"`
	Groups  map[string][]string `yaml:"groups"`
}

type resolverSpec struct {
	Name       string            `yaml:"name"`
	Operator   string            `yaml:"operator"`
	Addresses  []string          `yaml:"addresses"`
	Transport  resolve.Transport `yaml:"transport"`
	TLSName    string            `yaml:"tls_name"`
	URL        string            `yaml:"url"`
	Rate       float64           `yaml:"rate"`
	Window     int               `yaml:"window"`
	Timeout    time.Duration     `yaml:"timeout"`
	RootCAFile string            `yaml:"root_ca_file"`
	Region     string            `yaml:"region"`
	Note       string            `yaml:"note"`
	// Default is false for built-in resolvers that are only used when a group names them.
	Default *bool `yaml:"default"`
}

type authoritySpec struct {
	Enabled      bool   `yaml:"enabled"`
	Port         uint16 `yaml:"port"`
	AllowPrivate bool   `yaml:"allow_private"`
}

type askingSpec struct {
	Timeout time.Duration `yaml:"timeout"`
	Rate    float64       `yaml:"rate"`
	Window  int           `yaml:"window"`
	IPv6    string        `yaml:"ipv6"`
	Pace    pace.Policy   `yaml:"pace"`
	Spread  float64       `yaml:"spread"`
}

type quorumSpec struct {
	MinOperators int `yaml:"min_operators"`
}

type confirmSpec struct {
	Times             int           `yaml:"times"`
	Wait              time.Duration `yaml:"wait"`
	DisagreementAfter time.Duration `yaml:"disagreement_after"`
}

type flappingSpec struct {
	Changes int           `yaml:"changes"`
	Within  time.Duration `yaml:"within"`
	Calm    time.Duration `yaml:"calm"`
}

type quarantineSpec struct {
	After   int `yaml:"after"`
	Release int `yaml:"release"`
}

type gateSpec struct {
	Share      float64       `yaml:"share"`
	MinRecords int           `yaml:"min_records"`
	Hold       time.Duration `yaml:"hold"`
}

type canarySpec struct {
	Name   string `yaml:"name"`
	Type   string `yaml:"type"`
	Want   string `yaml:"want"`
	Random bool   `yaml:"random"`
}

type verificationSpec struct {
	OverdueAfter time.Duration `yaml:"overdue_after"`
	Recheck      time.Duration `yaml:"recheck"`
	Upkeep       time.Duration `yaml:"upkeep"`
}

type alertingSpec struct {
	Global            yaml.Node     `yaml:"global"`
	Route             yaml.Node     `yaml:"route"`
	Receivers         yaml.Node     `yaml:"receivers"`
	InhibitRules      yaml.Node     `yaml:"inhibit_rules"`
	TimeIntervals     yaml.Node     `yaml:"time_intervals"`
	MuteTimeIntervals yaml.Node     `yaml:"mute_time_intervals"`
	Templates         yaml.Node     `yaml:"templates"`
	HeartbeatURL      string        `yaml:"heartbeat_url"`
	HeartbeatURLFile  string        `yaml:"heartbeat_url_file"`
	Resend            time.Duration `yaml:"resend"`
	Runbooks          string        `yaml:"runbooks"`
	FailingAfter      time.Duration `yaml:"notifier_failing_after"`
	Language          string        `yaml:"language"`
	// Alertmanagers take the place of all that concerns the embedded one.
	Alertmanagers []alertmanagerSpec `yaml:"alertmanagers"`
}

type alertmanagerSpec struct {
	URL        string        `yaml:"url"`
	Timeout    time.Duration `yaml:"timeout"`
	HTTPConfig yaml.Node     `yaml:"http_config"`
}

type retentionSpec struct {
	History time.Duration `yaml:"history"`
	Sweeps  time.Duration `yaml:"sweeps"`
}

type metricsSpec struct {
	PerRecordLimit  int               `yaml:"per_record_limit"`
	PerRecordLabels map[string]string `yaml:"per_record_labels"`
}

type logSpec struct {
	Level  slog.Level `yaml:"level"`
	Format string     `yaml:"format"`
}

// defaults is the one table of defaults; the documented example shows them.
func defaults() file {
	rules, gate := judge.DefaultRules(), monitor.DefaultGate()
	return file{
		Listen:     "127.0.0.1:9853",
		DataDir:    "/var/lib/maildrift",
		Schedules:  map[string]scheduleSpec{},
		Resolvers:  resolversSpec{Builtin: true},
		Authority:  authoritySpec{Enabled: true, Port: 53},
		Asking:     askingSpec{Timeout: 2 * time.Second, Rate: 20, Window: 160, IPv6: "auto", Pace: pace.Auto, Spread: 0.5},
		Quorum:     quorumSpec{MinOperators: rules.MinOperators},
		Confirm:    confirmSpec{Times: rules.Confirmations, Wait: rules.ConfirmWait, DisagreementAfter: rules.DisagreementAfter},
		Gate:       gateSpec{Share: gate.Share, MinRecords: gate.MinRecords, Hold: gate.Hold},
		Flapping:   flappingSpec{Changes: rules.FlapChanges}, // its times follow from the schedules, see loader.flapping
		Quarantine: quarantineSpec(monitor.DefaultQuarantine()),
		Verification: verificationSpec{
			OverdueAfter: rules.OverdueAfter, Recheck: 5 * time.Minute, Upkeep: 24 * time.Hour,
		},
		Alerting:  alertingSpec{Resend: time.Minute, Runbooks: "", FailingAfter: 10 * time.Minute, Language: "en"},
		Retention: retentionSpec{History: 400 * 24 * time.Hour, Sweeps: 90 * 24 * time.Hour},
		Metrics:   metricsSpec{PerRecordLimit: 2000},
		Log:       logSpec{Level: slog.LevelInfo, Format: "text"},
	}
}
