package spf

import "testing"

func TestMerge(t *testing.T) {
	const direct, mail = "v=spf1 include:spf1.dm.aliyun.com -all", "v=spf1 include:spf.qiye.aliyun.com -all"
	tests := []struct {
		ask     string
		records []string
		want    string
	}{
		{"two services", []string{mail, direct}, "v=spf1 include:spf.qiye.aliyun.com include:spf1.dm.aliyun.com -all"},
		{"the same twice", []string{mail, mail}, mail},
		{"one that has both", []string{"v=spf1 include:spf1.dm.aliyun.com include:spf.qiye.aliyun.com ~all", direct}, "v=spf1 include:spf1.dm.aliyun.com include:spf.qiye.aliyun.com ~all"},
		{"the milder all stays", []string{"v=spf1 ip4:192.0.2.1 ~all", direct}, "v=spf1 ip4:192.0.2.1 include:spf1.dm.aliyun.com ~all"},
		{"nobody at all may pass", []string{"v=spf1 ip4:192.0.2.1 +all", direct}, "v=spf1 ip4:192.0.2.1 include:spf1.dm.aliyun.com ~all"},
		{"none has an all", []string{"v=spf1 a", "v=spf1 mx"}, "v=spf1 a mx -all"},
		{"a redirect is included", []string{"v=spf1 redirect=_spf.example.net", direct}, "v=spf1 include:_spf.example.net include:spf1.dm.aliyun.com -all"},
		{"the first exp stays", []string{"v=spf1 a exp=e.example", "v=spf1 mx exp=f.example -all"}, "v=spf1 a mx -all exp=e.example"},
		{"nothing", nil, "v=spf1 -all"},
	}
	for _, tt := range tests {
		var records []Record
		for _, text := range tt.records {
			r, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
		got := Merge(records...).String()
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.ask, got, tt.want)
		}
		if again, err := Parse(got); err != nil || again.String() != got {
			t.Errorf("%s: read back it is %s, %v", tt.ask, again, err)
		}
	}
}

// FuzzMerge holds that what comes of two records is one record, and that merging it again
// adds nothing.
func FuzzMerge(f *testing.F) {
	f.Add("v=spf1 include:spf.qiye.aliyun.com -all", "v=spf1 mx redirect=_spf.example.net exp=e.example")
	f.Add("v=spf1 +all", "v=spf1 ?a/24//64 moo=x")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := Parse(a)
		y, errY := Parse(b)
		if errX != nil || errY != nil {
			return
		}
		got := Merge(x, y)
		read, err := Parse(got.String())
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if again := Merge(read, y); again.Lookups() != got.Lookups() || len(again.Mechanisms) != len(got.Mechanisms) {
			t.Errorf("%q merged again is %q", got, again)
		}
	})
}
