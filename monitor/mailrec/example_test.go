package mailrec_test

import (
	"fmt"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

func Example() {
	e := mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Contains, Want: []string{"include:spf1.dm.aliyun.com"}}
	if err := e.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	answer, _ := rrset.Parse(rrset.TXT, "MS=ms12345678", "v=spf1 include:spf1.dm.aliyun.com -all")
	fmt.Println("before:", e.Check(answer).Class)
	baseline := e.Select(answer)

	answer, _ = rrset.Parse(rrset.TXT, "MS=ms12345678", "v=spf1 include:_spf.google.com -all")
	f := e.Compare(baseline, answer)
	fmt.Println("after:", f.Class, f.Impact)
	fmt.Println(f.Reason)
	for _, c := range f.Changes {
		fmt.Println(c.Op, c.Term)
	}
	// Output:
	// before: same
	// after: differs rejected
	// the SPF record does not have "include:spf1.dm.aliyun.com" before all: its senders get fail
	// - include:spf1.dm.aliyun.com
	// + include:_spf.google.com
}
