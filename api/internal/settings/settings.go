// Package settings reads the API's configuration from the environment.
package settings

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/store"
)

// Settings is the whole configuration. A variable that is set but empty counts as not set. None is called
// <SERVICE>_PORT: Kubernetes sets such variables in every pod, to the addresses of Services.
type Settings struct {
	GetHostsFrom      string        `envconfig:"GET_HOSTS_FROM" default:"dns" desc:"env: Redis is where Kubernetes' variables of the Services say, see REDIS_MASTER_SERVICE_HOST; anything else: at the DNS names REDIS_MASTER_HOST and REDIS_SLAVE_HOST, port 6379"`
	MasterHost        string        `envconfig:"REDIS_MASTER_HOST" default:"redis-master" desc:"the master's DNS name, unless GET_HOSTS_FROM=env: redis-leader"`
	SlaveHost         string        `envconfig:"REDIS_SLAVE_HOST" default:"redis-slave" desc:"the slaves' DNS name, likewise: redis-replica, redis-follower"`
	MasterServiceHost string        `envconfig:"REDIS_MASTER_SERVICE_HOST" desc:"with GET_HOSTS_FROM=env: the master's host"`
	MasterServicePort string        `envconfig:"REDIS_MASTER_SERVICE_PORT" default:"6379" desc:"with GET_HOSTS_FROM=env: the master's port"`
	SlaveServiceHost  string        `envconfig:"REDIS_SLAVE_SERVICE_HOST" desc:"with GET_HOSTS_FROM=env: the slaves' host"`
	SlaveServicePort  string        `envconfig:"REDIS_SLAVE_SERVICE_PORT" default:"6379" desc:"with GET_HOSTS_FROM=env: the slaves' port"`
	MasterAddr        string        `envconfig:"REDIS_MASTER_ADDR" desc:"host:port of the master, whatever GET_HOSTS_FROM says: a managed Redis"`
	SlaveAddr         string        `envconfig:"REDIS_SLAVE_ADDR" desc:"host:port of the slaves, likewise"`
	Username          string        `envconfig:"REDIS_USERNAME" desc:"ACL user, where Redis has users"`
	Password          string        `envconfig:"REDIS_PASSWORD" desc:"password, the same for master and slaves"`
	Database          int           `envconfig:"REDIS_DB" default:"0" desc:"number of the Redis database"`
	PoolSize          int           `envconfig:"REDIS_POOL_SIZE" default:"64" desc:"most connections to the master, and to the slaves"`
	WaitSlaves        int           `envconfig:"REDIS_WAIT_SLAVES" default:"0" desc:"a write is acknowledged once this many slaves have it, too"`
	DialTimeout       time.Duration `envconfig:"REDIS_DIAL_TIMEOUT" default:"500ms" desc:"longest wait for a connection to Redis"`
	ReadTimeout       time.Duration `envconfig:"REDIS_READ_TIMEOUT" default:"1s" desc:"longest wait for an answer of Redis"`
	WriteTimeout      time.Duration `envconfig:"REDIS_WRITE_TIMEOUT" default:"500ms" desc:"longest wait for Redis to take a command"`
	UseTLS            bool          `envconfig:"REDIS_TLS" default:"false" desc:"true: speak TLS to Redis"`
	TLSCAFile         string        `envconfig:"REDIS_TLS_CA_FILE" desc:"PEM file of the authorities that may sign Redis's certificate, read again for each connection; without it, the system's"`
	TLSServerName     string        `envconfig:"REDIS_TLS_SERVER_NAME" desc:"name that Redis's certificate must bear; without it, the address's host"`
	RequestTimeout    time.Duration `envconfig:"REQUEST_TIMEOUT" default:"2s" desc:"longest time for all that one request does with Redis"`
	DrainDelay        time.Duration `envconfig:"DRAIN_DELAY" default:"0s" desc:"how long to go on serving after SIGTERM, not ready: as long as the proxy in front needs to drain; k8s/ needs none"`
	Key               string        `envconfig:"GUESTBOOK_KEY" desc:"the one key that is served, whatever key a request names or leaves out; empty: the one that it names"`
	AllowedKeys       []string      `envconfig:"ALLOWED_KEYS" desc:"comma-separated keys that requests may name; empty: all. Others are refused, so that nobody reads or overwrites what else Redis holds"`
	ListenAddr        string        `envconfig:"LISTEN_ADDR" default:":8080" desc:"address to listen on"`
	LogLevel          slog.Level    `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	TLS               *tls.Config   `ignored:"true"` // as REDIS_TLS… say; nil: no TLS
	// RootCAs returns the authorities of REDIS_TLS_CA_FILE; nil: the file is not set.
	RootCAs func() *x509.CertPool `ignored:"true"`
}

// Redis is how the store reaches Redis.
func (s *Settings) Redis(log *slog.Logger, metrics prometheus.Registerer) store.Options {
	return store.Options{
		MasterAddr: s.MasterAddr, SlaveAddr: s.SlaveAddr, Username: s.Username, Password: s.Password, Database: s.Database,
		PoolSize: s.PoolSize, WaitSlaves: s.WaitSlaves, DialTimeout: s.DialTimeout, ReadTimeout: s.ReadTimeout, WriteTimeout: s.WriteTimeout,
		TLS: s.TLS, RootCAs: s.RootCAs, Log: log, Metrics: metrics,
	}
}

// Load reads the settings from the environment. An error is one line: the variable, its value (never a
// password) and what was expected.
func Load() (*Settings, error) {
	var s Settings
	unsetEmpty()
	if err := envconfig.Process("", &s); err != nil {
		if parse := (*envconfig.ParseError)(nil); errors.As(err, &parse) {
			return nil, invalid(parse.KeyName, expected[parse.TypeName])
		}
		return nil, err
	}
	s.MasterAddr = s.address(s.MasterAddr, s.MasterHost, s.MasterServiceHost, s.MasterServicePort)
	s.SlaveAddr = s.address(s.SlaveAddr, s.SlaveHost, s.SlaveServiceHost, s.SlaveServicePort)
	for i, key := range s.AllowedKeys {
		s.AllowedKeys[i] = strings.TrimSpace(key)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return &s, s.loadTLS()
}

// expected says what a text must look like to be parsed as each type.
var expected = map[string]string{
	"bool":          "true or false",
	"int":           "a whole number",
	"slog.Level":    "debug, info, warn or error",
	"time.Duration": "a time with its unit, such as 2s or 500ms",
}

func invalid(name, expected string) error {
	return fmt.Errorf("%s=%q: expected %s", name, os.Getenv(name), expected)
}

// address is where the Redis of a Service is: as set, or else by Kubernetes' variables or as a DNS name. A manifest may name
// the variable of another Service, as $(REDIS_LEADER_SERVICE_HOST): Kubernetes leaves that as it is where there is no such
// Service yet.
func (s *Settings) address(set, name, host, port string) string {
	switch {
	case set != "":
		return set
	case s.GetHostsFrom == "env":
		return net.JoinHostPort(host, port)
	}
	return net.JoinHostPort(name, "6379")
}

// check refuses what parses but makes no sense.
func (s *Settings) check() error {
	if err := cmp.Or(s.checkAddress("MASTER", s.MasterAddr), s.checkAddress("SLAVE", s.SlaveAddr)); err != nil {
		return err
	}
	if strings.ContainsAny(s.Password, "\r\n") {
		return errors.New("REDIS_PASSWORD: expected one line")
	}
	_, listenPort, listenErr := net.SplitHostPort(s.ListenAddr)
	const positive = "a time above 0"
	for _, c := range []struct {
		ok             bool
		name, expected string
	}{
		{s.Key == "" || len(s.AllowedKeys) == 0 || slices.Equal(s.AllowedKeys, []string{s.Key}), "ALLOWED_KEYS", fmt.Sprintf("no other key than GUESTBOOK_KEY=%q, which every request gets: unset one of the two", s.Key)},
		{listenErr == nil && isPort(listenPort), "LISTEN_ADDR", "host:port or :port, such as :8080"},
		{s.Username == "" || s.Password != "", "REDIS_USERNAME", "REDIS_PASSWORD to be set with it"},
		{s.Database >= 0, "REDIS_DB", "a database number, 0 or more"},
		{s.PoolSize >= 1 && s.PoolSize <= 10_000, "REDIS_POOL_SIZE", "1 to 10000 connections"},
		{s.WaitSlaves >= 0, "REDIS_WAIT_SLAVES", "a number of slaves, 0 or more"},
		{s.DialTimeout > 0, "REDIS_DIAL_TIMEOUT", positive},
		{s.ReadTimeout > 0, "REDIS_READ_TIMEOUT", positive},
		{s.WriteTimeout > 0, "REDIS_WRITE_TIMEOUT", positive},
		{s.RequestTimeout > 0, "REQUEST_TIMEOUT", positive},
		{s.DrainDelay >= 0, "DRAIN_DELAY", "a time of 0 or more"},
	} {
		if !c.ok {
			return invalid(c.name, c.expected)
		}
	}
	return nil
}

// checkAddress refuses an address of Redis by the name of the variable that it comes from.
func (s *Settings) checkAddress(role, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	goodHost, goodPort := host != "" && !strings.ContainsAny(host, " \t\n/@$"), isPort(port) && port != "0"
	if err == nil && goodHost && goodPort {
		return nil
	}
	prefix, env := "REDIS_"+role+"_", s.GetHostsFrom == "env"
	switch {
	case os.Getenv(prefix+"ADDR") != "":
		return invalid(prefix+"ADDR", "host:port, such as redis-master:6379")
	case env && goodHost:
		return invalid(prefix+"SERVICE_PORT", "a port, 1 to 65535")
	case env:
		return invalid(prefix+"SERVICE_HOST", "the host that Kubernetes sets if the Service exists before the container starts: create it and restart, or use GET_HOSTS_FROM=dns")
	}
	return invalid(prefix+"HOST", "a DNS name")
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func (s *Settings) loadTLS() error {
	if !s.UseTLS {
		return nil
	}
	s.TLS = &tls.Config{ServerName: s.TLSServerName, MinVersion: tls.VersionTLS12}
	if s.TLSCAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(s.TLSCAFile)
	if err != nil {
		return invalid("REDIS_TLS_CA_FILE", "a file to read: "+err.Error())
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return invalid("REDIS_TLS_CA_FILE", "a file of certificates in PEM form")
	}
	s.RootCAs = rereads(s.TLSCAFile, pem, roots)
	return nil
}

// rereads returns a function that reads the file again and returns its certificates, because the file changes when Redis's
// certificate is renewed. While the file cannot be read or holds no certificate, the function returns those read before.
func rereads(file string, pem []byte, roots *x509.CertPool) func() *x509.CertPool {
	var mu sync.Mutex
	return func() *x509.CertPool {
		mu.Lock()
		defer mu.Unlock()
		if now, err := os.ReadFile(file); err == nil && !bytes.Equal(now, pem) {
			if renewed := x509.NewCertPool(); renewed.AppendCertsFromPEM(now) {
				pem, roots = now, renewed
			}
		}
		return roots
	}
}

// Usage writes the table of all settings.
func Usage(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	err := envconfig.Usagef("", &Settings{}, table,
		"VARIABLE\tDEFAULT\tMEANING\n{{range .}}{{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}")
	return errors.Join(err, table.Flush())
}

// unsetEmpty removes the variables that are set but empty, whose emptiness envconfig would prefer to the default. A line's
// end, as "echo" puts it into a Secret, is not part of a value.
func unsetEmpty() {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		name := field.Tag.Get("envconfig")
		if value, ok := os.LookupEnv(name); !ok {
			continue
		} else if value = strings.TrimRight(value, "\r\n"); value != "" {
			_ = os.Setenv(name, value) // it is set, so name and value are valid
		} else {
			_ = os.Unsetenv(name)
		}
	}
}
