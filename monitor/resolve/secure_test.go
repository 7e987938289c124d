package resolve

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"
)

// secure starts an HTTPS server that answers DNS questions, and gives the file that holds its
// certificate (made out to example.com).
func secure(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		q := new(dns.Msg)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/dns-message" || q.Unpack(body) != nil || q.Id != 0 {
			t.Errorf("%s %s with ID %d", r.Method, r.Header, q.Id)
		}
		w.Header().Set("Content-Type", "application/dns-message")
		_, _ = w.Write(pack(t, answerTo(t, q, good)))
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, file
}

func addrOf(a net.Addr) []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort(a.String())}
}

func TestDoH(t *testing.T) {
	server, ca := secure(t)
	src := &Source{
		ID: "doh", Operator: "doh", Transport: DoH, RootCAFile: ca, ServerName: "example.com",
		// The name is looked up by nobody: the address says where to connect.
		URL: "https://example.com/dns-query", Addrs: addrOf(server.Listener.Addr()),
	}
	c := patientClient(t)
	if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Answered || o.Set.Lines()[0] != "v=spf1 -all" || o.Transport != DoH {
		t.Errorf("%s %q over %s (%s)", o.Outcome, o.Set.Lines(), o.Transport, o.Detail)
	}
	src.RootCAFile, src.ID = "", "untrusted"
	if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Network {
		t.Errorf("a certificate that nobody vouches for gave %s (%s)", o.Outcome, o.Detail)
	}
}

func TestDoT(t *testing.T) {
	server, ca := secure(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			if _, err := io.ReadFull(conn, size[:]); err == nil {
				b := make([]byte, binary.BigEndian.Uint16(size[:]))
				q := new(dns.Msg)
				if _, err := io.ReadFull(conn, b); err == nil && q.Unpack(b) == nil {
					overTCP(t, conn, answerTo(t, q, good))
				}
			}
			_ = conn.Close()
		}
	}()
	src := &Source{ID: "dot", Operator: "dot", Transport: DoT, RootCAFile: ca, ServerName: "example.com", Addrs: addrOf(l.Addr())}
	c := patientClient(t)
	if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Answered || o.Transport != DoT {
		t.Errorf("%s over %s (%s)", o.Outcome, o.Transport, o.Detail)
	}
	src.ServerName, src.ID = "someone-else.test", "other name"
	if o := ask(t, c, Query{Source: src, Question: shopTXT}); o.Outcome != Network {
		t.Errorf("a certificate of another name gave %s (%s)", o.Outcome, o.Detail)
	}
}
