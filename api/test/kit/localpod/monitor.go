package localpod

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"
)

// own holds the addresses from which the tests themselves connect to Redis.
var own sync.Map

// DialOwn connects a test to Redis. recordCommands does not record the commands on this connection.
func DialOwn(port int, options ...redis.DialOption) (redis.Conn, error) {
	return redis.Dial("tcp", local(port), append(options, redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			own.Store(c.LocalAddr().String(), true)
		}
		return c, err
	}))...)
}

// monitored matches a line of MONITOR's output, such as 1700000000.5 [0 127.0.0.1:5000] "GET" "messages".
var monitored = regexp.MustCompile(`^[0-9.]+ \[\d+ (\S+)\] (".*")$`)

// recordCommands records which commands the API sends to a Redis, in a file in the folder $REDIS_COMMANDS. The file holds each command's
// name, number of arguments and options.
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
	file, err := os.CreateTemp(dir, filepath.Base(os.Args[0])+"-*")
	if err != nil {
		return err
	}
	go func() {
		defer c.Close()
		defer file.Close()
		option, seen := regexp.MustCompile(`^[A-Z]{2,}$`), map[string]bool{}
		for {
			line, err := redis.String(redis.ReceiveWithTimeout(c, 0))
			if err != nil {
				return
			}
			match := monitored.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			if _, test := own.Load(match[1]); test || match[1] == local(p.Ports.Master) || match[1] == local(p.Ports.Slave) {
				continue
			}
			words := strings.Split(match[2], `" "`)
			form := strings.ToLower(strings.Trim(words[0], `"`)) + " " + strconv.Itoa(len(words)-1)
			for _, word := range words[1:] {
				if word = strings.ToUpper(strings.Trim(word, `"`)); option.MatchString(word) && len(word) < 20 {
					form += " " + word
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
