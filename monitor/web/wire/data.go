package wire

import "maildrift/monitor/rrset"

// Data is the data of one RRset.
type Data struct {
	Type rrset.Type `json:"type" doc:"RR type, for example TXT"`
	// Lines is for people: one line a record, TXT strings joined.
	Lines []string `json:"lines" nullable:"false" doc:"One line a record for people; unprintable bytes are escaped"`
	// Exact is the RDATA of each record, in the order in which rrset sorts.
	Exact [][]byte `json:"data" nullable:"false" doc:"Exact RDATA of each record in wire format, base64"`
}

// DataOf gives a set, or nil for an empty one.
func DataOf(s rrset.Set) *Data {
	if s.Empty() {
		return nil
	}
	return &Data{Type: s.Type, Lines: s.Lines(), Exact: s.Data}
}
