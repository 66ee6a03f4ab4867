#!/bin/sh
# all-in-one.sh generates all-in-one/ and k8s/ha/redis-ha-scripts.yaml from k8s/, and writes them to FOLDER.
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
  echo '    # The annotation keeps Flux from replacing the shell variables of the scripts.'
  echo '    kustomize.toolkit.fluxcd.io/substitute: disabled'
  echo 'data:'
  for file in k8s/ha/scripts/*; do
    echo "  ${file##*/}: |"
    sed 's/./    &/' "$file"
  done
} >"$1/k8s/ha/redis-ha-scripts.yaml"
set -- "$1/all-in-one"

# one_file FILE… prints the manifests as one file. The generated file begins with the Services, because a container gets environment
# variables only for Services that exist when the container starts.
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
# Two editions of the PHP guestbook use other Service names for Redis, which the components "replica" and "leader-follower" set.
for edition in replica leader-follower; do
  {
    echo "# Made by \"make all-in-one\" from k8s/frontend-deployment.yaml and k8s/components/$edition, where the reasons are."
    echo '# "kubectl replace -f" applies it to a cluster that runs the PHP frontend of this edition.'
    api/tools/kustomized.sh k8s/frontend-deployment.yaml "components: [../../k8s/components/$edition]"
  } >"$1/frontend-$edition.yaml"
done
