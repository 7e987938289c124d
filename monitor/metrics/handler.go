package metrics

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// rendered are the series of single records in the forms in which they are asked for, each made once.
type rendered struct {
	// pieces are what is sent, one after the other; known those of them that have lines, by the first.
	pieces []*piece
	known  map[*line]*piece

	mu       sync.Mutex
	families []*dto.MetricFamily
	protobuf *piece
}

// piece is a part of what is sent, and the same as a gzip member, made when somebody wants it.
type piece struct {
	// lines are what it is made of; none for what stands before all lines.
	lines  []*line
	plain  []byte
	zip    sync.Once
	zipped []byte
}

func (p *piece) in(zipped bool) []byte {
	if !zipped {
		return p.plain
	}
	p.zip.Do(func() {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write(p.plain) // into memory, where nothing fails
		_ = z.Close()
		p.zipped = out.Bytes()
	})
	return p.zipped
}

// send writes the series in a form.
func (r *rendered) send(w io.Writer, protobuf, zipped bool) error {
	if r == nil {
		return nil
	}
	pieces := r.pieces
	if protobuf {
		p, err := r.inProtobuf()
		if err != nil {
			return err
		}
		pieces = []*piece{p}
	}
	for _, p := range pieces {
		if _, err := w.Write(p.in(zipped)); err != nil {
			return fmt.Errorf("send series of single records: %w", err)
		}
	}
	return nil
}

func (r *rendered) inProtobuf() (*piece, error) {
	families, err := r.parsed()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.protobuf == nil {
		var out bytes.Buffer
		encoder := expfmt.NewEncoder(&out, expfmt.NewFormat(expfmt.TypeProtoDelim))
		for _, family := range families {
			if err := encoder.Encode(family); err != nil {
				return nil, fmt.Errorf("write %s: %w", family.GetName(), err)
			}
		}
		r.protobuf = &piece{plain: out.Bytes()}
	}
	return r.protobuf, nil
}

// text gives all as one.
func (r *rendered) text() []byte {
	var out []byte
	for _, p := range r.pieces {
		out = append(out, p.plain...)
	}
	return out
}

// parsed gives the series as data.
func (r *rendered) parsed() ([]*dto.MetricFamily, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.families != nil {
		return r.families, nil
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := p.TextToMetricFamilies(bytes.NewReader(r.text()))
	if err != nil {
		return nil, fmt.Errorf("read series of single records: %w", err)
	}
	for _, family := range byName {
		r.families = append(r.families, family)
	}
	slices.SortFunc(r.families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return r.families, nil
}

// Gatherer gives what is registered together with the series of single records, as data. For a scrape Handler is quicker.
func (m *Metrics) Gatherer(registered prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.Gatherers{registered, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		r := m.series.current()
		if r == nil {
			return nil, nil
		}
		return r.parsed()
	})}
}

// Handler answers scrapes: with what is registered, made at each, and the series of single records after it, which are
// kept from scrape to scrape in the form in which they are sent. Both the text format and protobuf are streams of
// families in any order, and so is gzip one of members (RFC 1952 section 2.2).
func (m *Metrics) Handler(registered prometheus.Gatherer) http.Handler {
	first := promhttp.HandlerFor(registered, promhttp.HandlerOpts{DisableCompression: true})
	zippers := sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}
	other := promhttp.HandlerFor(m.Gatherer(registered), promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultAcceptedFormats()...).FormatType()
		if format != expfmt.TypeProtoDelim && format != expfmt.TypeTextPlain {
			other.ServeHTTP(w, r) // people's forms of protobuf
			return
		}
		rest, protobuf := m.series.current(), format == expfmt.TypeProtoDelim
		if !takesGzip(r.Header) {
			first.ServeHTTP(w, r)
			_ = rest.send(w, protobuf, false) // a scraper that has gone away asks again
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := zippers.Get().(*gzip.Writer)
		defer zippers.Put(z)
		z.Reset(w)
		first.ServeHTTP(zipped{w, z}, r)
		_ = z.Close()
		_ = rest.send(w, protobuf, true)
	})
}

// zipped is a response whose body is compressed.
type zipped struct {
	http.ResponseWriter
	to *gzip.Writer
}

func (z zipped) Write(b []byte) (int, error) { return z.to.Write(b) }

// takesGzip says whether whoever asks takes gzip (RFC 9110 section 12.5.3).
func takesGzip(h http.Header) bool {
	for part := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			return strings.ReplaceAll(weight, " ", "") != "q=0"
		}
	}
	return false
}
