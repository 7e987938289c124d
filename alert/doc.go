// Package alert tells people: it embeds Prometheus Alertmanager as a library,
// so that on-call gets the routing, grouping, inhibition, silences, repeats and
// receivers that they already know, and keeps what it has told on disk, so that
// a restart neither tells anything twice nor forgets an all-clear.
//
// The usual call sequence is
//
//	cfg, err := alert.ParseConfig(yaml)      // or ParseConfigIn(dir, yaml)
//	e, err := alert.NewEngine(options, cfg)  // loads notification log and silences
//	mux.Handle("/alertmanager/", e.Handler())
//	err = e.Put(ctx, replay...)              // everything firing, and what resolved lately
//	go e.Run(ctx)                            // from here on notifications leave
//	err = e.Put(ctx, changes...)             // as things happen, and all of it again every minute
//	err = e.Reload(next)                     // new routing, same alerts, silences and memory
//
// # Replay before Run
//
// Alertmanager keeps no alerts on disk; the caller's store does. Whatever is
// Put before Run is in place before the first group is looked at. This matters:
// were the alerts of one group to arrive one by one after Run, a group whose
// resolved member came first would look wholly resolved, would be told so, and
// its still firing members would then be paged a second time.
//
// # What is told, and how often
//
// The notification log remembers for each group and receiver which alerts were
// told as firing and as resolved, by a hash of their labels. So an [Alert] may
// be Put as often as one likes: the same labels in the same state are told once
// (and again after repeat_interval, if still firing). An alert that resolved
// while the process was down is told as resolved as soon as it is replayed,
// because the log still holds it as firing; one that nobody was told of is not.
//
// Three things differ from a stock Alertmanager, each so that an all-clear is
// never lost and never told twice:
//   - what mutes (a silence, an inhibition, a time interval) holds back pages,
//     but not the all-clear of an alert that the receiver was told is firing;
//   - the log carries the resolved alerts of a group on from entry to entry,
//     so that replaying one long after its all-clear stays quiet;
//   - entries live for the whole retention, not only for two repeat intervals.
//
// Delivery is at least once: a process killed between the receiver's answer and
// the write of the log (some milliseconds) tells again after its restart.
//
// An alert without end never ends by itself, however slow or stuck its source:
// see [Alert].
//
// All methods of [Engine] and [Heartbeat] may be called concurrently.
package alert
