package web

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// ParseMoment reads a point in time as people write it: RFC 3339, a date, or how
// long ago ("90m", "7d"). Empty is the zero time.
func ParseMoment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2026-01-31T12:00:00Z, 2026-01-31, or how long ago, as in 90m or 7d", s)
}

// ParseAhead reads a point in time to come as people write it: RFC 3339, a date, or in how long ("90m", "7d"). Empty is
// the zero time.
func ParseAhead(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(time.Duration(d)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2026-01-31T12:00:00Z, 2026-01-31, or in how long, as in 90m or 7d", s)
}
