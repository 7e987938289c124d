package mailrec

import (
	"strings"
	"testing"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// txtWorld is a view of TXT records by name, one text a line. "!" makes a name time out; names below
// "nowhere" do not exist.
type txtWorld map[rrset.Name]string

func (w txtWorld) Look(q view.Question) view.Answer {
	text, ok := w[q.Name]
	switch {
	case text == "!":
		return view.Answer{Status: view.Failed, Detail: "timeout"}
	case ok && q.Type == rrset.TXT:
		set, err := rrset.Parse(rrset.TXT, strings.Split(text, "\n")...)
		if err != nil {
			panic(err)
		}
		return view.Answer{Status: view.Found, Set: set}
	case strings.HasPrefix(string(q.Name), "nowhere."):
		return view.Answer{Status: view.NXDomain}
	}
	return view.Answer{Status: view.NoData}
}

func TestDiscoverDMARC(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		world                txtWorld
		author               rrset.Name
		applied, tag         string
		at, org              rrset.Name
		applied7489, problem string
	}{
		{
			"its own record", txtWorld{"_dmarc.a.example.com": "v=DMARC1; p=reject", "_dmarc.example.com": "v=DMARC1; p=none"}, "a.example.com",
			"reject", "p", "a.example.com", "example.com", "reject", "",
		},
		{
			"inherited from the organisation", txtWorld{"_dmarc.example.com": "v=DMARC1; p=reject; sp=quarantine"}, "a.b.example.com",
			"quarantine", "sp", "example.com", "example.com", "quarantine", "",
		},
		{
			"sp falls back to p", txtWorld{"_dmarc.example.com": "v=DMARC1; p=reject"}, "a.example.com",
			"reject", "p", "example.com", "example.com", "reject", "",
		},
		{
			"np for a name that does not exist", txtWorld{"_dmarc.example.com": "v=DMARC1; p=none; sp=quarantine; np=reject"}, "nowhere.example.com",
			"reject", "np", "example.com", "example.com", "reject", "",
		},
		{
			"np not for one that does", txtWorld{"_dmarc.example.com": "v=DMARC1; p=none; sp=quarantine; np=reject"}, "a.example.com",
			"quarantine", "sp", "example.com", "example.com", "quarantine", "",
		},
		{
			"a record between counts only for the tree walk", txtWorld{"_dmarc.b.example.com": "v=DMARC1; p=reject; psd=n", "_dmarc.example.com": "v=DMARC1; p=none"}, "a.b.example.com",
			"reject", "p", "b.example.com", "b.example.com", "none", "",
		},
		{
			"psd=y above makes the name below it the organisation", txtWorld{"_dmarc.example.com": "v=DMARC1; p=reject; psd=y"}, "a.b.example.com",
			"reject", "p", "example.com", "b.example.com", "reject", "",
		},
		{
			"psd=n at the domain itself", txtWorld{"_dmarc.a.example.com": "v=DMARC1; p=quarantine; psd=n", "_dmarc.example.com": "v=DMARC1; p=none"}, "a.example.com",
			"quarantine", "p", "a.example.com", "a.example.com", "quarantine", "",
		},
		{
			"a test applies one level less", txtWorld{"_dmarc.example.com": "v=DMARC1; p=reject; t=y"}, "example.com",
			"quarantine", "p", "example.com", "example.com", "reject", "",
		},
		{
			"several at the domain: the walk goes on, the old search ends", txtWorld{"_dmarc.a.example.com": "v=DMARC1; p=reject\nv=DMARC1; p=none", "_dmarc.example.com": "v=DMARC1; p=quarantine"}, "a.example.com",
			"quarantine", "p", "example.com", "example.com", "", "",
		},
		{
			"an invalid record is none", txtWorld{"_dmarc.a.example.com": "v=DMARC1; p=rejct", "_dmarc.example.com": "v=DMARC1; p=quarantine"}, "a.example.com",
			"quarantine", "p", "example.com", "example.com", "quarantine", "",
		},
		{
			"other TXT records do not matter", txtWorld{"_dmarc.example.com": "v=spf1 -all\nv=DMARC1; p=reject"}, "example.com",
			"reject", "p", "example.com", "example.com", "reject", "",
		},
		{
			"none anywhere", txtWorld{}, "a.example.com", "", "", "", "a.example.com", "", "no record at or above it",
		},
		{
			"a failure is not absence", txtWorld{"_dmarc.a.example.com": "!", "_dmarc.example.com": "v=DMARC1; p=reject"}, "a.example.com",
			"", "", "", "", "", "was not answered: timeout",
		},
		{
			"the longest names jump to seven labels", txtWorld{"_dmarc.d.e.f.g.h.example.com": "v=DMARC1; p=reject", "_dmarc.c.d.e.f.g.h.example.com": "v=DMARC1; p=none"}, "a.b.c.d.e.f.g.h.example.com",
			"reject", "p", "d.e.f.g.h.example.com", "d.e.f.g.h.example.com", "", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			p := DiscoverDMARC(view.Func(func(q view.Question) view.Answer { asked++; return tt.world.Look(q) }), tt.author)
			if p.Applied != tt.applied || p.Tag != tt.tag || p.At != tt.at || p.Organisation != tt.org || !strings.Contains(p.Problem, tt.problem) || !p.Final {
				t.Errorf("%s (at %q, organisation %q)", p, p.At, p.Organisation)
			}
			if asked > maxTreeWalk+1 {
				t.Errorf("%d questions", asked)
			}
			if p.Found() == (p.Problem != "") {
				t.Errorf("found %v with the problem %q", p.Found(), p.Problem)
			}
			if old := DiscoverDMARC7489(tt.world, tt.author); old.Applied != tt.applied7489 {
				t.Errorf("RFC 7489: %s, want %q", old, tt.applied7489)
			}
		})
	}
}

func TestDiscoveryWaitsForAnswers(t *testing.T) {
	var book view.Book
	if p := DiscoverDMARC(&book, "a.example.com"); p.Final || len(book.Missing()) != 1 {
		t.Errorf("%+v", p)
	}
	world := txtWorld{"_dmarc.example.com": "v=DMARC1; p=reject; np=none"}
	var p EffectivePolicy
	if !view.Settle(&book, func(v view.View) { p = DiscoverDMARC(v, "a.example.com") }, func(qs []view.Question) {
		for _, q := range qs {
			book.Put(q, world.Look(q))
		}
	}) || p.Applied != "reject" {
		t.Errorf("%s", p)
	}
}

func TestAligned(t *testing.T) {
	world := txtWorld{"_dmarc.example.com": "v=DMARC1; p=none", "_dmarc.own.example.com": "v=DMARC1; p=none; psd=n"}
	for _, tt := range []struct {
		from, authenticated rrset.Name
		strict, want        bool
	}{
		{"example.com", "example.com", true, true},
		{"example.com", "mail.example.com", true, false},
		{"example.com", "mail.example.com", false, true},
		{"a.example.com", "b.example.com", false, true},
		{"example.com", "example.net", false, false},
		{"own.example.com", "example.com", false, false},
	} {
		if got, known := Aligned(world, tt.from, tt.authenticated, tt.strict); got != tt.want || !known {
			t.Errorf("%s with %s, strict %v: %v (known %v)", tt.from, tt.authenticated, tt.strict, got, known)
		}
	}
}

func TestPoliciesTurn(t *testing.T) {
	policy := func(records ...string) EffectivePolicy {
		world := txtWorld{}
		for i, r := range records {
			if r != "" {
				world[[]rrset.Name{"_dmarc.a.example.com", "_dmarc.example.com"}[i]] = r
			}
		}
		return DiscoverDMARC7489(world, "a.example.com")
	}
	for _, tt := range []struct {
		name     string
		was, now EffectivePolicy
		want     Relation
	}{
		{"nothing", policy("v=DMARC1; p=reject"), policy("v=DMARC1; p=reject"), Identical},
		{"weaker", policy("v=DMARC1; p=reject"), policy("v=DMARC1; p=none"), Loosened},
		{"stricter", policy("v=DMARC1; p=none"), policy("v=DMARC1; p=quarantine"), Tightened},
		{"to less mail", policy("v=DMARC1; p=reject"), policy("v=DMARC1; p=reject; pct=10"), Loosened},
		{"gone, and the parent's says the same", policy("v=DMARC1; p=reject", "v=DMARC1; p=reject"), policy("", "v=DMARC1; p=reject"), Cosmetic},
		{"gone, and the parent's is weaker", policy("v=DMARC1; p=reject", "v=DMARC1; p=none"), policy("", "v=DMARC1; p=none"), Loosened},
		{"gone, and the parent's is stricter", policy("v=DMARC1; p=none", "v=DMARC1; p=reject"), policy("", "v=DMARC1; p=reject"), Tightened},
		{"gone altogether", policy("v=DMARC1; p=none"), policy(""), Broken},
		{"came", policy(""), policy("v=DMARC1; p=none"), Tightened},
	} {
		got, why := tt.was.Turn(tt.now)
		if got != tt.want || (got == Identical) != (why == "") {
			t.Errorf("%s: %s (%s), want %s", tt.name, got, why, tt.want)
		}
	}
}

func TestReportAddresses(t *testing.T) {
	world := txtWorld{
		"_dmarc.example.com":                            "v=DMARC1; p=none; rua=mailto:a@reports.example.com,mailto:b@agrees.example.net!10m,mailto:c@refuses.example.org,mailto:nobody,mailto:d@slow.example.edu",
		"example.com._report._dmarc.agrees.example.net": "v=DMARC1",
		"example.com._report._dmarc.slow.example.edu":   "!",
	}
	want := map[rrset.Name]struct {
		outside, allowed bool
		problem          string
	}{
		"reports.example.com": {false, true, ""},
		"agrees.example.net":  {true, true, ""},
		"refuses.example.org": {true, false, `lacks a TXT record "v=DMARC1" at example.com._report._dmarc.refuses.example.org`},
		"slow.example.edu":    {true, false, "could not be asked"},
		"":                    {false, false, "is not a mail address"},
	}
	got := ReportAddresses(world, DiscoverDMARC(world, "example.com"))
	if len(got) != len(want) {
		t.Errorf("%d addresses", len(got))
	}
	for _, r := range got {
		w := want[r.Host]
		if r.Outside != w.outside || r.Allowed != w.allowed || !strings.Contains(r.Problem, w.problem) || (w.problem == "") != (r.Problem == "") || !r.Final {
			t.Errorf("%+v", r)
		}
	}
}

// FuzzDiscoverDMARC walks trees of hostile records: bounded, and the same twice.
func FuzzDiscoverDMARC(f *testing.F) {
	f.Add("a.b.example.com", "v=DMARC1; p=reject; psd=y", "v=DMARC1; sp=none; psd=n")
	f.Add("a.b.c.d.e.f.g.h.i.j.k.l.m", "v=DMARC1; p=none; rua=mailto:x@y", "x")
	f.Fuzz(func(t *testing.T, author, a, b string) {
		name, err := rrset.ParseName(author)
		if err != nil {
			return
		}
		asked := 0
		v := view.Func(func(q view.Question) view.Answer {
			asked++
			text := a
			if q.Name.Labels()%2 == 0 {
				text = b
			}
			return view.Answer{Status: view.Found, Set: rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(text)))}
		})
		p := DiscoverDMARC(v, name)
		if asked > maxTreeWalk+1 {
			t.Fatalf("%d questions", asked)
		}
		if p.String() != DiscoverDMARC(v, name).String() || !name.IsAtOrBelow(p.Organisation) {
			t.Fatalf("%+v", p)
		}
		ReportAddresses(v, p)
		DiscoverDMARC7489(v, name)
	})
}
