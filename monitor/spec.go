package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

// labelName is what Prometheus and Alertmanager accept as a label name.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// keyName is what may name a record: it becomes a label and part of a path.
var keyName = regexp.MustCompile(`^[A-Za-z0-9._:*@/-]{1,100}$`)

// reservedLabels are set by maildrift itself.
var reservedLabels = []string{"alertname", "domain", "record", "kind", "service", "severity", "impact", "value", "cause", "escalation"}

// Resolve makes the domain that a spec describes: its name in canonical form
// and all records that it must publish. An error is a *FieldError.
func (s Spec) Resolve(presets preset.Set) (*Domain, error) { return s.resolve(presets, &shelf{}) }

func (s *Spec) resolve(presets preset.Set, on *shelf) (*Domain, error) {
	name, err := rrset.ParseName(s.Domain)
	if err != nil {
		return nil, fieldErr("domain", err)
	}
	if name == rrset.Root || name.Labels() < 2 {
		return nil, fieldErr("domain", fmt.Errorf("%q is a top-level domain: name the domain that sends mail", s.Domain))
	}
	for _, label := range sortedKeys(s.Labels) {
		if !labelName.MatchString(label) || strings.HasPrefix(label, "__") {
			return nil, fieldErr("labels."+label, errors.New("a label name has letters, digits and _ and does not begin with a digit"))
		}
		if slices.Contains(reservedLabels, label) {
			return nil, fieldErr("labels."+label, errors.New("maildrift sets this label itself: choose another name"))
		}
	}
	if err := checkSenders(s.Senders, name); err != nil {
		return nil, err
	}
	if err := s.checkSurvey(); err != nil {
		return nil, err
	}
	records, err := s.records(name, presets, on)
	if err != nil {
		return nil, err
	}
	return on.put(Domain{Name: name, Spec: *s, Records: records}), nil
}

// records gives the records of a domain, by key: those of its mail service, and those that it lists itself, which
// replace one of the service's with their key. They are lent until the next domain is made.
func (s *Spec) records(name rrset.Name, presets preset.Set, on *shelf) ([]Record, error) {
	records, err := s.presetRecords(name, presets, on.made[:0])
	if err != nil {
		return nil, err
	}
	own := len(records)
	for i := range s.Expect {
		r, err := s.Expect[i].checked(name, &on.valid)
		if err != nil {
			var field *FieldError
			if errors.As(err, &field) {
				return nil, fieldErr(fmt.Sprintf("expect[%d].%s", i, field.Path), field.Err)
			}
			return nil, fieldErr(fmt.Sprintf("expect[%d]", i), err)
		}
		at := slices.IndexFunc(records, func(o Record) bool { return o.Key == r.Key })
		switch {
		case at >= own:
			return nil, fieldErr(fmt.Sprintf("expect[%d].key", i), fmt.Errorf("%q is used twice in this domain: give one of them another key", r.Key))
		case at >= 0:
			records = slices.Delete(records, at, at+1)
			own--
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil, fieldErr("expect", errors.New("nothing to watch: name a service, or list the records to expect"))
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	on.made = records
	return records, nil
}

// presetRecords adds the records of the mail service.
func (s *Spec) presetRecords(name rrset.Name, presets preset.Set, records []Record) ([]Record, error) {
	p, err := presets.Get(cmp.Or(s.Service, "custom"))
	if err != nil {
		return nil, fieldErr("service", err)
	}
	expected, err := p.Expand(name, s.Params)
	if err != nil {
		return nil, fieldErr("params", err)
	}
	for _, e := range expected {
		r := Record{Key: e.Key, Name: e.Name, Expectation: e.Expectation, Purpose: e.Purpose}
		if e.Expectation.Kind != mailrec.DMARC { // no service verifies a domain by its policy
			r.Withdrawn = p.Deadline
		}
		for _, line := range e.Publish {
			r.Publish = append(r.Publish, PublishLine{Name: line.Name, Type: line.Type, Value: line.Value, Placeholder: line.Placeholder})
		}
		records = append(records, r)
	}
	return records, nil
}

// record makes the record that an explicit expectation describes.
func (e ExpectSpec) record(domain rrset.Name) (Record, error) { return e.checked(domain, &valid{}) }

// checked is record with the memory of what is valid.
func (e *ExpectSpec) checked(domain rrset.Name, valid *valid) (Record, error) {
	host := e.Host
	if host == "" {
		host = usualHost(e.Kind)
	}
	if host == "" {
		return Record{}, fieldErr("host", fmt.Errorf("a %s record needs its host, for example selector1._domainkey", e.Kind))
	}
	name, err := ownerName(domain, host)
	if err != nil {
		return Record{}, fieldErr("host", err)
	}
	match, err := e.match()
	if err != nil {
		return Record{}, fieldErr("match", err)
	}
	if e.Key != "" && !keyName.MatchString(e.Key) {
		return Record{}, fieldErr("key", fmt.Errorf("%q: a key has letters, digits and . _ : * @ / -, and at most 100 of them", e.Key))
	}
	if e.Key == SharedKey {
		return Record{}, fieldErr("key", fmt.Errorf("%q names the records that others include: choose another key", e.Key))
	}
	r := Record{
		Key: cmp.Or(e.Key, recordKey(e.Kind, host)), Name: name,
		Expectation: mailrec.Expectation{Kind: e.Kind, Match: match, Want: e.Value, AllowInvalid: e.AllowInvalid},
	}
	if err := valid.check(r.Expectation); err != nil {
		return Record{}, fieldErr("value", err)
	}
	if match == mailrec.Equal {
		for _, v := range e.Value {
			r.Publish = append(r.Publish, PublishLine{Name: name, Type: e.Kind.Type(), Value: valid.published(e.Kind, v)})
		}
	}
	return r, nil
}

// asPublished completes a value as a zone needs it: an MX record has a preference.
func asPublished(t rrset.Type, value string) string {
	if t != rrset.MX {
		return value
	}
	set, err := rrset.Parse(t, value)
	if err != nil {
		return value
	}
	return set.Lines()[0]
}

func (e *ExpectSpec) match() (mailrec.Match, error) {
	if e.Match == "" {
		if len(e.Value) > 0 {
			return mailrec.Equal, nil
		}
		return mailrec.Captured, nil
	}
	var m mailrec.Match
	if err := m.UnmarshalText([]byte(e.Match)); err != nil {
		return m, err
	}
	if len(e.Value) == 0 && (m == mailrec.Equal || m == mailrec.Contains) {
		return m, fmt.Errorf("%s needs a value to compare with", m)
	}
	return m, nil
}

// ownerName places a host below the domain, or takes it as it is when it ends
// in a dot.
func ownerName(domain rrset.Name, host string) (rrset.Name, error) {
	if strings.HasSuffix(host, ".") {
		return rrset.ParseName(host)
	}
	if host == "@" {
		return domain, nil
	}
	return rrset.ParseName(host + "." + string(domain))
}

// usualHost is where records of a kind live when nobody says otherwise.
func usualHost(k mailrec.Kind) string {
	switch k {
	case mailrec.DMARC:
		return "_dmarc"
	case mailrec.MTASTS:
		return "_mta-sts"
	case mailrec.TLSRPT:
		return "_smtp._tls"
	case mailrec.BIMI:
		return "default._bimi"
	case mailrec.DKIM, mailrec.CNAME:
		return ""
	case mailrec.Ownership, mailrec.SPF, mailrec.MX, mailrec.NS, mailrec.TXT, mailrec.A, mailrec.AAAA, mailrec.PTR:
	}
	return "@"
}

// recordKey names a record by its kind, and by its host where a domain may have several
// of the kind: "spf", "dkim:s1", "cname:em123".
func recordKey(k mailrec.Kind, host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == usualHost(k) {
		return k.String()
	}
	if k == mailrec.DKIM {
		host = strings.TrimSuffix(host, "._domainkey")
	}
	return k.String() + ":" + host
}
