package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// realDNS is a small internet on loopback: one NSD that is the root and the
// authority of every zone, on two addresses, and several Unbounds as resolver
// operators. It needs no root and leaves nothing behind.
type realDNS struct {
	t    *testing.T
	dir  string
	port int
	// zones hold master file lines by apex.
	zones  map[string][]string
	serial int
	nsd    *process
	unboun []*process
}

const (
	authority1 = "127.0.53.1"
	authority2 = "127.0.53.2"
	nsHost1    = "ns1.auth.example."
	nsHost2    = "ns2.auth.example."
)

func unboundAddr(i int) string { return fmt.Sprintf("127.0.54.%d", i+1) }

// newRealDNS starts NSD with the zones and n Unbounds.
func newRealDNS(t *testing.T, zones map[string][]string, n int) *realDNS {
	t.Helper()
	r := &realDNS{t: t, dir: t.TempDir(), port: freePort(t), zones: zones, serial: 1, unboun: make([]*process, n)}
	r.writeZones()
	r.startNSD()
	for i := range n {
		r.startUnbound(i, "")
	}
	return r
}

// freePort gives a UDP and TCP port that is free on the addresses used here.
func freePort(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", authority1+":0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if port > 10000 && allFree(port) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func allFree(port int) bool {
	for _, host := range []string{authority1, authority2, unboundAddr(0), unboundAddr(1), unboundAddr(2), unboundAddr(3), unboundAddr(4)} {
		c, err := net.ListenPacket("udp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			return false
		}
		_ = c.Close()
	}
	return true
}

func (r *realDNS) path(name string) string { return filepath.Join(r.dir, name) }

func (r *realDNS) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// writeZones writes all master files: the root with its delegations, and the zones.
func (r *realDNS) writeZones() {
	root := []string{nsHost1 + " 300 IN A " + authority1, nsHost2 + " 300 IN A " + authority2}
	for apex := range r.zones {
		root = append(root, apex+" 300 IN NS "+nsHost1, apex+" 300 IN NS "+nsHost2)
		r.writeZone(apex)
	}
	slices.Sort(root)
	r.write("root.zone", r.head(".")+strings.Join(root, "\n")+"\n")
}

func (r *realDNS) writeZone(apex string) {
	r.write("zone-"+apex+"zone", r.head(apex)+strings.Join(r.zones[apex], "\n")+"\n")
}

func (r *realDNS) head(apex string) string {
	return fmt.Sprintf("%[1]s 300 IN SOA %[2]s hostmaster.auth.example. %[4]d 3600 600 86400 1\n%[1]s 300 IN NS %[2]s\n%[1]s 300 IN NS %[3]s\n",
		apex, nsHost1, nsHost2, r.serial)
}

func (r *realDNS) startNSD() {
	r.t.Helper()
	var conf strings.Builder
	fmt.Fprintf(&conf, `server:
  ip-address: %[1]s@%[3]d
  ip-address: %[2]s@%[3]d
  do-ip6: no
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: %[4]q
  database: ""
  zonelistfile: %[4]q
  xfrdfile: ""
  pidfile: ""
  rrl-ratelimit: 0
  round-robin: yes
remote-control:
  control-enable: yes
  control-interface: %[5]q
zone:
  name: "."
  zonefile: "root.zone"
`, authority1, authority2, r.port, r.dir, r.path("nsd.sock"))
	for _, apex := range sorted(r.zones) {
		fmt.Fprintf(&conf, "zone:\n  name: %q\n  zonefile: %q\n", apex, "zone-"+apex+"zone")
	}
	text := strings.Replace(conf.String(), fmt.Sprintf("zonelistfile: %q", r.dir), fmt.Sprintf("zonelistfile: %q", r.path("zone.list")), 1)
	r.write("nsd.conf", text)
	r.nsd = startProcess(r.t, "nsd", "-d", "-c", r.path("nsd.conf"))
	r.waitFor("NSD", authority1)
}

// startUnbound starts operator i; extra lines go to its server section.
func (r *realDNS) startUnbound(i int, extra string) {
	r.t.Helper()
	name := fmt.Sprintf("unbound%d.conf", i)
	r.write(name, fmt.Sprintf(`server:
  interface: %[1]s@%[2]d
  do-ip6: no
  use-syslog: no
  logfile: ""
  username: ""
  chroot: ""
  directory: %[3]q
  pidfile: ""
  num-threads: 1
  so-rcvbuf: 0
  module-config: "iterator"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  minimal-responses: yes
%[4]s
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: %[5]s@%[2]d
  stub-addr: %[6]s@%[2]d
  stub-prime: no
`, unboundAddr(i), r.port, r.dir, extra, authority1, authority2))
	r.unboun[i] = startProcess(r.t, "unbound", "-d", "-c", r.path(name))
	r.waitFor("Unbound", unboundAddr(i))
}

// waitFor waits until a server answers at all.
func (r *realDNS) waitFor(what, host string) {
	r.t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(".", dns.TypeNS)
	eventually(r.t, 15*time.Second, what+" answers at "+host, func() bool {
		c := &dns.Client{Timeout: 200 * time.Millisecond}
		_, _, err := c.Exchange(q, net.JoinHostPort(host, fmt.Sprint(r.port)))
		return err == nil
	})
}

// edit changes a zone's lines and has NSD load it.
func (r *realDNS) edit(change func(zones map[string][]string), apexes ...string) {
	r.t.Helper()
	r.serial++
	change(r.zones)
	for _, apex := range apexes {
		r.writeZone(apex)
	}
	for _, apex := range apexes {
		r.control("reload", strings.TrimSuffix(apex, "."))
	}
	for _, apex := range apexes {
		r.waitForSerial(apex)
	}
}

func (r *realDNS) control(args ...string) {
	r.t.Helper()
	out, err := exec.Command(lookTool(r.t, "nsd-control"), append([]string{"-c", r.path("nsd.conf")}, args...)...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("nsd-control %v: %v\n%s", args, err, out)
	}
}

func (r *realDNS) waitForSerial(apex string) {
	r.t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(apex, dns.TypeSOA)
	eventually(r.t, 10*time.Second, "NSD serves the new "+apex, func() bool {
		a, err := dns.Exchange(q, net.JoinHostPort(authority1, fmt.Sprint(r.port)))
		if err != nil || len(a.Answer) == 0 {
			return false
		}
		soa, ok := a.Answer[0].(*dns.SOA)
		return ok && int(soa.Serial) == r.serial
	})
}

// txtLine writes a TXT record as a master file has it, split at 255 octets.
func txtLine(name, value string) string {
	var out strings.Builder
	out.WriteString(name + " 300 IN TXT")
	data := rrset.TXTData([]byte(value))
	for len(data) > 0 {
		n := int(data[0])
		out.WriteString(` "`)
		for _, c := range data[1 : 1+n] {
			switch {
			case c == '"' || c == '\\':
				out.WriteByte('\\')
				out.WriteByte(c)
			case c < ' ' || c >= 0x7f:
				fmt.Fprintf(&out, `\%03d`, c)
			default:
				out.WriteByte(c)
			}
		}
		out.WriteByte('"')
		data = data[1+n:]
	}
	return out.String()
}

// process is a server under test's control.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	output *bytes.Buffer
	done   chan struct{}
}

// lookTool finds a program that make test has installed.
func lookTool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/bin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is not installed; run the tests with 'make test', which installs it", name)
	return ""
}

func startProcess(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, output: &bytes.Buffer{}, done: make(chan struct{})}
	path := name
	if !filepath.IsAbs(name) {
		path = lookTool(t, name)
	}
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), tail(p.output.String(), 6000))
		}
	})
	return p
}

// signal sends a signal to the process and its children.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// kill ends the process as kill -9 does, and waits for its end.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// eventually waits until something is so, and fails the test if it never is.
func eventually(t *testing.T, within time.Duration, what string, so func() bool) {
	t.Helper()
	end := time.Now().Add(within)
	for !so() {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
