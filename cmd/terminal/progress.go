package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// redrawEvery is the least time between two pictures of a bar.
const redrawEvery = 100 * time.Millisecond

// Progress shows on a terminal how far work has come, in one line that is drawn anew; elsewhere it shows nothing. It may
// be used from any number of goroutines.
type Progress struct {
	out  io.Writer
	what string
	unit func(n int64) string
	now  func() time.Time

	mu    sync.Mutex
	done  int64
	of    int64
	began time.Time
	drawn time.Time
	wide  int
}

// NewProgress begins to show work. Of is how much there is, 0 if nobody knows; unit writes an amount. Out should be
// standard error. Now is the clock; nil means time.Now.
func NewProgress(out io.Writer, what string, of int64, unit func(int64) string, now func() time.Time) *Progress {
	if now == nil {
		now = time.Now
	}
	if !Terminal(out) {
		if _, shown := out.(interface{ ShowsProgress() }); !shown {
			out = nil
		}
	}
	return &Progress{out: out, what: what, of: of, unit: unit, now: now, began: now()}
}

// Set says how much is done, and of how much.
func (p *Progress) Set(done, of int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.of = done, of
	p.draw(false)
}

// Write counts bytes, so that a Progress can stand beside a writer in an io.MultiWriter, or behind an io.TeeReader.
func (p *Progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(len(b))
	p.draw(false)
	return len(b), nil
}

// Shown says whether anybody sees it.
func (p *Progress) Shown() bool { return p.out != nil }

// End takes the line away, for good.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.out = nil
}

// clear takes the line away. The caller holds mu.
func (p *Progress) clear() {
	if p.out != nil && p.wide > 0 {
		fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", p.wide))
		p.wide = 0
	}
}

// Beside gives a writer to the same terminal: what is written there, whole lines at a time, stands above the line that
// shows the progress.
func (p *Progress) Beside(w io.Writer) io.Writer { return beside{p, w} }

type beside struct {
	progress *Progress
	out      io.Writer
}

// Write writes lines.
func (b beside) Write(text []byte) (int, error) {
	p := b.progress
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.wide > 0
	p.clear()
	n, err := b.out.Write(text)
	if shown {
		p.draw(true)
	}
	return n, err
}

// draw draws the line. The caller holds mu.
func (p *Progress) draw(always bool) {
	now := p.now()
	if p.out == nil || !always && now.Sub(p.drawn) < redrawEvery {
		return
	}
	p.drawn = now
	line := p.line(now.Sub(p.began))
	fill := max(p.wide-Width(line), 0)
	fmt.Fprintf(p.out, "\r%s%s", line, strings.Repeat(" ", fill))
	p.wide = Width(line)
}

// line is what is shown after that long.
func (p *Progress) line(took time.Duration) string {
	if p.of <= 0 {
		return fmt.Sprintf("%s %s", p.what, p.unit(p.done))
	}
	const width = 30
	share := min(float64(p.done)/float64(p.of), 1)
	full := int(share * width)
	left := ""
	if share > 0.01 && share < 1 && took > time.Second {
		left = ", " + time.Duration(float64(took)*(1-share)/share).Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("%s [%s%s] %3.0f %% of %s%s", p.what, strings.Repeat("#", full), strings.Repeat(".", width-full), 100*share, p.unit(p.of), left)
}

// Bytes writes an amount of bytes.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, "KMGTPE"
	i := 0
	for ; value >= unit && i < len(names)-1; i++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %ciB", value, names[i])
}

// Count gives a unit that counts things.
func Count(things string) func(int64) string {
	return func(n int64) string { return fmt.Sprintf("%d %s", n, things) }
}
