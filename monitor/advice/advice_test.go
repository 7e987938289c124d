package advice_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/advice"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

// builtinPresets are read once for all tests.
var builtinPresets = sync.OnceValues(func() (preset.Set, error) { return preset.Load(configs.Presets) })

func presets(t testing.TB) preset.Set {
	t.Helper()
	set, err := builtinPresets()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// register makes a domain of "name service key=value …"; a key with a colon is a label.
func register(t testing.TB, line string) *monitor.Domain {
	t.Helper()
	fields := strings.Fields(line)
	spec := monitor.Spec{Domain: fields[0], Service: fields[1], Params: map[string]string{}, Labels: map[string]string{}}
	for _, f := range fields[2:] {
		name, value, _ := strings.Cut(f, "=")
		if label, ok := strings.CutPrefix(name, "label:"); ok {
			spec.Labels[label] = value
		} else {
			spec.Params[name] = value
		}
	}
	return resolved(t, spec)
}

func resolved(t testing.TB, spec monitor.Spec) *monitor.Domain {
	t.Helper()
	d, err := spec.Resolve(presets(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// seen is what stands in DNS: record key to lines. What holds is verified.
type seen struct {
	key   string
	holds bool
	lines []string
}

func states(t testing.TB, d *monitor.Domain, what ...seen) advice.States {
	t.Helper()
	out := map[monitor.RecordID]*monitor.RecordState{}
	for _, s := range what {
		r, ok := d.Record(s.key)
		if !ok {
			t.Fatalf("no record %s", s.key)
		}
		set, err := rrset.Parse(r.Kind.Type(), s.lines...)
		if err != nil {
			t.Fatal(err)
		}
		state := &monitor.RecordState{Seen: set}
		if s.holds {
			state = &monitor.RecordState{Baseline: set}
			state.Phase, state.Verdict = judge.Verified, judge.Holding
		}
		out[monitor.RecordID{Domain: d.Name, Key: s.key}] = state
	}
	return func(id monitor.RecordID) *monitor.RecordState { return out[id] }
}

func ids(list []advice.Advice) string {
	var out []string
	for _, a := range list {
		out = append(out, strings.TrimPrefix(a.ID, "directmail-"))
	}
	return strings.Join(out, " ")
}

func TestRegistration(t *testing.T) {
	const calm = "notice.shop.example directmail account=a purpose=triggered"
	tests := []struct {
		ask    string
		domain string
		others []string
		want   string
	}{
		{"a domain as it should be, before DNS", calm, nil, "spf-before-dmarc"},
		{"an old domain has no DMARC", calm + " generation=old", nil, ""},
		{"another service", "shop.example google-workspace", []string{calm}, ""},
		{"the main domain", "shop.co.uk directmail account=a purpose=batch generation=old", nil, "subdomain"},
		{"below a public suffix of two labels", "notice.shop.co.uk directmail account=a purpose=batch generation=old", nil, ""},
		{"no purpose", "notice.shop.example directmail generation=old", nil, "purpose"},
		{
			"no purpose, but both are there", "more.shop.example directmail account=a generation=old",
			[]string{calm, "news.shop.example directmail account=a purpose=batch"}, "",
		},
		{
			"another account below the main domain", calm + " generation=old",
			[]string{"news.shop.example directmail account=b purpose=batch"}, "one-account",
		},
		{
			"another account at another main domain", calm + " generation=old",
			[]string{"news.shop2.example directmail account=b purpose=batch"}, "",
		},
		{
			"the account may stand in a label", calm + " generation=old",
			[]string{"news.shop.example directmail label:account=b purpose=batch"}, "one-account",
		},
		{
			"five domains of an account", calm + " generation=old",
			[]string{"a.a.example directmail account=a", "a.b.example directmail account=a", "a.c.example directmail account=a", "a.d.example directmail account=a", "a.e.example directmail account=b"}, "",
		},
		{
			"the sixth domain of an account", calm + " generation=old",
			[]string{"a.a.example directmail account=a", "a.b.example directmail account=a", "a.c.example directmail account=a", "a.d.example directmail account=a", "a.e.example directmail account=a"}, "domain-limit",
		},
		{
			"six domains without an account", "a.f.example directmail purpose=batch generation=old",
			[]string{"a.a.example directmail", "a.b.example directmail", "a.c.example directmail", "a.d.example directmail", "a.e.example directmail"}, "domain-limit",
		},
		{"a long name", "a-very-long-label-for-a-sending-domain.of-a-shop-with-a-long-name.example directmail purpose=batch generation=old", nil, "name-length"},
	}
	for _, tt := range tests {
		t.Run(tt.ask, func(t *testing.T) {
			d := register(t, tt.domain)
			others := []*monitor.Domain{d}
			for _, o := range tt.others {
				others = append(others, register(t, o))
			}
			got := advice.Registration(d, others, nil)
			if ids(got) != tt.want {
				t.Errorf("%s, want %s", ids(got), tt.want)
			}
			for _, a := range got {
				if a.Text == "" || a.Do == "" || a.Source == "" {
					t.Errorf("incomplete: %+v", a)
				}
			}
			// Whether the domain is in the registry yet makes no difference.
			if before := ids(advice.Registration(d, others[1:], nil)); before != tt.want {
				t.Errorf("before it is registered: %s", before)
			}
		})
	}
}

func TestTheSentenceNamesWhoIsInTheWay(t *testing.T) {
	d := register(t, "notice.shop.example directmail account=a purpose=batch generation=old")
	var others []*monitor.Domain
	for i := range 7 {
		others = append(others, register(t, fmt.Sprintf("x%d.shop.example directmail account=b", i)))
	}
	got := advice.Registration(d, others, nil)[0].Text
	want := "shop.example with all its subdomains can belong to one account only: notice.shop.example is of account a, and there are " +
		"x0.shop.example (account b), x1.shop.example (account b), x2.shop.example (account b), x3.shop.example (account b), x4.shop.example (account b) and 2 more."
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestBesideAlibabaMail(t *testing.T) {
	const direct = "notice.shop.example directmail account=a purpose=batch generation=old"
	expect := func(service string, e ...monitor.ExpectSpec) *monitor.Domain {
		return resolved(t, monitor.Spec{Domain: "mail.shop.example", Service: service, Expect: e, Params: map[string]string{}})
	}
	plain := register(t, direct)
	tests := []struct {
		ask   string
		d     *monitor.Domain
		seen  []seen
		merge string // "" for no advice, "-" for advice without a record
	}{
		{"only Direct Mail", plain, []seen{{"spf", true, []string{"v=spf1 include:spf1.dm.aliyun.com -all"}}}, ""},
		{"nothing is known yet", plain, nil, ""},
		{
			"two SPF records", plain,
			[]seen{{"spf", false, []string{"v=spf1 include:spf.qiye.aliyun.com -all", "v=spf1 include:spf1.dm.aliyun.com -all"}}},
			"v=spf1 include:spf1.dm.aliyun.com include:spf.qiye.aliyun.com -all",
		},
		{
			"Alibaba Mail's SPF alone", plain, []seen{{"spf", false, []string{"v=spf1 include:spf.qiye.aliyun.com -all"}}},
			"v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all",
		},
		{
			"the old form", plain, []seen{{"spf", false, []string{"v=spf1 ip4:192.0.2.1 include:spf.mxhichina.com ~all"}}},
			"v=spf1 ip4:192.0.2.1 include:spf.mxhichina.com include:spf1.dm.aliyun.com ~all",
		},
		{
			"Alibaba Mail's MX", plain, []seen{{"mx", false, []string{"5 mx1.qiye.aliyun.com", "10 mx2.qiye.aliyun.com"}}},
			"v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all",
		},
		{
			"another region", register(t, direct+" region=ap-southeast-1"), []seen{{"mx", false, []string{"5 mxn.mxhichina.com"}}},
			"v=spf1 include:spf.qiye.aliyun.com include:spfdm-ap-southeast-1.aliyun.com -all",
		},
		{
			"merged already", plain,
			[]seen{{"spf", true, []string{"v=spf1 include:spf.qiye.aliyun.com  include:spf1.dm.aliyun.com -all"}}}, "-",
		},
		{
			"expected besides", expect("directmail", monitor.ExpectSpec{Kind: mailrec.MX, Value: monitor.StringList{"5 mx1.qiye.aliyun.com"}}), nil,
			"v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all",
		},
		{"only Alibaba Mail", expect("alibaba-mail"), nil, ""},
		{
			"Direct Mail besides Alibaba Mail", expect("alibaba-mail"),
			[]seen{{"spf", true, []string{"v=spf1 include:spf.qiye.aliyun.com include:spfdm-eu-central-1.aliyun.com -all"}}}, "-",
		},
	}
	for _, tt := range tests {
		t.Run(tt.ask, func(t *testing.T) {
			merge := ""
			for _, a := range advice.Registration(tt.d, nil, states(t, tt.d, tt.seen...)) {
				if a.ID != "directmail-beside-alibaba-mail" {
					continue
				}
				merge = "-"
				if len(a.Publish) == 1 && a.Publish[0].Name == tt.d.Name {
					merge = a.Publish[0].Value
				}
			}
			if merge != tt.merge {
				t.Errorf("%q, want %q", merge, tt.merge)
			}
		})
	}
}

// TestTheMergedRecordVerifies holds what is advised against what is expected.
func TestTheMergedRecordVerifies(t *testing.T) {
	d := register(t, "notice.shop.example directmail")
	got := advice.Registration(d, nil, states(t, d, seen{"spf", false, []string{"v=spf1 include:spf.qiye.aliyun.com -all"}}))
	set, err := rrset.Parse(rrset.TXT, got[0].Publish[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := d.Record("spf")
	if f := r.Check(set); f.Class != mailrec.Same {
		t.Errorf("%s: %s", f.Class, f.Reason)
	}
}

func TestTooManyLookupsAreTold(t *testing.T) {
	d := register(t, "notice.shop.example directmail")
	record := "v=spf1 include:spf.qiye.aliyun.com"
	for i := range 9 {
		record += fmt.Sprintf(" include:s%d.example", i)
	}
	got := advice.Registration(d, nil, states(t, d, seen{"spf", false, []string{record + " -all"}}))
	if !strings.Contains(got[0].Do, "11 terms that look something up, and 10 are allowed") {
		t.Error(got[0].Do)
	}
}

func TestTheNextPolicy(t *testing.T) {
	d := register(t, "notice.shop.example directmail account=a purpose=batch")
	const key = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQChcLM4OSYwWfKMEF0fsXwjkMGSz9OslK8PId22bK1KJo0Rbs4XOPfZPZwXJBHiC49rDVSbbwNnWhYAo1oJmVDYNvZ1zIHnTvXo4l2UDtkEdZUxmF1dncn4GBjoEYkvkCvSPwgkEosvMwxcf9Cmo6RQZRMnDiaeDTfyp03kUua0OQIDAQAB"
	const spfText = "v=spf1 include:spf1.dm.aliyun.com -all"
	tests := []struct {
		ask, dmarc string
		dkim       bool
		want, next string
	}{
		{"none", "v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com", true, "dmarc-next", "v=DMARC1;p=quarantine;rua=mailto:dmarc_report@service.aliyun.com"},
		{"quarantine", "v=DMARC1; sp=none; p = quarantine ; rua=mailto:a@b.example", true, "dmarc-next", "v=DMARC1; sp=none; p = reject ; rua=mailto:a@b.example"},
		{"reject", "v=DMARC1; p=reject", true, "", ""},
		{"DKIM is not verified yet", "v=DMARC1; p=none", false, "", ""},
		{"no p", "v=DMARC1; rua=mailto:a@b.example", true, "", ""},
	}
	for _, tt := range tests {
		got := advice.Registration(d, nil, states(t, d, seen{"spf", true, []string{spfText}},
			seen{"dkim:aliyun-cn-hangzhou", tt.dkim, []string{key}}, seen{"dmarc", true, []string{tt.dmarc}}))
		if ids(got) != tt.want || tt.next != "" && got[0].Publish[0].Value != tt.next {
			t.Errorf("%s: %+v", tt.ask, got)
		}
	}
	silent := advice.Registration(d, nil, states(t, d, seen{"spf", true, []string{spfText}},
		seen{"dkim:aliyun-cn-hangzhou", true, []string{key}}, seen{"dmarc", true, []string{"v=DMARC1; p=none"}}))
	if len(silent) != 1 || !strings.HasPrefix(silent[0].Do, "Ask for aggregate reports first") {
		t.Errorf("without reports: %+v", silent)
	}
}

func TestDMARCWithoutSPFAmongTheRecords(t *testing.T) {
	d := register(t, "notice.shop.example directmail account=a purpose=batch")
	for i, r := range d.Records {
		if r.Kind == mailrec.SPF {
			d.Records = append(d.Records[:i:i], d.Records[i+1:]...)
			break
		}
	}
	got := advice.Registration(d, nil, nil)
	if ids(got) != "spf-before-dmarc" || !strings.HasPrefix(got[0].Do, "Watch SPF too") {
		t.Errorf("%+v", got)
	}
}

func ExampleRegistration() {
	set, err := preset.Load(configs.Presets)
	if err != nil {
		panic(err)
	}
	d, err := monitor.Spec{Domain: "shop.example", Service: "directmail", Params: map[string]string{"purpose": "batch", "generation": "old"}}.Resolve(set)
	if err != nil {
		panic(err)
	}
	for _, a := range advice.Registration(d, []*monitor.Domain{d}, nil) {
		fmt.Println(a.ID + ": " + a.Do)
	}
	// Output: directmail-subdomain: Send from a subdomain, for example notice.shop.example.
}

// BenchmarkFleet is advice about every domain of a large registry.
func BenchmarkFleet(b *testing.B) {
	var domains []*monitor.Domain
	for i := range 2000 {
		domains = append(domains, register(b, fmt.Sprintf("notice.shop%d.example directmail", i)))
	}
	fleet := advice.NewFleet(domains)
	for b.Loop() {
		for _, d := range domains {
			fleet.Advice(d, nil)
		}
	}
}
