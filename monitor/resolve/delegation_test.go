package resolve_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"maildrift/monitor/dnslab"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// delegated is a lab with a zone in a zone, and what finds its servers.
func delegated(t *testing.T, o resolve.DelegationOptions) (*dnslab.Lab, *dnslab.Resolver, *resolve.Delegations) {
	t.Helper()
	lab, err := dnslab.New(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lab.Close)
	lab.Zone("shop.example")
	lab.Zone("deep.shop.example")
	r, err := lab.Resolver("one")
	if err != nil {
		t.Fatal(err)
	}
	client := resolve.NewClient(resolve.Options{Timeout: time.Second, Rate: 1e6})
	t.Cleanup(client.Close)
	o.Port = lab.Port()
	source := &resolve.Source{ID: "one", Operator: "one", Addrs: []netip.AddrPort{r.Addr()}}
	return lab, r, resolve.NewDelegations(client, []*resolve.Source{source}, o)
}

func find(d *resolve.Delegations, name rrset.Name) resolve.Zone {
	return d.Find(context.Background(), []rrset.Name{name})[name]
}

func ids(z resolve.Zone) []string {
	var out []string
	for _, s := range z.Servers {
		out = append(out, s.ID)
	}
	slices.Sort(out)
	return out
}

func TestZonesAreFoundFromTheirDelegation(t *testing.T) {
	_, _, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	both := []string{"ns1.lab/127.53.0.1", "ns2.lab/127.53.0.2"}
	for name, apex := range map[rrset.Name]rrset.Name{
		"shop.example":                    "shop.example",
		"_dmarc.shop.example":             "shop.example",
		"s1._domainkey.deep.shop.example": "deep.shop.example",
		"unregistered.example":            rrset.Root,
	} {
		if z := find(d, name); z.Apex != apex || !slices.Equal(ids(z), both) {
			t.Errorf("%s lives in %s at %v, want %s at %v", name, z.Apex, ids(z), apex, both)
		}
	}
	for _, s := range find(d, "shop.example").Servers {
		if s.Role != resolve.Authoritative {
			t.Errorf("%s has role %d", s.ID, s.Role)
		}
	}
}

// TestADeadServerHoldsUpFewSearches: once it has left some unanswered, the others of its zone are asked at once.
func TestADeadServerHoldsUpFewSearches(t *testing.T) {
	lab, _, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	find(d, "shop.example") // its servers are known
	lab.Authorities()[1].Cut(true)
	lab.ForgetQueries()
	var names []rrset.Name
	for i := range 300 {
		names = append(names, rrset.Name(fmt.Sprintf("d%d.shop.example", i)))
	}
	for name, z := range d.Find(context.Background(), names) {
		if z.Apex != "shop.example" || z.Unsure {
			t.Errorf("%s lives in %s, unsure %v", name, z.Apex, z.Unsure)
		}
	}
	dead := lab.Queries(func(q dnslab.Query) bool { return q.Server == "ns2.lab" })
	if len(dead) == 0 || len(dead) > 100 {
		t.Errorf("the dead server was asked %d times for 300 names", len(dead))
	}
}

// A resolver that was asked for a name before it exists remembers that it does not.
func TestResolversLearnNoNameThatMayNotExistYet(t *testing.T) {
	_, r, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	find(d, "_dmarc.new.shop.example")
	find(d, "notyet.example")
	for _, q := range r.Asked() {
		if !slices.Contains([]string{". NS", "example NS", "ns1.lab A", "ns2.lab A"}, q) {
			t.Errorf("a resolver was asked for %s", q)
		}
	}
}

func TestServersAtPrivateAddressesAreNotAskedUnlessAllowed(t *testing.T) {
	_, _, d := delegated(t, resolve.DelegationOptions{})
	if z := find(d, "shop.example"); len(z.Servers) != 0 || z.Detail == "" {
		t.Errorf("found %v (%s): a hostile zone could have us knock at doors inside our network", ids(z), z.Detail)
	}
}

func TestACutIsBelievedForItsTimeAndFoundAgainWhenForgotten(t *testing.T) {
	lab, _, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	if z := find(d, "a.new.example"); z.Apex != rrset.Root {
		t.Fatalf("lives in %s", z.Apex)
	}
	lab.Zone("new.example")
	d.Forget("a.new.example")
	if z := find(d, "a.new.example"); z.Apex != "new.example" {
		t.Errorf("lives in %s after it was delegated", z.Apex)
	}
}

// A server that does not serve the zone above says NOERROR and nothing else: no word about a cut.
func TestALameServerDoesNotHideACut(t *testing.T) {
	lab, _, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	lab.Authorities()[0].Fault(dnslab.Match{Below: "shop.example"}, dnslab.Empty, dnslab.NotAuthoritative)
	if z := find(d, "shop.example"); z.Apex != "shop.example" {
		t.Errorf("shop.example was taken to live in %q", z.Apex)
	}
}

// A zone above whose servers say nothing has not taken its delegation back.
func TestSilenceAboveIsNoWordAboutACut(t *testing.T) {
	lab, _, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	if z := find(d, "shop.example"); z.Apex != "shop.example" || z.Unsure {
		t.Fatalf("lives in %q, unsure %v", z.Apex, z.Unsure)
	}
	for _, a := range lab.Authorities() {
		a.Fault(dnslab.Match{Below: "shop.example"}, dnslab.Drop)
	}
	d.Forget("shop.example")
	if z := find(d, "shop.example"); z.Apex == "shop.example" || !z.Unsure {
		t.Errorf("while nobody says: lives in %q, unsure %v", z.Apex, z.Unsure)
	}
	if z := find(d, "unregistered.example"); z.Unsure {
		t.Errorf("what is said not to be a zone is unsure: %+v", z)
	}
}

func TestWhenNothingAnswersThereAreNoServers(t *testing.T) {
	lab, r, d := delegated(t, resolve.DelegationOptions{AllowPrivate: true})
	r.Cut(true)
	lab.CutAuthorities(true)
	if z := find(d, "shop.example"); len(z.Servers) != 0 || z.Detail == "" {
		t.Errorf("found %v (%s)", ids(z), z.Detail)
	}
	r.Cut(false)
	lab.CutAuthorities(false)
	if z := find(d, "shop.example"); len(z.Servers) != 2 {
		t.Errorf("found %v (%s) when they are back", ids(z), z.Detail)
	}
}
