package monitor

import (
	"time"

	"maildrift/monitor/rrset"
)

// Notice is one message to one receiver, and what it answered. History keeps it, so that people can look up who was
// told what, and when.
type Notice struct {
	At time.Time `json:"at"`
	// Receiver is its name in the configuration, Integration its kind and position there: "webhook[0]".
	Receiver    string `json:"receiver"`
	Integration string `json:"integration"`
	// Firing and Resolved count the alerts in the message. About are the first of them.
	Firing   int           `json:"firing"`
	Resolved int           `json:"resolved"`
	About    []NoticeAbout `json:"about,omitempty"`
	// Took is how long the receiver took.
	Took time.Duration `json:"took_ns"`
	// Error is why it was not taken, without addresses and tokens; empty if it was. Of failures in a row that are alike
	// only the first is kept.
	Error string `json:"error,omitempty"`
}

// NoticeAbout is one alert of a message.
type NoticeAbout struct {
	Alert    AlertName  `json:"alert"`
	Domain   rrset.Name `json:"domain,omitempty"`
	Record   string     `json:"record,omitempty"`
	Resolved bool       `json:"resolved,omitempty"`
}
