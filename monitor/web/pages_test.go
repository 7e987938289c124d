package web_test

import (
	"errors"
	"flag"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/web/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (write it anew with -update):\n%s", path, diff)
	}
}

func TestPagesGolden(t *testing.T) {
	for _, row := range []struct{ name, path, file string }{
		{"the overview", "/", "overview.html"},
		{"a search", "/?q=notice&standing=drifted", "search.html"},
		{"a search without a result", "/?q=nothing", "search-empty.html"},
		{"a domain in trouble", "/domains/notice.example", "domain.html"},
		{"a domain where all is well", "/domains/calm.example", "domain-calm.html"},
		{"a domain full of attacks", "/domains/zz-hostile.example", "domain-hostile.html"},
		{"sweeps", "/sweeps", "sweeps.html"},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := populated(t).ask(http.MethodGet, row.path, "")
			if resp.Code != http.StatusOK {
				t.Fatalf("status %d:\n%s", resp.Code, resp.Body)
			}
			golden(t, row.file, resp.Body.String())
		})
	}
	t.Run("nothing is registered", func(t *testing.T) {
		golden(t, "overview-empty.html", newWorld(t).ask(http.MethodGet, "/", "").Body.String())
	})
}

func TestOverviewSaysWhatKeepsItFromSeeing(t *testing.T) {
	w := populated(t)
	w.options.Ready = func() error { return errors.New("the disk is full") }
	w.engine.change(func(s *monitor.Snapshot) {
		s.Self.BlindGroups = map[string]string{"default": "no canary was answered"}
		s.Self.GateSince = now.Add(-time.Minute)
		s.Open = append([]monitor.Incident{}, s.Open...)
		s.Open = append(s.Open, monitor.Incident{Name: monitor.AlertBlind, Opened: now, Facts: monitor.Facts{Reason: "no canary was answered"}})
	})
	body := w.ask(http.MethodGet, "/", "").Body.String()
	for _, want := range []string{"the disk is full", "Schedule default is blind", "no canary was answered", "Changes are held back"} {
		if !strings.Contains(body, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	blind, record := strings.Index(body, "maildrift cannot see"), strings.Index(body, "says something else")
	if blind < 0 || record < 0 || blind > record {
		t.Error("that maildrift is blind must come before what it believes about records")
	}
}

func TestWorstImpactComesFirst(t *testing.T) {
	body := populated(t).ask(http.MethodGet, "/", "").Body.String()
	rejected, weakened := strings.Index(body, "receivers refuse mail"), strings.Index(body, "protection is lost")
	if rejected < 0 || weakened < 0 || rejected > weakened {
		t.Errorf("rejected mail at %d, weakened protection at %d", rejected, weakened)
	}
}

func TestPagesThatAreNotThere(t *testing.T) {
	w := populated(t)
	for _, row := range []struct {
		name, path string
		want       int
	}{
		{"a domain nobody registered", "/domains/other.example", http.StatusNotFound},
		{"what is no domain name", "/domains/a..b", http.StatusNotFound},
		{"another page", "/nothing", http.StatusNotFound},
		{"another file", "/static/nothing.css", http.StatusNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			if resp := w.ask(http.MethodGet, row.path, ""); resp.Code != row.want {
				t.Errorf("status %d, want %d:\n%s", resp.Code, row.want, resp.Body)
			}
		})
	}
	w.history.fail = errors.New("page 17 is torn")
	if resp := w.ask(http.MethodGet, "/domains/calm.example", ""); resp.Code != http.StatusInternalServerError || !strings.Contains(w.log.String(), "page 17 is torn") {
		t.Errorf("a history that cannot be read: %d\n%s", resp.Code, w.log)
	}
}

// TestF131HostileBytesAreInert parses every page as a browser does and looks for
// anything that an attacker's text could have become.
func TestF131HostileBytesAreInert(t *testing.T) {
	w := populated(t)
	for _, path := range []string{"/", "/domains/zz-hostile.example", "/?q=%3Cscript%3E%22%1b%e2%80%ae&cursor=%3Cscript%3E", "/domains/%3Cscript%3E",
		"/?service=%3Cscript%3E&label=%1b%22%3E", "/alerts", "/history", "/register?domain=%3Cscript%3E%1b&service=directmail&param.region=%22%3E%3Cscript%3E",
		"/domains/zz-hostile.example?record=%3Cscript%3E&since=%1b", "/domains/notice.example?done=%3Cscript%3E"} {
		body := w.ask(http.MethodGet, path, "").Body.String()
		for _, bad := range []string{"\x1b", "\u202e", "\x00", "<script>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
		doc, err := html.Parse(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if n.Data == "script" && n.FirstChild == nil && len(n.Attr) == 2 && n.Attr[0].Key == "src" && strings.HasPrefix(n.Attr[0].Val, "/static/") {
				continue // one of our own
			}
			if n.Data == "script" || n.Data == "iframe" || n.Data == "img" || n.Data == "object" || n.Data == "style" {
				t.Errorf("%s has an element %s", path, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.ToLower(a.Val), "javascript:") {
					t.Errorf("%s has %s %s=%q", path, n.Data, a.Key, a.Val)
				}
			}
		}
	}
	if body := w.ask(http.MethodGet, "/domains/zz-hostile.example", "").Body.String(); strings.Count(body, "alert(1)") < 10 {
		t.Error("the page does not show what strangers wrote, so nothing was tested")
	}
}

// TestPagesLoadNothingFromElsewhere looks at what a browser would fetch by itself.
func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	w := populated(t)
	for _, path := range []string{"/", "/domains/notice.example", "/register", "/resolvers", "/sweeps", "/alerts", "/history"} {
		doc, err := html.Parse(w.ask(http.MethodGet, path, "").Body)
		if err != nil {
			t.Fatal(err)
		}
		loaded := 0
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				if a.Key != "src" && (a.Key != "href" || n.Data != "link") {
					continue
				}
				loaded++
				if resp := w.ask(http.MethodGet, a.Val, ""); !strings.HasPrefix(a.Val, "/") || resp.Code != http.StatusOK {
					t.Errorf("%s loads %s: %d", path, a.Val, resp.Code)
				}
			}
		}
		if loaded == 0 {
			t.Errorf("%s loads no style sheet", path)
		}
	}
}

func TestListGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t)
	for i := range 250 {
		w.engine.register(monitor.Spec{Domain: strings.Repeat("a", i%50+1) + string(rune('a'+i/50)) + ".example", Service: "directmail"}, monitor.Origin{})
	}
	seen := map[string]bool{}
	path, pages := "/", 0
	for path != "" {
		doc, err := html.Parse(w.ask(http.MethodGet, path, "").Body)
		if err != nil {
			t.Fatal(err)
		}
		path = ""
		pages++
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				if n.Data == "a" && a.Key == "href" && strings.HasPrefix(a.Val, "/domains/") {
					seen[a.Val] = true
				}
				if n.Data == "a" && a.Key == "rel" && a.Val == "next" {
					path, _, _ = strings.Cut(href(n), "#")
				}
			}
		}
	}
	if pages != 3 || len(seen) != 250 {
		t.Errorf("%d domains on %d pages", len(seen), pages)
	}
}

func href(n *html.Node) string {
	for _, a := range n.Attr {
		if a.Key == "href" {
			return a.Val
		}
	}
	return ""
}

func TestPlannedWorkIsShown(t *testing.T) {
	w := populated(t)
	c, ctx := connect(t, w), t.Context()
	if _, err := c.Pause(ctx, "notice.example", wire.Pause{Until: "2h", Why: "the zone <moves>"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expect(ctx, "notice.example", "spf", wire.Announcement{Value: []string{"v=spf1 <b> -all"}, Until: "6h", Why: "new"}); err != nil {
		t.Fatal(err)
	}
	page := w.ask(http.MethodGet, "/domains/notice.example", "").Body.String()
	for _, want := range []string{
		"All of it is paused until 2026-03-14 14:00:00 UTC", "the zone &lt;moves&gt;",
		"A change is announced: until 2026-03-14 18:00:00 UTC both values hold", "v=spf1 &lt;b&gt; -all",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestResolversGolden has one that answers, one that has no vote and is silent besides, one that is silent and one that was not
// asked yet.
func TestResolversGolden(t *testing.T) {
	w := populated(t)
	w.engine.change(func(s *monitor.Snapshot) {
		for _, name := range []string{"gone", "new"} {
			s.Sources = append(s.Sources, &resolve.Source{ID: name, Operator: resolve.Operator(name), Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}})
		}
	})
	w.options.Health = func() []health.Source {
		asked := health.Slot{Start: now.Add(-time.Hour), Asked: 60, Evidence: 59, Lost: 1, Median: 20 * time.Millisecond, P99: time.Second}
		withheld := health.Slot{Start: now.Add(-time.Hour), Withheld: 60}
		probed := health.Slot{Start: now.Add(-time.Hour), Asked: 8, Lost: 8, Withheld: 52}
		return []health.Source{
			{ID: health.Authority, Last: now, Heard: now, Hour: asked},
			{ID: "google", Last: now, Heard: now, Hour: asked, Slots: []health.Slot{asked}},
			{ID: "quad9", Last: now, Heard: now.Add(-2 * time.Hour), LeftAlone: now.Add(-time.Hour), Hour: withheld, Slots: []health.Slot{withheld}},
			{ID: "gone", Last: now, LeftAlone: now.Add(-time.Minute), Hour: probed, Slots: []health.Slot{probed}},
		}
	}
	golden(t, "resolvers.html", w.ask(http.MethodGet, "/resolvers", "").Body.String())
}

// TestSweepsThatDoNotFitAreSaid: in numbers, and with what would help.
func TestSweepsThatDoNotFitAreSaid(t *testing.T) {
	w := populated(t)
	page := w.ask(http.MethodGet, "/sweeps", "").Body.String()
	for _, want := range []string{
		`<div class="banner bad"><p>default: a sweep cannot finish in its interval of 15m: 30000 questions asked of google at 20 a second take 25m`,
		"<li>sweep every 30m (schedules): then a sweep takes 25m</li>", `<th scope="col" data-column="spared">Spared</th>`, "<td>12</td><td>30</td><td>5</td><td>1</td>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "skipped") {
		t.Error("the page speaks of skipped sweeps, and there are none")
	}
	w.engine.change(func(s *monitor.Snapshot) {
		s.Skipped = map[string]monitor.Skips{"default": {Times: 2, Last: now.Add(-time.Hour)}}
		load := s.Estimates["default"].Load
		load.Interval = time.Hour
		s.Estimates = map[string]pace.Estimate{"default": load.Estimate()}
	})
	page = w.ask(http.MethodGet, "/sweeps", "").Body.String()
	if want := `<p class="meta">default: a sweep fits into its interval of 1h: `; !strings.Contains(page, want) || strings.Contains(page, "banner bad") {
		t.Errorf("the page lacks %q, or complains", want)
	}
	if want := `<p class="meta">default: 2 sweeps were skipped since the start, the last one at `; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
	if strings.Contains(page, "being swept") {
		t.Error("the page speaks of a sweep that runs, and there is none")
	}
	w.engine.change(func(s *monitor.Snapshot) {
		s.Skipped = map[string]monitor.Skips{"default": {Times: 3, Last: now.Add(-time.Minute)}}
		s.Sweeping = map[string]monitor.Progress{"default": {Started: now.Add(-4 * time.Minute), Domains: 1000, Done: 250, Stages: 4, Over: 1, Takes: 10 * time.Minute}}
	})
	page = w.ask(http.MethodGet, "/sweeps", "").Body.String()
	if want := `<div class="banner bad"><p>default: 3 sweeps were skipped since the start, the last one at `; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
	if want := `<p class="meta">default is being swept for 4m, since 2026-03-14 11:56 UTC: 250 of 1000 domains are done; about 6m left by the estimate.</p>`; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
	status, err := connect(t, w).Status(t.Context())
	want := wire.Sweeping{Started: now.Add(-4 * time.Minute), Domains: 1000, Done: 250, Stages: 4, StagesDone: 1, TakesSeconds: 600, LeftSeconds: 360}
	if err != nil || len(status.Groups) != 1 || status.Groups[0].Sweeping == nil || *status.Groups[0].Sweeping != want {
		t.Errorf("%v: the API's status says %+v, want %+v", err, status.Groups, want)
	}
}
