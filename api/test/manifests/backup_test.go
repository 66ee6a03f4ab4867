package manifests

import (
	"testing"
	"time"
)

// A backup that hangs must keep no later one from starting, and must be seen as failed.
func TestABackupEndsBeforeTheNextBegins(t *testing.T) {
	const night = 24 * time.Hour
	job := sub(objects(t, read(t, files(t, "k8s/backup/guestbook-backup-cronjob.yaml")[0]))["CronJob/guestbook-backup"], "spec")
	if job["schedule"] != "0 3 * * *" {
		t.Errorf("the schedule is %v, want one a night", job["schedule"])
	}
	seconds := func(name string, spec object) time.Duration {
		n, _ := spec[name].(int)
		return time.Duration(n) * time.Second
	}
	start, end := seconds("startingDeadlineSeconds", job), seconds("activeDeadlineSeconds", sub(sub(job, "jobTemplate"), "spec"))
	if start <= 0 || end <= 0 || start+end >= night {
		t.Errorf("it may start within %s and take %s, want both to be bounded, and to end before the next", start, end)
	}
	// A job whose pod is stuck on a node that is gone does not end at its deadline.
	if job["concurrencyPolicy"] != "Replace" {
		t.Errorf("concurrencyPolicy is %v: one that hangs keeps all later ones from starting", job["concurrencyPolicy"])
	}
}
