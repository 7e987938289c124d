// Package knot runs Knot DNS on loopback with one zone, as a benchmark's authority and as stand-in for its resolvers.
// It needs the program knotd (Debian's package knot) and leaves nothing behind.
//
//	s, err := knot.Start(ctx, dir, knot.Zone{Apex: "test", Write: f.WriteZone}, addrs)
//	defer s.Close()
//
// Knot only has authority: whoever takes it for a resolver must believe answers that offer no recursion.
package knot

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

const (
	// readyWithin is how long loading the zone may take: half a million domains need some seconds.
	readyWithin = 2 * time.Minute
	askEvery    = 50 * time.Millisecond
	stopWithin  = 10 * time.Second
)

// Zone is what the server serves.
type Zone struct {
	Apex  rrset.Name
	Write func(io.Writer) error
}

// Server is a running knotd. Its methods are not safe for concurrent use.
type Server struct {
	command *exec.Cmd
	port    uint16
	said    bytes.Buffer
	// ended is closed when knotd has ended, how then in err.
	ended chan struct{}
	err   error
}

// Start writes the zone and a configuration to dir and starts knotd on all addresses, on a port that was free. It
// returns when all of them answer.
func Start(ctx context.Context, dir string, zone Zone, addrs []netip.Addr) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx, addrs)
	if err != nil {
		return nil, err
	}
	conf, err := write(dir, zone, addrs, port)
	if err != nil {
		return nil, err
	}
	s := &Server{port: port, ended: make(chan struct{})}
	s.command = exec.Command(program, "-c", conf) //nolint:noctx // it is stopped by Close, with a signal that it can obey
	s.command.Stdout, s.command.Stderr = &s.said, &s.said
	// If we are killed it must not stay behind.
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start knotd: %w", err)
	}
	go func() {
		defer close(s.ended)
		s.err = s.command.Wait()
	}()
	if err := s.wait(ctx, zone.Apex, addrs); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// At gives where the server answers on an address.
func (s *Server) At(addr netip.Addr) netip.AddrPort { return netip.AddrPortFrom(addr, s.port) }

// Process gives the ID of the process, which has not been waited for as long as the server runs.
func (s *Server) Process() int { return s.command.Process.Pid }

// Running gives an error if the server has ended: whatever was measured against it then is worth nothing.
func (s *Server) Running() error {
	select {
	case <-s.ended:
		return fmt.Errorf("knotd ended: %w\n%s", cmp.Or(s.err, errors.New("without an error")), s.said.String())
	default:
		return nil
	}
}

// Close stops the server and waits for its end.
func (s *Server) Close() error {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopWithin):
	}
	if err := s.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop knotd: %w", err)
	}
	<-s.ended
	return nil
}

// find looks where Debian puts programs for administrators, which is not in everybody's path.
func find() (string, error) {
	if program, err := exec.LookPath("knotd"); err == nil {
		return program, nil
	}
	program, err := exec.LookPath("/usr/sbin/knotd")
	if err != nil {
		return "", errors.New("knotd is missing: install it (apt-get install knot)")
	}
	return program, nil
}

// freePort gives a port that is free on all addresses, over UDP and TCP.
func freePort(ctx context.Context, addrs []netip.Addr) (uint16, error) {
	var err error
	for range 50 {
		var port uint16
		if port, err = tryPort(ctx, addrs); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port is free: %w", err)
}

func tryPort(ctx context.Context, addrs []netip.Addr) (uint16, error) {
	var conf net.ListenConfig
	var port uint16
	for _, addr := range addrs {
		l, err := conf.Listen(ctx, "tcp", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			return 0, err
		}
		defer func() { _ = l.Close() }()
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			port = at.AddrPort().Port()
		}
		p, err := conf.ListenPacket(ctx, "udp", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			return 0, err
		}
		defer func() { _ = p.Close() }()
	}
	return port, nil
}

// write puts the zone and the configuration into dir and gives the latter's path.
func write(dir string, zone Zone, addrs []netip.Addr, port uint16) (conf string, err error) {
	file, err := os.Create(filepath.Join(dir, "fleet.zone"))
	if err != nil {
		return "", err
	}
	if err := errors.Join(zone.Write(file), file.Close()); err != nil {
		return "", fmt.Errorf("write the zone: %w", err)
	}
	conf = filepath.Join(dir, "knot.conf")
	if err := os.WriteFile(conf, []byte(config(dir, zone.Apex, addrs, port)), 0o600); err != nil {
		return "", fmt.Errorf("write the configuration of knotd: %w", err)
	}
	return conf, nil
}

func config(dir string, apex rrset.Name, addrs []netip.Addr, port uint16) string {
	listen := make([]string, len(addrs))
	for i, a := range addrs {
		listen[i] = fmt.Sprintf("%q", fmt.Sprintf("%s@%d", a, port))
	}
	return fmt.Sprintf(`server:
    rundir: %[1]q
    listen: [ %[2]s ]
    identity: ""
    version: ""
log:
  - target: stderr
    any: warning
database:
    storage: %[1]q
template:
  - id: default
    storage: %[1]q
    zonefile-sync: -1
    journal-content: none
    semantic-checks: off
zone:
  - domain: %[3]q
    file: fleet.zone
`, dir, strings.Join(listen, ", "), apex.FQDN())
}

// wait asks every address for the zone until all have it.
func (s *Server) wait(ctx context.Context, apex rrset.Name, addrs []netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	question := new(dns.Msg).SetQuestion(apex.FQDN(), dns.TypeSOA)
	client := dns.Client{Timeout: time.Second}
	for _, addr := range addrs {
		for {
			reply, _, err := client.ExchangeContext(ctx, question, s.At(addr).String())
			if err == nil && reply.Rcode == dns.RcodeSuccess && len(reply.Answer) > 0 {
				break
			}
			select {
			case <-s.ended:
				return s.Running()
			case <-ctx.Done():
				return fmt.Errorf("knotd does not answer at %s: %w", s.At(addr), ctx.Err())
			case <-time.After(askEvery):
			}
		}
	}
	return nil
}
