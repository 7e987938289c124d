// Package tables keeps what benchmarks measured, as lines of JSON, and shows it to people as tables of Markdown.
//
//	set = append(set, tables.Result{Run: 1, Kind: tables.Asking, Case: "dnsperf", Values: ...})
//	text := set.Markdown()
//	page, err := tables.Replace(page, text)   // between the marks in a document
//
// Each figure is the median of the runs, with the least and the greatest of them. Ratios are taken within each run, where
// both sides met the same machine in the same mood, and only then summed up.
package tables
