package spf

// Merge makes one record of several, since a domain may have only one (section 4.5). Their
// mechanisms follow each other in the order of the records; of those that differ in the qualifier
// only the first stays. Its all is the mildest of theirs, but never milder than ~, which lets
// nobody pass and has nobody refused; "-" if they have none. What a record hands to another
// domain with redirect is included instead.
func Merge(records ...Record) Record {
	var out Record
	all := Term{Qualifier: '-', Name: "all"}
	for _, r := range records {
		for _, t := range r.Mechanisms {
			if t.Name != "all" {
				out.include(t)
			} else if t.Qualifier != '-' {
				all.Qualifier = '~'
			}
		}
		for _, t := range r.Modifiers {
			if t.Name == "redirect" {
				out.include(Term{Qualifier: '+', Name: "include", Domain: t.Domain})
			} else if _, had := out.Modifier(t.Name); !had {
				out.Modifiers = append(out.Modifiers, t)
			}
		}
	}
	out.Mechanisms = append(out.Mechanisms, all)
	return out
}

// include adds a mechanism that is not there yet, with whatever qualifier.
func (r *Record) include(t Term) {
	for _, had := range r.Mechanisms {
		if had.Key() == t.Key() {
			return
		}
	}
	r.Mechanisms = append(r.Mechanisms, t)
}
