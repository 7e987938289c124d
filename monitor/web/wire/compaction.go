package wire

import (
	"fmt"
	"time"
)

// Compaction is what a compaction of the database did.
type Compaction struct {
	Before int64         `json:"before_bytes" doc:"Size of the file"`
	After  int64         `json:"after_bytes" doc:"Its size now: a little larger than before if there was no room to give back"`
	Took   time.Duration `json:"took_ns"`
	Held   time.Duration `json:"held_ns" doc:"For how long of that nothing could be committed"`
}

// String says it for the audit trail.
func (c Compaction) String() string {
	return fmt.Sprintf("%d bytes, were %d", c.After, c.Before)
}
