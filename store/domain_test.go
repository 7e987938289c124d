package store

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// fieldsOf gives every field of a struct that has a value of its own, however deep: those of the elements of lists among them.
func fieldsOf(v reflect.Value) (out []reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		return append(fieldsOf(v.Elem()), v)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			out = append(out, fieldsOf(v.Index(i))...)
		}
		return append(out, v)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			out = append(out, fieldsOf(v.Field(i))...)
		}
		return out
	}
	return []reflect.Value{v}
}

// fullDomain gives a domain in which nothing is empty.
func fullDomain() monitor.StoredDomain {
	var d monitor.StoredDomain
	n := 0
	fillIn(reflect.ValueOf(&d).Elem(), &n)
	return d
}

// comesBack says how a domain that was written differs from what is read.
func comesBack(d monitor.StoredDomain, in *interner) string {
	back, err := readDomain([]byte(d.Name), writeDomain(&d), in)
	return cmp.Diff(d, back, cmpopts.EquateEmpty()) + problem(err)
}

func problem(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Whatever fields a domain and its spec have come back, each by itself, all but one, and any of them together: so does one that
// somebody adds, or this fails.
func TestPropertyAnyFieldsOfADomainComeBack(t *testing.T) {
	full := fullDomain()
	count := len(fieldsOf(reflect.ValueOf(&full).Elem()))
	if count < 40 {
		t.Fatalf("there are %d fields only", count)
	}
	dice, in := rand.New(rand.NewPCG(1, 2)), newInterner()
	check := func(what string, empty func(field int) bool) {
		d := fullDomain()
		for i, field := range fieldsOf(reflect.ValueOf(&d).Elem()) {
			if empty(i) {
				field.SetZero()
			}
		}
		if diff := comesBack(d, in) + comesBack(d, nil); diff != "" {
			t.Errorf("%s (-kept +came back):\n%s", what, diff)
		}
	}
	check("all", func(int) bool { return false })
	for n := range count {
		check(fmt.Sprintf("all but field %d", n), func(i int) bool { return i == n })
		check(fmt.Sprintf("field %d", n), func(i int) bool {
			kind := fieldsOf(reflect.ValueOf(&full).Elem())[i].Kind()
			return i != n && kind != reflect.Pointer && kind != reflect.Slice // they hold the one
		})
	}
	for range 1000 {
		share := dice.Float64()
		check("some", func(int) bool { return dice.Float64() < share })
	}
}

func TestDomainsComeBackFromADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	want := []monitor.StoredDomain{
		{Name: "a.test", Registered: day.Add(1)},
		{Name: "b.test", Registered: day, By: "ann", Spec: &monitor.Spec{Domain: "B.test.", Note: "a\x00b\nü"}},
		{Name: "c.test", Spec: &monitor.Spec{Domain: "c.test", Params: map[string]string{"": "empty", "b": ""}, Expect: []monitor.ExpectSpec{
			{Kind: mailrec.MX, Value: monitor.StringList{"a", "", "c"}}, {Kind: mailrec.BIMI, AllowInvalid: true}, {Value: monitor.StringList{strings.Repeat("x", 1<<16)}},
		}}},
	}
	full := fullDomain()
	full.Name, full.Spec.Domain = "d.test", "d.test"
	want = append(want, full)
	commit(t, s, monitor.Batch{Domains: want})
	_ = s.Close()
	m, err := open(t, path).Load(ctx)
	if diff := cmp.Diff(want, m.Domains); err != nil || diff != "" {
		t.Errorf("%v (-kept +came back):\n%s", err, diff)
	}
}

// What domains have alike is one in memory.
func TestDomainsShareWhatIsEqual(t *testing.T) {
	in := newInterner()
	places := map[any]bool{}
	for i := range 20 {
		name := fmt.Sprintf("d%02d.test", i)
		d := monitor.StoredDomain{Name: rrset.Name(name), Spec: &monitor.Spec{
			Domain: name, Service: "directmail", Params: map[string]string{"region": "ap-southeast-1"}, Labels: map[string]string{"team": "mail"},
		}}
		back, err := readDomain([]byte(name), writeDomain(&d), in)
		if err != nil {
			t.Fatal(err)
		}
		places[reflect.ValueOf(back.Spec.Params).Pointer()], places[reflect.ValueOf(back.Spec.Labels).Pointer()] = true, true
	}
	if len(places) > 4 { // what was seen but once stays by itself
		t.Errorf("%d maps for two of twenty domains", len(places))
	}
}

func TestMalformedDomains(t *testing.T) {
	full := fullDomain()
	v := writeDomain(&full)
	for cut := range v {
		if _, err := readDomain([]byte(full.Name), v[:cut], nil); err == nil {
			t.Errorf("%d bytes of %d are read", cut, len(v))
		}
	}
	for name, v := range map[string][]byte{
		"something behind it":   append(v[:len(v):len(v)], 0),
		"JSON":                  []byte(`{"name":"a.test"}`),
		"a field of the future": {valueFormat, domainAll + 1, timeNone},
	} {
		_, err := readDomain([]byte("a.test"), v, newInterner())
		if malformed(t, err); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzDomain(f *testing.F) {
	full := fullDomain()
	f.Add([]byte("a.test"), writeDomain(&full))
	f.Add([]byte("b.test"), writeDomain(&monitor.StoredDomain{Name: "b.test", Registered: day}))
	f.Add([]byte("c.test"), writeDomain(&monitor.StoredDomain{Name: "c.test", Spec: &monitor.Spec{Domain: "c.test", Service: "directmail"}}))
	f.Fuzz(func(t *testing.T, k, v []byte) {
		d, err := readDomain(k, v, newInterner())
		malformed(t, err)
		if err != nil {
			return
		}
		if diff := comesBack(d, nil); diff != "" {
			t.Error(diff)
		}
	})
}
