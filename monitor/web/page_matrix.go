package web

import (
	"cmp"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/web/wire"
)

// matrix is what each source says about each record of a domain.
type matrix struct {
	Sources []matrixSource
	Rows    []matrixRow
}

type matrixSource struct {
	Name, Operator string
	Authority      bool
}

type matrixRow struct {
	Key      string
	Standing wire.Standing
	Cells    []matrixCell
}

// matrixCell is what one source says about one record; Vote is nil if it was not asked.
type matrixCell struct {
	Vote *monitor.SourceVote
	// Expires is when the cache that answered drops it; zero for the zone's own servers and for failures.
	Expires time.Time
}

// matrixOf puts the votes of a domain's records side by side, the zone's own servers first.
func matrixOf(d wire.Domain) matrix {
	var m matrix
	at := map[string]int{}
	for _, r := range d.Records {
		for _, v := range r.Votes {
			if _, ok := at[v.Source]; !ok {
				at[v.Source] = 0
				m.Sources = append(m.Sources, matrixSource{v.Source, string(v.Operator), v.Authority})
			}
		}
	}
	slices.SortFunc(m.Sources, func(a, b matrixSource) int {
		return cmp.Or(cmp.Compare(rank(a.Authority), rank(b.Authority)), cmp.Compare(a.Name, b.Name))
	})
	for i, s := range m.Sources {
		at[s.Name] = i
	}
	for _, r := range d.Records {
		row := matrixRow{Key: r.Key, Standing: r.Standing, Cells: make([]matrixCell, len(m.Sources))}
		for i := range r.Votes {
			v := &r.Votes[i]
			cell := matrixCell{Vote: v}
			if v.Stand != judge.Unheard && v.Stand != judge.Abstains && !v.Authority {
				cell.Expires = v.At.Add(time.Duration(v.TTL) * time.Second)
			}
			row.Cells[at[v.Source]] = cell
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}

func rank(authority bool) int {
	if authority {
		return 0
	}
	return 1
}
