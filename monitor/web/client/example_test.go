package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"maildrift/monitor/web/client"
)

// Ask a daemon how a domain stands.
func Example() {
	// A daemon, usually at http://127.0.0.1:9853.
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"name":"notice.example","standing":"drifted","records":[{"key":"spf","standing":"drifted","finding":{"reason":"the mail service may no longer send"}}]}`)
	}))
	defer daemon.Close()

	c, err := client.New(daemon.URL, client.Options{By: "alice"})
	if err != nil {
		panic(err)
	}
	d, err := c.Domain(context.Background(), "notice.example")
	if err != nil {
		panic(err)
	}
	for _, r := range d.Records {
		fmt.Printf("%s %s is %s: %s\n", d.Name, r.Key, r.Standing, r.Finding.Reason)
	}
	// Output: notice.example spf is drifted: the mail service may no longer send
}
