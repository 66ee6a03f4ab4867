package settings

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// load returns the settings for the environment variables in env. All settings that env does not contain are empty.
func load(t *testing.T, env map[string]string) (*Settings, error) {
	t.Helper()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		if name := field.Tag.Get("envconfig"); name != "" {
			t.Setenv(name, env[name])
		}
	}
	return Load()
}

// wantError expects an error of one line that contains each of the words but no password.
func wantError(t *testing.T, err error, words string) {
	t.Helper()
	if text := fmt.Sprint(err); !strings.Contains(text, words) || strings.Contains(text, "hunter") || strings.Contains(text, "\n") {
		t.Errorf("got %q, want %s, in one line without the password", text, words)
	}
}

func TestValues(t *testing.T) {
	// Kubernetes sets REDIS_MASTER_PORT and REDIS_SLAVE_PORT in every pod if there are Services called redis-master and redis-slave.
	t.Setenv("REDIS_MASTER_PORT", "tcp://10.0.0.11:6379")
	t.Setenv("REDIS_SLAVE_PORT", "tcp://10.0.0.12:6379")
	services := map[string]string{"REDIS_MASTER_SERVICE_HOST": "10.0.0.11", "REDIS_SLAVE_SERVICE_HOST": "fd00::12"}
	redis := func(s *Settings) string { return s.MasterAddr + " " + s.SlaveAddr }
	for _, c := range []struct {
		name string
		env  map[string]string
		get  func(*Settings) string
		want string
	}{
		{"any other word means dns", map[string]string{"GET_HOSTS_FROM": "ENV"}, redis, "redis-master:6379 redis-slave:6379"},
		{"dns is the default, and ignores the Services' variables", nil, redis, "redis-master:6379 redis-slave:6379"},
		{"an address overrides both", map[string]string{"GET_HOSTS_FROM": "env", "REDIS_MASTER_ADDR": "redis-leader:6379", "REDIS_SLAVE_ADDR": "redis-follower:6379"}, redis, "redis-leader:6379 redis-follower:6379"},
		{"dns takes other names", map[string]string{"REDIS_MASTER_HOST": "redis-leader", "REDIS_SLAVE_HOST": "redis-follower"}, redis, "redis-leader:6379 redis-follower:6379"},
		{"env takes the Services' variables, and ignores the names", map[string]string{"GET_HOSTS_FROM": "env", "REDIS_MASTER_HOST": "redis-leader", "REDIS_SLAVE_HOST": "redis-follower"}, redis, "10.0.0.11:6379 [fd00::12]:6379"},
		// If "kubectl create configmap --from-file" reads a file that "echo" wrote, the value ends with a newline, or on Windows with a
		// carriage return and a newline.
		{"a newline is not part of an address", map[string]string{"REDIS_MASTER_ADDR": "redis:6379\r\n", "REDIS_DB": "\n"}, redis, "redis:6379 redis-slave:6379"},
		{"a newline is not part of a name", map[string]string{"REDIS_USERNAME": "api\n", "REDIS_PASSWORD": "hunter2"}, func(s *Settings) string { return s.Username }, "api"},
		{"with TLS", map[string]string{"REDIS_TLS": "true", "REDIS_TLS_SERVER_NAME": "redis.example"}, func(s *Settings) string { return must.Get(s.TLS())(t).ServerName }, "redis.example"},
		{"blanks around allowed keys are none", map[string]string{"ALLOWED_KEYS": "messages, other"}, func(s *Settings) string { return s.AllowedKeys[1] }, "other"},
		{"one key may be allowed and served", map[string]string{"GUESTBOOK_KEY": "guestbook", "ALLOWED_KEYS": "guestbook"}, func(s *Settings) string { return s.Key }, "guestbook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := maps.Clone(services)
			maps.Copy(env, c.env)
			if got := c.get(must.Get(load(t, env))(t)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A Secret that was made with "echo password" ends with a newline. Redis treats the newline at a Secret's end as a part of the password.
func TestAPasswordIsOneLine(t *testing.T) {
	for _, password := range []string{"hunter2\n", "hunter2\r\n", "hunter2\r", "\n", "\nhunter2", "hunter2\nhunter3", "hunter2\rhunter3\n"} {
		_, err := load(t, map[string]string{"REDIS_PASSWORD": password})
		wantError(t, err, "kubectl create secret generic redis --from-literal=password=") // the error names a command that makes a Secret without a newline
	}
	for _, password := range []string{"hunter2", " hunter 2 ", "\thunter2", "päss,w\"ord$"} {
		if s, err := load(t, map[string]string{"REDIS_PASSWORD": password}); err != nil || s.Password != password {
			t.Errorf("%q became %+v, %v", password, s, err)
		}
	}
}

func TestWrongSettingsSayWhatWasExpected(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	must.Write(t, notPEM, "x")
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"REDIS_WAIT_SLAVES": "many"}, `REDIS_WAIT_SLAVES="many": expected a whole number, 0 to 65535`},
		{map[string]string{"REDIS_DB": "-1"}, `REDIS_DB="-1": expected a whole number, 0 to 65535`},
		{map[string]string{"REDIS_TLS": "on"}, `REDIS_TLS="on": expected true or false`},
		{map[string]string{"LOG_LEVEL": "loud"}, `LOG_LEVEL="loud": expected debug, info, warn or error`},
		{map[string]string{"REDIS_MASTER_ADDR": "redis"}, `REDIS_MASTER_ADDR="redis": expected host:port, such as redis-master:6379`},
		{map[string]string{"REDIS_SLAVE_ADDR": "tcp://10.0.0.12:6379"}, `REDIS_SLAVE_ADDR="tcp://10.0.0.12:6379": expected host:port, such as redis-master:6379`},
		{map[string]string{"REDIS_SLAVE_ADDR": ":6379", "GET_HOSTS_FROM": "env", "REDIS_MASTER_SERVICE_HOST": "10.0.0.11"}, `REDIS_SLAVE_ADDR=":6379": expected host:port, such as redis-master:6379`},
		{map[string]string{"REDIS_SLAVE_ADDR": "redis-slave:redis"}, `REDIS_SLAVE_ADDR="redis-slave:redis": expected host:port, such as redis-master:6379`},
		{map[string]string{"REDIS_MASTER_ADDR": "a b:6379"}, `REDIS_MASTER_ADDR="a b:6379": expected host:port`},
		{map[string]string{"REDIS_MASTER_ADDR": "h:0"}, `REDIS_MASTER_ADDR="h:0": expected host:port`},
		{map[string]string{"REDIS_SLAVE_ADDR": "h:65536"}, `REDIS_SLAVE_ADDR="h:65536": expected host:port`},
		{map[string]string{"REDIS_SLAVE_HOST": "a b"}, `REDIS_SLAVE_HOST="a b": expected a DNS name`},
		{map[string]string{"LISTEN_ADDR": "8080"}, `LISTEN_ADDR="8080": expected host:port or :port, such as :8080`},
		{map[string]string{"REDIS_USERNAME": "api"}, `REDIS_USERNAME="api": expected REDIS_PASSWORD to be set with it`},
		{map[string]string{"GET_HOSTS_FROM": "env"}, `REDIS_MASTER_SERVICE_HOST="": expected the host that Kubernetes sets`},
		{map[string]string{"GET_HOSTS_FROM": "env", "REDIS_MASTER_SERVICE_HOST": "10.0.0.11"}, `REDIS_SLAVE_SERVICE_HOST="": expected the host that Kubernetes sets`},
		// If the Service does not exist yet, Kubernetes does not expand the reference $(REDIS_LEADER_SERVICE_HOST).
		{map[string]string{"GET_HOSTS_FROM": "env", "REDIS_MASTER_SERVICE_HOST": "$(REDIS_LEADER_SERVICE_HOST)"}, `REDIS_MASTER_SERVICE_HOST="$(REDIS_LEADER_SERVICE_HOST)": expected the host that Kubernetes sets`},
		{map[string]string{"GUESTBOOK_KEY": "guestbook", "ALLOWED_KEYS": "messages"}, `ALLOWED_KEYS="messages": expected no other key than GUESTBOOK_KEY="guestbook"`},
		{map[string]string{"GUESTBOOK_KEY": "guestbook", "ALLOWED_KEYS": "guestbook,messages"}, `ALLOWED_KEYS="guestbook,messages": expected no other key`},
		{map[string]string{"REDIS_TLS": "true", "REDIS_TLS_CA_FILE": "/nowhere"}, `REDIS_TLS_CA_FILE="/nowhere": expected a file to read`},
		{map[string]string{"REDIS_TLS": "true", "REDIS_TLS_CA_FILE": notPEM}, `expected a file of certificates in PEM form`},
	} {
		t.Run(c.want, func(t *testing.T) {
			c.env["REDIS_PASSWORD"] = ""
			if c.env["REDIS_USERNAME"] == "" {
				c.env["REDIS_PASSWORD"] = "hunter2"
			}
			_, err := load(t, c.env)
			wantError(t, err, c.want)
		})
	}
}
