package knot

import (
	"errors"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestKnotServesTheZoneAtEveryAddress(t *testing.T) {
	if _, err := find(); err != nil {
		t.Fatalf("%v; make test installs it", err)
	}
	addrs := []netip.Addr{netip.MustParseAddr("127.0.8.1"), netip.MustParseAddr("127.0.8.2")}
	zone := Zone{Apex: "test", Write: func(w io.Writer) error {
		_, err := io.WriteString(w, "test. 60 IN SOA ns.test. h.test. 1 60 60 60 60\ntest. 60 IN NS ns.test.\nns.test. 60 IN A 127.0.8.1\n")
		return err
	}}
	s, err := Start(t.Context(), t.TempDir(), zone, addrs)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		for _, network := range []string{"udp", "tcp"} {
			client := dns.Client{Net: network}
			reply, _, err := client.Exchange(new(dns.Msg).SetQuestion("ns.test.", dns.TypeA), s.At(a).String())
			if err != nil || len(reply.Answer) != 1 || !reply.Authoritative {
				t.Errorf("%s over %s: %v, %v", a, network, reply, err)
			}
		}
	}
	if err := s.Running(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Running() == nil {
		t.Error("it has ended and says that it runs")
	}
	if _, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("ns.test.", dns.TypeA), s.At(addrs[0]).String()); err == nil {
		t.Error("it still answers")
	}
}

func TestABrokenZoneIsToldAtOnce(t *testing.T) {
	if _, err := find(); err != nil {
		t.Fatalf("%v; make test installs it", err)
	}
	broken := errors.New("broken")
	_, err := Start(t.Context(), t.TempDir(), Zone{Apex: "test", Write: func(io.Writer) error { return broken }}, []netip.Addr{netip.MustParseAddr("127.0.8.3")})
	if !errors.Is(err, broken) {
		t.Errorf("told %v", err)
	}
}

// Knot itself reads the configuration, when it is there.
func TestTheConfigurationListsAllAddresses(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.8.1"), netip.MustParseAddr("127.0.8.2")}
	text := config(t.TempDir(), "test", addrs, 5300)
	if !strings.Contains(text, `listen: [ "127.0.8.1@5300", "127.0.8.2@5300" ]`) {
		t.Errorf("got\n%s", text)
	}
	knotc, err := exec.LookPath("/usr/sbin/knotc")
	if err != nil {
		return
	}
	conf, err := write(t.TempDir(), Zone{Apex: "test", Write: func(io.Writer) error { return nil }}, addrs, 5300)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(knotc, "-c", conf, "conf-check").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
