package dnslab

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

func TestQueriesAreLogged(t *testing.T) {
	l := open(t, 1)
	c, r := newClock(l), resolver(t, l, "one")
	began := c.read()
	q := new(dns.Msg).SetQuestion("SHOP.example.", dns.TypeTXT)
	q.CheckingDisabled = true
	q.SetEdns0(1400, true)
	if _, err := dns.Exchange(q, r.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	if _, err := (client{network: "tcp", noEDNS: true}).ask(l.Authorities()[0].Addr(), "a.example.", dns.TypeMX); err != nil {
		t.Fatal(err)
	}
	want := []Query{
		{Server: "one", At: began, Transport: UDP, Name: "shop.example", Type: rrset.TXT, Spelled: "SHOP.example.", RD: true, CD: true, DO: true, UDPSize: 1400},
		{Server: "ns1.lab", At: began, Transport: Inside, Name: "shop.example", Type: rrset.TXT, Spelled: "shop.example.", UDPSize: 1232},
		{Server: "ns1.lab", At: began.Add(time.Hour), Transport: TCP, Name: "a.example", Type: rrset.MX, Spelled: "a.example.", RD: true},
	}
	got := l.Queries(nil)
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("query %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	only := l.Queries(func(q Query) bool { return q.Transport == Inside })
	if len(only) != 1 || only[0].String() != "ns1.lab shop.example TXT inside" {
		t.Errorf("filtered: %v", only)
	}
	same(t, "what the resolver was asked", r.Asked(), []string{"shop.example TXT"})
	l.ForgetQueries()
	if got := l.Queries(nil); len(got) != 0 {
		t.Errorf("forgotten: %v", got)
	}
}

func TestServersThatAreCutLogToo(t *testing.T) {
	l := open(t, 1)
	l.CutAuthorities(true)
	silent(l.Authorities()[0].Addr(), "udp")
	if n := len(l.Queries(nil)); n != 1 {
		t.Errorf("%d queries are in the log, want 1", n)
	}
}

func TestTheLogKeepsTheNewest(t *testing.T) {
	var l log
	const n = 3*maxLog + 7
	for i := range n {
		l.add(Query{UDPSize: uint16(i % 1000)})
	}
	got := l.read(nil)
	if len(got) != maxLog || got[maxLog-1].UDPSize != (n-1)%1000 || got[0].UDPSize != (n-maxLog)%1000 {
		t.Errorf("%d queries, from %d to %d", len(got), got[0].UDPSize, got[len(got)-1].UDPSize)
	}
}

func TestTransportsAreWords(t *testing.T) {
	for _, tr := range []Transport{AnyTransport, UDP, TCP, Inside} {
		text, err := tr.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		back := Transport(99)
		if err := back.UnmarshalText(text); err != nil || back != tr {
			t.Errorf("%s comes back as %d, %v", text, back, err)
		}
	}
	var tr Transport
	if err := tr.UnmarshalText([]byte("dot")); err == nil {
		t.Error("dot is a transport")
	}
}
