package rrset

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"example.com", "example.com"},
		{"Example.COM.", "example.com"},
		{"  example.com\r\n", "example.com"},
		{"\ufeffexample.com", "example.com"},
		{"_dmarc.Example.com", "_dmarc.example.com"},
		{"*._domainkey.example.com", "*._domainkey.example.com"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.example", "xn--bcher-kva.example"},
		{"straße.de", "xn--strae-oqa.de"}, // UTS 46 non-transitional keeps the sharp s
		{"例え.jp", "xn--r8jz45g.jp"},
		{"a--b.example.com", "a--b.example.com"},
		{".", "."},
	}
	for _, tt := range tests {
		if got, err := ParseName(tt.in); err != nil || string(got) != tt.want {
			t.Errorf("ParseName(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestParseNameSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ in, says string }{
		{"", "empty"},
		{"https://example.com", "URL"},
		{"user@example.com", "e-mail address"},
		{"192.0.2.1", "IP address"},
		{"2001:db8::1", "IP address"},
		{"a..example.com", "two dots"},
		{".example.com", "two dots"},
		{"exa mple.com", "blank"},
		{strings.Repeat("a", 64) + ".com", "at most 63"},
		{strings.Repeat("a.", 127) + "com", "at most 253"},
		{`a\.b.com`, "not allowed"},
		{"a\x00b.com", "not allowed"},
	}
	for _, tt := range tests {
		if got, err := ParseName(tt.in); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("ParseName(%q) = %q, %v; want an error about %q", tt.in, got, err, tt.says)
		}
	}
}

func TestNameRelations(t *testing.T) {
	n := MustName("s1._domainkey.example.com")
	if got := n.Parent().Parent(); got != "example.com" {
		t.Errorf("parent of parent is %q", got)
	}
	if !n.IsAtOrBelow("example.com") || !n.IsAtOrBelow(Root) || !n.IsAtOrBelow(n) || n.IsAtOrBelow("ample.com") {
		t.Error("IsAtOrBelow goes wrong")
	}
	if got := Name("example.com").Child("_DMARC"); got != "_dmarc.example.com" {
		t.Errorf("child is %q", got)
	}
	if got := Name("example.com").Child("@"); got != "example.com" {
		t.Errorf("child @ is %q", got)
	}
	if Root.Parent() != Root || Name("com").Parent() != Root || Root.Child("com") != "com" {
		t.Error("the root goes wrong")
	}
	if Root.FQDN() != "." || n.FQDN() != "s1._domainkey.example.com." || FromFQDN("COM.") != "com" || FromFQDN(".") != Root {
		t.Error("trailing dots go wrong")
	}
	if Root.Labels() != 0 || n.Labels() != 4 {
		t.Error("labels are miscounted")
	}
	if got := Name("xn--bcher-kva.example").Unicode(); got != "bücher.example" {
		t.Errorf("Unicode gives %q", got)
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"example.com", "Bücher.de.", "*.a", "xn--a", "..", "a\\b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		again, err := ParseName(string(n))
		if err != nil || again != n {
			t.Errorf("%q became %q, and that becomes %q, %v", s, n, again, err)
		}
		if back, err := wireName(nameData(n)); err != nil || back != n && !strings.ContainsAny(string(n), `"\;`) {
			t.Errorf("%q over the wire becomes %q, %v", n, back, err)
		}
	})
}

// The quick look for what cannot be an address passes over none.
func TestAddressesAreToldFromNames(t *testing.T) {
	for _, text := range []string{
		"192.0.2.1", "192.0.2.1.", "192.0.2", "1.2.3.4.5", "2001:db8::1", "2001:db8::a", "::ffff:192.0.2.1", "fe80::1%eth0", "fe80::%25a", "::", ":", "1", "a1", "a.1",
		"shop.test", "shop.test.", "x:y", "192.0.2.1a", "0x7f000001", "[2001:db8::1]", "192.0.2.٣",
	} {
		if _, err := netip.ParseAddr(text); isAddr(text) != (err == nil) {
			t.Errorf("%q is an address: %v", text, err == nil)
		}
	}
}
