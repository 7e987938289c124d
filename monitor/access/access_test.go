package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/access"
)

var now = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestTokens(t *testing.T) {
	secret, token, err := access.NewToken("grafana", access.Read, "ada", now, now.Add(time.Hour))
	if err != nil || len(secret) != 52 || strings.Contains(token.Hash, secret[4:20]) {
		t.Fatalf("%q %+v %v", secret, token, err)
	}
	if hash, err := access.Hash(" " + secret + "\n"); err != nil || hash != token.Hash {
		t.Errorf("the token is not recognised: %v", err)
	}
	if token.Expired(now.Add(time.Hour-1)) || !token.Expired(now.Add(time.Hour)) {
		t.Error("the token does not end when it should")
	}
	again, other, _ := access.NewToken("x", access.Admin, "", now, time.Time{})
	if again == secret || other.Hash == token.Hash || other.Expired(now.AddDate(100, 0, 0)) {
		t.Error("two tokens are alike, or one without an end has ended")
	}
	for i := range len(secret) {
		typo := []byte(secret)
		if typo[i] ^= 3; typo[i] == secret[i] {
			continue
		}
		if hash, err := access.Hash(string(typo)); err == nil && hash == token.Hash {
			t.Errorf("a token mistyped at %d is the same", i)
		} else if i < 48 && !errors.Is(err, access.ErrMalformed) {
			t.Errorf("a token mistyped at %d is not refused", i)
		}
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	for what, make := range map[string]func() error{
		"no name":   func() error { _, _, err := access.NewToken(" ", access.Read, "", now, time.Time{}); return err },
		"a newline": func() error { _, _, err := access.NewToken("a\nb", access.Read, "", now, time.Time{}); return err },
		"a slash":   func() error { _, _, err := access.NewToken("a/b", access.Read, "", now, time.Time{}); return err },
		"a long name": func() error {
			_, _, err := access.NewToken(strings.Repeat("a", 101), access.Read, "", now, time.Time{})
			return err
		},
		"no scope":     func() error { _, _, err := access.NewToken("a", access.Nobody, "", now, time.Time{}); return err },
		"ended before": func() error { _, _, err := access.NewToken("a", access.Read, "", now, now); return err },
	} {
		if make() == nil {
			t.Errorf("%s is taken", what)
		}
	}
	for _, text := range []string{"", "mdt_", "mdt_AAAA", "ghp_" + strings.Repeat("A", 48), "mdt_" + strings.Repeat("A", 48), strings.Repeat("x", 1<<20)} {
		if _, err := access.Hash(text); !errors.Is(err, access.ErrMalformed) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	var s access.Scope
	for _, text := range []string{"", "nobody", "root"} {
		if s.UnmarshalText([]byte(text)) == nil {
			t.Errorf("scope %q is taken", text)
		}
	}
}

func TestNeeded(t *testing.T) {
	for request, want := range map[string]access.Scope{
		"GET /-/healthy": access.Nobody, "GET /-/ready": access.Nobody, "GET /static/app.js": access.Nobody, "GET /signin": access.Nobody, "POST /signin": access.Nobody,
		"GET /": access.Read, "GET /domains/a.example": access.Read, "GET /metrics": access.Read, "GET /api/v1/status": access.Read, "GET /api/v1/events": access.Read,
		"HEAD /alertmanager/api/v2/alerts": access.Read, "GET /api/v1/openapi.json": access.Read, "GET /nothing": access.Read,
		"POST /api/v1/domains": access.Operate, "POST /api/v1/domains/a.example/check": access.Operate, "DELETE /api/v1/domains/a.example/pause": access.Operate,
		"DELETE /api/v1/domains/a.example/records/spf/change": access.Operate, "POST /domains/a.example/accept": access.Operate,
		"POST /alertmanager/api/v2/silences": access.Operate, "DELETE /alertmanager/api/v2/silence/1": access.Operate, "POST /register": access.Operate,
		"PATCH /nothing": access.Operate, "POST /api/v1/import": access.Operate,
		"DELETE /api/v1/domains/a.example": access.Admin, "POST /domains/a.example/remove": access.Admin, "POST /-/reload": access.Admin,
		"GET /api/v1/backup": access.Admin, "POST /api/v1/compact": access.Admin, "HEAD /api/v1/backup": access.Admin, "GET /api/v1/tokens": access.Admin, "DELETE /api/v1/tokens/x": access.Admin,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := access.Needed(method, path); got != want {
			t.Errorf("%s needs %s, want %s", request, got, want)
		}
	}
}

func TestBy(t *testing.T) {
	for _, row := range []struct{ name, said, want string }{
		{"", "", "api"}, {"", "ada", "ada"}, {"ci", "", "ci"}, {"ci", "ci", "ci"}, {"ci", "ada", "ci (ada)"},
	} {
		if got := (access.Caller{Name: row.name}).By(row.said, "api"); got != row.want {
			t.Errorf("%q saying %q is %q, want %q", row.name, row.said, got, row.want)
		}
	}
}

func FuzzHash(f *testing.F) {
	secret, _, err := access.NewToken("x", access.Read, "", now, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(secret)
	f.Add("mdt_")
	f.Fuzz(func(t *testing.T, text string) {
		if hash, err := access.Hash(text); (err == nil) != (len(hash) == 64) {
			t.Errorf("%q: %q, %v", text, hash, err)
		}
	})
}
