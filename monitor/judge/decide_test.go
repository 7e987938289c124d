package judge

import (
	"strings"
	"testing"

	"maildrift/monitor/rrset"
)

// votes reads a line of stands: g good, d differs, a absent, u unheard, - abstains, b bogus,
// e an echo of good, E one of absence.
func votes(line string) []Vote {
	var out []Vote
	for i, c := range line {
		v := Vote{Voter: string(rune('A' + i))}
		switch c {
		case 'g':
			v.Stand, v.Meaning = Good, rrset.Hash{1}
		case 'd':
			v.Stand, v.Meaning = Differs, rrset.Hash{2}
		case 'D':
			v.Stand, v.Meaning = Differs, rrset.Hash{3}
		case 'a':
			v.Stand = Absent
		case 'u':
			v.Stand = Unheard
		case '-':
			v.Stand = Abstains
		case 'b':
			v.Stand = Bogus
		case 'e':
			v.Stand, v.Meaning, v.Echo = Good, rrset.Hash{1}, true
		case 'E':
			v.Stand, v.Echo = Absent, true
		default:
			panic("no such vote: " + string(c))
		}
		out = append(out, v)
	}
	return out
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name      string
		operators string
		authority string // "" means unasked, "?" wanted but no servers known
		want      Verdict
		stage     Stage
		word      AuthorityWord
	}{
		{"all good", "gggggg", "gg", Holding, NoStage, AuthorityGood},
		{"one of three lies: dissent is allowed", "gga", "gg", Holding, NoStage, AuthorityGood},
		{"two of three lie while the authority is good: the cause lies between", "gaa", "gg", Missing, AtReceivers, AuthorityGood},
		{"two of six lie", "ggggaa", "gg", Holding, NoStage, AuthorityGood},
		{"three of six lie", "gggaaa", "gg", Disagreeing, NoStage, AuthorityGood},
		{"four of six see another value while the authority is good", "ggdddd", "gg", Drifted, AtReceivers, AuthorityGood},
		{"gone at the authority, caches still hold it", "gggggg", "aa", Missing, AtAuthority, AuthorityWrong},
		{"gone at the authority and at two of six operators", "ggggaa", "aa", Missing, AtAuthority, AuthorityWrong},
		{"gone at the authority and at four of six operators", "ggaaaa", "aa", Missing, AtReceivers, AuthorityWrong},
		{"changed at the authority", "gggggg", "dd", Drifted, AtAuthority, AuthorityWrong},
		{"changed at one server, gone at the other: it is there to be read", "gggggg", "da", Drifted, AtAuthority, AuthorityWrong},
		{"one server of two lags", "gggggg", "ga", Disagreeing, NoStage, AuthoritySplit},
		{"one of two servers silent, the other good", "gggggg", "gu", Holding, NoStage, AuthorityGood},
		{"one of two servers silent, the other lost it", "gggggg", "au", Missing, AtAuthority, AuthorityWrong},
		{"two of three servers silent", "gggggg", "auu", Holding, NoStage, AuthoritySilent},
		{"authority silent, all operators lost it", "aaaaaa", "uu", Missing, AtReceivers, AuthoritySilent},
		{"authority silent, three of six lost it: nothing can be said", "gggaaa", "uu", Blind, NoStage, AuthoritySilent},
		{"authority not to be found, operators good", "gggggg", "?", Holding, NoStage, AuthoritySilent},
		{"authority unasked, three of six lost it", "gggaaa", "", Disagreeing, NoStage, AuthorityUnasked},
		{"authority unasked, all lost it", "aaaaaa", "", Missing, AtReceivers, AuthorityUnasked},
		{"authority abstains behind a CNAME, all operators good", "gggggg", "--", Holding, NoStage, AuthorityUnasked},
		{"authority abstains, all operators lost the key", "aaaaaa", "--", Missing, AtReceivers, AuthorityUnasked},
		{"one server abstains, the other lost the CNAME", "gggggg", "-a", Missing, AtAuthority, AuthorityWrong},
		{"nobody answers", "uuuuuu", "uu", Blind, NoStage, AuthoritySilent},
		{"no operator answers, the authority lost it: who cannot hear is not sure", "uuuuuu", "aa", Blind, NoStage, AuthorityWrong},
		{"half of the operators answer", "ggguuu", "gg", Holding, NoStage, AuthorityGood},
		{"two of six operators answer", "gguuuu", "gg", Blind, NoStage, AuthorityGood},
		{"one operator of one: below the least number", "a", "", Blind, NoStage, AuthorityUnasked},
		{"two operators, one lies: no dissent is allowed", "ga", "gg", Disagreeing, NoStage, AuthorityGood},
		{"operators as many gone as changed: it is there to be read", "ddaa", "", Drifted, AtReceivers, AuthorityUnasked},
		{"two of six fail to validate", "ggggbb", "gg", Holding, NoStage, AuthorityGood},
		{"three of six fail to validate", "gggbbb", "gg", Disagreeing, NoStage, AuthorityGood},
		{"all fail to validate: it is not gone", "bbbbbb", "gg", Disagreeing, NoStage, AuthorityGood},
		{"those that fail and those that lost it add up", "gggbaa", "gg", Disagreeing, NoStage, AuthorityGood},
		{"gone at the authority, whoever fails to validate", "gggbbb", "aa", Missing, AtAuthority, AuthorityWrong},
		{"authority silent, three of six fail to validate", "gggbbb", "uu", Blind, NoStage, AuthoritySilent},
		{"two of five lie, as may two of six: the sixth was not heard", "gggaau", "gg", Blind, NoStage, AuthorityGood},
		{"two of three lie while three fail", "gaauuu", "gg", Blind, NoStage, AuthorityGood},
		{"all three that are heard have lost it", "aaauuu", "gg", Missing, AtReceivers, AuthorityGood},
		{"operators mostly gone", "daaa", "", Missing, AtReceivers, AuthorityUnasked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tally := Tally{Operators: votes(tt.operators)}
			if tt.authority != "" {
				tally.AuthorityWanted = true
				tally.Authority = votes(strings.Trim(tt.authority, "?"))
			}
			d := Decide(tally, DefaultRules())
			if d.Verdict != tt.want || d.Stage != tt.stage || d.Authority != tt.word {
				t.Errorf("got %s stage %s authority %s, want %s stage %s authority %s\n%s",
					d.Verdict, d.Stage, d.Authority, tt.want, tt.stage, tt.word, d)
			}
		})
	}
}

func TestDecideNamesWhatIsSeen(t *testing.T) {
	d := Decide(Tally{Operators: votes("gggggg"), Authority: votes("dDd"), AuthorityWanted: true}, DefaultRules())
	if d.Meaning != (rrset.Hash{2}) {
		t.Errorf("meaning %s: want that of most servers", d.Meaning)
	}
	d = Decide(Tally{Operators: votes("gggaaa")}, DefaultRules())
	if d.Meaning != (rrset.Hash{}) {
		t.Errorf("a disagreement has no single meaning, got %s", d.Meaning)
	}
}

func TestOneOperatorIsEnoughWhenAskedFor(t *testing.T) {
	d := Decide(Tally{Operators: votes("a")}, Rules{MinOperators: 1})
	if d.Verdict != Missing {
		t.Errorf("got %s, want missing: the user asked one resolver on purpose", d.Verdict)
	}
}

func TestDissent(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 1, 6: 2, 12: 2, 100: 2} {
		if got := Dissent(n); got != want {
			t.Errorf("Dissent(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestMergeKeepsTheWorstEvidence(t *testing.T) {
	order := []Stand{Unheard, Abstains, Good, Bogus, Differs, Absent}
	for i, a := range order {
		for j, b := range order {
			got := Vote{Stand: a}.Merge(Vote{Stand: b}).Stand
			if want := order[max(i, j)]; got != want {
				t.Errorf("%s merged with %s is %s, want %s", a, b, got, want)
			}
		}
	}
}

func TestAgainstHoldsVotersToOneReference(t *testing.T) {
	two := func(a, b byte) []Vote {
		return []Vote{{Stand: Good, Meaning: rrset.Hash{a}}, {Stand: Good, Meaning: rrset.Hash{b}}, {Stand: Good, Meaning: rrset.Hash{b}}}
	}
	got, ref := Tally{Operators: two(1, 2), Authority: []Vote{{Stand: Good, Meaning: rrset.Hash{1}}}}.Against()
	if ref != (rrset.Hash{1}) || got.Operators[0].Stand != Good || got.Operators[1].Stand != Differs {
		t.Errorf("the authority's value is the reference; got %v, %v", ref, got.Operators)
	}
	got, ref = Tally{Operators: two(1, 2)}.Against()
	if ref != (rrset.Hash{2}) || got.Operators[0].Stand != Differs {
		t.Errorf("without an authority most operators' value is; got %v, %v", ref, got.Operators)
	}
	if _, ref = (Tally{Operators: votes("aau")}).Against(); ref != (rrset.Hash{}) {
		t.Errorf("nobody sees a good record, so there is no reference; got %v", ref)
	}
}

func TestNamesRoundTrip(t *testing.T) {
	roundTrip(t, Verdicts())
	roundTrip(t, Phases())
	roundTrip(t, []Stage{NoStage, AtAuthority, AtReceivers, Recovering})
	roundTrip(t, []Stand{Unheard, Good, Differs, Absent, Abstains})
	roundTrip(t, []AuthorityWord{AuthorityUnasked, AuthoritySilent, AuthorityGood, AuthorityWrong, AuthoritySplit})
}

func roundTrip[T interface {
	comparable
	MarshalText() ([]byte, error)
}](t *testing.T, values []T) {
	t.Helper()
	for _, v := range values {
		text, err := v.MarshalText()
		if err != nil || len(text) == 0 {
			t.Fatalf("%v: %q, %v", v, text, err)
		}
		var back T
		u := any(&back).(interface{ UnmarshalText([]byte) error })
		if err := u.UnmarshalText(text); err != nil || back != v {
			t.Errorf("%q came back as %v, %v", text, back, err)
		}
		if err := u.UnmarshalText([]byte("nonsense")); err == nil {
			t.Errorf("%T accepts nonsense", v)
		}
	}
}

func TestDecisionSaysItsNumbers(t *testing.T) {
	got := Decide(Tally{Operators: votes("ggaaau"), Authority: votes("gu"), AuthorityWanted: true}, DefaultRules()).String()
	want := "disagreeing: 3 of 5 operators see it wrong (1 may dissent, 6 asked), authority good (1 of 2 servers heard)"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
