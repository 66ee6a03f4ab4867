#!/bin/sh
# Checks the shell scripts, and the manifests: what they allow the pods, the schemas of Kubernetes and of what extends it, also with
# each component, what kube-score advises, and whether the files that are made from others are up to date.
set -eu
cd "$(dirname "$0")/../.."
api/tools/install-programs.sh shellcheck
find . -name '*.sh' -not -path './.*' -exec shellcheck --external-sources --source-path=SCRIPTDIR --shell=sh {} +
export GOBIN="$PWD/.build" LC_ALL=C
# Go does not see that a manifest has changed, and would give the result from before.
go test -count=1 ./api/test/manifests
go install sigs.k8s.io/kubectl-validate@v0.0.4
go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0

# quiet FILE COMMAND…: what the command prints goes to the file, and is shown if it fails.
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
# The schemas of the Gateway API and of Prometheus's operator are in their Go modules.
rm -rf .build/crds && mkdir .build/crds
folder() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }
cp "$(folder sigs.k8s.io/gateway-api@v1.6.3)"/config/crd/standard/*.yaml \
  "$(folder github.com/prometheus-operator/prometheus-operator@v0.70.0)"/example/prometheus-operator-crd/*.yaml .build/crds
quiet .build/valid .build/kubectl-validate --version 1.30 --local-crds .build/crds k8s all-in-one .build/components

# The advice of kube-score that is not followed, each with its reason.
# Memory is limited; a CPU limit would slow visitors down while a processor is idle.
set -- --ignore-container-cpu-limit
# The containers write to volumes and to their logs only.
set -- "$@" --ignore-test container-ephemeral-storage-request-and-limit
# Users of the stock images: 101 and 999.
set -- "$@" --ignore-test container-security-context-user-group-id
# Images built here are loaded into kind or minikube without a registry.
set -- "$@" --ignore-test container-image-pull-policy
# topologySpreadConstraints spread the pods, and still let them all start on a single node.
set -- "$@" --ignore-test deployment-has-host-podantiaffinity --ignore-test statefulset-has-host-podantiaffinity
# Without replicas, "kubectl replace" would go down to one pod before the autoscaler acts.
set -- "$@" --ignore-test deployment-targeted-by-hpa-does-not-have-replicas-configured
# Ingress is restricted; egress would have to know how this cluster reaches its DNS.
set -- "$@" --ignore-test pod-networkpolicy
# There is one redis-master, and two would write the same file.
set -- "$@" --ignore-test deployment-strategy --ignore-test deployment-replicas
# The Service frontend is of the type that works on any cluster.
set -- "$@" --ignore-test service-type
quiet .build/score .build/kube-score score --exit-one-on-warning "$@" k8s/*.yaml k8s/ha/*.yaml

rm -rf .build/made
api/tools/all-in-one.sh .build/made
for made in all-in-one k8s/ha/redis-ha-scripts.yaml; do
  diff -r $made .build/made/$made || { echo "run make all-in-one" >&2; exit 1; }
done
