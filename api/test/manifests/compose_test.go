package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func composed(t *testing.T) object {
	t.Helper()
	var file object
	must.OK(t, yaml.Unmarshal([]byte(must.Read(t, must.Root(t), "compose.yaml")), &file))
	return sub(file, "services")
}

// Each container in compose.yaml has the same image and the same memory limit as in k8s/.
func TestComposeIsLikeTheCluster(t *testing.T) {
	services, manifests := composed(t), objects(t, base(t))
	for service, container := range map[string]object{
		"nginx":        list(podSpecs(manifests["Deployment/frontend"])[0]["containers"])[0],
		"api":          list(podSpecs(manifests["Deployment/frontend"])[0]["initContainers"])[0],
		"redis-master": list(podSpecs(manifests["Deployment/redis-master"])[0]["containers"])[0],
		"redis-slave":  list(podSpecs(manifests["Deployment/redis-slave"])[0]["containers"])[0],
	} {
		s := sub(services, service)
		memory := strings.TrimSuffix(fmt.Sprint(sub(sub(container, "resources"), "limits")["memory"]), "i")
		if s["image"] != container["image"] || !strings.EqualFold(fmt.Sprint(s["mem_limit"]), memory) {
			t.Errorf("%s has the image %v and %v of memory, want %v and %s", service, s["image"], s["mem_limit"], container["image"], memory)
		}
		if s["restart"] != "unless-stopped" {
			t.Errorf("%s, when it ends, stays away: restart: unless-stopped", service)
		}
		if mode := fmt.Sprint(s["network_mode"]); strings.HasPrefix(mode, "service:") {
			t.Errorf("%s loses its network when another container is made anew: network_mode: %s", service, mode)
		}
	}
	env := fields(manifests["Deployment/frontend"])
	for name, value := range sub(sub(services, "api"), "environment") {
		if value != "${REDIS_PASSWORD:-}" && !slices.Contains(env, fmt.Sprint(apiEnv, name, " value=", value)) {
			t.Errorf("the API's %s is %v, unlike that of k8s/", name, value)
		}
	}
}

// The Redis servers of compose.yaml have the same settings as those of k8s/.
func TestRedisOfComposeHasTheSettingsOfTheCluster(t *testing.T) {
	const password = `Pa ss"\w$o'rd`
	services, manifests := composed(t), objects(t, base(t))
	split := func(command any) (split []string) {
		if text, ok := command.(string); ok {
			return strings.Fields(strings.ReplaceAll(text, `"`, ""))
		}
		for _, word := range words(command) {
			split = append(split, strings.ReplaceAll(word, "$$", "$"))
		}
		return split
	}
	env := []string{
		"REDIS_PASSWORD=" + password, "REDISCLI_AUTH=" + password,
		"GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=127.0.0.1", "REDIS_MASTER_SERVICE_PORT=1",
	}
	start := func(command ...string) *server { return newServer(t, podtest.FreePorts(t).Slave, env, command...) }
	slave := func(args any) *server { return start(append([]string{script(t, "run.sh")}, split(args)...)...) }
	for name, pair := range map[string][2]*server{
		"master": {newMaster(t, env...), start(split(sub(services, "redis-master")["command"])...)},
		"slave": {
			slave(list(podSpecs(manifests["Deployment/redis-slave"])[0]["containers"])[0]["args"]),
			slave(sub(services, "redis-slave")["command"]),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got [2]map[string]string
			for i, s := range pair {
				s.start(t)
				s.ask(t, password, "PING")
				c := podtest.Dial(t, s.port, redis.DialPassword(password))
				got[i] = must.Get(redis.StringMap(c.Do("CONFIG", "GET", "*")))(t)
				maps.DeleteFunc(got[i], func(name, _ string) bool { return name == "port" || name == "dir" })
			}
			if len(got[0]) < 100 || got[0]["requirepass"] != password || name == "slave" && got[0]["masterauth"] != password {
				t.Errorf("%d settings, among them the passwords %q and %q", len(got[0]), got[0]["requirepass"], got[0]["masterauth"])
			}
			same(t, got[1], got[0])
		})
	}
}
