// Package settings reads the API's configuration from the environment.
package settings

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kelseyhightower/envconfig"
	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/store"
)

// Settings is the whole configuration of the API. An environment variable that is empty counts as not set. No setting is called
// <SERVICE>_PORT, because Kubernetes sets a variable with such a name for each Service.
type Settings struct {
	GetHostsFrom      string     `envconfig:"GET_HOSTS_FROM" default:"dns" desc:"env: use REDIS_MASTER_SERVICE_HOST and REDIS_SLAVE_SERVICE_HOST; anything else: use the DNS names; the port is 6379"`
	MasterHost        string     `envconfig:"REDIS_MASTER_HOST" default:"redis-master" desc:"the master's DNS name; redis-leader in another edition"`
	SlaveHost         string     `envconfig:"REDIS_SLAVE_HOST" default:"redis-slave" desc:"the slaves' DNS name; redis-replica or redis-follower in other editions"`
	MasterServiceHost string     `envconfig:"REDIS_MASTER_SERVICE_HOST" desc:"the master's host; Kubernetes sets it"`
	SlaveServiceHost  string     `envconfig:"REDIS_SLAVE_SERVICE_HOST" desc:"the slaves' host; Kubernetes sets it"`
	MasterAddr        string     `envconfig:"REDIS_MASTER_ADDR" desc:"host:port of the master; overrides GET_HOSTS_FROM"`
	SlaveAddr         string     `envconfig:"REDIS_SLAVE_ADDR" desc:"host:port of the slaves; overrides GET_HOSTS_FROM"`
	Username          string     `envconfig:"REDIS_USERNAME" desc:"user of Redis's ACL"`
	Password          string     `envconfig:"REDIS_PASSWORD" desc:"password of master and slaves"`
	Database          uint16     `envconfig:"REDIS_DB" default:"0" desc:"number of the Redis database"`
	WaitSlaves        uint16     `envconfig:"REDIS_WAIT_SLAVES" default:"0" desc:"how many slaves must have a write before it is acknowledged; needs Redis 3.0"`
	UseTLS            bool       `envconfig:"REDIS_TLS" default:"false" desc:"true: speak TLS to Redis"`
	TLSCAFile         string     `envconfig:"REDIS_TLS_CA_FILE" desc:"PEM file of certificate authorities, read for each connection; empty: the system's"`
	TLSServerName     string     `envconfig:"REDIS_TLS_SERVER_NAME" desc:"name in Redis's certificate; empty: the address's host"`
	Key               string     `envconfig:"GUESTBOOK_KEY" desc:"the only key that is served, whatever requests name; empty: each request names one"`
	AllowedKeys       []string   `envconfig:"ALLOWED_KEYS" desc:"comma-separated keys that requests may name; empty: all keys in Redis"`
	ListenAddr        string     `envconfig:"LISTEN_ADDR" default:":8080" desc:"address to listen on"`
	LogLevel          slog.Level `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
}

// RequestTimeout bounds the total time of all calls to Redis that one HTTP request makes.
const RequestTimeout = 2 * time.Second

// Redis converts s, the API's settings, to a store.Options.
func (s *Settings) Redis(log *slog.Logger, metrics prometheus.Registerer) store.Options {
	return store.Options{
		MasterAddr: s.MasterAddr, SlaveAddr: s.SlaveAddr, Username: s.Username, Password: s.Password, Database: int(s.Database),
		WaitSlaves: int(s.WaitSlaves), TLS: s.TLS, Log: log, Metrics: metrics,
		PoolSize:     64,                     // 64 connections to the master, and 64 to the slaves
		DialTimeout:  500 * time.Millisecond, // short, so that the store has time left to ask the master if the slave is silent
		WriteTimeout: 500 * time.Millisecond,
		ReadTimeout:  time.Second,
	}
}

// Load reads the settings from environment variables, and removes empty variables from the environment. Load returns an error if a value is
// invalid, if two settings contradict each other, or if the file REDIS_TLS_CA_FILE cannot be read. An error of Load is one line with the
// variable's name, its valid values and, unless the variable is REDIS_PASSWORD, its actual value.
func Load() (*Settings, error) {
	var s Settings
	unsetEmpty()
	if err := envconfig.Process("", &s); err != nil {
		if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
			return nil, invalid(parse.KeyName, expected[parse.TypeName])
		}
		return nil, err
	}
	for i, key := range s.AllowedKeys {
		s.AllowedKeys[i] = strings.TrimSpace(key)
	}
	var masterErr, slaveErr error
	s.MasterAddr, masterErr = s.address("MASTER", s.MasterAddr, s.MasterHost, s.MasterServiceHost)
	s.SlaveAddr, slaveErr = s.address("SLAVE", s.SlaveAddr, s.SlaveHost, s.SlaveServiceHost)
	_, tlsErr := s.TLS()
	return &s, cmp.Or(masterErr, slaveErr, s.check(), tlsErr)
}

// expected maps a Go type to the words with which an error message describes the valid values.
var expected = map[string]string{
	"bool":       "true or false",
	"uint16":     "a whole number, 0 to 65535",
	"slog.Level": "debug, info, warn or error",
}

// invalid returns an error with the name and the value of an environment variable. The argument "values" describes the valid values.
func invalid(name, values string) error {
	return fmt.Errorf("%s=%q: expected %s", name, os.Getenv(name), values)
}

// address returns the host:port of the Redis whose role is "MASTER" or "SLAVE". The result is addr if addr is set, or else port 6379, at
// serviceHost if GET_HOSTS_FROM is "env", and at the DNS name "name" otherwise. If the host is empty or contains white space, "/", "@" or
// "$", or if the port is not a number from 1 to 65535, "address" returns an error that names the environment variable. The "$" occurs in a
// reference such as $(REDIS_LEADER_SERVICE_HOST), which Kubernetes leaves unchanged if the Service does not exist yet.
func (s *Settings) address(role, addr, name, serviceHost string) (string, error) {
	variable, want := "ADDR", "host:port, such as redis-master:6379"
	switch {
	case addr != "":
	case s.GetHostsFrom == "env":
		addr, variable = net.JoinHostPort(serviceHost, "6379"), "SERVICE_HOST"
		want = "the host that Kubernetes sets if the Service exists before the container starts: create it and restart, or use GET_HOSTS_FROM=dns"
	default:
		addr, variable, want = net.JoinHostPort(name, "6379"), "HOST", "a DNS name"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.ContainsAny(host, " \t\n/@$") || !isPort(port) || port == "0" {
		return "", invalid("REDIS_"+role+"_"+variable, want)
	}
	return addr, nil
}

// check returns an error that names the variable if REDIS_PASSWORD contains a line break, if GUESTBOOK_KEY is set and ALLOWED_KEYS names
// other keys, if LISTEN_ADDR is not host:port, or if REDIS_USERNAME is set without REDIS_PASSWORD.
func (s *Settings) check() error {
	_, listenPort, listenErr := net.SplitHostPort(s.ListenAddr)
	switch {
	case strings.ContainsAny(s.Password, "\r\n"):
		return errors.New("REDIS_PASSWORD: the Secret's password ends with a newline or has several lines: " +
			"make it with kubectl create secret generic redis --from-literal=password=…, or with printf %s")
	case s.Key != "" && len(s.AllowedKeys) > 0 && !slices.Equal(s.AllowedKeys, []string{s.Key}):
		return invalid("ALLOWED_KEYS", fmt.Sprintf("no other key than GUESTBOOK_KEY=%q, which is served for every request: unset one of the two", s.Key))
	case listenErr != nil || !isPort(listenPort):
		return invalid("LISTEN_ADDR", "host:port or :port, such as :8080")
	case s.Username != "" && s.Password == "":
		return invalid("REDIS_USERNAME", "REDIS_PASSWORD to be set with it")
	}
	return nil
}

// isPort reports whether s is a decimal number from 0 to 65535.
func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// TLS returns the configuration of a TLS connection to Redis, or nil if REDIS_TLS is not true. TLS returns an error if the file
// REDIS_TLS_CA_FILE cannot be read or contains no certificate in PEM form. TLS reads this file anew in each call, because the file changes
// when Redis's certificate is renewed.
func (s *Settings) TLS() (*tls.Config, error) {
	if !s.UseTLS {
		return nil, nil
	}
	config := &tls.Config{ServerName: s.TLSServerName, MinVersion: tls.VersionTLS12}
	if s.TLSCAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(s.TLSCAFile)
	if err != nil {
		return nil, invalid("REDIS_TLS_CA_FILE", "a file to read: "+err.Error())
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, invalid("REDIS_TLS_CA_FILE", "a file of certificates in PEM form")
	}
	return config, nil
}

// Usage writes a table of all settings to w, and returns an error if a write to w fails.
func Usage(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	err := envconfig.Usagef("", &Settings{}, table,
		"VARIABLE\tDEFAULT\tMEANING\n{{range .}}{{usage_key .}}\t{{usage_default .}}\t{{usage_description .}}\n{{end}}")
	return errors.Join(err, table.Flush())
}

// unsetEmpty removes environment variables that are empty, because envconfig would use "" instead of the default. unsetEmpty also cuts a
// newline at the end of a value, because "echo" adds such a newline. REDIS_PASSWORD keeps its newline, because the password of Redis may
// end with the same newline.
func unsetEmpty() {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if name != "REDIS_PASSWORD" {
			value = strings.TrimRight(value, "\r\n")
		}
		_ = os.Unsetenv(name)
		if value != "" {
			_ = os.Setenv(name, value)
		}
	}
}
