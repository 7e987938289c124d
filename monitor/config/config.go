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

// The structure of the file. Every default stands in defaults below, or is worked out and told in a default tag; what each field
// means stands in its doc tag, in what in unit, what it may be in enum. Reference and docs/configuration.md come of these.
type file struct {
	Listen       string                  `yaml:"listen" doc:"Where pages, API and metrics are, HOST:PORT. Other addresses than loopback need web.config_file, or serve --allow-remote. Cannot change while maildrift runs."`
	ExternalURL  string                  `yaml:"external_url" default:"http://LISTEN" doc:"How people reach it, for links in alerts. Cannot change while maildrift runs."`
	Web          webSpec                 `yaml:"web" doc:"Who may come in there. Cannot change while maildrift runs."`
	DataDir      string                  `yaml:"data_dir" doc:"Directory of the database, the silences and the notification log. A relative one goes by the working directory. Cannot change while maildrift runs."`
	Include      []string                `yaml:"include" doc:"More files with domains, as patterns relative to this file and not above it. Each holds domains: and nothing else."`
	Presets      []string                `yaml:"presets" doc:"Files with mail services of one's own, as patterns like those of include; one preset a file, named after its id. One with a built-in id needs replace: true."`
	Schedules    map[string]scheduleSpec `yaml:"schedules" doc:"When domains are swept. Each schedule asks one group of resolvers; a domain is in default unless it names another. There is always a default."`
	Resolvers    resolversSpec           `yaml:"resolvers" doc:"Who is asked besides the zones' own servers."`
	Authority    authoritySpec           `yaml:"authority" doc:"The zones' own servers, which are found from the delegation."`
	Asking       askingSpec              `yaml:"asking" doc:"How sources are asked, unless they say otherwise."`
	Quorum       quorumSpec              `yaml:"quorum" doc:"How much must be heard for anything to be judged."`
	Confirm      confirmSpec             `yaml:"confirm" doc:"When a change that was seen counts."`
	Gate         gateSpec                `yaml:"gate" doc:"Changes that are held back because too many records turn bad at once: the cause is more likely ours. In large sweeps that is decided for a few hundred domains at a time, which are compared with others."`
	Flapping     flappingSpec            `yaml:"flapping" doc:"A record that changes often within a time is one episode, told once, until it has held for a while."`
	Quarantine   quarantineSpec          `yaml:"quarantine" doc:"A resolver operator that contradicts records, alone, sweep after sweep, has no vote until it has agreed again."`
	Canaries     []canarySpec            `yaml:"canaries" default:"NS of . and of com, and a random name below invalid, which must not exist" doc:"Questions with known answers. A resolver that gets one wrong has no vote in the sweep."`
	Verification verificationSpec        `yaml:"verification" doc:"What is looked at besides sweeps."`
	Domains      []monitor.Spec          `yaml:"domains" doc:"The domains. They can also be added at run time."`
	Alerting     alertingSpec            `yaml:"alerting" doc:"Who is told. The route, the receivers and what belongs to them are Alertmanager's own configuration, as in its documentation."`
	Retention    retentionSpec           `yaml:"retention" doc:"For how long the past is kept; 0s is for ever."`
	Metrics      metricsSpec             `yaml:"metrics" doc:"What /metrics shows of single records. Taken at a start."`
	Log          logSpec                 `yaml:"log" doc:"What the daemon logs. Taken at a start."`
}

type webSpec struct {
	ConfigFile   string `yaml:"config_file" doc:"A web configuration file as Prometheus and its exporters have it: TLS, HTTP headers, basic_auth_users. Relative to this file."`
	RequireToken bool   `yaml:"require_token" doc:"Lets nobody in without a token (maildrift token create). With TLS beyond loopback it is always so."`
}

// included is what an included file may hold.
type included struct {
	Domains []monitor.Spec `yaml:"domains"`
}

type scheduleSpec struct {
	Cron      string        `yaml:"cron" default:"*/15 * * * *" doc:"When, as a cron expression: minute hour day month weekday. Either this or every; the default is that of the schedule default."`
	Every     time.Duration `yaml:"every" doc:"How often; at least 10ms. Either this or cron."`
	Timezone  string        `yaml:"timezone" default:"UTC" doc:"The time zone of the cron expression, for example Asia/Shanghai."`
	Resolvers string        `yaml:"resolvers" default:"default" doc:"The group of resolvers that it asks."`
}

type resolversSpec struct {
	Builtin bool                `yaml:"builtin" doc:"Take the built-in list, which maildrift resolvers list shows."`
	Drop    []string            `yaml:"drop" doc:"Names of built-in ones to leave out."`
	List    []resolverSpec      `yaml:"list" doc:"More resolvers. One with a built-in name replaces it."`
	Groups  map[string][]string `yaml:"groups" default:"default has all that are not marked default: false" doc:"Names of resolvers, for schedules that ask other ones."`
}

type resolverSpec struct {
	Name       string            `yaml:"name" doc:"What it is called in metrics, on pages and in groups."`
	Operator   string            `yaml:"operator" default:"its name" doc:"Whose it is. Resolvers of one operator have one vote and share one rate."`
	Addresses  []string          `yaml:"addresses" doc:"IP addresses of one service, with or without :PORT. A question that is not answered goes to the next one."`
	Transport  resolve.Transport `yaml:"transport" enum:"udp,tcp,dot,doh" default:"udp" doc:"How it is asked."`
	TLSName    string            `yaml:"tls_name" doc:"The name in its certificate; dot needs it."`
	URL        string            `yaml:"url" doc:"The https:// URL of the service; doh needs it. The addresses say where to connect."`
	Rate       float64           `yaml:"rate" unit:"questions a second" default:"asking.rate" doc:"How many it may be asked at most. Where resolvers of one operator name several, the highest holds for all of them together."`
	Window     int               `yaml:"window" unit:"questions" default:"asking.window" doc:"How many may be in flight to one address at most."`
	Timeout    time.Duration     `yaml:"timeout" default:"asking.timeout" doc:"As asking.timeout."`
	RootCAFile string            `yaml:"root_ca_file" default:"the system's" doc:"A PEM file with the authorities to check its certificate against."`
	Region     string            `yaml:"region" doc:"For people: where it is."`
	Note       string            `yaml:"note" doc:"For people."`
	Default    *bool             `yaml:"default" default:"true" doc:"Whether it is in the group default. Some built-in ones, which filter or see a censored network, are not."`
}

type authoritySpec struct {
	Enabled      bool   `yaml:"enabled" doc:"Ask them. Without that, changes are seen only when caches run out."`
	Port         uint16 `yaml:"port" unit:"0 to 65535" doc:"The port that they listen at."`
	AllowPrivate bool   `yaml:"allow_private" doc:"Ask also servers at loopback and private addresses."`
}

type askingSpec struct {
	Timeout time.Duration `yaml:"timeout" doc:"How long a slow reply may take; at least 1ms. A question that nobody answers has twice that, over up to six tries: how long each waits is learned from how quick the source is."`
	Rate    float64       `yaml:"rate" unit:"questions a second" doc:"How many are asked of an operator at most, shared by its resolvers and by all schedules, and of each server of zones. Resolvers may name their own, and the built-in ones do. Where much is lost or refused, fewer are asked until that is over."`
	Window  int           `yaml:"window" unit:"questions, 1 to 10000" doc:"How many are in flight to one address at most. They begin at 8 and become more while all are answered."`
	IPv6    string        `yaml:"ipv6" enum:"auto,on,off" doc:"Whether sources are asked at IPv6 addresses. auto: if this machine has a route."`
	Pace    pace.Policy   `yaml:"pace" enum:"every,ttl,auto" doc:"While a zone's own servers, asked in every sweep, say the same, a resolver need not be asked before its answer has run out. every: ask nevertheless; ttl: do not; auto: do not, once asking everybody everything takes more than half of the interval between sweeps."`
	Spread  float64       `yaml:"spread" unit:"share, 0 to 0.9" doc:"The stages of a large sweep, up to 250 domains each, begin spread over this share of the time to the next one; 0 is one right after the other. The first sweep after a start goes as fast as it may."`
}

type quorumSpec struct {
	MinOperators int `yaml:"min_operators" unit:"operators, at least 1" doc:"How many must be heard about a record; below that nothing is judged. A schedule whose group has fewer is an error."`
}

type confirmSpec struct {
	Times             int           `yaml:"times" unit:"times, 0 to 10" doc:"How often a change must be seen again."`
	Wait              time.Duration `yaml:"wait" doc:"How long after the first sight the last time is at the earliest."`
	DisagreementAfter time.Duration `yaml:"disagreement_after" doc:"How long sources must disagree before that is told."`
}

type flappingSpec struct {
	Changes int           `yaml:"changes" unit:"changes, 2 to 8, or 0" doc:"How many make an episode; 0 turns it off."`
	Within  time.Duration `yaml:"within" default:"20 sweeps, an hour at most" doc:"The time in which that many count."`
	Calm    time.Duration `yaml:"calm" default:"half of within, half an hour at most" doc:"How long it must have held for the episode to end."`
}

type quarantineSpec struct {
	After   int `yaml:"after" unit:"sweeps running, 0 to 1000" doc:"After how many it loses its vote; 0 turns it off."`
	Release int `yaml:"release" unit:"sweeps running, 1 to 1000" doc:"After how many in which it agreed it gets it back."`
}

type gateSpec struct {
	Share      float64       `yaml:"share" unit:"share, 0 to 1" doc:"More than this share of verified records turning bad in one sweep is held back; 0 turns it off."`
	MinRecords int           `yaml:"min_records" unit:"records" doc:"How many must turn for that to matter."`
	Hold       time.Duration `yaml:"hold" doc:"How long what goes on to be seen is held back at most."`
}

type canarySpec struct {
	Name   string `yaml:"name" doc:"The name to ask for."`
	Type   string `yaml:"type" doc:"The type, for example NS."`
	Want   string `yaml:"want" enum:"data,nxdomain" default:"data" doc:"What must come: an answer, or that the name does not exist."`
	Random bool   `yaml:"random" doc:"Ask for a random label below the name, which nobody can have cached."`
}

type verificationSpec struct {
	OverdueAfter time.Duration `yaml:"overdue_after" doc:"When to tell that a registered record has not been seen."`
	Recheck      time.Duration `yaml:"recheck" doc:"How often records that are pending or not as verified are asked between sweeps; 0s is never."`
	Upkeep       time.Duration `yaml:"upkeep" doc:"How often it is looked at what mail stands on besides its records: exchanges, delegation, DNSSEC, MTA-STS policy; 0s is never."`
}

type alertingSpec struct {
	Global            yaml.Node     `yaml:"global" doc:"Alertmanager's."`
	Route             yaml.Node     `yaml:"route" default:"everything to the only receiver, or to the one called default" doc:"Alertmanager's. Its group_by is [alertname, record, cause] if it names none."`
	Receivers         yaml.Node     `yaml:"receivers" default:"one that tells nobody" doc:"Alertmanager's, with every receiver that it has."`
	InhibitRules      yaml.Node     `yaml:"inhibit_rules" doc:"Alertmanager's. Beside these, an alert about a cause stands for those of its records, and a later escalation for the earlier ones."`
	TimeIntervals     yaml.Node     `yaml:"time_intervals" doc:"Alertmanager's."`
	MuteTimeIntervals yaml.Node     `yaml:"mute_time_intervals" doc:"Alertmanager's older name for time_intervals."`
	Templates         yaml.Node     `yaml:"templates" doc:"Alertmanager's. maildrift's own are in force without being named."`
	HeartbeatURL      string        `yaml:"heartbeat_url" doc:"Called after every good sweep, unless alerts cannot be delivered."`
	HeartbeatURLFile  string        `yaml:"heartbeat_url_file" doc:"A file with that URL instead."`
	Resend            time.Duration `yaml:"resend" doc:"How often open alerts are handed over again."`
	Runbooks          string        `yaml:"runbooks" doc:"Base URL of the runbook links: where you keep a copy of docs/runbooks. Taken at a start."`
	FailingAfter      time.Duration `yaml:"notifier_failing_after" doc:"From when on the other receivers are told of one that cannot be reached; at least 1m."`
	Language          string        `yaml:"language" enum:"en,zh-CN" doc:"The language of alerts. Taken at a start."`
	// Alertmanagers take the place of all that concerns the embedded one.
	Alertmanagers []alertmanagerSpec `yaml:"alertmanagers" doc:"Alertmanagers elsewhere, instead of the embedded one and all that is Alertmanager's above. Cannot change while maildrift runs."`
}

type alertmanagerSpec struct {
	URL        string        `yaml:"url" doc:"Where it is: http://HOST:PORT or https://…, with the path prefix if there is one."`
	Timeout    time.Duration `yaml:"timeout" default:"10s" doc:"How long it may take to answer."`
	HTTPConfig yaml.Node     `yaml:"http_config" doc:"Prometheus' http_config: basic_auth, authorization, tls_config, proxy_url."`
}

type retentionSpec struct {
	History time.Duration `yaml:"history" doc:"Changes and answers."`
	Sweeps  time.Duration `yaml:"sweeps" doc:"Summaries of sweeps, one a sweep."`
}

type metricsSpec struct {
	PerRecordLimit  int               `yaml:"per_record_limit" unit:"records, 0 to 10000000" doc:"How many have series of their own at most, those in trouble first."`
	PerRecordLabels map[string]string `yaml:"per_record_labels" doc:"Domains with one of these labels always have them, for example tier: gold; an empty value stands for any."`
}

type logSpec struct {
	Level  slog.Level `yaml:"level" enum:"debug,info,warn,error" doc:"The least level that is written."`
	Format string     `yaml:"format" enum:"text,json" doc:"How lines are written."`
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
