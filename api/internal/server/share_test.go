package server

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func sharing() *Server {
	return &Server{Options: Options{RequestTimeout: time.Minute}, reading: make(chan struct{}, 1)}
}

// fresh returns the context of a request that has just begun.
func fresh(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	s := sharing()
	var now, reads atomic.Int64
	read := func(context.Context) ([]byte, error) {
		reads.Add(1)
		body := binary.BigEndian.AppendUint64(nil, uint64(now.Load()))
		time.Sleep(100 * time.Microsecond) // simulates the time until Redis replies
		return body, nil
	}
	var done sync.WaitGroup
	const readers, times = 50, 100
	for range readers {
		done.Go(func() {
			for range times {
				asked := now.Add(1)
				body, err := s.share(fresh(t), "messages", read)
				if err != nil || int64(binary.BigEndian.Uint64(body)) < asked {
					t.Errorf("read %v, %v, asked when it was %d", body, err, asked)
				}
			}
		})
	}
	done.Wait()
	if n := reads.Load(); n > readers*times/2 {
		t.Errorf("%d reads for %d questions: they are not shared", n, readers*times)
	}
}

func TestRequestsThatComeDuringAReadShareTheNextRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing()
		var reads atomic.Int64
		var done sync.WaitGroup
		for range 5 {
			done.Go(func() {
				_, _ = s.share(fresh(t), "messages", func(context.Context) ([]byte, error) {
					reads.Add(1)
					time.Sleep(gatherTime / 2)
					return nil, nil
				})
			})
			time.Sleep(gatherTime / 20)
		}
		done.Wait()
		if n := reads.Load(); n != 2 || len(s.reading) > 0 {
			t.Errorf("%d reads, %d still running; want one for the first request, and one for the four that came during this read", n, len(s.reading))
		}
	})
}

// If a shared read hangs, later reads wait at most gatherTime for the hanging read.
func TestAReadThatHangsHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sharing()
		go s.share(fresh(t), "a", func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		synctest.Wait()
		for _, name := range []string{"a", "b"} {
			start := time.Now()
			body, err := s.share(fresh(t), name, func(context.Context) ([]byte, error) { return []byte(name), nil })
			if took := time.Since(start); err != nil || string(body) != name || took > gatherTime {
				t.Errorf("%s reads %q, %v, after %s", name, body, err, took)
			}
		}
		time.Sleep(s.RequestTimeout) // waits for the end of the hanging read, because synctest fails if a goroutine is still running
	})
}

func TestACallerWithLittleTimeLeftReadsAlone(t *testing.T) {
	for _, timeouts := range [][]time.Duration{{time.Second, time.Minute}, {time.Minute, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := sharing()
			start := time.Now()
			read := func(ctx context.Context) ([]byte, error) {
				select {
				case <-time.After(30 * time.Second):
					return []byte("answer"), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			var done sync.WaitGroup
			for _, timeout := range timeouts {
				want, wantErr, wantTook := "answer", error(nil), 30*time.Second
				if timeout < wantTook {
					want, wantErr, wantTook = "", context.DeadlineExceeded, timeout
				}
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				done.Go(func() {
					body, err := s.share(ctx, "messages", read)
					if string(body) != want || !errors.Is(err, wantErr) || time.Since(start) != wantTook {
						t.Errorf("with %s it gets %q, %v after %s", timeout, body, err, time.Since(start))
					}
				})
			}
			done.Wait()
		})
	}
}
