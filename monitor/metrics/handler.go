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
	text []byte

	mu       sync.Mutex
	families []*dto.MetricFamily
	forms    map[form][]byte
}

// form is how a scraper wants to have it.
type form struct{ protobuf, zipped bool }

// in gives the series in a form.
func (r *rendered) in(f form) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if f == (form{}) {
		return r.text, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if out, ok := r.forms[f]; ok {
		return out, nil
	}
	var out bytes.Buffer
	if err := r.write(&out, f); err != nil {
		return nil, fmt.Errorf("write series of single records: %w", err)
	}
	if r.forms == nil {
		r.forms = map[form][]byte{}
	}
	r.forms[f] = out.Bytes()
	return out.Bytes(), nil
}

// write makes a form. The caller holds mu.
func (r *rendered) write(to io.Writer, f form) error {
	if f.zipped {
		z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
		if err != nil {
			return err
		}
		defer func() { _ = z.Close() }() // into memory, where nothing fails
		to = z
	}
	if !f.protobuf {
		_, err := to.Write(r.text)
		return err
	}
	families, err := r.parsed()
	if err != nil {
		return err
	}
	encoder := expfmt.NewEncoder(to, expfmt.NewFormat(expfmt.TypeProtoDelim))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

// parsed gives the series as data. The caller holds mu.
func (r *rendered) parsed() ([]*dto.MetricFamily, error) {
	if r.families != nil {
		return r.families, nil
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := p.TextToMetricFamilies(bytes.NewReader(r.text))
	if err != nil {
		return nil, err
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
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.parsed()
	})}
}

// Handler answers scrapes: with what is registered, made at each, and the series of single records after it, which are
// kept from scrape to scrape in the form in which they are sent. Both the text format and protobuf are streams of
// families in any order, and so is gzip one of members (RFC 1952 section 2.2).
func (m *Metrics) Handler(registered prometheus.Gatherer) http.Handler {
	first := promhttp.HandlerFor(registered, promhttp.HandlerOpts{DisableCompression: true})
	other := promhttp.HandlerFor(m.Gatherer(registered), promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		format := expfmt.Negotiate(r.Header).FormatType()
		if format != expfmt.TypeProtoDelim && format != expfmt.TypeTextPlain {
			other.ServeHTTP(w, r) // people's forms of protobuf
			return
		}
		f := form{protobuf: format == expfmt.TypeProtoDelim, zipped: takesGzip(r.Header)}
		rest, err := m.series.current().in(f)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if !f.zipped {
			first.ServeHTTP(w, r)
			_, _ = w.Write(rest) // a scraper that has gone away asks again
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		first.ServeHTTP(zipped{w, z}, r)
		_ = z.Close()
		_, _ = w.Write(rest)
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
