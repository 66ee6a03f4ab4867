#!/bin/sh
# lint-manifests.sh checks the shell scripts with shellcheck, and the manifests with kube-score and with the schemas of several versions of
# Kubernetes. lint-manifests.sh also checks that generated files are up to date.
set -eu
cd "$(dirname "$0")/../.."
api/tools/install-programs.sh shellcheck
find . -name '*.sh' -not -path './.*' -exec shellcheck --external-sources --source-path=SCRIPTDIR --shell=sh {} +
export GOBIN="$PWD/.build" LC_ALL=C
go install sigs.k8s.io/kubectl-validate@v0.0.4
go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0

# quiet FILE COMMAND… writes the command's output to the file, and prints the output if the command fails.
quiet() {
  out=$1
  shift
  echo "$*"
  "$@" >"$out" 2>&1 || { cat "$out"; exit 1; }
}

rm -rf .build/components && mkdir .build/components
for folder in k8s/components/*/; do
  component=$(basename "$folder")
  api/tools/kustomized.sh k8s "components: [../../k8s/components/$component]" >".build/components/$component.yaml"
done
# The Go modules of the Gateway API and of the Prometheus Operator contain the schemas of these two projects.
rm -rf .build/crds && mkdir .build/crds
folder() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }
cp "$(folder sigs.k8s.io/gateway-api@v1.7.0)"/config/crd/standard/*.yaml \
  "$(folder github.com/prometheus-operator/prometheus-operator@v0.85.0)"/example/prometheus-operator-crd/*.yaml .build/crds
# Version X of the Go module k8s.io/kubernetes contains the schemas of Kubernetes X.
for version in 1.30.14 1.31.14 1.32.13 1.33.13 1.34.4 1.35.4 1.36.3 1.37.2; do
  schemas=.build/schemas/$version
  if [ ! -d "$schemas" ]; then
    rm -rf .build/schemas/new
    for file in "$(folder k8s.io/kubernetes@v$version)"/api/openapi-spec/v3/*__v*_openapi.json; do
      # A file such as apis__apps__v1_openapi.json contains the schemas of one API group, here apps/v1.
      group=.build/schemas/new/$(basename "$file" _openapi.json | sed 's|__|/|g')
      mkdir -p "${group%/*}" && cp "$file" "$group.json"
    done
    mv .build/schemas/new "$schemas"
  fi
  # lint-manifests.sh fails if Kubernetes $version lacks the schemas of an API group, because kubectl-validate would then use the
  # schemas of another version without a warning.
  find k8s all-in-one .build/components -name '*.yaml' -exec sed -n 's/^apiVersion: //p' {} + | sort -u |
    grep -v -e '^gateway\.' -e '^monitoring\.' | while read -r group; do
      [ -f "$schemas/api/$group.json" ] || [ -f "$schemas/apis/$group.json" ] || { echo "Kubernetes $version has no $group" >&2; exit 1; }
    done
  quiet .build/valid .build/kubectl-validate --version 1.30 --local-schemas "$schemas" --local-crds .build/crds k8s all-in-one .build/components
done

# Each comment below names the reason why the option after the comment disables a check of kube-score.
# The containers have a memory limit but no CPU limit, because a CPU limit would slow requests down while a processor is idle.
set -- --ignore-container-cpu-limit
# The Redis containers have no limit for ephemeral storage, because a slave's volume must have room for any snapshot of the master.
set -- "$@" --ignore-test container-ephemeral-storage-request-and-limit
# kube-score finds the user ids 101 and 999 too low, but the stock images of nginx and Redis have these users.
set -- "$@" --ignore-test container-security-context-user-group-id
# The manifests do not set imagePullPolicy to Always, because images that kind or minikube has loaded from this machine are in no registry.
set -- "$@" --ignore-test container-image-pull-policy
# The manifests spread pods over the nodes with topologySpreadConstraints instead of anti-affinity, so that all pods can run on a single
# node.
set -- "$@" --ignore-test deployment-has-host-podantiaffinity --ignore-test statefulset-has-host-podantiaffinity
# The autoscaled Deployment "frontend" sets "replicas", because "kubectl replace" without "replicas" scales a Deployment down to one pod.
set -- "$@" --ignore-test deployment-targeted-by-hpa-does-not-have-replicas-configured
# The NetworkPolicies do not restrict egress, because a restriction would have to name the address of the cluster's DNS.
set -- "$@" --ignore-test pod-networkpolicy
# redis-master has one pod at any time, because two pods would write the same file.
set -- "$@" --ignore-test deployment-strategy --ignore-test deployment-replicas
# The Service "frontend" is a NodePort, because a NodePort works on any cluster.
set -- "$@" --ignore-test service-type
quiet .build/score .build/kube-score score --exit-one-on-warning "$@" k8s/*.yaml k8s/ha/*.yaml

rm -rf .build/made
api/tools/all-in-one.sh .build/made
for made in all-in-one k8s/ha/redis-ha-scripts.yaml; do
  diff -r $made .build/made/$made || { echo "run make all-in-one" >&2; exit 1; }
done
