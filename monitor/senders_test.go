package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"maildrift/monitor/preset"
)

func TestADomainWithSenderAddressesIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx := context.Background()
		h := newHouse(t, testSettings())
		defer h.stop()
		spec := shopSpec()
		for i := range 12 {
			spec.Senders = append(spec.Senders, fmt.Sprintf("s%d@shop.test", i))
		}
		h.add(spec)
		err := h.engine.Remove(ctx, apex, "tester")
		want := "domain shop.test has sender addresses: s0@shop.test, s1@shop.test, s2@shop.test, s3@shop.test, s4@shop.test, s5@shop.test, " +
			"s6@shop.test, s7@shop.test, s8@shop.test, s9@shop.test and 2 more; delete them at the mail service and empty the list, or force it"
		if !errors.Is(err, ErrHasSenders) || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		if err := h.engine.SetSenders(ctx, apex, []string{"a@other.test"}, "tester"); err == nil {
			t.Error("an address of another domain is taken")
		}
		if err := h.engine.SetSenders(ctx, "other.test", nil, "tester"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a domain that is not registered: %v", err)
		}
		if err := h.engine.SetSenders(ctx, apex, []string{"last@shop.test"}, "tester"); err != nil {
			t.Fatal(err)
		}
		// What was set is on disk.
		kept := h.journal.memory().Domains
		if i := slices.IndexFunc(kept, func(d StoredDomain) bool { return d.Name == apex }); i < 0 || !slices.Equal(kept[i].Spec.Senders, []string{"last@shop.test"}) {
			t.Errorf("stored: %+v", kept)
		}
		if err := h.engine.Remove(ctx, apex, "tester"); !errors.Is(err, ErrHasSenders) {
			t.Errorf("one is left: %v", err)
		}
		if err := h.engine.SetSenders(ctx, apex, nil, "tester"); err != nil {
			t.Fatal(err)
		}
		if err := h.engine.Remove(ctx, apex, "tester"); err != nil {
			t.Errorf("none is left: %v", err)
		}
	})
}

func TestForceRemovesADomainWithSenderAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		spec := shopSpec()
		spec.Senders = []string{"a@shop.test"}
		h.add(spec)
		if err := h.engine.ForceRemove(context.Background(), apex, "tester"); err != nil {
			t.Error(err)
		}
	})
}

func TestSenderAddressesOfAFileStandInTheFile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d, err := Spec{Domain: "conf.test", Expect: []ExpectSpec{{Kind: 3}}}.Resolve(testPresets(t))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin = Origin{File: "maildrift.yml", Line: 7}
		h := newHouse(t, testSettings(), d)
		defer h.stop()
		if err := h.engine.SetSenders(context.Background(), "conf.test", nil, "tester"); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "maildrift.yml:7") {
			t.Error(err)
		}
	})
}

// TestAReloadTakesOtherPresets adds a mail service and registers a domain for it.
func TestAReloadTakesOtherPresets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx := context.Background()
		h := newHouse(t, testSettings())
		defer h.stop()
		spec := Spec{Domain: "shop.test", Service: "inhouse"}
		if _, err := h.engine.Add(ctx, spec, "tester"); err == nil {
			t.Fatal("a service that nobody knows is taken")
		}
		more, err := testPresets(t).With("inhouse.yml", []byte("id: inhouse\nrecords:\n  - {key: mx, title: takes mail, kind: mx, host: \"@\", want: [10 mx.test]}\n"))
		if err != nil {
			t.Fatal(err)
		}
		apply := func(p *preset.Set) error {
			settings := testSettings()
			settings.Presets = p
			return h.engine.Apply(ctx, settings, nil)
		}
		if err := apply(&more); err != nil {
			t.Fatal(err)
		}
		if _, err := h.engine.Snapshot().Presets.Get("inhouse"); err != nil {
			t.Error(err)
		}
		if _, err := h.engine.Add(ctx, spec, "tester"); err != nil {
			t.Error(err)
		}
		if err := apply(nil); err == nil || !strings.Contains(err.Error(), "inhouse") {
			t.Errorf("a service that a domain uses was taken away: %v", err)
		}
	})
}
