// Package client speaks to a running maildrift over its API.
//
//	c, err := client.New("http://127.0.0.1:9853", client.Options{})
//	d, err := c.Domain(ctx, "notice.example.com")
//
// Every call takes a context, and is one request unless it says otherwise. What the daemon
// refuses comes back as *[Error], which reads as a sentence and answers errors.Is for
// monitor.ErrNotFound; that nobody answers comes back as *[Unreachable].
//
// A Client may be used by several goroutines.
package client
