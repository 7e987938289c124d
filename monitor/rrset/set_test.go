package rrset

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, typ Type, lines ...string) Set {
	t.Helper()
	s, err := Parse(typ, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetIsASet(t *testing.T) {
	a := mustParse(t, MX, "10 mx1.example.com", "20 mx2.example.com.", "10 MX1.example.com")
	b := mustParse(t, MX, "20 mx2.example.com", "10 mx1.example.com")
	if !a.Equal(b) || a.Hash() != b.Hash() {
		t.Errorf("order, case or a duplicate makes a difference: %v, %v", a.Lines(), b.Lines())
	}
	if c := mustParse(t, MX, "10 mx1.example.com"); c.Equal(b) || c.Hash() == b.Hash() {
		t.Error("a lost record makes no difference")
	}
	if NewSet(TXT).Hash() == NewSet(MX).Hash() {
		t.Error("the type makes no difference")
	}
}

func TestLines(t *testing.T) {
	tests := []struct {
		typ  Type
		in   []string
		want []string
	}{
		{TXT, []string{"v=spf1 -all"}, []string{"v=spf1 -all"}},
		{TXT, []string{""}, []string{""}},
		{TXT, []string{"a\"b\\c\x00\xff\n\u202e<script>"}, []string{`a"b\c\x00\xff\x0a\u{202e}<script>`}},
		{MX, []string{"20 b.example", "10 c.example", "10 a.example"}, []string{"10 a.example", "10 c.example", "20 b.example"}},
		{MX, []string{"0 ."}, []string{"0 ."}},
		{CNAME, []string{"Target.Example."}, []string{"target.example"}},
		{A, []string{"192.0.2.1"}, []string{"192.0.2.1"}},
		{AAAA, []string{"2001:DB8::1"}, []string{"2001:db8::1"}},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.typ, tt.in...).Lines(); !slices.Equal(got, tt.want) {
			t.Errorf("%s %q gives %q, want %q", tt.typ, tt.in, got, tt.want)
		}
	}
	if got := NewSet(CAA, []byte{0, 1, 'x'}).Lines(); !slices.Equal(got, []string{`\# 3 000178`}) {
		t.Errorf("an unknown type gives %q", got)
	}
}

func TestTextsJoinStringsWithoutSeparator(t *testing.T) {
	rdata := []byte("\x03v=s\x00\x09pf1 -all ")
	if got := NewSet(TXT, rdata).Texts(); len(got) != 1 || string(got[0]) != "v=spf1 -all " {
		t.Errorf("got %q", got)
	}
	if got := NewSet(TXT, []byte{}).Texts(); len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("RDATA without strings gives %q", got)
	}
	if got := NewSet(TXT, []byte{200, 'a'}).Texts(); string(got[0]) != "a" {
		t.Errorf("a string that runs past the end gives %q", got)
	}
}

func TestParseRefusesWhatItCannotWrite(t *testing.T) {
	for line, typ := range map[string]Type{
		"ten mx.example": MX, "": MX, "10 20 mx.example": MX, "70000 mx.example": MX, "10 192.0.2.1": MX,
		"192.0.2.1": AAAA, "2001:db8::1": A, "a b": CNAME, "0 issue x": CAA,
	} {
		if s, err := Parse(typ, line); err == nil {
			t.Errorf("Parse(%s, %q) gives %v", typ, line, s.Lines())
		}
	}
}

func TestHostileDataIsHarmless(t *testing.T) {
	for _, typ := range []Type{TXT, MX, CNAME, NS, A, AAAA, SOA, TLSA, Type(999)} {
		for _, data := range [][]byte{nil, {}, {0}, {255}, {0, 10}, {0, 10, 63, 'a'}, bytes.Repeat([]byte{1}, 300)} {
			s := NewSet(typ, data)
			for _, line := range s.Lines() {
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' }) {
					t.Errorf("%s %x shows a control character: %q", typ, data, line)
				}
			}
			_, _, _, _ = s.Texts(), s.Exchanges(), s.Hosts(), s.Addrs()
		}
	}
}

func TestJSONKeepsBytes(t *testing.T) {
	in := mustParse(t, TXT, "a\x00\xff", "b")
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Set
	if err := json.Unmarshal(b, &out); err != nil || !in.Equal(out) {
		t.Errorf("%s came back as %v, %v", b, out, err)
	}
	h, back := in.Hash(), Hash{}
	text, _ := h.MarshalText()
	if err := back.UnmarshalText(text); err != nil || back != h {
		t.Errorf("hash %s came back as %s, %v", text, back, err)
	}
	if back.UnmarshalText([]byte("abc")) == nil {
		t.Error("a short hash is accepted")
	}
}

func TestTypeNames(t *testing.T) {
	for _, typ := range []Type{A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, TLSA, CAA, 64} {
		text, _ := typ.MarshalText()
		var back Type
		if err := back.UnmarshalText(text); err != nil || back != typ {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
	var typ Type
	if typ.UnmarshalText([]byte("NOPE")) == nil {
		t.Error("an unknown type is accepted")
	}
}

func FuzzTXT(f *testing.F) {
	f.Add([]byte("v=spf1 -all"))
	f.Add(bytes.Repeat([]byte("x"), 600))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := NewSet(TXT, TXTData(text)).Texts()
		if len(got) != 1 || !bytes.Equal(got[0], text) {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}
