package terminal_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/cmd/terminal"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTable(t *testing.T) {
	columns := []terminal.Column{{Title: "Domain", Flexible: true, Least: 10}, {Title: "Stands"}, {Title: "Note", Flexible: true, Least: 5}}
	rows := [][]terminal.Cell{
		{terminal.Text("notice.example"), {Text: "holding", Colour: terminal.Green}, terminal.Text("")},
		{terminal.Text("邮件.例子"), {Text: "missing", Colour: terminal.Red}, terminal.Text("a note that is long")},
	}
	for _, row := range []struct {
		name  string
		width int
		env   func(string) string
		want  string
	}{
		{"in a pipe nothing is cut", 0, env(), "" +
			"Domain          Stands   Note\n" +
			"notice.example  holding\n" +
			"邮件.例子       missing  a note that is long\n"},
		{"a narrow terminal", 30, env(), "" +
			"Domain      Stands   Note\n" +
			"notice.ex…  holding\n" +
			"邮件.例子   missing  a note t…\n"},
		{"one that is too narrow", 10, env(), "" +
			"Domain      Stands   Note\n" +
			"notice.ex…  holding\n" +
			"邮件.例子   missing  a no…\n"},
		{"colours", 0, env("FORCE_COLOR", "1"), "" +
			"\x1b[2mDomain        \x1b[0m  \x1b[2mStands \x1b[0m  \x1b[2mNote\x1b[0m\n" +
			"notice.example  \x1b[32mholding\x1b[0m\n" +
			"邮件.例子       \x1b[31mmissing\x1b[0m  a note that is long\n"},
		{"no colours", 0, env("FORCE_COLOR", "1", "NO_COLOR", "1"), "" +
			"Domain          Stands   Note\n" +
			"notice.example  holding\n" +
			"邮件.例子       missing  a note that is long\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			s := terminal.New(&out, row.env)
			s.Width = row.width
			s.Table(columns, rows)
			if got := out.String(); got != row.want || s.Err != nil {
				t.Errorf("got\n%s\nwant\n%s\n%v", got, row.want, s.Err)
			}
		})
	}
}

func TestWriteYAMLHasTheNamesAndOrderOfJSON(t *testing.T) {
	v := struct {
		Zebra string   `json:"zebra"`
		Apple []string `json:"apple"`
		None  []string `json:"none"`
		Deep  any      `json:"deep"`
	}{"yes", []string{"v=spf1 -all", "a: b", "", "1"}, []string{}, map[string]any{"n": 1.5, "t": true, "x": nil}}
	var out strings.Builder
	if err := terminal.Write(&out, "yaml", v); err != nil {
		t.Fatal(err)
	}
	want := "zebra: \"yes\"\napple:\n  - v=spf1 -all\n  - 'a: b'\n  - \"\"\n  - \"1\"\nnone: []\ndeep:\n  \"n\": 1.5\n  t: true\n  x: null\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// screen is a terminal for tests.
type screen struct{ bytes.Buffer }

func (*screen) ShowsProgress() {}

func TestProgress(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var out screen
	p := terminal.NewProgress(&out, "import", 200, terminal.Count("domains"), func() time.Time { return now })
	for i := range 5 {
		now = now.Add(time.Second)
		p.Set(int64(i*50), 200)
	}
	p.Set(200, 200) // too soon to be drawn anew
	p.End()
	frames := strings.Split(out.String(), "\r")
	want := []string{
		"", "import [..............................]   0 % of 200 domains", "import [#######.......................]  25 % of 200 domains, 6s left",
		"import [###############...............]  50 % of 200 domains, 3s left",
	}
	for i, w := range want {
		if strings.TrimRight(frames[i], " ") != w {
			t.Errorf("frame %d: %q, want %q", i, frames[i], w)
		}
	}
	if len(frames) != 8 || strings.TrimSpace(frames[6]) != "" {
		t.Errorf("%d frames, the last %q", len(frames), frames[len(frames)-2:])
	}
	var pipe bytes.Buffer
	silent := terminal.NewProgress(&pipe, "backup", 0, terminal.Bytes, nil)
	if _, err := silent.Write(make([]byte, 1<<20)); err != nil || pipe.Len() > 0 {
		t.Errorf("a pipe is shown %q, %v", pipe.String(), err)
	}
}

func TestWhatIsWrittenBesideStandsAbove(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var out screen
	p := terminal.NewProgress(&out, "sweep", 2, terminal.Count("records"), func() time.Time { now = now.Add(time.Second); return now })
	log := p.Beside(&out)
	write := func(s string) {
		if _, err := log.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	write("before\n")
	p.Set(1, 2)
	write("while\n")
	p.End()
	write("after\n")
	p.Set(2, 2)
	bar := "sweep [###############...............]  50 % of 2 records"
	var lines []string
	for _, part := range strings.Split(out.String(), "\r") {
		if part = strings.TrimSpace(part); part != "" {
			lines = append(lines, strings.SplitN(part, ", ", 2)[0])
		}
	}
	if want := []string{"before", bar, "while", bar, "after"}; !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 3 << 29: "1.5 GiB", 1 << 62: "4.0 EiB"} {
		if got := terminal.Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
