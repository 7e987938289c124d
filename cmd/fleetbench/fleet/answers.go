package fleet

import (
	"fmt"
	"strings"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Answers are what the zone says, without a server: for databases that are filled without a sweep. It may be used
// concurrently.
type Answers struct {
	common map[resolve.Question]rrset.Set
}

// Answers gives the answers of the fleet's zone.
func (f Fleet) Answers() (Answers, error) {
	a := Answers{common: map[resolve.Question]rrset.Set{}}
	for _, r := range f.common() {
		if r.Type != rrset.TXT {
			continue // nobody asks for it
		}
		set, err := r.set()
		if err != nil {
			return a, err
		}
		a.common[resolve.Question{Name: r.Name, Type: r.Type}] = set
	}
	return a, nil
}

// Of gives what a resolver would say to a question about a domain.
func (a Answers) Of(d Domain, q resolve.Question) (rrset.Set, error) {
	var data [][]byte
	for _, r := range d.Zone {
		if r.Name != q.Name {
			continue
		}
		set, err := r.set()
		if err != nil {
			return rrset.Set{}, err
		}
		if r.Type == rrset.CNAME && q.Type != rrset.CNAME {
			return a.common[resolve.Question{Name: rrset.Name(strings.TrimSuffix(r.Data, ".")), Type: q.Type}], nil
		}
		if r.Type == q.Type {
			data = append(data, set.Data...)
		}
	}
	if len(data) == 0 {
		return rrset.Set{}, fmt.Errorf("%s is not in the zone", q)
	}
	return rrset.NewSet(q.Type, data...), nil
}

// set gives the record as a set of its own.
func (r Record) set() (rrset.Set, error) {
	if r.Type == rrset.TXT {
		return rrset.Parse(r.Type, strings.ReplaceAll(strings.Trim(r.Data, `"`), `" "`, ""))
	}
	return rrset.Parse(r.Type, r.Data)
}
