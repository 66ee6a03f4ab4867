package localpod

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"
)

// own holds the address of the client and of the server for each connection from a test to Redis.
var own sync.Map

// DialOwn connects to Redis, and marks the connection as the test's own, so that recordCommands ignores its commands.
func DialOwn(port int, options ...redis.DialOption) (redis.Conn, error) {
	return redis.Dial("tcp", local(port), append(options, redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			own.Store(c.LocalAddr().String(), true)
			own.Store(addr, true) // MONITOR on a slave names the master as the client of each replicated command
		}
		return c, err
	}))...)
}

var option = regexp.MustCompile(`(?i)^[A-Z]{2,19}$`)

// recordCommands records which commands the API sends to a Redis, in a file in the folder $REDIS_COMMANDS. For example, the line "set 3 NX"
// stands for a SET with three arguments and the keyword NX.
func (p *Pod) recordCommands(port int) error {
	dir := os.Getenv("REDIS_COMMANDS")
	if dir == "" {
		return nil
	}
	c, err := p.dial(port)
	if err != nil {
		return err
	}
	if _, err := c.Do("MONITOR"); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "")
	if err != nil {
		return err
	}
	go func() {
		defer c.Close()
		defer file.Close()
		seen := map[string]bool{}
		for {
			line, err := redis.String(redis.ReceiveWithTimeout(c, 0))
			if err != nil {
				return
			}
			// MONITOR sends lines such as 1700000000.5 [0 127.0.0.1:5000] "GET" "messages".
			client, command, _ := strings.Cut(line, `] "`)
			if _, test := own.Load(client[strings.LastIndex(client, " ")+1:]); test {
				continue
			}
			words := strings.Split(strings.TrimSuffix(command, `"`), `" "`)
			form := fmt.Sprint(strings.ToLower(words[0]), " ", len(words)-1)
			for _, word := range words[1:] {
				if option.MatchString(word) {
					form += " " + strings.ToUpper(word)
				}
			}
			if !seen[form] {
				seen[form] = true
				fmt.Fprintln(file, form)
			}
		}
	}()
	return nil
}
