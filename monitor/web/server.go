package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

const (
	// writeWithin is how long a response may take to be written; streams renew it
	// as long as they are read.
	writeWithin = time.Minute
	// bodyWithin is how long a request's body may take.
	bodyWithin = 30 * time.Second
	// checkWithin is how long a check of a domain may take, confirmations included.
	checkWithin = 10 * time.Minute
)

// NewServer makes a server whose limits keep slow and greedy clients from
// using it up. Bodies are limited by the handler that New makes.
func NewServer(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: handler,
		// No ReadTimeout: its end would also end the context of a request that
		// takes long to answer. The handler bounds the reading of bodies.
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      writeWithin,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// Loopback says whether an address to listen on can be reached from this machine only. Of names only localhost is known
// to be such.
func Loopback(addr string) (bool, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("listen address %q: %w; write it as 127.0.0.1:9853", addr, err)
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback(), nil
}
