package replay_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/goleak"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rulesOf draws rules.
func rulesOf(random *rand.Rand) judge.Rules {
	return judge.Rules{
		MinOperators:      1 + random.IntN(3),
		Confirmations:     random.IntN(4),
		ConfirmWait:       time.Duration(10+random.IntN(80)) * time.Second,
		DisagreementAfter: time.Duration(1+random.IntN(90)) * time.Minute,
		OverdueAfter:      time.Duration(2+random.IntN(30)) * time.Hour,
	}
}

// TestTheRulesThatWereInForceGiveWhatWasTold lets chance break zones, caches and resolvers under an engine, and
// replays what it recorded under the same rules: every alert must come out, at the moment at which it was
// decided on, and no other.
func TestTheRulesThatWereInForceGiveWhatWasTold(t *testing.T) {
	told := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 2))
				s := settings()
				s.Rules = rulesOf(random)
				s.Recheck = []time.Duration{0, 5 * time.Minute, 17 * time.Minute}[random.IntN(3)]
				group := s.Groups["default"]
				group.Schedule = cron.Every([]time.Duration{20 * time.Minute, time.Hour, 3 * time.Hour}[random.IntN(3)])
				s.Groups["default"] = group
				r := newRun(t, seed, s, 2)
				r.live(func(e *monitor.Engine) {
					r.begin(e)
					r.random(2*24*time.Hour, 40*time.Minute)
				})
				time.Sleep(time.Duration(random.IntN(20)) * time.Hour)
				r.live(func(*monitor.Engine) { r.random(24*time.Hour, 40*time.Minute) })
				report := r.replayed(func(*replay.Course) {})
				for _, l := range report.Lines {
					if l.Fate != replay.Same && l.Fate != replay.Kept {
						t.Errorf("%s by %s: %s %s %s, told %+v, would %+v", l.Fate, l.Shift, l.ID, l.Name, l.Value, l.Told, l.Would)
					}
				}
				told += report.Total().Told
			})
		})
	}
	if told < 100 {
		t.Errorf("only %d alerts were told: chance was too kind to prove anything", told)
	}
	t.Logf("%d alerts told, all of them replayed", told)
}
