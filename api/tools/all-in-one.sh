#!/bin/sh
# Writes what is made from k8s/ below a folder: the files of all-in-one/, and the ConfigMap of the scripts of k8s/ha/.
#
#   all-in-one.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$1/all-in-one" "$1/k8s/ha"
{
  echo '# Made by "make all-in-one" from k8s/ha/scripts/: edit the files there.'
  echo 'apiVersion: v1'
  echo 'kind: ConfigMap'
  echo 'metadata:'
  echo '  name: redis-ha-scripts'
  echo '  annotations:'
  echo '    # Flux would put in what it takes for its own variables.'
  echo '    kustomize.toolkit.fluxcd.io/substitute: disabled'
  echo 'data:'
  for file in k8s/ha/scripts/*; do
    echo "  ${file##*/}: |"
    sed 's/./    &/' "$file"
  done
} >"$1/k8s/ha/redis-ha-scripts.yaml"
set -- "$1/all-in-one"

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
