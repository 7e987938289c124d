package preset

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// Expand makes the records that a domain must publish, in the order of the preset. An
// error names the parameter that is wrong, and shows an example.
func (p Preset) Expand(domain rrset.Name, params map[string]string) ([]Expected, error) {
	if len(p.Records) == 0 && len(params)+len(p.Params) == 0 {
		return nil, nil // it is "custom"
	}
	v, err := p.values(domain, params)
	if err != nil {
		return nil, err
	}
	var out []Expected
	for _, r := range p.Records {
		if !v.holds(r.When) {
			continue
		}
		for _, each := range v.eachOf(r) {
			v.each = each
			e, err := v.expand(r)
			if err != nil {
				return nil, fmt.Errorf("mail service %s, record %s: %w", p.ID, r.Key, err)
			}
			if slices.ContainsFunc(out, func(o Expected) bool { return o.Key == e.Key }) {
				return nil, fmt.Errorf("mail service %s: the parameters make two records %q", p.ID, e.Key)
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// values checks the parameters and applies the defaults.
func (p Preset) values(domain rrset.Name, params map[string]string) (values, error) {
	v := values{preset: p, domain: domain, given: map[string]string{}, filled: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		q, known := p.param(name)
		if !known {
			return v, p.unknownParam(name)
		}
		value := strings.TrimSpace(params[name])
		if value == "" {
			continue
		}
		if err := q.check(value); err != nil {
			return v, err
		}
		v.given[name], v.filled[name] = value, value
	}
	for _, q := range p.Params {
		if _, ok := v.given[q.Name]; ok {
			continue
		}
		if q.Default != "" {
			f, err := v.fill(q.Default)
			if err != nil {
				return v, fmt.Errorf("default of parameter %s: %w", q.Name, err)
			}
			// A default that needs what is not given is none.
			if len(f.missing) == 0 {
				v.filled[q.Name] = f.text
			}
		}
	}
	if missing := v.needs(); len(missing) > 0 {
		q := missing[0]
		return v, fmt.Errorf("parameter %s (%s) is missing%s", q.Name, q.Title, q.forExample())
	}
	return v, nil
}

// needs gives the required parameters that have no value.
func (v values) needs() []Param {
	var out []Param
	for _, q := range v.preset.Params {
		required := q.Required || len(q.RequiredWhen) > 0 && v.holds(q.RequiredWhen)
		if _, ok := v.filled[q.Name]; required && !ok {
			out = append(out, q)
		}
	}
	return out
}

// WithExamples adds the examples of the parameters that are required and not given, so
// that a preset can be shown before anybody has asked its service for them.
func (p Preset) WithExamples(params map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, params)
	// What is wrong with the parameters is for Expand to say.
	v, _ := p.values("example.com", params)
	for _, q := range v.needs() {
		out[q.Name] = q.Example
	}
	return out
}

func (p Preset) unknownParam(name string) error {
	if len(p.Params) == 0 {
		return fmt.Errorf("unknown parameter %q: mail service %s takes none", name, p.ID)
	}
	return fmt.Errorf("unknown parameter %q of mail service %s%s", name, p.ID, suggest(name, p.paramNames()))
}

// check says whether a value, or each value of a list, may be given.
func (q Param) check(value string) error {
	for _, item := range q.items(value) {
		if len(q.Values) > 0 && !slices.Contains(q.Values, item) {
			return fmt.Errorf("parameter %s: unknown value %q%s", q.Name, item, suggest(item, q.Values))
		}
		if q.fits != nil && !q.fits.MatchString(item) {
			return fmt.Errorf("parameter %s: %q is not %s%s", q.Name, item, q.Title, q.forExample())
		}
	}
	return nil
}

// compile makes the pattern ready to be used.
func (q *Param) compile() (err error) {
	if q.Pattern == "" {
		return nil
	}
	// By itself first: what is wrong is to be told without what goes around it.
	if _, err = regexp.Compile(q.Pattern); err == nil {
		q.fits, err = regexp.Compile("^(?:" + q.Pattern + ")$")
	}
	return err
}

// items gives the values of a list, or the one value.
func (q Param) items(value string) []string {
	if !q.List {
		return []string{value}
	}
	var out []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func (q Param) forExample() string {
	if q.Example == "" {
		return ""
	}
	return fmt.Sprintf(", for example %s: %s", q.Name, q.Example)
}

// holds says whether one of the conditions does.
func (v values) holds(when []string) bool {
	if len(when) == 0 {
		return true
	}
	return slices.ContainsFunc(when, func(condition string) bool {
		name, value, compares := strings.Cut(condition, "=")
		if compares {
			return v.filled[name] == value
		}
		_, given := v.given[name]
		return given
	})
}

// eachOf gives the values for which a record exists; "" for the one of a record
// without each.
func (v values) eachOf(r Record) []string {
	if r.Each == "" {
		return []string{""}
	}
	q, _ := v.preset.param(r.Each)
	return q.items(v.filled[r.Each])
}

func (v values) expand(r Record) (Expected, error) {
	places, complete, err := v.fillAll([]string{r.Key, r.Host})
	if err != nil {
		return Expected{}, err
	}
	if !complete {
		return Expected{}, errors.New("its key or host needs a parameter that is not given")
	}
	name, err := owner(v.domain, places[1])
	if err != nil {
		return Expected{}, err
	}
	e := Expected{Key: strings.ToLower(places[0]), Name: name, Purpose: r.Title}
	if e.Expectation, err = v.expectation(r); err != nil {
		return Expected{}, err
	}
	e.Publish, err = v.publish(r, e)
	return e, err
}

// owner places a host below the domain.
func owner(domain rrset.Name, host string) (rrset.Name, error) {
	if host == "@" {
		return domain, nil
	}
	if strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "."+string(domain)) {
		return "", fmt.Errorf("host %q already ends in %s: give only what stands before it", host, domain)
	}
	return rrset.ParseName(host + "." + string(domain))
}

// expectation makes what is asked of the record.
func (v values) expectation(r Record) (mailrec.Expectation, error) {
	e := mailrec.Expectation{Kind: r.Kind, Match: r.Match, Usable: r.Match == mailrec.Captured && r.Usable}
	want, complete, err := v.fillAll(r.Want)
	if err != nil {
		return e, err
	}
	if !complete {
		return mailrec.Expectation{Kind: r.Kind, Match: mailrec.Captured, Usable: r.Usable}, nil
	}
	e.Want = want
	for _, templates := range r.Alternatives {
		texts, complete, err := v.fillAll(templates)
		if err != nil {
			return e, err
		}
		if complete && !slices.Equal(texts, want) {
			e.Alternatives = append(e.Alternatives, texts)
		}
	}
	return e, e.Validate()
}

// publish makes the lines to copy.
func (v values) publish(r Record, e Expected) ([]PublishLine, error) {
	templates := r.Want
	if len(r.Publish) > 0 && e.Expectation.Match != mailrec.Equal {
		templates = r.Publish
	}
	var out []PublishLine
	for _, template := range templates {
		f, err := v.fill(template)
		if err != nil {
			return nil, err
		}
		out = append(out, PublishLine{
			Host: relative(e.Name, v.domain), Name: e.Name, Type: r.Kind.Type(), Value: f.text,
			TTL: r.TTL, Placeholder: len(f.missing) > 0,
		})
	}
	return out, nil
}

// relative gives a name as DNS panels want it: without the domain that was registered,
// which usually is the zone.
func relative(name, domain rrset.Name) string {
	zone, err := publicsuffix.EffectiveTLDPlusOne(string(domain))
	if err != nil || !name.IsAtOrBelow(rrset.Name(zone)) {
		zone = string(domain)
	}
	if string(name) == zone {
		return "@"
	}
	return strings.TrimSuffix(string(name), "."+zone)
}
