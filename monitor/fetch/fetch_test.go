package fetch

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/rrset"
)

// serve starts an HTTPS server with a certificate for these names, and a Fetcher that finds it.
func serve(t *testing.T, h http.HandlerFunc, names ...string) Fetcher {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return Fetcher{
		Lookup:       func(context.Context, rrset.Name) ([]netip.Addr, error) { return []netip.Addr{at.Addr()}, nil },
		AllowPrivate: true, RootCAs: roots, Port: at.Port(),
	}
}

const policy = "version: STSv1\nmode: none\nmax_age: 86400\n"

func TestF96FetchingAPolicy(t *testing.T) {
	text := func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "mta-sts.shop.example" || r.URL.Path != "/.well-known/mta-sts.txt" || r.Header.Get("Cookie") != "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(policy))
	}
	for _, tt := range []struct {
		name  string
		h     http.HandlerFunc
		cert  string
		tweak func(*Fetcher)
		fails string
	}{
		{"in order", text, "mta-sts.shop.example", nil, ""},
		{"a certificate of another name", text, "shop.example", nil, "certificate is valid for shop.example, not mta-sts.shop.example"},
		{"a certificate that nobody vouches for", text, "mta-sts.shop.example", func(f *Fetcher) { f.RootCAs = x509.NewCertPool() }, "unknown authority"},
		{"an inner address", text, "mta-sts.shop.example", func(f *Fetcher) { f.AllowPrivate = false }, "inside a network"},
		{"a mapped inner address", text, "mta-sts.shop.example", func(f *Fetcher) {
			f.AllowPrivate = false
			f.Lookup = func(context.Context, rrset.Name) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, nil
			}
		}, "inside a network"},
		{"no address", text, "mta-sts.shop.example", func(f *Fetcher) {
			f.Lookup = func(context.Context, rrset.Name) ([]netip.Addr, error) { return nil, nil }
		}, "has no address"},
		{"a lookup that fails", text, "mta-sts.shop.example", func(f *Fetcher) {
			f.Lookup = func(context.Context, rrset.Name) ([]netip.Addr, error) { return nil, errors.New("servfail") }
		}, "servfail"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		}, "mta-sts.shop.example", nil, "302 Found"},
		{"a page of another type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(policy))
		}, "mta-sts.shop.example", nil, "media type"},
		{"not found", http.NotFound, "mta-sts.shop.example", nil, "404"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(make([]byte, maxBody+1))
		}, "mta-sts.shop.example", nil, "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, tt.h, tt.cert)
			if tt.tweak != nil {
				tt.tweak(&f)
			}
			got, err := f.STSPolicy(t.Context(), "shop.example")
			if tt.fails == "" && (err != nil || got != policy) {
				t.Errorf("%q, %v", got, err)
			}
			if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || got != "") {
				t.Errorf("%q, %v; want an error with %q", got, err, tt.fails)
			}
		})
	}
}

func TestRDAP(t *testing.T) {
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/rdap+json")
		_, _ = w.Write([]byte(r.URL.Path))
	}, "rdap.example")
	if got, err := f.RDAP(t.Context(), "https://rdap.example/v1/", "shop.example"); err != nil || string(got) != "/v1/domain/shop.example" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.RDAP(t.Context(), "http://rdap.example/", "shop.example"); err == nil {
		t.Error("it was asked in the clear")
	}
}

func TestItGivesUpWhenToldTo(t *testing.T) {
	f := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "mta-sts.shop.example")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.STSPolicy(ctx, "shop.example"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
