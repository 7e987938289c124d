package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"maildrift/monitor"
	"maildrift/monitor/dnslab"
	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

func newDemo() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See maildrift do its job, on this machine only",
		Long: `Plays half a minute in the life of maildrift, with everything in this one process and on
loopback: two authoritative servers, six caching resolvers, a daemon and a
receiver of its notifications. Nothing is installed, nothing leaves the machine.

When the story is over the daemon stays up to look around, until Ctrl-C.`,
		Example: `  maildrift demo
  maildrift demo --once   end when the story is over`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.OutOrStdout(), once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end when the story is over")
	return c
}

// The cast of the demo.
const (
	demoApex   rrset.Name = "shop.example"
	demoDomain rrset.Name = "notice.shop.example"
	demoTTL               = 12 // seconds; short, so that caches run out while one watches
	demoKey               = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)

var demoOperators = []string{"alder", "birch", "cedar", "elm", "fir", "hazel"}

// play is a running demo.
type play struct {
	*printer
	began time.Time
	// address is where the daemon is to listen, if nobody else does.
	address   string
	lab       *dnslab.Lab
	resolvers []*dnslab.Resolver
	daemon    *daemon
	inbox     *inbox
}

func runDemo(ctx context.Context, out io.Writer, once bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp("", "maildrift-demo-")
	if err != nil {
		return fmt.Errorf("make a place for the demo's data: %w", err)
	}
	defer os.RemoveAll(dir)
	p := &play{printer: newPrinter(out), began: time.Now(), inbox: &inbox{}, address: strings.TrimPrefix(defaultAddr, "http://")}
	if err := p.build(ctx, dir); err != nil {
		return err
	}
	defer p.lab.Close()
	defer p.inbox.close()
	ended := make(chan error, 1)
	go func() { ended <- p.daemon.run(ctx, nil) }()
	err = p.story(ctx)
	if err == nil && !once {
		p.printf("\nThe daemon stays up until Ctrl-C. Look at what happened, and try things:\n"+
			"  in a browser   http://%[1]s/domains/%[2]s\n"+
			"  in a terminal  maildrift status --url http://%[1]s\n"+
			"                 maildrift history %[2]s --url http://%[1]s\n", p.daemon.listener.Addr(), demoDomain)
		<-ctx.Done()
	}
	stop()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, <-ended, p.err)
}

// build sets the stage: the lab, the inbox and the daemon.
func (p *play) build(ctx context.Context, dir string) error {
	var err error
	if p.lab, err = dnslab.New(2); err != nil {
		return fmt.Errorf("start the DNS lab: %w", err)
	}
	p.lab.Zone(demoApex)
	for _, name := range demoOperators {
		r, err := p.lab.Resolver(name)
		if err != nil {
			return err
		}
		p.resolvers = append(p.resolvers, r)
	}
	if err := p.inbox.open(ctx, p.notified); err != nil {
		return err
	}
	addr, err := freeAddr(ctx, p.address)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "maildrift.yml")
	if err := os.WriteFile(path, []byte(p.config(dir, addr)), 0o600); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	flags := &serveFlags{config: path}
	cfg, err := flags.load()
	if err != nil {
		return err
	}
	p.daemon, err = newDaemon(ctx, cfg, flags, slog.New(slog.DiscardHandler))
	return err
}

// anyAddr is an address that nobody has.
const anyAddr = "127.0.0.1:0"

// freeAddr gives the wanted address if nobody has it, else another one.
func freeAddr(ctx context.Context, wanted string) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", wanted)
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", anyAddr); err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
	}
	return l.Addr().String(), l.Close()
}

// config is the demo's configuration: an ordinary one with short times.
func (p *play) config(dir, addr string) string {
	var c strings.Builder
	fmt.Fprintf(&c, `listen: %s
data_dir: %q
schedules: {default: {every: 500ms}}
authority: {port: %d, allow_private: true}
asking: {timeout: 300ms, rate: 1000}
confirm: {times: 2, wait: 500ms, disagreement_after: 30s}
canaries:
  - {name: ".", type: NS}
  - {name: invalid, type: A, want: nxdomain, random: true}
domains:
  - domain: %s
    service: directmail
  - domain: %s
    expect:
      - {kind: dmarc, value: "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"}
alerting:
  route: {receiver: you, group_wait: 100ms, group_interval: 200ms, repeat_interval: 12h}
  receivers: [{name: you, webhook_configs: [{url: %q}]}]
resolvers:
  builtin: false
  list:
`, addr, dir, p.lab.Port(), demoDomain, demoApex, p.inbox.url)
	for i, name := range demoOperators {
		fmt.Fprintf(&c, "    - {name: %s, addresses: [%q]}\n", name, p.resolvers[i].Addr())
	}
	return c.String()
}

// story is what happens, in order.
func (p *play) story(ctx context.Context) error {
	for _, scene := range []func(context.Context) error{
		p.waiting, p.publishing, p.lying, p.drifting, p.vanishing, p.cutting, p.mending,
	} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	p.say("That was the story. Told: %d pages, %d all-clears.", p.inbox.count("firing"), p.inbox.count("resolved"))
	return nil
}

func (p *play) waiting(ctx context.Context) error {
	p.say("The page: http://%s – open it beside this to watch it there, too.", p.daemon.listener.Addr())
	p.say("%s is registered with the preset of Alibaba Cloud Direct Mail. It must publish:", demoDomain)
	for _, d := range p.daemon.engine.Snapshot().Domains {
		for _, r := range d.Records {
			for _, l := range r.Publish {
				p.quote("%s %s %s", l.Name.FQDN(), l.Type, l.Value)
			}
		}
	}
	p.say("Nothing is there yet. Only the zone's own servers are asked, so that no resolver remembers an absence.")
	return p.pause(ctx, 3*time.Second)
}

func (p *play) publishing(ctx context.Context) error {
	err := errors.Join(
		p.lab.Set("dm.aliyun.com", "spf1.dm.aliyun.com", rrset.TXT, demoTTL, "v=spf1 ip4:192.0.2.0/24 -all"),
		p.lab.Set(demoApex, demoDomain, rrset.TXT, demoTTL, "v=spf1 include:spf1.dm.aliyun.com -all"),
		p.lab.Set(demoApex, demoDomain, rrset.MX, demoTTL, "10 mx01.dm.aliyun.com"),
		p.lab.Set(demoApex, "aliyun-cn-hangzhou._domainkey."+demoDomain, rrset.TXT, demoTTL, demoKey),
		p.lab.Set(demoApex, "_dmarc."+demoDomain, rrset.TXT, demoTTL, "v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com"),
		p.lab.Set(demoApex, "_dmarc."+demoApex, rrset.TXT, demoTTL, "v=DMARC1; p=reject; rua=mailto:dmarc@shop.example"))
	if err != nil {
		return err
	}
	p.say("The records are published. They are looked for everywhere, three times, before they count as verified …")
	if err := p.until(ctx, "all records are verified", func(s *monitor.Snapshot) bool {
		for st := range s.States.Unsettled() {
			if st.Phase != judge.Verified {
				return false
			}
		}
		return len(s.Shared) > 0
	}); err != nil {
		return err
	}
	p.say("%s: the two authoritative servers and all six operators agree. From now on nothing may change.", p.paint(green, "verified"))
	p.say("The SPF record of the mail service, which ours includes, is watched from now on too.")
	return p.pause(ctx, 3*time.Second)
}

func (p *play) lying(ctx context.Context) error {
	p.resolvers[0].Lie(true)
	p.say("The resolver of %s begins to deny that anything exists.", demoOperators[0])
	if err := p.pause(ctx, 3*time.Second); err != nil {
		return err
	}
	p.say("It gets the canary questions wrong too, so it has no vote: %s.", p.paint(green, "nobody is called"))
	p.resolvers[0].Lie(false)
	p.resolvers[0].Flush()
	return p.pause(ctx, 2*time.Second)
}

func (p *play) drifting(ctx context.Context) error {
	p.say("Somebody tidies up the zone: the SPF record loses its include. Caches still hold the old one.")
	if err := p.lab.Set(demoApex, demoDomain, rrset.TXT, demoTTL, "v=spf1 -all"); err != nil {
		return err
	}
	if err := p.untilTold(ctx, "firing", "RecordDrifted"); err != nil {
		return err
	}
	if err := p.until(ctx, "the caches have run out", func(s *monitor.Snapshot) bool {
		st := s.States.Get(monitor.RecordID{Domain: demoDomain, Key: "spf"})
		return st.Stage == judge.AtReceivers
	}); err != nil {
		return err
	}
	p.say("Now the caches have run out: receivers see it too. It is still the same alert, so nobody is called again.")
	return p.pause(ctx, 2*time.Second)
}

func (p *play) vanishing(ctx context.Context) error {
	p.say("Then a migration forgets the DKIM key.")
	p.lab.Delete(demoApex, "aliyun-cn-hangzhou._domainkey."+demoDomain, rrset.TXT)
	if err := p.untilTold(ctx, "firing", "RecordMissing"); err != nil {
		return err
	}
	return p.pause(ctx, 3*time.Second)
}

func (p *play) cutting(ctx context.Context) error {
	p.say("Now our own uplink is cut: no resolver and no authoritative server answers any more.")
	p.cut(true)
	if err := p.untilTold(ctx, "firing", "MonitorBlind"); err != nil {
		return err
	}
	p.say("One call about the monitor itself, and %s: what nobody can see has not disappeared.", p.paint(green, "none about any record"))
	return p.pause(ctx, 3*time.Second)
}

func (p *play) mending(ctx context.Context) error {
	p.say("The uplink is back, and somebody puts both records back as the alerts said.")
	p.cut(false)
	err := errors.Join(
		p.lab.Set(demoApex, demoDomain, rrset.TXT, demoTTL, "v=spf1 include:spf1.dm.aliyun.com -all"),
		p.lab.Set(demoApex, "aliyun-cn-hangzhou._domainkey."+demoDomain, rrset.TXT, demoTTL, demoKey))
	if err != nil {
		return err
	}
	for _, alert := range []string{"MonitorBlind", "RecordDrifted", "RecordMissing"} {
		if err := p.untilTold(ctx, "resolved", alert); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) cut(cut bool) {
	p.lab.CutAuthorities(cut)
	for _, r := range p.resolvers {
		r.Cut(cut)
	}
}

// say tells what happens, with the time since the beginning.
func (p *play) say(format string, args ...any) {
	at := time.Since(p.began).Truncate(100 * time.Millisecond)
	p.printf("%s %s\n", p.paint(dim, fmt.Sprintf("%6.1fs ", at.Seconds())), fmt.Sprintf(format, args...))
}

func (p *play) quote(format string, args ...any) {
	p.printf("           %s\n", p.paint(dim, shorten(fmt.Sprintf(format, args...))))
}

// notified shows a notification as it comes in. It runs in the inbox's goroutine,
// which holds the inbox's lock.
func (p *play) notified(n note) {
	colour, word := red, "CALLED"
	if n.Status == "resolved" {
		colour, word = green, "ALL CLEAR"
	}
	p.say("%s  %s", p.paint(colour, word), p.paint(bold, n.Annotations["summary"]))
	if n.Status == "resolved" {
		return
	}
	for _, key := range []string{"change", "cause", "effect", "receivers", "seen_by", "deadline", "publish"} {
		if v := n.Annotations[key]; v != "" {
			p.quote("%-9s %s", strings.ReplaceAll(key, "_", " "), strings.ReplaceAll(v, "\n", "; "))
		}
	}
}

func (p *play) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// until waits until the engine's state is so. A story that does not go on is an error.
func (p *play) until(ctx context.Context, what string, so func(*monitor.Snapshot) bool) error {
	return p.wait(ctx, what, func() bool { return so(p.daemon.engine.Snapshot()) })
}

// untilTold waits for a notification.
func (p *play) untilTold(ctx context.Context, status, alert string) error {
	return p.wait(ctx, status+" "+alert+" is told", func() bool { return p.inbox.has(status, alert) })
}

func (p *play) wait(ctx context.Context, what string, so func() bool) error {
	for end := time.Now().Add(45 * time.Second); !so(); {
		if time.Now().After(end) {
			return fmt.Errorf("the demo does not go on: waited 45 s until %s", what)
		}
		if err := p.pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// note is one alert in a notification, as Alertmanager's webhook has it.
type note struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// inbox receives notifications over HTTP on loopback.
type inbox struct {
	url    string
	server *http.Server
	mu     sync.Mutex
	notes  []note
}

// open begins to receive; show is called for each alert told.
func (i *inbox) open(ctx context.Context, show func(note)) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the inbox: %w", err)
	}
	i.url = "http://" + l.Addr().String()
	i.server = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []note `json:"alerts"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		for _, n := range body.Alerts {
			i.notes = append(i.notes, n)
			show(n)
		}
	})}
	go func() { _ = i.server.Serve(l) }()
	return nil
}

func (i *inbox) close() { _ = i.server.Close() }

func (i *inbox) has(status, alert string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range i.notes {
		if n.Status == status && n.Labels["alertname"] == alert {
			return true
		}
	}
	return false
}

func (i *inbox) count(status string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for _, x := range i.notes {
		if x.Status == status {
			n++
		}
	}
	return n
}
