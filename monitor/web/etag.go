package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// etagged lets clients ask whether an answer of the API is still the same (RFC 9110 section 13.1.2). What is not JSON is
// left alone: it may be long, or never end.
func etagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.HasPrefix(r.URL.Path, apiPrefix+"/") {
			next.ServeHTTP(w, r)
			return
		}
		kept := &keptBack{ResponseWriter: w}
		next.ServeHTTP(kept, r)
		kept.release(r)
	})
}

// keptBack keeps the body of a JSON answer back until it is whole.
type keptBack struct {
	http.ResponseWriter
	status int
	keeps  bool
	body   []byte
}

// WriteHeader decides whether the answer is kept back.
func (k *keptBack) WriteHeader(status int) {
	if k.status != 0 {
		return
	}
	k.status = status
	if k.keeps = status == http.StatusOK && k.Header().Get("Content-Type") == "application/json"; !k.keeps {
		k.ResponseWriter.WriteHeader(status)
	}
}

// Write keeps a part of the body back, or sends it.
func (k *keptBack) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if !k.keeps {
		return k.ResponseWriter.Write(b)
	}
	k.body = append(k.body, b...)
	return len(b), nil
}

// Unwrap lets http.ResponseController set deadlines and flush.
func (k *keptBack) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// release sends what was kept back, or only that it is what the client has.
func (k *keptBack) release(r *http.Request) {
	if !k.keeps {
		return
	}
	sum := sha256.Sum256(k.body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	h := k.Header()
	h.Set("ETag", tag)
	// The client must ask each time, and may keep what it has for that.
	h.Set("Cache-Control", "private, no-cache")
	if matches(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Type")
		h.Del("Content-Length")
		k.ResponseWriter.WriteHeader(http.StatusNotModified)
		return
	}
	k.ResponseWriter.WriteHeader(http.StatusOK)
	k.ResponseWriter.Write(k.body) //nolint:errcheck // the client's loss
}

// matches compares weakly, as If-None-Match wants it.
func matches(header, tag string) bool {
	for want := range strings.SplitSeq(header, ",") {
		if want = strings.TrimSpace(want); want == "*" || strings.TrimPrefix(want, "W/") == tag {
			return true
		}
	}
	return false
}
