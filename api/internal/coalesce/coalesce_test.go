package coalesce

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func soon() time.Time { return time.Now().Add(time.Minute) }

// Whoever asks while an exchange is under way must not get its outcome: that may be older than the question.
func TestAnOutcomeIsNeverOlderThanItsQuestion(t *testing.T) {
	var g Group[string, *int64]
	var now atomic.Int64 // what is read
	var reads atomic.Int64
	read := func(_ context.Context, members []*int64) {
		reads.Add(1)
		*members[0] = now.Load()
		time.Sleep(100 * time.Microsecond) // the answer's way back
	}
	var done sync.WaitGroup
	const readers, times = 50, 100
	for range readers {
		done.Go(func() {
			for range times {
				asked := now.Add(1)
				if got := *g.Do("messages", new(int64), soon(), read)[0]; got < asked {
					t.Errorf("read %d, asked when it was %d", got, asked)
				}
			}
		})
	}
	done.Wait()
	if n := reads.Load(); n > readers*times/2 {
		t.Errorf("%d reads for %d questions: they are not shared", n, readers*times)
	}
	if len(g.last) != 0 {
		t.Errorf("%d exchanges are left", len(g.last))
	}
}

func TestEachMemberTakesPartOnce(t *testing.T) {
	var g Group[struct{}, int]
	var mu sync.Mutex
	seen := map[int]int{}
	underWay := 0
	exchange := func(_ context.Context, members []int) {
		mu.Lock()
		defer mu.Unlock()
		if underWay++; underWay > 1 {
			t.Error("two exchanges at the same time")
		}
		for _, m := range members {
			seen[m]++
		}
		mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		underWay--
	}
	var done sync.WaitGroup
	const members = 1000
	for i := range members {
		done.Go(func() { g.Do(struct{}{}, i, soon(), exchange) })
	}
	done.Wait()
	for i := range members {
		if seen[i] != 1 {
			t.Errorf("%d took part %d times", i, seen[i])
		}
	}
}

// An exchange of one key does not wait for one of another.
func TestKeysAreApart(t *testing.T) {
	var g Group[int, int]
	hold, held := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		g.Do(1, 0, soon(), func(context.Context, []int) {
			close(held)
			<-hold
		})
	})
	<-held
	if got := g.Do(2, 7, soon(), func(context.Context, []int) {}); len(got) != 1 || got[0] != 7 {
		t.Errorf("the members are %v", got)
	}
	close(hold)
	done.Wait()
}

// An exchange that hangs holds up those after it no longer than their own deadline.
func TestTheDeadlineIsThatOfTheFirstMember(t *testing.T) {
	var g Group[string, *error]
	hang := func(ctx context.Context, members []*error) {
		<-ctx.Done()
		*members[0] = ctx.Err()
	}
	start := time.Now()
	var done sync.WaitGroup
	for range 10 {
		done.Go(func() {
			if err := *g.Do("", new(error), start.Add(100*time.Millisecond), hang)[0]; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	done.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s, the deadline is 100ms", took)
	}
}
