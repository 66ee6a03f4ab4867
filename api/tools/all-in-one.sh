#!/bin/sh
# Writes the files of all-in-one/, made from k8s/, to a folder.
#
#   all-in-one.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."

# one_file FILE…: these in one. Services come first: their variables are only in containers that start later.
one_file() {
  echo '# Made by "make all-in-one" from k8s/: edit the files there.'
  for file; do case $file in *-service.yaml) echo ---; cat "$file" ;; esac; done
  for file; do case $file in *-service.yaml) ;; *) echo ---; cat "$file" ;; esac; done
}

one_file k8s/*.yaml >"$1/guestbook-all-in-one.yaml"
one_file k8s/redis-slave-*.yaml >"$1/redis-slave.yaml"
one_file k8s/frontend-deployment.yaml k8s/frontend-service.yaml >"$1/frontend.yaml"
{
  echo '# Made by "make all-in-one" from k8s/ and k8s/components/solo, where the reasons are.'
  api/tools/kustomized.sh k8s "components: [../../k8s/components/solo]"
} >"$1/solo.yaml"
{
  echo '# Made by "make all-in-one" from k8s/ and k8s/components/canary, where the reasons are.'
  api/tools/kustomized.sh k8s "components: [../../k8s/components/canary]"
} >"$1/frontend-canary.yaml"
# The editions of the PHP guestbook that k8s/ does not serve without a component.
for edition in replica leader-follower; do
  {
    echo "# Made by \"make all-in-one\" from k8s/frontend-deployment.yaml and k8s/components/$edition, where the reasons are."
    echo '# For "kubectl replace -f" where the PHP frontend of this edition runs.'
    api/tools/kustomized.sh k8s/frontend-deployment.yaml "components: [../../k8s/components/$edition]"
  } >"$1/frontend-$edition.yaml"
done
