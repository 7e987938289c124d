package hygiene

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a view of records: "name TYPE" to lines. A name without any is NODATA; below "gone" NXDOMAIN.
type world map[string][]string

func (w world) Look(q view.Question) view.Answer {
	name := q.Name
	var chain []rrset.Name
	if target, ok := w[string(name)+" CNAME"]; ok && q.Type != rrset.CNAME {
		name = rrset.Name(target[0])
		chain = []rrset.Name{name}
	}
	lines, ok := w[string(name)+" "+q.Type.String()]
	switch {
	case ok && lines == nil:
		return view.Answer{Status: view.Failed, Detail: "timeout", Chain: chain}
	case ok && (q.Type == rrset.TLSA || q.Type == rrset.SOA || q.Type == rrset.CAA):
		return view.Answer{Status: view.Found, Set: rrset.NewSet(q.Type, []byte(lines[0])), Chain: chain}
	case ok:
		set, err := rrset.Parse(q.Type, lines...)
		if err != nil {
			panic(err)
		}
		return view.Answer{Status: view.Found, Set: set, Chain: chain}
	case strings.HasPrefix(string(name), "gone."):
		return view.Answer{Status: view.NXDomain}
	}
	return view.Answer{Status: view.NoData, Chain: chain}
}

// healthy is a domain about which there is nothing to say.
func healthy(change ...string) world {
	w := world{
		"shop.example MX": {"10 mx.shop.example"}, "mx.shop.example A": {"203.0.113.9"}, "shop.example SOA": {"soa"},
		"shop.example CAA": {"caa"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		delete(w, change[i])
		if change[i+1] != "" {
			w[change[i]] = strings.Split(change[i+1], "|")
		}
	}
	return w
}

func ids(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestRules(t *testing.T) {
	sender := netip.MustParseAddr("198.51.100.7")
	enforce := &Policy{Text: "version: STSv1\nmode: enforce\nmx: mx.shop.example\nmax_age: 604800\n"}
	digest := string(make([]byte, 32))
	for _, tt := range []struct {
		name    string
		world   world
		subject Subject
		want    string
	}{
		{"healthy", healthy(), Subject{}, ""},
		{"no MX but an address", healthy("shop.example MX", "", "shop.example A", "203.0.113.1"), Subject{}, ""},
		{"no MX and no address", healthy("shop.example MX", ""), Subject{}, "mx_none"},
		{"null MX", healthy("shop.example MX", "0 ."), Subject{}, "mx_null"},
		{"null MX among others", healthy("shop.example MX", "0 .|10 mx.shop.example"), Subject{}, "mx_null_among_others"},
		{"two where one is wanted", healthy("shop.example MX", "10 mx.shop.example|20 mx.shop.example."), Subject{SingleMX: true}, "mx_not_single"},
		{"an exchange that is an alias", healthy("shop.example MX", "10 a.shop.example", "a.shop.example CNAME", "mx.shop.example"), Subject{}, "mx_cname"},
		{"an exchange without an address", healthy("mx.shop.example A", ""), Subject{}, "mx_unresolved"},
		{"an exchange that could not be asked about", func() world { w := healthy(); w["mx.shop.example A"] = nil; return w }(), Subject{}, ""},
		{"an exchange with only IPv6", healthy("mx.shop.example A", "", "mx.shop.example AAAA", "2001:db8::1"), Subject{}, ""},
		{"an exchange inside a network", healthy("mx.shop.example A", "10.0.0.1"), Subject{}, "mx_private"},
		{"which may be allowed", healthy("mx.shop.example A", "10.0.0.1"), Subject{AllowPrivate: true}, ""},
		{"an address in disguise", healthy("shop.example MX", "10 a.1"), Subject{}, "mx_address"},
		{"the MAIL FROM domain has an MX", healthy("bounce.shop.example MX", "10 mx.shop.example"), Subject{MailFrom: "bounce.shop.example"}, ""},
		{"the MAIL FROM domain has nothing", healthy(), Subject{MailFrom: "bounce.shop.example"}, "mail_from_no_return"},
		{"the MAIL FROM domain does not exist", healthy(), Subject{MailFrom: "gone.shop.example"}, "mail_from_no_return sender_not_there"},
		{"a sending address without a name", healthy(), Subject{Addresses: []netip.Addr{sender}}, "ptr_missing"},
		{"whose name leads elsewhere", healthy("7.100.51.198.in-addr.arpa PTR", "out.shop.example", "out.shop.example A", "203.0.113.9"), Subject{Addresses: []netip.Addr{sender}}, "ptr_unconfirmed"},
		{"whose name leads back", healthy("7.100.51.198.in-addr.arpa PTR", "out.shop.example", "out.shop.example A", "198.51.100.7"), Subject{Addresses: []netip.Addr{sender}}, ""},
		{"whose name is a line's", healthy("7.100.51.198.in-addr.arpa PTR", "198-51-100-7.isp.example", "198-51-100-7.isp.example A", "198.51.100.7"), Subject{Addresses: []netip.Addr{sender}}, "ptr_generic"},
		{
			"MTA-STS in order", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: enforce}, "",
		},
		{"no TLS-RPT", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1"), Subject{Policy: enforce}, "tls_rpt_missing"},
		{
			"an exchange that the policy does not allow", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: &Policy{Text: "version: STSv1\nmode: enforce\nmx: other.example\nmax_age: 604800\n"}}, "sts_mx_not_allowed",
		},
		{
			"a policy that cannot be fetched", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: &Policy{Problem: "404"}}, "sts_policy_unusable",
		},
		{
			"a policy that is none", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: &Policy{Text: "<html>"}}, "sts_policy_invalid",
		},
		{
			"a policy that changed under its id", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=1", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: enforce, Known: &KnownPolicy{ID: "1", Text: "another"}}, "sts_id_stale",
		},
		{
			"and one whose id changed too", healthy("_mta-sts.shop.example TXT", "v=STSv1; id=2", "_smtp._tls.shop.example TXT", "v=TLSRPTv1; rua=mailto:a@shop.example"),
			Subject{Policy: enforce, Known: &KnownPolicy{ID: "1", Text: "another"}}, "",
		},
		{"no MTA-STS record, so no policy counts", healthy(), Subject{Policy: &Policy{Problem: "404"}}, ""},
		{"a usable TLSA record", healthy("_25._tcp.mx.shop.example TLSA", "\x03\x01\x01"+digest), Subject{}, ""},
		{"a TLSA record for browsers", healthy("_25._tcp.mx.shop.example TLSA", "\x01\x01\x01"+digest), Subject{}, "tlsa_none_usable tlsa_unusable"},
		{"a TLSA record that is cut off", healthy("_25._tcp.mx.shop.example TLSA", "\x03\x01\x01short"), Subject{}, "tlsa_none_usable tlsa_unusable"},
		{"a logo without an enforced policy", healthy("default._bimi.shop.example TXT", "v=BIMI1; l=https://shop.example/a.svg", "_dmarc.shop.example TXT", "v=DMARC1; p=none"), Subject{}, "bimi_without_enforcement"},
		{"a logo with one", healthy("default._bimi.shop.example TXT", "v=BIMI1; l=https://shop.example/a.svg", "_dmarc.shop.example TXT", "v=DMARC1; p=reject"), Subject{}, ""},
		{"no CAA", healthy("shop.example CAA", ""), Subject{}, "caa_missing"},
		{"registered for long", healthy(), Subject{Registration: registered(400, "client transfer prohibited")}, ""},
		{"ends in weeks", healthy(), Subject{Registration: registered(20, "client transfer prohibited")}, "registration_ends"},
		{"ended", healthy(), Subject{Registration: registered(-1, "client transfer prohibited")}, "registration_ends"},
		{"on hold", healthy(), Subject{Registration: registered(400, "client hold", "client transfer prohibited")}, "registration_on_hold"},
		{"not locked", healthy(), Subject{Registration: registered(400, "active")}, "registration_unlocked"},
		{"the registry is silent", healthy(), Subject{Registration: &Registration{Problem: "timeout"}}, "registration_unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.subject.Domain, tt.subject.Now = "shop.example", now
			findings := Judge(tt.world, tt.subject)
			if got := strings.Join(ids(findings), " "); got != tt.want {
				t.Errorf("found %s, want %s\n%+v", got, tt.want, findings)
			}
			for _, f := range findings {
				if f.Text == "" || f.At == "" && f.ID != "registration_unknown" || strings.Contains(f.Text, "%!") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func registered(days int, status ...string) *Registration {
	return &Registration{Domain: "shop.example", Expires: now.Add(time.Duration(days)*24*time.Hour + time.Hour), Status: status}
}

func soa(serial uint32) view.Answer {
	data := append([]byte{2, 'n', 's', 0, 1, 'h', 0}, binary.BigEndian.AppendUint32(nil, serial)...)
	return view.Answer{Status: view.Found, Set: rrset.NewSet(rrset.SOA, append(data, make([]byte, 16)...))}
}

func nsSet(t *testing.T, hosts ...string) view.Answer {
	t.Helper()
	set, err := rrset.Parse(rrset.NS, hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return view.Answer{Status: view.Found, Set: set}
}

func TestDelegation(t *testing.T) {
	both := nsSet(t, "ns1.example", "ns2.example")
	at := func(host, addr string, s, n view.Answer) Server {
		return Server{Host: rrset.Name(host), Addr: netip.MustParseAddr(addr), SOA: s, NS: n}
	}
	failed := view.Answer{Status: view.Failed, Detail: "timeout"}
	parent := []rrset.Name{"ns1.example", "ns2.example"}
	for _, tt := range []struct {
		name string
		d    Delegation
		want string
	}{
		{"in order", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("ns2.example", "198.51.100.1", soa(7), both)}}, ""},
		{"one lags", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("ns2.example", "198.51.100.1", soa(6), both)}}, "soa_lagging"},
		{"serials wrap around", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(4294967295), both), at("ns2.example", "198.51.100.1", soa(3), both)}}, "soa_lagging"},
		{"one is lame", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("ns2.example", "198.51.100.1", failed, failed)}}, "ns_lame"},
		{"all are", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", failed, failed), at("ns2.example", "198.51.100.1", failed, failed)}}, "ns_all_lame ns_lame"},
		{"one was not asked", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("ns2.example", "198.51.100.1", view.Answer{}, view.Answer{})}}, ""},
		{"one is lame, the other was not asked", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", failed, failed), at("ns2.example", "198.51.100.1", view.Answer{}, view.Answer{})}}, "ns_lame"},
		{"none was asked", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", view.Answer{}, view.Answer{}), at("ns2.example", "198.51.100.1", view.Answer{}, view.Answer{})}}, ""},
		{"one network", Delegation{Parent: parent, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("ns2.example", "192.0.2.2", soa(7), both)}}, "ns_one_network"},
		{"one server", Delegation{Parent: parent[:1], Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), nsSet(t, "ns1.example"))}}, "ns_single"},
		{"the parent names another", Delegation{Parent: []rrset.Name{"ns1.example", "old.example"}, Servers: []Server{at("ns1.example", "192.0.2.1", soa(7), both), at("old.example", "198.51.100.1", soa(7), both)}}, "ns_only_at_parent ns_only_in_zone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.Apex = "shop.example"
			findings := Judge(healthy(), Subject{Domain: "shop.example", Delegation: &tt.d, Now: now})
			if got := strings.Join(ids(findings), " "); got != tt.want {
				t.Errorf("found %s, want %s\n%+v", got, tt.want, findings)
			}
			if strings.Contains(tt.want, "soa_lagging") && tt.name == "serials wrap around" && !strings.Contains(findings[0].At, "ns1.example") {
				t.Errorf("%+v: 3 comes after 4294967295", findings)
			}
		})
	}
}

// key is a DNSKEY record and the DS record of it.
func key(apex string) (dnskey, ds []byte) {
	dnskey = []byte{1, 1, 3, 13, 'k', 'e', 'y'}
	var owner []byte
	for label := range strings.SplitSeq(apex, ".") {
		owner = append(append(owner, byte(len(label))), label...)
	}
	sum := sha256.Sum256(append(append(owner, 0), dnskey...))
	return dnskey, append([]byte{0, 1, 13, 2}, sum[:]...)
}

func rrsig(ends time.Time) []byte {
	d := []byte{0, 6, 13, 2, 0, 0, 0, 60}
	d = binary.BigEndian.AppendUint32(d, uint32(ends.Unix()))
	return append(d, make([]byte, 12)...)
}

func TestSignatures(t *testing.T) {
	dnskey, ds := key("shop.example")
	answer := func(typ rrset.Type, data ...[]byte) view.Answer {
		if len(data) == 0 {
			return view.Answer{Status: view.NoData}
		}
		return view.Answer{Status: view.Found, Set: rrset.NewSet(typ, data...)}
	}
	other := slices.Clone(ds)
	other[10] ^= 1
	for _, tt := range []struct {
		name string
		d    Delegation
		want string
	}{
		{"not signed", Delegation{DS: answer(rrset.DS), DNSKEY: answer(rrset.DNSKEY)}, ""},
		{"signed", Delegation{DS: answer(rrset.DS, ds), DNSKEY: answer(rrset.DNSKEY, dnskey), RRSIG: answer(rrset.RRSIG, rrsig(now.Add(240*time.Hour)))}, ""},
		{"keys without a DS are no harm", Delegation{DS: answer(rrset.DS), DNSKEY: answer(rrset.DNSKEY, dnskey), RRSIG: answer(rrset.RRSIG, rrsig(now.Add(-time.Hour)))}, ""},
		{"a DS without keys", Delegation{DS: answer(rrset.DS, ds), DNSKEY: answer(rrset.DNSKEY)}, "ds_without_key"},
		{"keys could not be asked for", Delegation{DS: answer(rrset.DS, ds), DNSKEY: view.Answer{Status: view.Failed}}, ""},
		{"a DS of another key", Delegation{DS: answer(rrset.DS, other), DNSKEY: answer(rrset.DNSKEY, dnskey)}, "ds_matches_no_key"},
		{"one of two", Delegation{DS: answer(rrset.DS, other, ds), DNSKEY: answer(rrset.DNSKEY, dnskey)}, ""},
		{"a digest that nobody knows", Delegation{DS: answer(rrset.DS, []byte{0, 1, 13, 99, 1, 2}), DNSKEY: answer(rrset.DNSKEY, dnskey)}, ""},
		{"ends tomorrow", Delegation{DS: answer(rrset.DS, ds), DNSKEY: answer(rrset.DNSKEY, dnskey), RRSIG: answer(rrset.RRSIG, rrsig(now.Add(24*time.Hour)))}, "rrsig_ends_soon"},
		{"ended", Delegation{DS: answer(rrset.DS, ds), DNSKEY: answer(rrset.DNSKEY, dnskey), RRSIG: answer(rrset.RRSIG, rrsig(now.Add(-time.Hour)))}, "rrsig_expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.d.Apex = "shop.example"
			findings := Judge(healthy(), Subject{Domain: "shop.example", Delegation: &tt.d, Now: now})
			if got := strings.Join(ids(findings), " "); got != tt.want {
				t.Errorf("found %s, want %s\n%+v", got, tt.want, findings)
			}
		})
	}
}

func TestAPolicyIsKnownByItsID(t *testing.T) {
	first := (*KnownPolicy)(nil).Learn("v=STSv1; id=1", &Policy{Text: "a"})
	if first == nil || *first != (KnownPolicy{"1", "a"}) {
		t.Fatalf("%+v", first)
	}
	for _, tt := range []struct {
		record string
		policy *Policy
		want   KnownPolicy
	}{
		{"v=STSv1; id=1", &Policy{Text: "b"}, KnownPolicy{"1", "a"}},
		{"v=STSv1; id=2", &Policy{Text: "b"}, KnownPolicy{"2", "b"}},
		{"v=STSv1; id=2", &Policy{Problem: "404"}, KnownPolicy{"1", "a"}},
		{"", nil, KnownPolicy{"1", "a"}},
	} {
		if got := first.Learn(tt.record, tt.policy); *got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.record, *got, tt.want)
		}
	}
}

func TestParseRDAP(t *testing.T) {
	r, err := ParseRDAP("shop.example", []byte(`{"objectClassName":"domain","status":["Client Hold"],"events":[{"eventAction":"expiration","eventDate":"2027-01-02T03:04:05Z"}]}`))
	if err != nil || r.Expires.Year() != 2027 || !slices.Equal(r.Status, []string{"client hold"}) {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "[]", `{"objectClassName":"entity"}`, `{"objectClassName":"domain","events":[{"eventDate":"soon"}]}`} {
		if _, err := ParseRDAP("shop.example", []byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzWire(f *testing.F) {
	f.Add([]byte{3, 1, 1}, []byte(`{"objectClassName":"domain"}`))
	f.Fuzz(func(_ *testing.T, data, doc []byte) {
		tlsaProblem(data)
		signature(data, now)
		serialOf(rrset.NewSet(rrset.SOA, data))
		matched(Delegation{Apex: "x", DS: view.Answer{Set: rrset.NewSet(rrset.DS, data)}, DNSKEY: view.Answer{Set: rrset.NewSet(rrset.DNSKEY, doc)}})
		_, _ = ParseRDAP("x.example", doc)
	})
}
