package coalesce

import (
	"context"
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
				if members, ok := g.Do("messages", new(int64), soon(), read); !ok || *members[0] < asked {
					t.Errorf("read %v, asked when it was %d", members, asked)
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
	if got, _ := g.Do(2, 7, soon(), func(context.Context, []int) {}); len(got) != 1 || got[0] != 7 {
		t.Errorf("the members are %v", got)
	}
	close(hold)
	done.Wait()
}

// An exchange that hangs holds nobody up for longer than until his own deadline, whoever comes first.
func TestEachMemberHasItsOwnDeadline(t *testing.T) {
	for _, hurriedFirst := range []bool{true, false} {
		var g Group[string, int]
		hold, held := make(chan struct{}), make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() { g.Do("", 0, soon(), func(context.Context, []int) { close(held); <-hold }) })
		<-held
		exchange := func(ctx context.Context, _ []int) {
			if deadline, _ := ctx.Deadline(); time.Until(deadline) < 30*time.Second {
				t.Errorf("the exchange may last until %s, which is the deadline of the member that can wait least", deadline)
			}
		}
		start, gaveUp := time.Now(), make(chan struct{})
		hurried := func() {
			defer close(gaveUp)
			if _, ok := g.Do("", 1, start.Add(50*time.Millisecond), exchange); ok {
				t.Error("who cannot wait is answered")
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s, the deadline is 50ms", took)
			}
		}
		patient := func() {
			if members, ok := g.Do("", 2, soon(), exchange); !ok || len(members) != 2 {
				t.Errorf("who can wait gets %v, %t", members, ok)
			}
		}
		for i, member := range map[bool][]func(){true: {hurried, patient}, false: {patient, hurried}}[hurriedFirst] {
			all.Go(member)
			for joined := 0; joined <= i; { // until it takes part
				g.mu.Lock()
				if e := g.last[""]; !e.started {
					joined = len(e.members)
				}
				g.mu.Unlock()
			}
		}
		<-gaveUp
		close(hold)
		all.Wait()
	}
}

// A panic is that of those who asked, not of the process.
func TestAPanicReachesEachMember(t *testing.T) {
	var g Group[string, int]
	var done sync.WaitGroup
	for i := range 10 {
		done.Go(func() {
			defer func() {
				if p := recover(); p != "broken" {
					t.Errorf("recovered %v", p)
				}
			}()
			g.Do("", i, soon(), func(context.Context, []int) { panic("broken") })
			t.Error("no panic")
		})
	}
	done.Wait()
	if members, ok := g.Do("", 7, soon(), func(context.Context, []int) {}); !ok || len(members) != 1 {
		t.Errorf("afterwards: %v, %t", members, ok)
	}
}
