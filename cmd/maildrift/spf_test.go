package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/mailrec/spf"
)

// spfCase is one line of the RFC 7208 test suite's manifest.
type spfCase struct {
	Zone, Test, Helo, Host, MailFrom, Domain string
	Result                                   []spf.Result
	Explanation                              *string
}

// TestSPFSuiteEndToEnd evaluates all cases of the RFC 7208 test suite with the command as
// users run it, against NSD serving each scenario's zone.
func TestSPFSuiteEndToEnd(t *testing.T) {
	t.Parallel()
	byZone := map[string][]spfCase{}
	for _, c := range readLines[spfCase](t, sharedData(t, "spf/manifest.jsonl")) {
		byZone[c.Zone] = append(byZone[c.Zone], c)
	}
	if len(byZone) < 15 {
		t.Fatalf("%d scenarios", len(byZone))
	}
	for _, zone := range sorted(byZone) {
		t.Run(zone, func(t *testing.T) {
			file, err := filepath.Abs(sharedData(t, "spf/zones/"+zone))
			if err != nil {
				t.Fatal(err)
			}
			server, timeout := serveZone(t, file), "10s"
			if silent := readTimeouts(t, file+".timeouts"); len(silent) > 0 {
				server, timeout = inFrontOf(t, server, silent), "1s"
			}
			for _, c := range byZone[zone] {
				t.Run(c.Test, func(t *testing.T) { c.evaluate(t, server, timeout) })
			}
		})
	}
}

func (c spfCase) evaluate(t *testing.T, server, timeout string) {
	s := command(t, "spf", "--ip", c.Host, "--mail-from", c.MailFrom, "--helo", c.Helo,
		"--resolver", server, "--timeout", timeout, "--format", "json", "--", c.Domain)
	var o struct {
		Result      spf.Result
		Lookups     *int
		Voids       *int
		Trace       []spf.Step
		Explanation string
	}
	if err := json.Unmarshal([]byte(s.out), &o); err != nil || s.code != 0 || o.Lookups == nil || o.Voids == nil {
		t.Fatalf("exit code %d, %v\n%s%s", s.code, err, s.out, s.err)
	}
	if !slices.Contains(c.Result, o.Result) {
		t.Errorf("%s, the suite says %v\n%s", o.Result, c.Result, s.out)
	}
	if c.Explanation != nil && *c.Explanation != "DEFAULT" && o.Explanation != *c.Explanation {
		t.Errorf("explains %q, the suite says %q", o.Explanation, *c.Explanation)
	}
}

// serveZone starts NSD with one zone, that of the root.
func serveZone(t *testing.T, file string) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf("server:\n  ip-address: %[1]s@%[2]d\n  do-ip6: no\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n"+
		"  zonesdir: %[3]q\n  database: \"\"\n  zonelistfile: \"%[3]s/zone.list\"\n  xfrdfile: \"\"\n  pidfile: \"\"\n  rrl-ratelimit: 0\n"+
		"remote-control:\n  control-enable: no\nzone:\n  name: \".\"\n  zonefile: %[4]q\n", authority1, port, dir, file)
	path := filepath.Join(dir, "nsd.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	startProcess(t, "nsd", "-d", "-c", path)
	(&realDNS{t: t, port: port}).waitFor("NSD", authority1)
	return net.JoinHostPort(authority1, fmt.Sprint(port))
}

func readTimeouts(t *testing.T, file string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		names[dns.CanonicalName(strings.TrimSpace(lines.Text()))] = true
	}
	return names
}

// inFrontOf passes questions on to a server, but for names of which it has nothing and
// that must time out.
func inFrontOf(t *testing.T, server string, silent map[string]bool) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a, _, err := (&dns.Client{Timeout: 10 * time.Second}).Exchange(q, server)
		if err != nil || len(a.Answer) == 0 && silent[dns.CanonicalName(q.Question[0].Name)] {
			return
		}
		_ = w.WriteMsg(a)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return pc.LocalAddr().String()
}

func TestSPFCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zone")
	zone := "$ORIGIN .\n$TTL 60\n. SOA ns. h. 1 3600 600 604800 60\n. NS ns.\nns. A 127.0.0.1\n" +
		"shop.example. TXT \"v=spf1 include:_spf.mail.example ip4:192.0.2.1 -all\"\n_spf.mail.example. TXT \"v=spf1 ip4:198.51.100.0/24 a:out.mail.example ~all\"\nout.mail.example. A 203.0.113.9\n" +
		"broken.example. TXT \"v=spf1 include:gone.example -all\"\n"
	if err := os.WriteFile(file, []byte(zone), 0o600); err != nil {
		t.Fatal(err)
	}
	server := serveZone(t, file)
	command(t, "spf", "shop.example", "--ip", "198.51.100.7", "--resolver", server).
		expect(t, 0, "pass  198.51.100.7 may send for shop.example: include:_spf.mail.example decided\n1 of 10 DNS lookups", "")
	command(t, "spf", "shop.example", "--ip", "203.0.113.1", "--resolver", server).
		expect(t, 0, "fail  203.0.113.1 may send for shop.example: -all decided\n2 of 10 DNS lookups", "")
	// Several resolvers are several places where a receiver may stand.
	command(t, "spf", "shop.example", "--ip", "198.51.100.7", "--resolver", server, "--resolver", "127.0.0.1:1", "--timeout", "1s").
		expect(t, 0, "temperror  at 127.0.0.1:1", "")
	command(t, "spf", "shop.example", "--resolver", server).
		expect(t, 0, "usable  2 of 10 DNS lookups\n  shop.example  lookups 2, own 1\n", "")
	command(t, "spf", "broken.example", "--resolver", server).
		expect(t, 1, "receivers give up  gone.example does not exist\n", "")
	command(t, "spf", "shop.example", "--resolver", "127.0.0.1:1", "--timeout", "1s").
		expect(t, 3, "could not be read", "")
	command(t, "spf", "shop.example", "--resolver", server, "--format", "json").
		expect(t, 0, `"198.51.100.0/24"`, "")
	command(t, "spf", "shop.example", "--ip", "300.1.1.1").expect(t, 2, "", `--ip "300.1.1.1" is not an IP address`)
	command(t, "spf", "shop.example", "--helo", "x.example").expect(t, 2, "", "--mail-from and --helo need --ip")
	command(t, "spf").expect(t, 2, "", "needs the domain whose record is evaluated")
}
