// Package fetch gets what is not in the DNS: policy files of MTA-STS and what registries say of
// domains. It goes where foreign zones point, so it goes only to public addresses, follows no
// redirect, and reads little for a short time.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

const (
	// maxBody is how much of a file is read, in bytes, within timeout in all.
	maxBody = 64 << 10
	timeout = 30 * time.Second
)

// Fetcher fetches files. The zero value is not ready: Lookup must be set. It may be used concurrently.
type Fetcher struct {
	// Lookup gives a host's addresses.
	Lookup func(ctx context.Context, host rrset.Name) ([]netip.Addr, error)
	// AllowPrivate lets it go to loopback, private and link-local addresses.
	AllowPrivate bool
	// RootCAs check certificates; nil means the system's.
	RootCAs *x509.CertPool
	// Port is where HTTPS is spoken; 0 means 443.
	Port uint16
}

// STSPolicy fetches a domain's MTA-STS policy file as RFC 8461 section 3.3 says: over HTTPS from
// mta-sts.DOMAIN, whose certificate must be for that name, without redirects. An error means that the
// policy is not known, never that the record is gone.
func (f Fetcher) STSPolicy(ctx context.Context, domain rrset.Name) (string, error) {
	body, err := f.get(ctx, "https://"+string(domain.Child("mta-sts"))+"/.well-known/mta-sts.txt", "text/plain")
	return string(body), err
}

// RDAP asks a registry's server about a domain (RFC 9082 section 3.1.3); base is its URL.
func (f Fetcher) RDAP(ctx context.Context, base string, domain rrset.Name) ([]byte, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an https URL", base)
	}
	return f.get(ctx, strings.TrimSuffix(base, "/")+"/domain/"+url.PathEscape(string(domain)), "application/rdap+json")
}

// get fetches one file of a media type.
func (f Fetcher) get(ctx context.Context, file, mediaType string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := &http.Transport{
		Proxy: nil, TLSClientConfig: &tls.Config{RootCAs: f.RootCAs, MinVersion: tls.VersionTLS12},
		DialContext: f.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: maxBody,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, file, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", file, err)
	}
	req.Header.Set("Accept", mediaType)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", file, plain(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: the server answers %s (redirects are not followed)", file, resp.Status)
	}
	if got, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || got != mediaType {
		return nil, fmt.Errorf("fetch %s: the media type is %q, not %s", file, resp.Header.Get("Content-Type"), mediaType)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", file, plain(err))
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("fetch %s: it is longer than %d octets", file, maxBody)
	}
	return body, nil
}

// plain leaves out the method and URL that the HTTP client puts before its errors.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// dial looks a host up by ourselves and connects to one of its addresses. The address that is
// really connected to is checked once more: by then nobody can change it.
func (f Fetcher) dial(ctx context.Context, _, hostPort string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	name, err := rrset.ParseName(host)
	if err != nil {
		return nil, err
	}
	addrs, err := f.Lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	port := f.Port
	if port == 0 {
		port = 443
	}
	d := net.Dialer{Control: f.control}
	err = fmt.Errorf("%s has no address", name)
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// errInner is why an address is not connected to.
var errInner = errors.New("the address is inside a network, not public")

func (f Fetcher) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !f.AllowPrivate && !resolve.IsPublic(ap.Addr()) {
		return fmt.Errorf("%s: %w", ap.Addr(), errInner)
	}
	return nil
}
