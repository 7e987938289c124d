package wire

import "time"

// Compaction is what a compaction of the database did.
type Compaction struct {
	Before int64         `json:"before_bytes" doc:"Size of the file"`
	After  int64         `json:"after_bytes"`
	Took   time.Duration `json:"took_ns"`
	Held   time.Duration `json:"held_ns" doc:"For how long of that nothing could be committed"`
}
