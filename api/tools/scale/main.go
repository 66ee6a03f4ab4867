// Command scale calculates what some number of requests a second takes, from what one request costs; see
// docs/scale.md and the Makefile's target of that name. Give it the costs that `make bench` prints on your machine.
package main

import (
	"flag"
	"fmt"
	"math"
)

func main() {
	// Seconds of processor time for 10,000 requests, as in the table of make bench.
	nginx := flag.Float64("nginx", 0.22, "nginx, for any request")
	read := flag.Float64("read", 0.22, "API, for a get")
	write := flag.Float64("write", 0.26, "API, for a post")
	slave := flag.Float64("slave", 0.08, "slave, for a read that reaches it")
	master := flag.Float64("master", 0.04, "master, for a post")
	copies := flag.Float64("copies", 0.02, "slave, for a post that it copies")
	exchange := flag.Float64("exchange", 1, "milliseconds of a read of the slave: a pod makes one after the other for a book")
	writes := flag.Float64("writes", 5, "posts, in percent of all requests")
	books := flag.Float64("books", 1, "keys that the requests are spread over")
	cores := flag.Float64("cores", 2, "processors of a pod")
	busy := flag.Float64("busy", 60, "how busy a processor should be, in percent")
	bytes := flag.Float64("bytes", 320, "bytes of an answer")
	flag.Parse()

	fmt.Printf("%.0f %% posts, %.0f keys; pods of %.0f processors, each %.0f %% busy.\n\n", *writes, *books, *cores, *busy)
	fmt.Print("| Requests/s | Frontend pods | Reads that reach slaves, /s | Slaves | Master busy | Masters | Network, Mbit/s |\n|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, rate := range []float64{1_000, 10_000, 100_000, 1_000_000} {
		posts := rate * *writes / 100
		reads := rate - posts
		usable := *busy / 100
		perPod := *cores * usable
		pods := math.Max(3, math.Ceil((rate**nginx+reads**read+posts**write)/10_000/perPod))
		// Requests for one book share a read: a pod makes only one at a time for each book.
		reach := math.Min(reads, pods**books*1000 / *exchange)
		// Redis carries out commands on one processor.
		slaves := math.Max(2, math.Ceil(reach**slave/10_000/math.Max(usable-posts**copies/10_000, 0.01)))
		masterBusy := posts * *master / 10_000
		fmt.Printf("| %.0f | %.0f | %.0f | %.0f | %.0f %% | %.0f | %.0f |\n",
			rate, pods, reach, slaves, masterBusy*100, math.Max(1, math.Ceil(masterBusy/usable)), rate**bytes*8/1e6)
	}
}
