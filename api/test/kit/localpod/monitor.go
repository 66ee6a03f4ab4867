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

// own holds the local addresses of the tests' own connections to Redis.
var own sync.Map

// DialOwn opens a connection whose commands count as a test's, not as the API's.
func DialOwn(port int, options ...redis.DialOption) (redis.Conn, error) {
	return redis.Dial("tcp", local(port), append(options, redis.DialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			own.Store(c.LocalAddr().String(), true)
		}
		return c, err
	}))...)
}

// monitored is a line of MONITOR: when, the database, the client ("lua" for a script's commands), and the words.
var monitored = regexp.MustCompile(`^[0-9.]+ \[\d+ (\S+)\] (".*")$`)

// recordCommands writes each form of a command that the API sends to the Redis at the port to a file in the folder
// REDIS_COMMANDS. A form is a command's name, the number of its words, and the words that may be options.
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
			line, err := redis.String(redis.ReceiveWithTimeout(c, 0)) // until the server ends
			if err != nil {
				return
			}
			match := monitored.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			if _, test := own.Load(match[1]); test || match[1] == local(p.Ports.Master) || match[1] == local(p.Ports.Slave) { // or what one sends the other
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
