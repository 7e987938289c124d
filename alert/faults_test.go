package alert

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is where one integration sends to: it fails as it is told, and then takes what comes.
type service struct {
	mu    sync.Mutex
	fault string
	left  int // faults to come
	tries int
	took  []string // "firing" or "resolved", in the order in which it was taken
}

// turn says how the next message fares; an empty fault takes it.
func (s *service) turn(text string) (fault string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.left > 0 {
		s.left--
		fault = s.fault
	}
	if fault == "" || fault == "accept" {
		state := "firing"
		events := strings.Contains(text, `"event_action"`) // PagerDuty's details name both states
		if strings.Contains(text, `"event_action":"resolve"`) || strings.Contains(text, "/close") || !events && strings.Contains(text, "resolved") {
			state = "resolved"
		}
		s.took = append(s.took, state)
	}
	return fault
}

func (s *service) state() (tries int, took []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries, slices.Clone(s.took)
}

// ServeHTTP is the service of all integrations but mail.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	answer := map[string]int{"500": 500, "accept": 500, "404": 404, "401": 401, "429": 429, "": 200}
	switch fault := s.turn(r.URL.Path + string(body)); fault {
	case "hang":
		select {
		case <-r.Context().Done():
		case <-time.After(400 * time.Millisecond):
		}
		panic(http.ErrAbortHandler)
	case "close":
		panic(http.ErrAbortHandler)
	default:
		code := answer[fault]
		if code != 200 {
			w.Header().Set("Retry-After", "0")
		}
		w.WriteHeader(code)
		if strings.Contains(r.URL.Path, "telegram") {
			fmt.Fprintf(w, `{"ok":%t,"error_code":%d,"description":"as told","result":{"message_id":1,"chat":{"id":1}}}`, code == 200, code)
		} else {
			fmt.Fprint(w, "ok") // Slack wants this word
		}
	}
}

// smtpServer gives the address of a mail server, which says what RFC 5321 wants and no more.
func (s *service) smtpServer(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.session(c) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

func (s *service) session(c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	say := func(line string) { fmt.Fprint(c, line+"\r\n") }
	say("220 mail.example")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "EHLO", "HELO", "MAIL", "RCPT":
			say("250 ok")
		case "DATA":
			say("354 go on")
			if !s.data(in, say) {
				return
			}
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

// data takes one message. It reports whether the connection goes on.
func (s *service) data(in *bufio.Scanner, say func(string)) bool {
	var text strings.Builder
	for in.Scan() && in.Text() != "." {
		text.WriteString(in.Text())
	}
	switch s.turn(text.String()) {
	case "":
		say("250 taken")
	case "429":
		say("421 too many") // RFC 5321 section 3.8: the server closes then
		return false
	case "404", "401":
		say("550 no such user")
	case "500":
		say("451 later")
	case "hang":
		time.Sleep(400 * time.Millisecond)
		return false
	default: // closed, with or without the message taken
		return false
	}
	return true
}

// kinds are the integrations that can be pointed to a server of one's own. %s is its URL, for mail HOST:PORT.
func kinds() map[string]string {
	return map[string]string{
		"webhook":   `webhook_configs: [{url: %q}]`,
		"slack":     `slack_configs: [{api_url: %q, channel: '#a', text: '{{ .Status }}', send_resolved: true}]`,
		"discord":   `discord_configs: [{webhook_url: %q, message: '{{ .Status }}'}]`,
		"msteamsv2": `msteamsv2_configs: [{webhook_url: %q, text: '{{ .Status }}'}]`,
		"pagerduty": `pagerduty_configs: [{url: %q, routing_key: k}]`,
		"opsgenie":  `opsgenie_configs: [{api_url: %q, api_key: k}]`,
		"telegram":  `telegram_configs: [{api_url: %q, bot_token: 'telegram:k', chat_id: 1, message: '{{ .Status }}', parse_mode: ''}]`,
		"email":     `email_configs: [{smarthost: %q, from: a@b.example, to: c@b.example, require_tls: false, send_resolved: true, text: '{{ .Status }}', html: '', hello: b.example, headers: {Subject: '{{ .Status }}'}}]`,
	}
}

// TestF101To105EveryReceiverHearsFiringThenResolved lets each kind of receiver fail twice in each way.
func TestF101To105EveryReceiverHearsFiringThenResolved(t *testing.T) {
	for _, fault := range []string{"", "429", "500", "401", "404", "hang", "close", "accept"} {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel()
			servers := map[string]*service{}
			e := startFaulty(t, fault, servers)
			e.put(firing("a.example"))
			awaitTook(t, e, servers, "firing")
			e.put(over(firing("a.example")))
			awaitTook(t, e, servers, "resolved")
			time.Sleep(settle)
			for kind, s := range servers {
				checkTook(t, kind, fault, s)
			}
		})
	}
}

// startFaulty starts an engine with a receiver that has all kinds of integrations.
func startFaulty(t *testing.T, fault string, servers map[string]*service) *running {
	t.Helper()
	text := "route: {receiver: all, group_wait: 10ms, group_interval: 40ms, repeat_interval: 1h}\nreceivers:\n- name: all\n"
	for kind, form := range kinds() {
		s := &service{fault: fault, left: 2}
		if fault == "" {
			s.left = 0
		}
		servers[kind] = s
		var at string
		if kind == "email" {
			at = s.smtpServer(t)
		} else {
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			at = server.URL
		}
		text += "  " + fmt.Sprintf(form, at) + "\n"
	}
	cfg := parse(t, text)
	e, err := NewEngine(Options{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.deliveries.pace = pace{answer: 200 * time.Millisecond, busy: 20 * time.Millisecond, refused: 20 * time.Millisecond}
	return runEngine(t, e)
}

func awaitTook(t *testing.T, e *running, servers map[string]*service, last string) {
	t.Helper()
	for kind, s := range servers {
		until(t, func() bool { _, took := s.state(); return len(took) > 0 && took[len(took)-1] == last }, func() string {
			tries, took := s.state()
			return fmt.Sprintf("%s: %d tries, took %q, want %s; %+v", kind, tries, took, last, e.Deliveries())
		})
	}
	until(t, func() bool { return e.Undeliverable() == nil }, func() string { return fmt.Sprint(e.Undeliverable()) })
}

// checkTook holds a service to what it must have taken, and how often it was asked for that.
func checkTook(t *testing.T, kind, fault string, s *service) {
	t.Helper()
	tries, took := s.state()
	want, times := []string{"firing", "resolved"}, 2
	switch fault {
	case "":
	case "accept": // it took what it then said it had not
		want, times = []string{"firing", "firing", "firing", "resolved"}, 4
	default:
		times = 4
	}
	if !slices.Equal(took, want) || tries != times {
		t.Errorf("%s took %q in %d tries, want %q in %d", kind, took, tries, want, times)
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]refusal{
		"unexpected status code 429: slow":                                  {kind: busy},
		"failed to send: unexpected status code 429":                        {kind: busy},
		`unexpected status code 429: {"message":"x","retry_after":64.5}`:    {busy, 64500 * time.Millisecond},
		`unexpected status code 429: {"retry_after": 99999999999999999999}`: {busy, longestAsked},
		"telegram: Too Many Requests: retry after 8 (429)":                  {busy, 8 * time.Second},
		"telegram: Unauthorized (401)":                                      {kind: final},
		"telegram: Bad Gateway (502)":                                       {kind: passes},
		"unexpected status code 500: order 429":                             {kind: passes},
	} {
		if got := refusalOf(true, errors.New(text)); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	if got := refusalOf(false, errors.New("unexpected status code 401")); got.kind != final {
		t.Errorf("%+v", got)
	}
}

// TestOneOfManyFindsOutWhetherAReceiverIsBack lets many ask when a rest has ended.
func TestOneOfManyFindsOutWhetherAReceiverIsBack(t *testing.T) {
	d := &deliveries{}
	now := time.Now()
	d.giveRest("x", refusal{kind: final}, now)
	if until, _ := d.admit("x", now); until.IsZero() {
		t.Fatal("let in while it rests")
	}
	now = now.Add(2 * time.Second)
	if until, _ := d.admit("x", now); !until.IsZero() {
		t.Fatal("nobody is let in when the rest has ended")
	}
	until, over := d.admit("x", now)
	if until.IsZero() {
		t.Fatal("the second one is let in, too")
	}
	d.giveRest("x", refusal{}, now)
	select {
	case <-over:
	default:
		t.Error("those who wait do not hear that the receiver is back")
	}
	if until, _ = d.admit("x", now); !until.IsZero() {
		t.Error("it rests although it is back")
	}
}

// TestF105AnAnswerComesInTimeOrNotAtAll asks a server that takes the question and says nothing.
func TestF105AnAnswerComesInTimeOrNotAtAll(t *testing.T) {
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go io.Copy(io.Discard, far)
	c := boundedConn{near, time.Second}
	if _, err := c.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v", err)
	}
}

// TestATestDoesNotWaitForTheEndOfARest asks for a test of a receiver that is left alone.
func TestATestDoesNotWaitForTheEndOfARest(t *testing.T) {
	d := &deliveries{}
	d.giveRest("x", refusal{kind: busy, asked: time.Hour}, time.Now())
	w := &watched{key: "x", to: d}
	if err := w.waitOut(context.WithValue(t.Context(), atOnce{}, true)); err != nil {
		t.Error(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := w.waitOut(soon); err == nil {
		t.Error("an alert does not wait")
	}
}
