package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"maildrift/monitor/config"
)

// certificate writes a certificate for 127.0.0.1 and its key, and gives whom trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

func TestWhoComesInIsDecidedBeforeListening(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	tlsPart := "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
	users := "basic_auth_users: {ada: " + string(hash) + "}\n"
	for _, row := range []struct {
		name, listen, file    string
		allowRemote, require  bool
		refused               string
		tls, wantUser, tokens bool
	}{
		{name: "loopback", listen: "127.0.0.1:1"},
		{name: "loopback with tokens", listen: "127.0.0.1:1", require: true, tokens: true},
		{name: "beyond it", listen: "0.0.0.0:1", refused: "can be reached from elsewhere"},
		{name: "beyond it with tokens in the clear", listen: "0.0.0.0:1", require: true, refused: "can be reached from elsewhere"},
		{name: "beyond it, told so", listen: "0.0.0.0:1", allowRemote: true},
		{name: "beyond it with TLS", listen: "0.0.0.0:1", file: tlsPart, tls: true, tokens: true},
		{name: "beyond it with users", listen: "0.0.0.0:1", file: users, wantUser: true},
		{name: "with both", listen: "0.0.0.0:1", file: tlsPart + users, tls: true, wantUser: true},
		{name: "users and tokens", listen: "127.0.0.1:1", file: users, require: true, refused: "not both"},
		{name: "a file without anything", listen: "0.0.0.0:1", file: "http_server_config: {http2: true}\n", refused: "can be reached from elsewhere"},
		{name: "a file that is wrong", listen: "127.0.0.1:1", file: "tls_server_conf: {}\n", refused: "tls_server_conf"},
		{name: "no port", listen: "127.0.0.1", refused: "write it as"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := &config.Config{File: "maildrift.yml", Listen: row.listen, Web: config.Web{RequireToken: row.require}}
			if row.file != "" {
				cfg.Web.ConfigFile = filepath.Join(dir, "web.yml")
				if err := os.WriteFile(cfg.Web.ConfigFile, []byte(row.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			a, err := accessOf(cfg, row.allowRemote)
			if row.refused != "" {
				if err == nil || !strings.Contains(err.Error(), row.refused) {
					t.Errorf("%v, want %q", err, row.refused)
				}
				return
			}
			if err != nil || a.tls != row.tls || a.users != row.wantUser || a.tokens != row.tokens {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// TestTokensOverTLS starts a daemon with TLS that wants tokens, makes the first one while it is stopped, and uses it.
func TestTokensOverTLS(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web.yml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
	write("maildrift.yml", "listen: "+addr+"\ndata_dir: "+filepath.Join(dir, "data")+"\nweb: {config_file: web.yml, require_token: true}\n"+
		"authority: {enabled: false}\nquorum: {min_operators: 1}\nresolvers: {builtin: false, list: [{name: none, addresses: [\"127.0.0.1:1\"]}]}\ncanaries: [{name: \".\", type: NS}]\n")

	made := command(t, "token", "create", "first", "--scope", "admin", "--data-dir", filepath.Join(dir, "data"))
	secret := strings.TrimSpace(made.out)
	if made.code != 0 || !strings.HasPrefix(secret, "mdt_") || !strings.Contains(made.err, "cannot be shown again") {
		t.Fatalf("%+v", made)
	}
	d := startProcess(t, binary(t), "serve", "--config", filepath.Join(dir, "maildrift.yml"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	status := func(path, token string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	eventually(t, 30*time.Second, "maildrift is ready", func() bool { return status("/-/ready", "") == http.StatusOK })
	for path, want := range map[string]int{"/api/v1/status": 401, "/metrics": 401, "/alertmanager/api/v2/alerts": 401, "/": 401} {
		if got := status(path, ""); got != want {
			t.Errorf("%s without a token: %d", path, got)
		}
		if got := status(path, secret); got != http.StatusOK {
			t.Errorf("%s with a token: %d", path, got)
		}
	}
	locked := command(t, "token", "create", "second", "--data-dir", filepath.Join(dir, "data"))
	if locked.code != 2 || !strings.Contains(locked.err, "in use") {
		t.Errorf("while the daemon runs: %+v", locked)
	}
	d.signal(syscall.SIGTERM)
	<-d.done
	if strings.Contains(d.output.String(), secret) {
		t.Error("the log holds the token")
	}
}

func TestTokenCommands(t *testing.T) {
	s := newBench(t)
	made := s.cmd("token", "create", "ci", "--scope", "operate", "--expires", "90d")
	if made.code != 0 {
		t.Fatalf("%+v", made)
	}
	if list := s.cmd("token", "list"); !strings.Contains(list.out, "ci") || !strings.Contains(list.out, "operate") || !strings.Contains(list.out, "never used") {
		t.Errorf("%+v", list)
	}
	t.Setenv("MAILDRIFT_TOKEN", strings.TrimSpace(made.out))
	if denied := s.cmd("token", "list"); denied.code == 0 || !strings.Contains(denied.err, "the token ci has the scope operate, and this needs admin") {
		t.Errorf("%+v", denied)
	}
	t.Setenv("MAILDRIFT_TOKEN", "")
	if gone := s.cmd("token", "revoke", "ci"); gone.code != 0 {
		t.Errorf("%+v", gone)
	}
	if again := s.cmd("token", "revoke", "ci"); again.code == 0 || !strings.Contains(again.err, "does not exist") {
		t.Errorf("%+v", again)
	}
	if bad := s.cmd("token", "create", "x", "--scope", "root"); bad.code != 2 {
		t.Errorf("%+v", bad)
	}
}
