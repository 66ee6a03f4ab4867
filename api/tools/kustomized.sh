#!/bin/sh
# Prints what kustomize makes of a file or folder of manifests; make installs kustomize in .build/.
#
#   kustomized.sh RESOURCE [LINE…]   each LINE is one more of kustomization.yaml; to it, the repository is ../..
set -eu
cd "$(dirname "$0")/../.."
rm -rf .build/overlay
mkdir -p .build/overlay
resource=$1
shift
printf '%s\n' "resources: [../../$resource]" "$@" >.build/overlay/kustomization.yaml
.build/kustomize build --load-restrictor LoadRestrictionsNone .build/overlay
