#!/bin/sh
# Checks the shell scripts and the manifests: the rights of the pods, the schemas of Kubernetes and of its extensions, each
# component, the advice of kube-score, and whether the files made from others are up to date.
set -eu
cd "$(dirname "$0")/../.."
api/tools/install-programs.sh shellcheck
find . -name '*.sh' -not -path './.*' -exec shellcheck --external-sources --source-path=SCRIPTDIR --shell=sh {} +
export GOBIN="$PWD/.build" LC_ALL=C
# Go does not see that a manifest has changed, so -count=1 keeps it from printing an earlier result.
go test -count=1 -skip '^TestRelease' ./api/test/manifests
go install sigs.k8s.io/kubectl-validate@v0.0.4
go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0

# quiet FILE COMMAND… writes the command's output to the file, and prints it if the command fails.
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
# The Go modules of the Gateway API and of Prometheus's operator contain their schemas.
rm -rf .build/crds && mkdir .build/crds
folder() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }
cp "$(folder sigs.k8s.io/gateway-api@v1.6.3)"/config/crd/standard/*.yaml \
  "$(folder github.com/prometheus-operator/prometheus-operator@v0.70.0)"/example/prometheus-operator-crd/*.yaml .build/crds
# Each supported version of Kubernetes has its schemas in its own module.
for version in 1.30.14 1.31.14 1.32.13 1.33.13 1.34.4 1.35.4 1.36.3 1.37.2; do
  schemas=.build/schemas/$version
  if [ ! -d "$schemas" ]; then
    rm -rf .build/schemas/new
    for file in "$(folder k8s.io/kubernetes@v$version)"/api/openapi-spec/v3/*__v*_openapi.json; do
      # apis__apps__v1_openapi.json is for apps/v1.
      group=.build/schemas/new/$(basename "$file" _openapi.json | sed 's|__|/|g')
      mkdir -p "${group%/*}" && cp "$file" "$group.json"
    done
    mv .build/schemas/new "$schemas"
  fi
  # kubectl-validate would check a group that this version lacks with the schemas of 1.30.
  find k8s all-in-one .build/components -name '*.yaml' -exec sed -n 's/^apiVersion: //p' {} + | sort -u |
    grep -v -e '^gateway\.' -e '^monitoring\.' | while read -r group; do
      [ -f "$schemas/api/$group.json" ] || [ -f "$schemas/apis/$group.json" ] || { echo "Kubernetes $version has no $group" >&2; exit 1; }
    done
  quiet .build/valid .build/kubectl-validate --version 1.30 --local-schemas "$schemas" --local-crds .build/crds k8s all-in-one .build/components
done

# The checks below ignore some advice of kube-score, each for a reason.
# Memory is limited. A CPU limit would slow visitors down while a processor is idle.
set -- --ignore-container-cpu-limit
# The containers write only to volumes and to their logs.
set -- "$@" --ignore-test container-ephemeral-storage-request-and-limit
# The users 101 and 999 are those of the stock images.
set -- "$@" --ignore-test container-security-context-user-group-id
# kind and minikube load images built here without a registry.
set -- "$@" --ignore-test container-image-pull-policy
# topologySpreadConstraints spread the pods, and still allow all of them on a single node.
set -- "$@" --ignore-test deployment-has-host-podantiaffinity --ignore-test statefulset-has-host-podantiaffinity
# Without replicas, "kubectl replace" would go down to one pod before the autoscaler acts.
set -- "$@" --ignore-test deployment-targeted-by-hpa-does-not-have-replicas-configured
# Egress is not restricted, because a policy would have to know how this cluster reaches its DNS.
set -- "$@" --ignore-test pod-networkpolicy
# redis-master has one replica, because two would write the same file.
set -- "$@" --ignore-test deployment-strategy --ignore-test deployment-replicas
# NodePort works on any cluster.
set -- "$@" --ignore-test service-type
quiet .build/score .build/kube-score score --exit-one-on-warning "$@" k8s/*.yaml k8s/ha/*.yaml

rm -rf .build/made
api/tools/all-in-one.sh .build/made
for made in all-in-one k8s/ha/redis-ha-scripts.yaml; do
  diff -r $made .build/made/$made || { echo "run make all-in-one" >&2; exit 1; }
done
