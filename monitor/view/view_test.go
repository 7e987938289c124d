package view_test

import (
	"slices"
	"testing"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

func TestSettleAsksWhatAJudgementMissesRoundByRound(t *testing.T) {
	world := map[rrset.Name]view.Answer{
		"a.example": {Status: view.Found, Chain: []rrset.Name{"b.example"}},
		"b.example": {Status: view.NXDomain},
	}
	var asked [][]view.Question
	var book view.Book
	var last view.Answer
	done := view.Settle(&book, func(v view.View) {
		if a := v.Look(view.Question{Name: "a.example", Type: rrset.TXT}); a.Status == view.Found {
			last = v.Look(view.Question{Name: a.Chain[0], Type: rrset.TXT})
		}
		v.Look(view.Question{Name: "c.example", Type: rrset.MX})
	}, func(qs []view.Question) {
		asked = append(asked, qs)
		for _, q := range qs {
			if a, ok := world[q.Name]; ok {
				book.Put(q, a)
			}
		}
	})
	if !done || last.Status != view.NXDomain || !last.Status.Absent() {
		t.Errorf("settled %v with %v", done, last.Status)
	}
	want := [][]view.Question{
		{{Name: "a.example", Type: rrset.TXT}, {Name: "c.example", Type: rrset.MX}},
		{{Name: "b.example", Type: rrset.TXT}},
	}
	if !slices.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	if a := book.Look(view.Question{Name: "c.example", Type: rrset.MX}); a.Status != view.Failed {
		t.Errorf("a question that was not answered is %s", a.Status)
	}
}

func TestSettleGivesUpOnAJudgementThatNeverEnds(t *testing.T) {
	var book view.Book
	name := rrset.Name("x")
	if view.Settle(&book, func(v view.View) {
		name = name[:1] + rrset.Name(string(rune('a'+len(name)%26))) + name[1:]
		v.Look(view.Question{Name: name, Type: rrset.A})
	}, func([]view.Question) {}) {
		t.Error("it settled")
	}
}
