package alert

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func TestTrialReportsEachReceiversAnswer(t *testing.T) {
	good, bad := newOncall(t), newOncall(t)
	bad.answers(http.StatusForbidden)
	broken := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(broken.Close)
	cfg := parse(t, fmt.Sprintf(`
route:
  receiver: good
  routes: [{receiver: several, matchers: [severity="critical"]}]
receivers:
- {name: good, webhook_configs: [{url: %[1]q}]}
- {name: several, webhook_configs: [{url: %[1]q}, {url: %[2]q}, {url: %[3]q}]}
`, good.URL, bad.URL, broken.URL))
	e := start(t, Options{}, cfg)
	if id := mute(t, e, `domain="test.example"`, time.Hour); id == "" {
		t.Fatal("not muted")
	}
	told := func(trials []Trial) (out []string) {
		for _, x := range trials {
			out = append(out, fmt.Sprintf("%s %s %v", x.Receiver, x.Integration, x.Err == nil))
			if x.Err != nil && strings.Contains(x.Err.Error(), "127.0.0.1") {
				t.Errorf("the error holds an address: %v", x.Err)
			}
		}
		return out
	}
	trials, err := e.Try(t.Context(), "", words.Sample(Warning, time.Now()))
	if got := told(trials); err != nil || !slices.Equal(got, []string{"good webhook[0] true"}) {
		t.Errorf("a warning: %q, %v", got, err)
	}
	if got := good.told(); !slices.Equal(got, []string{"firing: test.example=firing", "resolved: test.example=resolved"}) {
		t.Errorf("the receiver heard %q", got)
	}
	trials, err = e.Try(t.Context(), "", words.Sample(Critical, time.Now()))
	if got := told(trials); err != nil || !slices.Equal(got, []string{"several webhook[0] true", "several webhook[1] false", "several webhook[2] false"}) {
		t.Errorf("a critical one: %q, %v", got, err)
	}
	if !strings.Contains(trials[1].Err.Error(), "403") {
		t.Errorf("403 is told as %v", trials[1].Err)
	}
	if _, err = e.Try(t.Context(), "nobody", words.Sample(Warning, time.Now())); !errors.Is(err, ErrNoReceiver) || !strings.Contains(err.Error(), "good, several") {
		t.Errorf("an unknown receiver: %v", err)
	}
	if firing := e.Firing(); len(firing) != 0 {
		t.Errorf("left over: %+v", firing)
	}
}

func TestTrialWithoutADaemon(t *testing.T) {
	o := newOncall(t)
	e, err := NewEngine(Options{}, swift(t, o, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	trials, err := e.Try(t.Context(), "oncall", words.Sample(Warning, time.Now()))
	if err != nil || len(trials) != 1 || trials[0].Err != nil || len(o.told()) != 2 {
		t.Errorf("%+v, %v, heard %q", trials, err, o.told())
	}
}

func TestASampleSaysThatItIsOne(t *testing.T) {
	a := words.Sample(Critical, noon)
	if a.Labels[TrialLabel] != "true" || a.Labels["severity"] != Critical || !strings.HasPrefix(a.Annotations["summary"], "TEST") ||
		!strings.HasPrefix(a.Annotations["description"], "TEST") || a.Labels[model.AlertNameLabel] != "RecordMissing" {
		t.Errorf("%+v", a)
	}
}
