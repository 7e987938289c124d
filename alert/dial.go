package alert

import (
	"context"
	"fmt"
	"net"
	"time"
)

// dialPatiently connects to a receiver. Not every integration ends its request with its context: one whose server
// accepts the connection and never answers would hold up its group, and the other receivers with it, for ever.
func dialPatiently(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: sendTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err //nolint:wrapcheck // is what the transport would get without us
	}
	return boundedConn{c, sendTimeout}, nil
}

// boundedConn is a connection on which an answer comes in time after each write, or not at all.
type boundedConn struct {
	net.Conn
	within time.Duration
}

// Write implements net.Conn.
func (c boundedConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.within)); err != nil {
		return 0, fmt.Errorf("deadline of a connection: %w", err)
	}
	return c.Conn.Write(p) //nolint:wrapcheck // net.Conn's own errors are looked at by type
}
