#!/bin/sh
# kustomized.sh prints the output of "kustomize build" for a file or a folder of manifests.
#
#   kustomized.sh RESOURCE [LINE…]   builds RESOURCE with a kustomization.yaml that contains each LINE
#
# In a LINE, a path in the repository begins with ../../
set -eu
cd "$(dirname "$0")/../.."
rm -rf .build/overlay
mkdir -p .build/overlay
resource=$1
shift
printf '%s\n' "resources: [../../$resource]" "$@" >.build/overlay/kustomization.yaml
.build/kustomize build --load-restrictor LoadRestrictionsNone .build/overlay
