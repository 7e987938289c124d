package mailrec

// otherText is the kind of TXT records that are none of the others.
type otherText struct{}

func (otherText) kind() Kind { return TXT }

// mine takes all but SPF records, which have their own kind wherever they are.
func (otherText) mine(text []byte) bool { return !spfDialect{}.is(text) }

// replaces: whatever is at the name instead of a lost value has replaced it, if
// it has the same name or none.
func (otherText) replaces(came, lost string) bool { return ownership{}.replaces(came, lost) }

func (otherText) narrow() bool { return false }

// lostImpact: nothing is known about what the text is for.
func (otherText) lostImpact() Impact { return None }
