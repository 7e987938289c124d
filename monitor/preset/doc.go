// Package preset knows what mail services want their customers to publish. A
// preset is data: a YAML file that lists records with placeholders, of which a sending
// domain and a few parameters make expectations and lines to copy into a zone.
//
// The usual sequence is
//
//	presets, err := preset.Load(configs.Presets)         // or any fs.FS with *.yml
//	p, err := presets.Get("directmail")
//	expected, err := p.Expand("notice.example.com", params)
//
// Values that only the service knows (a DKIM key, an ownership token) are
// parameters. Where one is not given, the record is taken as it is when it is verified, so
// that nobody has to paste keys.
//
// A [Set] does not change after Load and may be shared between goroutines.
package preset
