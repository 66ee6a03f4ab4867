package limits

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// The following amounts of memory in bytes were measured as docs/results/memory.md describes, and rounded up.
const (
	apiAlone, apiViewer = 25 << 20, 8 << 10
	// nginxConnection is the memory of an idle connection of nginx.
	nginxAlone, nginxViewer, nginxConnection = 12 << 20, 17 << 10, 512
	redisAlone                               = 16 << 20
	slaveBuffer                              = 64 << 20
	socket                                   = 4 << 10 // the kernel's memory for a socket, which counts towards the container's memory limit.
	// nginxSlow and apiSlow are the bytes of unsent data for one slow viewer in the socket buffers of nginx and of the API.
	nginxSlow, apiSlow = 200 << 10, 48 << 10
	nginxUnread        = 384 << 10 // the memory of nginx and the kernel for a compressed answer that the client does not read
	// messageCopies is how many copies of a request's text the API may hold: received, parsed, and in the command to Redis.
	messageCopies = 3
	// readCopies is the memory for reading a guestbook, in multiples of the guestbook's length. The API holds the guestbook, and two JSON
	// texts with up to six bytes for each byte of the guestbook.
	readCopies = 1 + 2*6
	// sharedReads is the assumed number of concurrent shared reads: two of the whole guestbook, and two of its newest page.
	sharedReads = 2 * 2
	// visitors is the number of clients without an event stream. nginx has two connections per client: to the client and to the API.
	visitors = 2000
)

func TestTheFiguresGoTogether(t *testing.T) {
	const second = int64(time.Second)
	f := read(t)
	n := func(name string) int64 {
		if _, ok := f[name]; !ok {
			t.Error("there is no figure", name)
		}
		return f[name]
	}
	expect := func(ok bool, why string) {
		if !ok {
			t.Error(why)
		}
	}
	request, heap := n("settings.RequestTimeout"), n("GOMEMLIMIT")
	viewers, connections, workers := n("server.maxViewers"), n("nginx events worker_connections"), n("nginx worker_processes")
	apiMemory, nginxMemory, masterMemory := n("frontend api resources limits memory"), n("frontend nginx resources limits memory"), n("master master resources limits memory")

	expect(n("nginx http client_max_body_size") == n("server.maxBodyBytes"), "nginx and the API take bodies of different length")
	expect(n("server.maxPendingBytes") >= n("server.maxBodyBytes") && n("server.maxBodyBytes") > n("server.smallRequestBytes"), "there is no room for one body")
	header := n("nginx http client_header_buffer_size") + n("nginx http large_client_header_buffers")
	expect(header <= n("main.MaxHeaderBytes"), "nginx passes on a request line and headers that the API refuses")
	expect(n("server.maxTextBytes") <= n("nginx http large_client_header_buffers"), "an entry is longer than a request line")
	expect(n("server.maxSharedBytes") < n("server.maxGetBytes"), "a long read is none")

	// Timeouts must decrease from the client to Redis. For example, nginx must wait longer for the API than the API waits for Redis.
	expect(n("settings.DialTimeout")+n("settings.ReadTimeout") <= request*3/4, "a slave that is silent leaves no time to ask the master")
	expect(n("settings.WriteTimeout") < request, "one write to Redis takes longer than a request")
	expect(n("server.probeTimeout") < second, "a probe, which waits a second unless said, gives up before the API does")
	expect(n("nginx http server proxy_connect_timeout") <= request, "nginx waits for a connection to the API for longer than the API for Redis")
	for _, name := range []string{"proxy_send_timeout", "proxy_read_timeout"} {
		expect(n("nginx http server "+name) > request+second, name+" ends before the API answers")
	}
	expect(n("main.ReadTimeout") > request && n("main.WriteTimeout") > request, "the API's server gives up before its handlers")
	expect(n("nginx http client_body_timeout") < n("main.ReadTimeout"), "nginx waits for a body for longer than the API")
	expect(n("nginx http upstream api keepalive_timeout") < n("main.IdleTimeout"), "nginx may use a connection that the API is closing")
	for _, balancer := range []int64{60, 350, 600} { // idle timeouts of common load balancers, in seconds
		idle := n("nginx http keepalive_timeout")
		expect(max(idle-balancer*second, balancer*second-idle) >= 10*second, fmt.Sprintf("nginx closes an idle connection when load balancers use it last, after %d s", balancer))
	}
	expect(n("server.heartbeat")*2 < n("nginx http server location = /guestbook/events proxy_read_timeout"), "a stream in which nothing happens ends")
	expect(n("server.pollInterval") < n("server.heartbeat"), "the heartbeat is late")

	nginxEnd := n("frontend nginx lifecycle preStop sleep seconds")*second + n("nginx worker_shutdown_timeout")
	expect(nginxEnd+n("main.WithTimeout") < n("frontend terminationGracePeriodSeconds")*second, "the pod is killed before the API has stopped")

	// Connections, open files and memory must suffice for all viewers and visitors.
	expect(2*(viewers+visitors) <= connections, "one process of nginx with all viewers has no connections left for visitors")
	expect(connections+visitors <= n("nginx worker_rlimit_nofile"), "nginx may open fewer files than connections, and a body each")
	expect(n("nginx http upstream api keepalive")*workers < viewers, "nginx keeps more connections to the API than there may be viewers")
	// waiting is the memory for texts that the API has yet to send to viewers.
	waiting := readCopies*n("server.maxBehindBytes") + n("server.sendTimeout")/second*n("server.maxBytesPerSecond") + 6*n("server.maxBodyBytes")
	slow := n("server.maxSlowViewers")
	shared := sharedReads * n("server.maxSharedBytes")
	live := apiAlone + viewers*apiViewer + messageCopies*n("server.maxPendingBytes") + readCopies*(shared+n("server.maxLongReads")*n("server.maxGetBytes")+n("settings.PoolSize")*n("server.maxPageBytes")*3/2) + waiting
	expect(live <= heap, fmt.Sprintf("the API may need %d MB, GOMEMLIMIT is %d", live>>20, heap>>20))
	expect(heap+viewers*socket+slow*apiSlow <= apiMemory, "GOMEMLIMIT and the viewers' sockets are more than the API's memory")
	// A small request has less than 10,000 bytes of headers, and a body of less than 10,000 bytes.
	large := n("nginx http limit_conn headers")*header + n("nginx http limit_conn bodies")*n("nginx http client_body_buffer_size")
	unread := 2 * n("nginx http limit_conn requests") * nginxUnread // reads and other requests
	held := nginxAlone + workers*connections*nginxConnection + viewers*(nginxViewer+2*socket) + slow*nginxSlow + large + unread + visitors/2*20_000
	expect(held <= nginxMemory, fmt.Sprintf("nginx may need %d MB, its limit is %d", held>>20, nginxMemory>>20))
	files := n("nginx http limit_conn bodies")*n("server.maxBodyBytes") + 2*n("nginx http limit_conn requests")*n("nginx http proxy_max_temp_file_size")
	expect(n("nginx http proxy_max_temp_file_size") >= 6*n("server.maxSharedBytes"), "a slow reader of a shared read takes memory of the API")
	expect(files <= n("frontend volumes tmp emptyDir sizeLimit"), "bodies and unread answers fill the folder for which the pod is evicted")
	expect(n("frontend volumes tmp emptyDir sizeLimit") < n("frontend nginx resources limits ephemeral-storage"), "the pod is evicted before its folder is full")
	expect(redisAlone+slaveBuffer+2*n("master maxmemory")+n("master maxmemory-clients") <= masterMemory, "Redis may need more than the master's memory while it rewrites its file")
	expect(n("slave slave resources limits memory") >= masterMemory, "a slave has less memory than its master")
	expect(n("slave maxmemory-clients") == n("master maxmemory-clients"), "the clients of master and slave may take different memory")
	expect(n("scaler maxReplicas")*n("settings.PoolSize") < 10_000, "all pods together have more connections than Redis takes")
}

// docs/guarantees.md lists each limit, and describes what happens above the limit.
func TestEveryBoundIsInTheTable(t *testing.T) {
	f := read(t)
	table := must.Read(t, must.Root(t), "docs/guarantees.md")
	bound := regexp.MustCompile(`^(server\.max\w+|store\.max\w+|server\.\w*[tT]imeout|server\.slowAfter|store\.failureMemory|main\.\w+|settings\.\w+|GOMEMLIMIT|master maxmemory(-clients)?|scaler maxReplicas|.*terminationGracePeriodSeconds|nginx .*(size|buffers|timeout|nofile|_connections|processes|limit_conn \w+)|.*(sizeLimit|ephemeral-storage))$`)
	for name := range f {
		last := name[strings.LastIndexAny(name, ". ")+1:]
		if last != "WithTimeout" && bound.MatchString(name) && !regexp.MustCompile(`\b`+last+`\b`).MatchString(table) {
			t.Errorf("docs/guarantees.md does not mention %s (%s)", last, name)
		}
	}
	for _, figure := range []string{
		fmt.Sprint(f["server.maxViewers"]/1000, ",000 viewers"), fmt.Sprint(f["server.maxBodyBytes"]>>20, " MiB"), fmt.Sprint(f["server.maxGetBytes"]>>20, " MiB"),
		fmt.Sprint(f["server.maxPendingBytes"]>>20, " MiB"), fmt.Sprint(f["nginx http limit_conn bodies"], " at a time"), fmt.Sprint(f["nginx http limit_conn requests"]/1000, ",000 reads"), fmt.Sprint(f["server.maxSlowViewers"], " viewers"),
		fmt.Sprint(f["server.maxTopics"], " books"), fmt.Sprint(f["nginx http large_client_header_buffers"]>>10, " KiB"),
		fmt.Sprint(f["master maxmemory"]>>20, " MB"), fmt.Sprint(f["frontend nginx resources limits memory"]>>20, " MiB"),
	} {
		if !strings.Contains(table, figure) {
			t.Errorf("docs/guarantees.md does not say %s", figure)
		}
	}
}
