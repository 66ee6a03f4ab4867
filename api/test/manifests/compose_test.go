package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// Each container in compose.yaml has the same image, memory limit and settings of redis-server as in k8s/.
func TestComposeIsLikeTheCluster(t *testing.T) {
	var compose object
	must.OK(t, yaml.Unmarshal([]byte(must.Read(t, must.Root(t), "compose.yaml")), &compose))
	services, manifests := sub(compose, "services"), objects(t, base(t))
	// settings returns the arguments of a command without quotes and line ends.
	settings := func(command any) string {
		text := strings.NewReplacer(`"`, "", `\`, "", "[", "", "]", "").Replace(fmt.Sprint(command))
		if start := regexp.MustCompile(`(?s)exec redis-server - (.*) <<CONF`).FindStringSubmatch(text); start != nil {
			text = start[1]
		}
		return strings.Join(strings.Fields(text), " ")
	}
	for service, container := range map[string]object{
		"nginx":        containers(manifests["Deployment/frontend"])[1],
		"api":          containers(manifests["Deployment/frontend"])[0],
		"redis-master": containers(manifests["Deployment/redis-master"])[0],
		"redis-slave":  containers(manifests["Deployment/redis-slave"])[0],
	} {
		s := sub(services, service)
		memory := strings.TrimSuffix(fmt.Sprint(sub(sub(container, "resources"), "limits")["memory"]), "i")
		if s["image"] != container["image"] || !strings.EqualFold(fmt.Sprint(s["mem_limit"]), memory) {
			t.Errorf("%s has the image %v and %v of memory, want %v and %s", service, s["image"], s["mem_limit"], container["image"], memory)
		}
		if got, want := settings(s["command"]), settings(container["args"]); strings.HasPrefix(service, "redis-") && (got != want || want == "") {
			t.Errorf("%s has the settings %s, want %s", service, got, want)
		}
	}
	env := fields(manifests["Deployment/frontend"])
	for name, value := range sub(sub(services, "api"), "environment") {
		if value != "${REDIS_PASSWORD:-}" && !slices.Contains(env, fmt.Sprint(apiEnv, name, " value=", value)) {
			t.Errorf("the API's %s is %v, unlike that of k8s/", name, value)
		}
	}
}
