package web_test

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/web"
)

func TestABackupThatFailsAtOnceIsAnAnswer(t *testing.T) {
	w := newWorld(t)
	w.history.failAfter = 0
	resp := w.ask(http.MethodGet, "/api/v1/backup", "")
	if resp.Code != http.StatusInternalServerError || resp.Header().Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(resp.Body.String(), "disk on fire") || resp.Header().Get("Content-Disposition") != "" {
		t.Errorf("%d %v %s", resp.Code, resp.Header(), resp.Body)
	}
	if len(w.engine.calls) > 0 {
		t.Errorf("the audit trail has a backup that nobody got: %q", w.engine.calls)
	}
}

// TestABackupThatBreaksOffIsNotTakenForWhole fails after the answer has begun: with
// less than a buffer, so that the headers have not gone out, and with more.
func TestABackupThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	for _, size := range []int{10, 1 << 20} {
		w := newWorld(t)
		w.history.backup, w.history.failAfter = bytes.Repeat([]byte("x"), 2<<20), size
		var got bytes.Buffer
		if n, err := dial(t, serve(t, web.NewServer("", w.handler()))).Backup(t.Context(), &got); err == nil {
			t.Errorf("%d bytes of a broken backup were taken for whole", n)
		}
		if !strings.Contains(w.log.String(), "disk on fire") {
			t.Error("the log does not say why")
		}
	}
}

// TestF149AStreamNobodyReadsIsDropped opens a backup and never reads it.
func TestF149AStreamNobodyReadsIsDropped(t *testing.T) {
	w := newWorld(t)
	w.history.backup = bytes.Repeat([]byte("x"), 64<<20)
	ended := make(chan struct{})
	server := web.NewServer("", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer close(ended)
		w.handler().ServeHTTP(impatient{rw}, r)
	}))
	conn, err := net.Dial("tcp", serve(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /api/v1/backup HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the backup still waits for its reader")
	}
}

// impatient shortens the deadlines that a handler sets to what a test can wait
// for, so that it must set them.
type impatient struct{ http.ResponseWriter }

func (i impatient) SetWriteDeadline(time.Time) error {
	return http.NewResponseController(i.ResponseWriter).SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
}
