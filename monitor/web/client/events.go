package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"maildrift/monitor/web/wire"
)

// maxEvent bounds one event.
const maxEvent = 4 << 20

// Event is something that happened.
type Event struct {
	// Transition is what happened to a record; nil if something else has changed.
	Transition *wire.Transition
	// At is when the daemon said so, if it is not a transition.
	At time.Time
}

// Events gives what happens, of one domain or with an empty name of all, until ctx ends or the daemon goes; the last
// element has the error then, which is that of ctx, or io.EOF for a daemon that hung up. Transitions with a number
// above after that were before the call come first; 0 means none.
func (c *Client) Events(ctx context.Context, domain string, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		what := api(http.MethodGet, "events")
		what.query = values("domain", domain)
		if after > 0 {
			what.query.Set("after", strconv.FormatUint(after, 10))
		}
		resp, err := c.send(ctx, what)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
		kind := ""
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch field {
			case "event":
				kind = value
			case "data":
				event, err := readEvent(kind, value)
				if !yield(event, err) || err != nil {
					return
				}
			}
		}
		err = errors.Join(ctx.Err(), lines.Err())
		if err == nil {
			err = io.EOF
		}
		yield(Event{}, err)
	}
}

func readEvent(kind, data string) (Event, error) {
	var err error
	var out Event
	switch kind {
	case "transition":
		out.Transition = &wire.Transition{}
		err = json.Unmarshal([]byte(data), out.Transition)
	default:
		var change struct{ At time.Time }
		err = json.Unmarshal([]byte(data), &change)
		out.At = change.At
	}
	if err != nil {
		return out, fmt.Errorf("read an event: %w", err)
	}
	return out, nil
}
