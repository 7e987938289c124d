package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"

	"maildrift/monitor/config"
	"maildrift/monitor/web"
)

// access is how the daemon may be reached.
type access struct {
	// file is the web configuration file; empty for none.
	file string
	// tls says that the file has certificates, users that it has names and passwords, which it checks.
	tls, users bool
	// tokens says that nobody comes in without one.
	tokens bool
}

// errOpen is that everybody could do everything.
const errOpen = "listen address %q can be reached from elsewhere, where anybody could do anything: name a web configuration file " +
	"with TLS (tokens are required then) or with basic_auth_users under web.config_file, listen on 127.0.0.1 behind a reverse proxy " +
	"that authenticates, or allow it with --allow-remote"

// accessOf decides who comes in. Beyond loopback somebody has to ask for it: TLS and tokens, or users.
func accessOf(cfg *config.Config, allowRemote bool) (access, error) {
	a := access{file: cfg.Web.ConfigFile, tokens: cfg.Web.RequireToken}
	loopback, err := web.Loopback(cfg.Listen)
	if err != nil {
		return a, err
	}
	if err := a.read(); err != nil {
		return a, fmt.Errorf("%s: web.config_file: %w", cfg.File, err)
	}
	switch {
	case loopback || allowRemote:
	case a.users:
	case a.tls:
		a.tokens = true
	default:
		return a, fmt.Errorf(errOpen, cfg.Listen)
	}
	if a.users && a.tokens {
		return a, fmt.Errorf("%s: a request can carry a token or a password, not both: leave out web.require_token, or basic_auth_users in %s", cfg.File, a.file)
	}
	return a, nil
}

// read looks what the web configuration file asks for. That it is right in every detail the toolkit checks.
func (a *access) read() error {
	if a.file == "" {
		return nil
	}
	if err := toolkit.Validate(a.file); err != nil {
		return err
	}
	text, err := os.ReadFile(a.file)
	if err != nil {
		return err
	}
	var file struct {
		TLS   map[string]any    `yaml:"tls_server_config"`
		Users map[string]string `yaml:"basic_auth_users"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return err
	}
	a.tls, a.users = len(file.TLS) > 0, len(file.Users) > 0
	return nil
}

// serve serves until the server is shut down. The file is read again for every connection, as exporters do, so that new
// certificates and passwords are in force at once.
func (a access) serve(server *http.Server, l net.Listener, log *slog.Logger) error {
	var err error
	if a.file == "" {
		err = server.Serve(l)
	} else {
		systemd := false
		err = toolkit.Serve(l, server, &toolkit.FlagConfig{WebSystemdSocket: &systemd, WebConfigFile: &a.file}, log)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}
