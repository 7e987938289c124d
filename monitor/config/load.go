package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// maxFile is the most bytes that a configuration file may have.
const maxFile = 16 << 20

// loader is one Load.
type loader struct {
	decoder
	presets preset.Set
	hash    []byte
	cfg     *Config
	// places says where each domain stands, to tell the second where the first is.
	places map[rrset.Name]string
	// named are the schedules that the file names, sound or not, and unsound the IDs of presets that could not be taken.
	named   map[string]bool
	unsound map[string]bool
}

// Check says what is wrong with a configuration that only others know, such as how people are told. It gives each mistake to wrong with its
// field. The configuration may have other mistakes, and lack what could not be taken for them.
type Check func(c *Config, wrong func(path, text string))

// Load reads a configuration and all files that it includes. Environment
// variables written as ${NAME} are looked up with env. The error tells all that is wrong, one
// Problem a line, what the checks find among it.
func Load(path string, env func(string) (string, bool), presets preset.Set, checks ...Check) (*Config, error) {
	l := &loader{
		decoder: decoder{file: path, env: env, lines: map[string]int{}}, presets: presets,
		cfg: &Config{File: path}, places: map[rrset.Name]string{}, named: map[string]bool{}, unsound: map[string]bool{},
	}
	f := defaults()
	if err := l.read(path, &f); err != nil {
		return nil, err
	}
	l.ownPresets(f.Presets)
	l.settings(f)
	l.schedules(f)
	l.flapping(f.Flapping)
	l.domains(f.Domains)
	l.alerting(f.Alerting)
	for _, check := range checks {
		check(l.cfg, l.wrong)
	}
	l.include(f.Include)
	if err := l.err(); err != nil {
		return nil, err
	}
	l.cfg.Hash = hex.EncodeToString(l.hash)
	l.cfg.Presets = l.presets
	l.warn()
	return l.cfg, nil
}

// wrong takes in what a check finds, but for what follows from a value that could not be taken.
func (l *loader) wrong(path, text string) {
	if !l.belongs(path) && l.usable(path) {
		l.at(path, "%s", text)
	}
}

// readText reads a file and counts it into the hash.
func (l *loader) readText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	case len(text) > maxFile:
		return nil, Problem{File: path, Text: fmt.Sprintf("larger than %d MB", maxFile>>20)}
	}
	sum := sha256.Sum256(append(append([]byte(nil), l.hash...), text...))
	l.hash = sum[:]
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil
}

// read parses one file into a struct. A file that is no YAML at all is an error
// of its own; what is wrong inside is collected.
func (l *loader) read(path string, into any) error {
	text, err := l.readText(path)
	if err != nil {
		return err
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return Problem{File: path, Text: "the file is empty: is it still being written?"}
		}
		return Problem{File: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Problem{File: path, Text: "more than one YAML document; keep one"}
	}
	l.decode(doc.Content[0], "", reflect.ValueOf(into).Elem(), 0)
	return nil
}

// settings takes what needs no more than a check.
func (l *loader) settings(f file) {
	c := l.cfg
	c.Listen, c.ExternalURL, c.DataDir = f.Listen, strings.TrimSuffix(f.ExternalURL, "/"), f.DataDir
	if _, _, err := net.SplitHostPort(f.Listen); err != nil {
		l.at("listen", "%q is not HOST:PORT, for example 127.0.0.1:9853", f.Listen)
	}
	c.Web = Web(f.Web)
	if f.Web.ConfigFile != "" && !filepath.IsAbs(f.Web.ConfigFile) {
		c.Web.ConfigFile = filepath.Join(filepath.Dir(c.File), f.Web.ConfigFile)
	}
	if c.ExternalURL == "" {
		c.ExternalURL = "http://" + f.Listen
	} else if u, err := url.Parse(c.ExternalURL); err != nil || u.Host == "" {
		l.at("external_url", "%q is not a URL, for example https://maildrift.example.com", f.ExternalURL)
	}
	if f.DataDir == "" {
		l.at("data_dir", "name the directory for maildrift's data")
	}
	c.Rules = judge.Rules{
		MinOperators: f.Quorum.MinOperators, Confirmations: f.Confirm.Times, ConfirmWait: f.Confirm.Wait,
		DisagreementAfter: f.Confirm.DisagreementAfter, OverdueAfter: f.Verification.OverdueAfter,
	}
	l.between("quorum.min_operators", f.Quorum.MinOperators, 1, 1000)
	l.between("confirm.times", f.Confirm.Times, 0, 10)
	if l.between("flapping.changes", f.Flapping.Changes, 0, 8); f.Flapping.Changes == 1 {
		l.at("flapping.changes", "one change is not flapping; want 2 to 8, or 0 to turn it off")
	}
	l.between("quarantine.after", f.Quarantine.After, 0, 1000)
	l.between("quarantine.release", f.Quarantine.Release, 1, 1000)
	c.Quarantine = monitor.Quarantine(f.Quarantine)
	l.between("asking.window", f.Asking.Window, 1, 10000)
	l.between("metrics.per_record_limit", f.Metrics.PerRecordLimit, 0, 10_000_000)
	if f.Gate.Share < 0 || f.Gate.Share > 1 {
		l.at("gate.share", "want a share from 0 (gate off) to 1, got %v", f.Gate.Share)
	}
	if f.Asking.Timeout < time.Millisecond {
		l.at("asking.timeout", "at least 1ms, got %s", f.Asking.Timeout)
	}
	if f.Asking.Rate <= 0 {
		l.at("asking.rate", "want more than 0 questions a second, got %v", f.Asking.Rate)
	}
	if f.Asking.Spread < 0 || f.Asking.Spread > maxSpread {
		l.at("asking.spread", "want a share from 0 (all at once) to %v, got %v", maxSpread, f.Asking.Spread)
	}
	if f.Verification.OverdueAfter <= 0 {
		l.at("verification.overdue_after", "want more than 0")
	}
	c.Gate = monitor.Gate{Share: f.Gate.Share, MinRecords: f.Gate.MinRecords, Hold: f.Gate.Hold}
	c.Recheck, c.Upkeep = f.Verification.Recheck, f.Verification.Upkeep
	ipv6 := haveIPv6(f.Asking.IPv6)
	switch f.Asking.IPv6 {
	case "auto", "on", "off":
	default:
		l.at("asking.ipv6", "want auto, on or off, got %q", f.Asking.IPv6)
	}
	c.Authority = Authority{Enabled: f.Authority.Enabled, Port: f.Authority.Port, AllowPrivate: f.Authority.AllowPrivate, IPv6: ipv6}
	c.Asking = Asking{Timeout: f.Asking.Timeout, Rate: f.Asking.Rate, Window: f.Asking.Window, Pace: f.Asking.Pace, Spread: f.Asking.Spread}
	c.Retention = Retention(f.Retention)
	c.Metrics = Metrics(f.Metrics)
	c.Log = Log(f.Log)
	if f.Log.Format != "text" && f.Log.Format != "json" {
		l.at("log.format", "want text or json, got %q", f.Log.Format)
	}
	l.resolvers(f.Resolvers, ipv6)
	l.canaries(f.Canaries)
}

// maxSpread leaves the last stages of a sweep time to be done before the next one.
const maxSpread = 0.9

func (l *loader) between(path string, got, least, most int) {
	if got < least || got > most {
		l.at(path, "want a number from %d to %d, got %d", least, most, got)
	}
}

// haveIPv6 says whether IPv6 addresses are to be asked: with auto, if this
// machine has a route to the world.
func haveIPv6(setting string) bool {
	if setting != "auto" {
		return setting == "on"
	}
	// Connecting a UDP socket sends nothing; it only asks for a route.
	c, err := net.Dial("udp6", "[2001:db8::1]:53") //nolint:noctx // no packet is sent, nothing waits
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func (l *loader) canaries(specs []canarySpec) {
	if specs == nil && l.lines["canaries"] == 0 {
		l.cfg.Canaries = monitor.DefaultCanaries()
		return
	}
	for i, s := range specs {
		path := fmt.Sprintf("canaries[%d]", i)
		c := monitor.Canary{Random: s.Random, Want: resolve.Answered}
		name, err := rrset.ParseName(s.Name)
		if err != nil {
			l.at(path+".name", "%v", err)
		}
		typ, err := rrset.ParseType(s.Type)
		if err != nil {
			l.at(path+".type", "%v", err)
		}
		switch s.Want {
		case "", "data":
		case "nxdomain":
			c.Want = resolve.NXDomain
		default:
			l.at(path+".want", "want data or nxdomain, got %q", s.Want)
		}
		c.Question = resolve.Question{Name: name, Type: typ}
		l.cfg.Canaries = append(l.cfg.Canaries, c)
	}
}

// resolvers makes the list of sources and the groups.
func (l *loader) resolvers(spec resolversSpec, ipv6 bool) {
	all := map[string]resolverSpec{}
	if spec.Builtin {
		for _, r := range builtinResolvers() {
			all[r.Name] = r
		}
	}
	for i, name := range spec.Drop {
		if _, ok := all[name]; !ok {
			l.at(fmt.Sprintf("resolvers.drop[%d]", i), "there is no built-in resolver %q%s", name, suggest(name, keys(all)))
		}
		delete(all, name)
	}
	mine := map[string]int{}
	for i, r := range spec.List {
		path := fmt.Sprintf("resolvers.list[%d]", i)
		if first, twice := mine[r.Name]; twice {
			l.at(path+".name", "resolver %q is listed twice; the first is resolvers.list[%d]", r.Name, first)
			continue
		}
		mine[r.Name] = i
		all[r.Name] = r
		l.resolver(path, r)
	}
	l.groups(spec, all, ipv6)
}

// groups makes the sources that can be reached, and the groups that name them.
func (l *loader) groups(spec resolversSpec, all map[string]resolverSpec, ipv6 bool) {
	groups := map[string][]*resolve.Source{}
	sources := map[string]*resolve.Source{}
	for _, name := range keys(all) {
		s := source(all[name], ipv6)
		if len(s.Addrs) == 0 {
			continue
		}
		sources[name] = s
		l.cfg.Sources = append(l.cfg.Sources, s)
		if all[name].Default == nil || *all[name].Default {
			groups["default"] = append(groups["default"], s)
		}
	}
	for _, g := range keys(spec.Groups) {
		groups[g] = nil
		for i, name := range spec.Groups[g] {
			s, ok := sources[name]
			if !ok {
				l.at(fmt.Sprintf("resolvers.groups.%s[%d]", g, i), "there is no resolver %q%s", name, suggest(name, keys(sources)))
				continue
			}
			groups[g] = append(groups[g], s)
		}
	}
	for _, g := range keys(groups) {
		if len(groups[g]) == 0 {
			l.at("resolvers.groups."+g, "the group has no resolvers")
		}
	}
	if _, ok := groups["default"]; !ok {
		groups["default"] = nil
		if len(spec.List) == 0 {
			l.at("resolvers", "no resolvers are left; list some under resolvers.list")
		}
	}
	l.cfg.Groups = groups
}

// resolver checks one entry.
func (l *loader) resolver(path string, r resolverSpec) {
	if r.Name == "" {
		l.at(path+".name", "give the resolver a name")
	}
	if r.Name == "authority" || r.Operator == "authority" {
		l.at(path+".name", "\"authority\" stands for the zones' own servers in metrics: choose another name")
	}
	if len(r.Addresses) == 0 {
		l.at(path+".addresses", "give at least one IP address")
	}
	for i, a := range r.Addresses {
		if _, err := parseAddr(a, r.Transport); err != nil {
			p := fmt.Sprintf("%s.addresses[%d]", path, i)
			l.at(p, "%q is not an IP address with or without :PORT, for example 192.0.2.1 or [2001:db8::1]:5353", a)
		}
	}
	if r.Transport == resolve.DoH {
		if u, err := url.Parse(r.URL); err != nil || u.Scheme != "https" || u.Host == "" {
			l.at(path+".url", "transport doh needs the https:// URL of the service")
		}
	}
	if r.Transport == resolve.DoT && r.TLSName == "" {
		l.at(path+".tls_name", "transport dot needs the name in the service's certificate")
	}
	if r.Rate < 0 || r.Window < 0 {
		l.at(path, "rate and window must not be negative")
	}
	if r.RootCAFile != "" {
		if _, err := os.Stat(r.RootCAFile); err != nil {
			l.at(path+".root_ca_file", "%v", err)
		}
	}
}

// parseAddr reads ADDR or ADDR:PORT; the port defaults to the transport's.
func parseAddr(s string, t resolve.Transport) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap, nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	port := map[resolve.Transport]uint16{resolve.UDP: 53, resolve.TCP: 53, resolve.DoT: 853, resolve.DoH: 443}[t]
	return netip.AddrPortFrom(a, port), err
}

// source makes the source of an entry, with the addresses that can be reached.
func source(r resolverSpec, ipv6 bool) *resolve.Source {
	s := &resolve.Source{
		ID: r.Name, Operator: resolve.Operator(r.Operator), Transport: r.Transport, ServerName: r.TLSName,
		URL: r.URL, Rate: r.Rate, Window: r.Window, Timeout: r.Timeout, RootCAFile: r.RootCAFile,
	}
	if s.Operator == "" {
		s.Operator = resolve.Operator(r.Name)
	}
	for _, a := range r.Addresses {
		if ap, err := parseAddr(a, r.Transport); err == nil && (ap.Addr().Is4() || ipv6 || ap.Addr().IsLoopback()) {
			s.Addrs = append(s.Addrs, ap)
		}
	}
	return s
}

// builtinResolvers reads the embedded list, which a test keeps sound.
func builtinResolvers() []resolverSpec {
	var list struct {
		Resolvers []resolverSpec `yaml:"resolvers"`
	}
	d := decoder{file: "resolvers.yml", env: func(string) (string, bool) { return "", false }, lines: map[string]int{}}
	var doc yaml.Node
	if err := yaml.Unmarshal(configs.Resolvers, &doc); err != nil {
		panic("config: built-in resolvers: " + err.Error())
	}
	d.decode(doc.Content[0], "", reflect.ValueOf(&list).Elem(), 0)
	if err := d.err(); err != nil {
		panic("config: built-in resolvers: " + err.Error())
	}
	return list.Resolvers
}

// Builtin gives the built-in resolvers that are used unless a configuration says
// otherwise.
func Builtin() []*resolve.Source {
	var out []*resolve.Source
	ipv6 := haveIPv6("auto")
	for _, r := range builtinResolvers() {
		if s := source(r, ipv6); (r.Default == nil || *r.Default) && len(s.Addrs) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func (l *loader) schedules(f file) {
	if _, ok := f.Schedules["default"]; !ok {
		f.Schedules["default"] = scheduleSpec{Cron: "*/15 * * * *"}
	}
	l.cfg.Schedules = map[string]Schedule{}
	for _, name := range keys(f.Schedules) {
		l.named[name] = true
		spec := f.Schedules[name]
		path := "schedules." + name
		loc, err := time.LoadLocation(spec.Timezone)
		if err != nil || spec.Timezone == "Local" {
			l.at(path+".timezone", "%q is not a time zone, for example UTC or Asia/Shanghai", spec.Timezone)
			continue
		}
		if (spec.Cron == "") == (spec.Every == 0) {
			if l.usable(path+".cron") && l.usable(path+".every") {
				l.at(path, "give either cron: or every:")
			}
			continue
		}
		next, err := parseSchedule(spec.Cron, spec.Every, loc)
		if err != nil {
			field := ".cron"
			if spec.Cron == "" {
				field = ".every"
			}
			l.at(path+field, "%v", err)
			continue
		}
		group := spec.Resolvers
		if group == "" {
			group = "default"
		}
		if _, ok := l.cfg.Groups[group]; !ok {
			l.at(path+".resolvers", "there is no resolver group %q%s", group, suggest(group, keys(l.cfg.Groups)))
		}
		if n := operators(l.cfg.Groups[group]); n < f.Quorum.MinOperators && n > 0 {
			l.at(path, "it asks %d resolver operators but quorum.min_operators is %d: nothing could ever be judged; add resolvers or lower it", n, f.Quorum.MinOperators)
		}
		text := spec.Cron
		if text == "" {
			text = "every " + spec.Every.String()
		}
		l.cfg.Schedules[name] = Schedule{Name: name, Text: text, Resolvers: group, next: next, location: loc, fixedHour: namesHour(spec.Cron)}
	}
}

// domains resolves the specs of one file.
func (l *loader) domains(specs []monitor.Spec) {
	resolved, problems := monitor.ResolveAll(specs, l.presets)
	for i, d := range resolved {
		path := fmt.Sprintf("domains[%d]", i)
		if err := problems[i]; err != nil {
			l.domainFaults(path, specs[i], err)
			continue
		}
		line := l.lines[path]
		if first, twice := l.places[d.Name]; twice {
			l.at(path+".domain", "domain %s stands in %s already; keep one of them", d.Name, first)
			continue
		}
		l.places[d.Name] = fmt.Sprintf("%s:%d", l.file, line)
		d.Origin = monitor.Origin{File: l.file, Line: line}
		if !l.named[d.Schedule()] {
			l.noSchedule(path, d.Schedule())
			continue
		}
		l.cfg.Domains = append(l.cfg.Domains, d)
	}
}

// domainFaults says all that is wrong with a domain, but for what follows from values that could not be taken.
func (l *loader) domainFaults(path string, spec monitor.Spec, err error) {
	faults := spec.Faults(l.presets)
	if len(faults) == 0 {
		l.at(path, "%v", err)
	}
	for _, f := range faults {
		field := path + "." + f.Path
		switch part, _, below := strings.Cut(f.Path, "."); {
		case f.Path == "expect" && !l.usable(path): // nothing is left to watch
		case f.Path == "service" && l.unsound[spec.Service]:
		case below && !l.usable(path+"."+part):
		default:
			l.at(field, "%v", f.Err)
		}
	}
	if schedule := cmp.Or(spec.Schedule, monitor.DefaultSchedule); !l.named[schedule] {
		l.noSchedule(path, schedule)
	}
}

func (l *loader) noSchedule(path, name string) {
	l.at(path+".schedule", "there is no schedule %q%s", name, suggest(name, keys(l.named)))
}

// include reads the files with more domains.
func (l *loader) include(patterns []string) {
	main, lines := l.file, l.lines
	for _, f := range l.files("include", patterns) {
		l.includeFile(f)
	}
	l.file, l.lines = main, lines
}

// ownPresets adds mail services from files to those that are built in.
func (l *loader) ownPresets(patterns []string) {
	for _, f := range l.files("presets", patterns) {
		text, err := l.readText(f)
		if err != nil {
			l.problems = append(l.problems, err)
			continue
		}
		more, err := l.presets.With(f, text)
		if err != nil {
			l.problems = append(l.problems, err)
			l.unsound[strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))] = true
			continue
		}
		l.presets = more
	}
}

// files gives the files that the patterns of a setting name, each once: relative to the main
// file's folder and never outside of it.
func (l *loader) files(setting string, patterns []string) []string {
	dir := filepath.Dir(l.file)
	var out []string
	for i, pattern := range patterns {
		path := fmt.Sprintf("%s[%d]", setting, i)
		if !filepath.IsLocal(filepath.FromSlash(pattern)) {
			l.at(path, "%q must lie in the folder of %s or below it", pattern, filepath.Base(l.file))
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			l.at(path, "%q is not a pattern: %v", pattern, err)
			continue
		}
		if len(files) == 0 && !strings.ContainsAny(pattern, "*?[") {
			l.at(path, "there is no file %q", pattern)
		}
		slices.Sort(files)
		for _, f := range files {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (l *loader) includeFile(path string) {
	l.file, l.lines = path, map[string]int{}
	var in included
	if err := l.read(path, &in); err != nil {
		l.problems = append(l.problems, err)
		return
	}
	l.domains(in.Domains)
}

// languages are those that alerts can be written in; package alert knows the words.
var languages = []string{"en", "zh-CN"}

// alerting puts Alertmanager's part together as a document of its own.
func (l *loader) alerting(a alertingSpec) {
	doc := yaml.Node{Kind: yaml.MappingNode}
	add := func(key string, n yaml.Node) {
		if n.Kind != 0 {
			l.expandNode(&n, "alerting."+key)
			l.placesBelow(&n, "alerting."+key, 0)
			doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &n)
		}
	}
	add("global", a.Global)
	add("route", a.Route)
	add("receivers", a.Receivers)
	add("inhibit_rules", a.InhibitRules)
	add("time_intervals", a.TimeIntervals)
	add("mute_time_intervals", a.MuteTimeIntervals)
	add("templates", a.Templates)
	text, err := yaml.Marshal(&doc)
	if err != nil {
		l.at("alerting", "%v", err)
		return
	}
	heartbeat := a.HeartbeatURL
	if a.HeartbeatURLFile != "" {
		b, err := os.ReadFile(a.HeartbeatURLFile)
		if err != nil {
			l.at("alerting.heartbeat_url_file", "%v", err)
		}
		heartbeat = strings.TrimSpace(string(b))
	}
	if heartbeat != "" {
		if u, err := url.Parse(heartbeat); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			l.at("alerting.heartbeat_url", "want an http:// or https:// URL")
		}
	}
	l.cfg.Alerting = Alerting{
		YAML: text, Line: l.lines["alerting"], Heartbeat: Secret(heartbeat), Resend: a.Resend, Runbooks: strings.TrimSuffix(a.Runbooks, "/"),
		FailingAfter: a.FailingAfter, Language: a.Language,
	}
	if !slices.Contains(languages, a.Language) {
		l.at("alerting.language", "there is no language %q: use %s", a.Language, strings.Join(languages, " or "))
	}
	l.alertmanagers(a, len(doc.Content) > 0)
	if a.FailingAfter < time.Minute {
		l.at("alerting.notifier_failing_after", "%s is too short: a receiver that fails once is tried again by itself; use 1m or more", a.FailingAfter)
	}
}

// alertmanagers takes those elsewhere. Beside them nothing may stand that is for the embedded one: it would seem to
// have an effect.
func (l *loader) alertmanagers(a alertingSpec, embedded bool) {
	if len(a.Alertmanagers) > 0 && embedded {
		l.at("alerting.alertmanagers", "alerts go to these: move route, receivers, inhibit_rules, time_intervals, templates and global to their configuration (see configs/alertmanager/external.yml)")
		return
	}
	for i, spec := range a.Alertmanagers {
		path := fmt.Sprintf("alerting.alertmanagers[%d]", i)
		address, err := expand(spec.URL, l.env)
		if err != nil {
			l.at(path+".url", "%v", err)
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			l.at(path+".url", "want http://HOST:PORT or https://…, with the path prefix if there is one")
			continue
		}
		am := Alertmanager{URL: address, Timeout: spec.Timeout}
		if spec.HTTPConfig.Kind != 0 {
			l.expandNode(&spec.HTTPConfig, path+".http_config")
			if am.HTTP, err = yaml.Marshal(&spec.HTTPConfig); err != nil {
				l.at(path+".http_config", "%v", err)
			}
		}
		l.cfg.Alerting.Alertmanagers = append(l.cfg.Alerting.Alertmanagers, am)
	}
}

// flapSweeps is in how many sweeps a record may change so often that it flaps, unless the configuration says otherwise.
const flapSweeps = 20

// flapping takes what flapping is. What is looked at every few seconds may well be broken and mended twice within an hour
// by people: the time that counts is as long as some sweeps, and never longer than the usual one.
func (l *loader) flapping(f flappingSpec) {
	var longest time.Duration
	for _, s := range l.cfg.Schedules {
		first := s.Next(time.Now())
		longest = max(longest, s.Next(first).Sub(first))
	}
	usual := judge.DefaultRules()
	r := &l.cfg.Rules
	r.FlapChanges, r.FlapWithin, r.FlapCalm = f.Changes, f.Within, f.Calm
	if r.FlapWithin == 0 {
		r.FlapWithin = min(usual.FlapWithin, flapSweeps*longest)
	}
	if r.FlapCalm == 0 {
		r.FlapCalm = min(usual.FlapCalm, r.FlapWithin/2)
	}
}

// expandNode fills in environment variables in a part that is passed on.
func (l *loader) expandNode(n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode {
		v, err := expand(n.Value, l.env)
		if err != nil {
			l.useless(n.Line, path, "%v", err)
			return
		}
		n.Value = v
	}
	for _, c := range n.Content {
		l.expandNode(c, path)
	}
}

// placesBelow notes where the fields of a part stand that is passed on.
func (l *loader) placesBelow(n *yaml.Node, path string, depth int) {
	if depth > maxDepth {
		return
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		key := join(path, n.Content[i].Value)
		l.lines[key] = n.Content[i].Line
		l.placesBelow(n.Content[i+1], key, depth+1)
	}
	for i := 0; i < len(n.Content) && n.Kind == yaml.SequenceNode; i++ {
		item := fmt.Sprintf("%s[%d]", path, i)
		l.lines[item] = n.Content[i].Line
		l.placesBelow(n.Content[i], item, depth+1)
	}
}

// operators counts the operators among sources.
func operators(sources []*resolve.Source) int {
	ops := map[resolve.Operator]bool{}
	for _, s := range sources {
		ops[s.Operator] = true
	}
	return len(ops)
}

// Overlap says of a schedule whose sweeps come sooner than a change is confirmed that they overlap with that; empty if they do not. It looks at
// the schedule from a moment on.
func (c *Config) Overlap(schedule string, from time.Time) string {
	shortest, _ := pace.Rhythm(c.Schedules[schedule].Next, from)
	if shortest <= 0 || shortest >= c.Rules.ConfirmWait || c.Rules.Confirmations == 0 {
		return ""
	}
	return fmt.Sprintf("schedule %s sweeps every %s, but what seems to have changed is asked about again after %s (confirm.wait): a sweep that sees a change lasts longer than that, "+
		"and the next ones are skipped meanwhile; sweep every %s or less often, or set confirm.wait below %s",
		schedule, pace.Span(shortest), pace.Span(c.Rules.ConfirmWait), pace.Span(2*c.Rules.ConfirmWait), pace.Span(shortest))
}

// warn says what is allowed but unwise.
func (l *loader) warn() {
	for _, name := range keys(l.cfg.Schedules) {
		if overlap := l.cfg.Overlap(name, time.Now()); overlap != "" {
			l.cfg.Warnings = append(l.cfg.Warnings, overlap)
		}
		if n := operators(l.cfg.Groups[l.cfg.Schedules[name].Resolvers]); n < 3 {
			l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf(
				"schedule %s asks only %d resolver operators: one that is wrong or dead is enough to mislead or blind maildrift; ask at least 3", name, n))
		}
	}
	if !l.cfg.Authority.Enabled {
		l.cfg.Warnings = append(l.cfg.Warnings, "authority.enabled is false: changes are seen only when caches run out, and new records may be cached as absent")
	}
	if host, _, err := net.SplitHostPort(l.cfg.Listen); err == nil && host != "localhost" {
		if ip, err := netip.ParseAddr(host); (err != nil || !ip.IsLoopback()) && l.cfg.Web.ConfigFile == "" {
			l.cfg.Warnings = append(l.cfg.Warnings, fmt.Sprintf("listen is %s, which others can reach, so serve wants web.config_file with TLS or users, or --allow-remote", l.cfg.Listen))
		}
	}
}
