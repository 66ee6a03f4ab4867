//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

// An edition is one of three published PHP guestbooks, which differ in the names of the Redis Services and in the book's Redis key.
type edition struct{ name, master, slave, key, manifest, component string }

var editions = []edition{
	{"master-slave", "master", "slave", "messages", "k8s/frontend-deployment.yaml", "existing"},
	{"replica", "master", "replica", "messages", "all-in-one/frontend-replica.yaml", "replica"},
	{"leader-follower", "leader", "follower", "", "all-in-one/frontend-leader-follower.yaml", "leader-follower"},
}

// While visitors write, the commands of docs/migrate.md replace the PHP frontend by the new frontend, and then restore the PHP frontend.
// During both changes of the frontend, no visitor's request fails, and no message is lost.
func TestDropInForThePHPFrontend(t *testing.T) {
	for _, e := range editions {
		for mode, replace := range map[string]string{
			"dns": "kubectl replace -f " + e.manifest,
			"env": "sed 's/value: dns/value: env/' k8s/frontend-deployment.yaml | kubectl replace -f -",
		} {
			t.Run(e.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				e.migrate(t, mode, replace)
			})
		}
	}
}

// migrate replaces the PHP frontend by the shell command "replace", and later restores the PHP frontend. The namespace has the Pod Security
// level "privileged", because the pods of the PHP guestbook do not meet the level "restricted".
func (e edition) migrate(t *testing.T, mode, replace string) {
	n := newNamespace(t, "privileged")
	must.Get(n.try(e.manifests(n, mode), "create", "-f", "-"))(t)
	n.ready()
	// The PHP page sends the whole book in the URL, and Apache refuses a URL of more than 8 KB, which 1,150 messages fill. With this pause,
	// visitors need at least two minutes to write so many messages.
	load := n.startLoad("-key="+e.key, "-pause=200ms", "-readers=12", "-sign")
	others := func() string {
		return n.kubectl("get", "services,deployments", "-o",
			`jsonpath={range .items[?(@.metadata.name!="frontend")]}{.metadata.name} {.metadata.generation} {.spec}{"\n"}{end}`) +
			n.kubectl("get", "service", "frontend", "-o", "jsonpath={.spec}")
	}
	before := others()

	n.documented(replace, "k8s/frontend-deployment.yaml", e.manifest)
	load.sideBySide(e.key, "nginx")
	n.ready()
	containers := n.kubectl("get", "pods", "-l", frontend, "-o", "jsonpath={range .items[*]}{.spec.initContainers[*].name} {.spec.containers[*].name};{end}")
	if containers != "api nginx;api nginx;api nginx;" {
		t.Errorf("after the replacement the pods' containers are %s", containers)
	}
	load.everyPodHasTheBook(e.key, "nginx")
	n.documented("kubectl create -f k8s/frontend-pdb.yaml -f k8s/frontend-hpa.yaml -f k8s/frontend-networkpolicy.yaml")
	n.kubectl("delete", "horizontalpodautoscaler", "frontend") // otherwise, the autoscaler could change the number of pods
	if mode == "dns" {
		n.kubectl("apply", "-k", n.kustomization(e.component))
		n.kubectl("delete", "horizontalpodautoscaler", "frontend")
	}
	load.await("170 signatures", 2*time.Minute, func() bool { return load.report().Signed >= 170 || load.failedWrites() > 0 })

	n.documented("kubectl rollout undo deployment/frontend")
	load.sideBySide(e.key, "php-redis")
	n.ready()
	load.everyPodHasTheBook(e.key, "php-redis")
	load.await("2,000 requests", time.Minute, func() bool {
		r := load.report()
		return r.Reads+r.Writes >= 2000
	})
	load.stop("")
	if after := others(); after != before {
		t.Errorf("beside the frontend there was\n%s\nnow\n%s", before, after)
	}
}

// manifests returns the manifests of the PHP guestbook with this value of GET_HOSTS_FROM.
func (e edition) manifests(n namespace, mode string) string {
	n.Helper()
	if e.name == "replica" {
		mode = "dns" // with "env", this guestbook.php reads a variable that Kubernetes does not set
	}
	var manifests strings.Builder
	err := template.Must(template.ParseFiles("testdata/php-guestbook.yaml")).Execute(&manifests, map[string]any{
		"Edition": e.name, "Master": e.master, "Roles": []string{e.master, e.slave}, "Mode": mode,
	})
	must.OK(n, err)
	return manifests.String()
}

// documented runs a command of docs/migrate.md or docs/operate.md, and returns the output. The parameter "oldnew" holds texts of the
// command and their replacements in turn, as for strings.NewReplacer.
func (n namespace) documented(command string, oldnew ...string) string {
	n.Helper()
	found := false
	for _, file := range []string{"docs/migrate.md", "docs/operate.md"} {
		for _, b := range must.Get(commands.Read(root, file))(n) {
			found = found || b.Is("e2e") && strings.Contains("\n"+b.Text, "\n"+command+"\n")
		}
	}
	if !found {
		n.Errorf("neither docs/migrate.md nor docs/operate.md says, for tests of e2e, %q", command)
	}
	return n.shellOut(strings.NewReplacer(oldnew...).Replace(command))
}

// kustomization returns the path of a copy of k8s/ with the given components.
func (n namespace) kustomization(components ...string) string {
	n.Helper()
	dir := n.TempDir()
	must.OK(n, os.CopyFS(dir, os.DirFS(manifests)))
	file := filepath.Join(dir, "Kustomization")
	text := must.Read(n, file)
	for _, component := range components {
		line := "- components/" + component + "\n"
		if !strings.Contains(text, "# "+line) {
			n.Fatalf("the Kustomization does not offer %q", component)
		}
		text = strings.Replace(text, "# "+line, line, 1)
	}
	must.Write(n, file, text)
	return dir
}

// sideBySide pauses a rolling update when the first new pod exists. Both the old pods and the new pod must return the whole book.
func (l load) sideBySide(key, updated string) {
	l.Helper()
	l.await("a first pod with "+updated, time.Minute, func() bool {
		return strings.Contains(l.kubectl("get", "pods", "-l", frontend, "-o", "jsonpath={.items[*].spec.containers[*].name}"), updated)
	})
	l.kubectl("rollout", "pause", "deployment/frontend")
	l.everyPodHasTheBook(key, "nginx", "php-redis")
	l.kubectl("rollout", "resume", "deployment/frontend")
}

// everyPodHasTheBook waits until every frontend pod returns all acknowledged messages. In the parameter "containers", "nginx" stands for
// new frontend pods, and "php-redis" for pods of the PHP guestbook.
func (l load) everyPodHasTheBook(key string, containers ...string) {
	l.Helper()
	var book strings.Builder
	for i := range l.report().Writes {
		fmt.Fprintf(&book, ",m%d", i)
	}
	query := "?cmd=get"
	if key != "" {
		query += "&key=" + key
	}
	l.await(fmt.Sprintf("every pod has the book, with %v", containers), time.Minute, func() bool {
		pods := l.kubectl("get", "pods", "-l", frontend, "-o", `jsonpath={range .items[?(@.status.containerStatuses[0].ready==true)]}`+
			`{.spec.containers[0].name} {.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}`)
		var found []string
		for line := range strings.Lines(pods) {
			fields := strings.Fields(line)
			if len(fields) > 2 {
				continue // the pod is terminating
			}
			found = append(found, fields[0])
			var answer struct{ Data string }
			out, err := l.try("", "get", "--raw", "/api/v1/namespaces/"+l.name+"/pods/"+fields[1]+":80/proxy/guestbook.php"+query)
			if err != nil || json.Unmarshal([]byte(out), &answer) != nil || !strings.HasPrefix(answer.Data, book.String()) {
				l.Logf("%s answers %.80q, %v", fields[1], out, err)
				return false
			}
		}
		slices.Sort(found)
		return slices.Equal(slices.Compact(found), containers)
	})
}
