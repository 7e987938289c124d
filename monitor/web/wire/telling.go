package wire

import (
	"time"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/rrset"
)

// Receiver is how one integration of one receiver of alerts fares.
type Receiver struct {
	Receiver     string    `json:"receiver" doc:"Its name in the configuration"`
	Integration  string    `json:"integration" doc:"Its kind and position there, as in webhook[0]"`
	LastSuccess  time.Time `json:"last_success,omitzero" doc:"When it last took a message; absent if it has not since the start"`
	LastAttempt  time.Time `json:"last_attempt,omitzero"`
	FailingSince time.Time `json:"failing_since,omitzero" doc:"Since when nothing reaches it; absent if that is not known"`
	LastError    string    `json:"last_error,omitempty" doc:"Without addresses and tokens"`
}

// Receivers is the list of them.
type Receivers struct {
	Receivers []Receiver `json:"receivers" nullable:"false"`
}

// Notice is one message to one receiver, and what it answered.
type Notice struct {
	At          time.Time     `json:"at"`
	Receiver    string        `json:"receiver"`
	Integration string        `json:"integration"`
	Firing      int           `json:"firing" doc:"Alerts in the message that fire"`
	Resolved    int           `json:"resolved" doc:"Alerts in the message that are over"`
	About       []NoticeAbout `json:"about" nullable:"false" doc:"The first of them"`
	Took        time.Duration `json:"took_ns"`
	Error       string        `json:"error,omitempty" doc:"Why it was not taken; absent if it was. Of failures in a row that are alike only the first is kept"`
}

// NoticeAbout is one alert of a message.
type NoticeAbout struct {
	Alert    monitor.AlertName `json:"alert"`
	Domain   rrset.Name        `json:"domain,omitempty"`
	Record   string            `json:"record,omitempty"`
	Resolved bool              `json:"resolved,omitempty"`
}

// NoticeOf gives a message.
func NoticeOf(n monitor.Notice) Notice {
	out := Notice{
		At: n.At.UTC(), Receiver: n.Receiver, Integration: n.Integration, Firing: n.Firing, Resolved: n.Resolved,
		About: []NoticeAbout{}, Took: n.Took, Error: printable(n.Error),
	}
	for _, a := range n.About {
		out.About = append(out.About, NoticeAbout{Alert: a.Alert, Domain: a.Domain, Record: printable(a.Record), Resolved: a.Resolved})
	}
	return out
}

// Notices is a part of the list of messages.
type Notices struct {
	Notices []Notice  `json:"notices" nullable:"false"`
	More    time.Time `json:"more,omitzero" doc:"As in the history"`
}

// Health is how resolvers have answered since the start, for a day at most.
type Health struct {
	Sources []health.Source `json:"sources" nullable:"false" doc:"By ID of the resolver; the zones' own servers together as authority"`
}
