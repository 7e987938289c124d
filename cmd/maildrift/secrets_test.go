package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"maildrift/monitor/config"
)

// canary is what every secret of the configuration begins with; it must be found nowhere.
const canary = "CANARY7secret"

// secretive is a configuration with a secret wherever one can be.
const secretive = `listen: %s
data_dir: %s
schedules: {default: {every: 1s}}
authority: {enabled: false}
quorum: {min_operators: 1}
resolvers: {builtin: false, list: [{name: none, addresses: ["127.0.0.1:1"]}]}
canaries: [{name: ".", type: NS}]
alerting:
  heartbeat_url: "http://127.0.0.1:1/CANARY7secret-heartbeat"
  global: {smtp_smarthost: "127.0.0.1:1", smtp_from: a@example.com, smtp_auth_username: u, smtp_auth_password: CANARY7secret-smtp, opsgenie_api_key: CANARY7secret-ops}
  route: {receiver: all, group_wait: 0s}
  receivers:
    - name: all
      webhook_configs:
        - {url: "http://u:CANARY7secret-userinfo@127.0.0.1:1/CANARY7secret-path?token=CANARY7secret-query"}
        - {url: "http://127.0.0.1:1/x", http_config: {authorization: {credentials: CANARY7secret-bearer}}}
        - {url: "http://127.0.0.1:1/x", http_config: {basic_auth: {username: u, password: CANARY7secret-basic}}}
      slack_configs: [{api_url: "http://127.0.0.1:1/CANARY7secret-slack", channel: "#x"}]
      pagerduty_configs: [{routing_key: CANARY7secret-pager, url: "http://127.0.0.1:1/"}]
      opsgenie_configs: [{api_url: "http://127.0.0.1:1/"}]
      telegram_configs: [{bot_token: "CANARY7secret:telegram", chat_id: 1, api_url: "http://127.0.0.1:1"}]
      discord_configs: [{webhook_url: "http://127.0.0.1:1/CANARY7secret-discord"}]
      email_configs: [{to: b@example.com, require_tls: false}]
`

// TestF147SecretsAreShownNowhere starts a daemon whose receivers are all dead, so that all of them make errors, and looks
// at everything that it says and writes.
func TestF147SecretsAreShownNowhere(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	data := filepath.Join(dir, "data")
	file := filepath.Join(dir, "maildrift.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, secretive, addr, data), 0o600); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	checked := command(t, "config", "check", file)
	if checked.code != 0 {
		t.Fatalf("%+v", checked)
	}
	fmt.Fprintln(&all, checked)
	d := startDaemon(t, dir, addr)
	tried, _ := d.run("alert", "test")
	if strings.Count(tried, "127.0.0.1") == 0 && strings.Count(tried, "refused") == 0 {
		t.Errorf("the receivers made no errors, so nothing is tested:\n%s", tried)
	}
	fmt.Fprintln(&all, tried)
	for _, path := range []string{
		"/", "/alerts", "/history", "/sweeps", "/resolvers", "/register", "/metrics", "/alertmanager/api/v2/status", "/alertmanager/api/v2/receivers",
		"/api/v1/status", "/api/v1/receivers", "/api/v1/notices", "/api/v1/alerts", "/api/v1/audit", "/api/v1/resolvers", "/api/v1/export", "/api/v1/tokens",
	} {
		d.page(path, &all)
	}
	broken := strings.Replace(fmt.Sprintf(secretive, addr, data), "channel:", "chanel:", 1)
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+addr+"/-/reload", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(&all, resp.Body); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("reload: %d, %v", resp.StatusCode, err)
	}
	d.signal(syscall.SIGTERM)
	<-d.done
	fmt.Fprintln(&all, d.output)
	for _, hit := range regexp.MustCompile(`.{0,80}`+canary+`.{0,30}`).FindAllString(all.String(), -1) {
		t.Errorf("a secret is shown: %s", hit)
	}
	ownersOnly(t, data)
}

// ownersOnly looks at what a daemon has written (F-148).
func ownersOnly(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestF136OneEventIsOneLine logs what an attacker would like to see there.
func TestF136OneEventIsOneLine(t *testing.T) {
	hostile := "x\nlevel=ERROR msg=forged\r\x1b[2J\u202e\x00"
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log := newLogger(&out, config.Log{Format: format, Level: slog.LevelInfo})
		log.Info("seen", "answer", hostile, "err", fmt.Errorf("oops: %s", hostile))
		log.Info("then " + hostile)
		if n := strings.Count(out.String(), "\n"); n != 2 || strings.ContainsAny(out.String(), "\r\x1b\x00") {
			t.Errorf("%s: %d lines:\n%q", format, n, out.String())
		}
	}
}
