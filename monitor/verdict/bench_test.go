package verdict

import "testing"

func BenchmarkJudge(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if v := Judge(good); !v.Passes {
			b.Fatal(v)
		}
	}
}
