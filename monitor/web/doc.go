// Package web is maildrift's face over HTTP: pages for people, the API under
// /api/v1 for programs, and what operators expect of a daemon (/metrics, /-/healthy, /-/ready,
// POST /-/reload).
//
// The usual sequence is
//
//	handler, err := web.New(web.Options{Engine: engine, History: store, ...})
//	server := web.NewServer(addr, handler)
//
// The API is described by the OpenAPI 3.1 document at /api/v1/openapi.json, which is made
// from the code; its JSON is that of package wire, its errors are problems as RFC 9457 has
// them. Package client speaks it.
//
// Who comes in is decided by tokens with scopes (package access), or by whoever serves the handler; without either
// whoever reaches the address may do everything, so it should be a loopback one then, and browsers are kept from being
// used against it: requests must name a known host (DNS rebinding), what changes something must not come from another
// site (Fetch Metadata, see http.CrossOriginProtection), pages run no script but our own and load nothing from elsewhere
// (CSP).
//
// The handler may be used from any number of goroutines. What it shows comes from the
// engine's snapshots, so no page waits for a sweep.
package web
