package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
)

// channels are the receivers whose messages are looked at, with how each is pointed to the inbox.
var channels = []struct{ name, yaml string }{
	{"slack", `slack_configs: [{api_url: "%[1]s/slack", channel: "#alerts"}]`},
	{"pagerduty", `pagerduty_configs: [{url: "%[1]s/pagerduty", routing_key: key, severity: '{{ template "maildrift.severity" . }}'}]`},
	{"opsgenie", `opsgenie_configs: [{api_url: "%[1]s/opsgenie/", api_key: key, priority: '{{ template "maildrift.priority" . }}'}]`},
	{"msteamsv2", `msteamsv2_configs: [{webhook_url: "%[1]s/teams"}]`},
	{"telegram", `telegram_configs: [{api_url: "%[1]s/telegram", bot_token: token, chat_id: 1}]`},
	{"discord", `discord_configs: [{webhook_url: "%[1]s/discord"}]`},
	{"webhook", `webhook_configs: [{url: "%[1]s/webhook"}]`},
	{"email", `email_configs: [{to: oncall@example.com, from: maildrift@example.com, smarthost: "%[2]s", require_tls: false, send_resolved: true}]`},
}

// mailbox takes what receivers are sent, over HTTP and SMTP.
type mailbox struct {
	*httptest.Server
	smtp net.Listener
	mu   sync.Mutex
	got  map[string][]byte
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	b := &mailbox{got: map[string][]byte{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		b.keep(name, body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true,"result":{"message_id":1,"chat":{"id":1},"date":1}}`)
	}))
	t.Cleanup(b.Close)
	var lc net.ListenConfig
	var err error
	if b.smtp, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { b.serveSMTP(&serving) })
	t.Cleanup(func() { _ = b.smtp.Close(); serving.Wait() })
	return b
}

func (b *mailbox) keep(name string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got[name] = body
}

// serveSMTP takes mails one after the other, as RFC 5321 has it in its simplest form.
func (b *mailbox) serveSMTP(serving *sync.WaitGroup) {
	for {
		conn, err := b.smtp.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer conn.Close()
			say := func(s string) { fmt.Fprint(conn, s+"\r\n") }
			say("220 ready")
			var all bytes.Buffer
			inData := false
			lines := newLines(conn)
			for line := range lines {
				switch {
				case inData && line == ".":
					inData = false
					b.keep("email", bytes.Clone(all.Bytes()))
					say("250 taken")
				case inData:
					all.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
				case strings.HasPrefix(line, "DATA"):
					inData = true
					say("354 go on")
				case strings.HasPrefix(line, "QUIT"):
					say("221 bye")
					return
				default:
					say("250 ok")
				}
			}
		})
	}
}

// newLines gives the lines of a connection.
func newLines(r io.Reader) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var line []byte
		one := make([]byte, 1)
		for {
			if _, err := r.Read(one); err != nil {
				return
			}
			if line = append(line, one[0]); one[0] == '\n' {
				if !yield(strings.TrimRight(string(line), "\r\n")) {
					return
				}
				line = line[:0]
			}
		}
	}
}

// deliver sends alerts through the real receivers and gives what arrives at each.
func deliver(t *testing.T, alerts ...Alert) map[string][]byte {
	t.Helper()
	b := newMailbox(t)
	var text strings.Builder
	text.WriteString("receivers:\n- name: all\n")
	for _, c := range channels {
		fmt.Fprintf(&text, "  "+c.yaml+"\n", b.URL, b.smtp.Addr())
	}
	text.WriteString("route: {receiver: all, group_by: [], group_wait: 1s, group_interval: 1h, repeat_interval: 2h}\n")
	cfg, err := ParseConfig([]byte(strings.ReplaceAll(text.String(), "%!(EXTRA", "#")))
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, Options{ExternalURL: "https://maildrift.example/alertmanager"}, cfg)
	now := time.Now() // a group is told at once of what began before its group_wait, whoever else is about to come
	for i := range alerts {
		alerts[i].StartsAt = now
	}
	e.put(alerts...)
	until(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.got) == len(channels)
	}, func() string {
		b.mu.Lock()
		defer b.mu.Unlock()
		var have []string
		for k := range b.got {
			have = append(have, k)
		}
		return fmt.Sprintf("only %q arrived: %v", have, e.Deliveries())
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

// mailParts takes a mail apart: its subject, its text and its HTML.
func mailParts(t *testing.T, raw []byte) (subject, text, page string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Error(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	var order []string
	for {
		p, err := parts.NextRawPart()
		if err != nil {
			break
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if kind := p.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/plain") {
			text, order = string(body), append(order, "text")
		} else {
			page, order = string(body), append(order, "html")
		}
	}
	if !slices.Equal(order, []string{"text", "html"}) {
		t.Errorf("the parts of the mail are %q", order)
	}
	return subject, text, page
}

// sampleAlerts are some of those that TestWords shows, as they are told.
func sampleAlerts(t *testing.T) []Alert {
	t.Helper()
	var out []Alert
	for _, i := range incidents(t) {
		if !i.Open() || i.Name == monitor.AlertBlind || len(i.Escalations) > 0 {
			continue
		}
		out = append(out, words.Alert(i, noon))
	}
	return out
}

var volatile = regexp.MustCompile(`boundary=\S+|--[0-9a-f]{40,}(--)?|Message-Id: \S+|Date: [^\r\n]+|"?(fingerprint|startsAt|endsAt|groupKey|dedup_key|alias|custom_details)"?:\s*"[^"]*"|127\.0\.0\.1:\d+`)

// TestMessages shows what arrives at each receiver. UPDATE_GOLDEN=1 writes the files; look at them, and at the HTML in a
// browser.
func TestMessages(t *testing.T) {
	all := sampleAlerts(t)
	for name, alerts := range map[string][]Alert{"one": all[:1], "many": all} {
		got := deliver(t, alerts...)
		subject, text, page := mailParts(t, got["email"])
		got["email.subject"], got["email.text"], got["email.html"] = []byte(subject), []byte(text), []byte(page)
		delete(got, "email")
		delete(got, "webhook") // Alertmanager's own form
		for channel, body := range got {
			var shown bytes.Buffer
			if json.Indent(&shown, body, "", "  ") != nil {
				shown.Reset()
				shown.Write(body)
			}
			text := volatile.ReplaceAllString(strings.NewReplacer(`\n`, "\n", `\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\"`, `"`).Replace(shown.String()), "…")
			path := filepath.Join("testdata", "messages", name+"."+strings.ReplaceAll(channel, ".", "-")+".txt")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(path); err != nil || string(want) != text {
				t.Errorf("%s has changed (%v); look at it and run with UPDATE_GOLDEN=1:\n%s", path, err, cutTo(1500, text))
			}
		}
	}
}

// hostile are texts that mean something somewhere.
var hostile = []string{
	`<script>alert(1)</script><img src=x onerror=alert(1)>`, `<!channel> <@U1> <https://evil.example|click>`,
	"```\n<!here>", `[click](https://evil.example) ![x](https://evil.example/x.png) **bold** @everyone @here`,
	`{{ template "slack.default.title" . }} {{ .ExternalURL }}`, "a\r\nBcc: victim@example.com\r\n\r\nbody", "\x1b[31mred\x1b[0m\x07",
	"\u202egnp.exe\u2066\u200b\ufeff", `"><svg/onload=alert(1)>`, `=cmd|' /C calc'!A0`, strings.Repeat("A", 65000),
}

// TestF131To137HostileBytesAreInert has records say such things, and looks at what each receiver gets.
func TestF131To137HostileBytesAreInert(t *testing.T) {
	for _, bad := range hostile {
		i := lostInclude(t)
		i.Opened = time.Now()
		i.Facts.Is = txtSet(t, bad)
		i.Facts.Finding.Reason, i.Facts.Finding.Changes = bad, []mailrec.Change{{Op: "-", Term: bad}, {Op: "+", Term: bad}}
		i.Facts.Explanation = &monitor.Explanation{Cause: bad, Fix: bad}
		i.Facts.Labels = map[string]string{"team": bad}
		got := deliver(t, words.Alert(i, i.Opened))
		inert(t, bad, got)
	}
}

func inert(t *testing.T, bad string, got map[string][]byte) {
	t.Helper()
	short := cutTo(40, bad)
	for channel, body := range got {
		if regexp.MustCompile(`[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]`).Match(body) || bytes.ContainsAny(body, "\u202e\u2066\u200b\ufeff") {
			t.Errorf("%q: %s gets control characters", short, channel)
		}
		if channel != "email" && !json.Valid(body) {
			t.Errorf("%q: %s gets broken JSON", short, channel)
		}
		if channel != "webhook" && len(body) > 60_000 {
			t.Errorf("%q: %s gets %d bytes", short, channel, len(body))
		}
	}
	decoded := func(channel string) string {
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(string(got[channel]))
	}
	if slack := decoded("slack"); regexp.MustCompile(`<[!@#]|<https://evil`).MatchString(slack) || strings.Count(slack, "```") != 2 {
		t.Errorf("%q: Slack is told\n%s", short, slack)
	}
	for _, channel := range []string{"teams", "discord"} {
		if s := decoded(channel); strings.Contains(s, "](https://evil") || strings.Contains(s, "@everyone") {
			t.Errorf("%q: %s is told\n%s", short, channel, s)
		}
	}
	if s := decoded("telegram"); regexp.MustCompile(`<(script|img|svg)`).MatchString(s) {
		t.Errorf("%q: Telegram is told\n%s", short, s)
	}
	subject, _, page := mailParts(t, got["email"])
	head, _, _ := bytes.Cut(got["email"], []byte("\r\n\r\n"))
	if strings.ContainsAny(subject, "\r\n") || bytes.Contains(head, []byte("\r\nBcc:")) || len(subject) > 900 {
		t.Errorf("%q: the subject is %q", short, subject)
	}
	harmless(t, short, page)
}

// harmless looks for anything in a page that acts.
func harmless(t *testing.T, what, page string) {
	t.Helper()
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := tokens.Next()
		if kind == html.ErrorToken {
			return
		}
		token := tokens.Token()
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		if slices.Contains([]string{"script", "img", "svg", "iframe", "object", "form", "link"}, token.Data) {
			t.Errorf("%q: the mail has a <%s>", what, token.Data)
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "https://") {
				t.Errorf("%q: the mail has %s=%q", what, a.Key, a.Val)
			}
		}
	}
}
