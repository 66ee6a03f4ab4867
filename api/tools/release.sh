#!/bin/sh
# release.sh builds the files of a release from the last commit. CHANGELOG.md describes the files of a release. Two builds of the same
# commit, with the same versions of Go and of the base images, write the same bytes.
#
#   release.sh FOLDER VERSION [REGISTRY]   REGISTRY is the registry of the images; without REGISTRY, images have the names in k8s/
#
# BASES is the registry of the base images, or "docker" for the images of this machine's Docker engine. With COMPLETE=1, release.sh fails if
# a base image is missing for linux/amd64 or linux/arm64. KEY is the SSH key that signs SHA256SUMS. BUILDER is the URI of the service that
# runs release.sh.
set -eu
cd "$(dirname "$0")/../.."
out=$1 version=$2 registry=${3:-docker.io/library}
bases=${BASES:-docker.io} crane=$PWD/.build/crane cyclonedx=$PWD/.build/cyclonedx-gomod
case $out in /*) ;; *) out=$PWD/$out ;; esac
case ${KEY:-} in '' | /*) ;; *) KEY=$PWD/$KEY ;; esac
case $version in '' | [.-]* | *[!0-9A-Za-z._-]*)
  echo "release.sh: an image cannot have the tag '$version': name a VERSION such as v1.0.0" >&2
  exit 1 ;;
esac
case $registry in [/:]* | */ | *//* | *[!0-9a-z._:/-]*)
  echo "release.sh: '$registry' is no registry: name one such as ghcr.io/owner" >&2
  exit 1 ;;
esac
if [ -n "$(ls -A "$out" 2>/dev/null)" ] && [ ! -f "$out/provenance.json" ]; then
  echo "release.sh: $out holds something else than a release: name another folder" >&2
  exit 1
fi
# With the next settings, the release does not depend on this machine's locale and Go configuration.
export LC_ALL=C GOFLAGS=-mod=readonly GOWORK=off GOEXPERIMENT='' GOFIPS140=off GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0
umask 022
commit=$(git rev-parse HEAD)
epoch=$(git log -1 --no-show-signature --format=%ct)
[ -z "$(git status --porcelain)" ] || echo "release.sh: the release is of the last commit, without the changes since" >&2
server='' tmp=$(mktemp -d)
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
dist=$tmp/dist
mkdir "$tmp/src" "$dist"
git archive HEAD | tar -x -C "$tmp/src"
cd "$tmp/src"
go=$(go env GOVERSION)

# pack FOLDER ARCHIVE writes a tar archive of the folder. The archive does not depend on the times, users, modes and order of the files.
pack() {
  (cd "$1" && find . -mindepth 1 -printf '%P\n') | sort |
    tar -C "$1" -c -f "$2" --no-recursion --format=gnu --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -T -
}

# For each image, this loop collects the files that the image adds to its base image.
for arch in amd64 arm64; do
  GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$dist/api-linux-$arch" ./api
  api=$tmp/$arch/gb-frontend-api nginx=$tmp/$arch/gb-frontend-nginx slave=$tmp/$arch/gb-redis-slave
  mkdir -p "$api/etc/ssl/certs" "$nginx/etc/nginx" "$nginx/usr/local/bin" "$slave"
  cp "$dist/api-linux-$arch" "$api/api"
  go run ./api/tools/roots >"$api/etc/ssl/certs/ca-certificates.crt"
  cp -R nginx/nginx.conf nginx/csp.conf nginx/html "$nginx/etc/nginx"
  cp nginx/start.sh "$nginx/usr/local/bin"
  cp redis-slave/run.sh redis-slave/move.sh "$slave"
done

# The script starts a temporary registry, because crane can change images only in a registry.
: >"$tmp/registry.log"
"$crane" registry serve --address 127.0.0.1:0 --disk "$tmp" 2>"$tmp/registry.log" &
server=$!
until grep -q 'serving on port' "$tmp/registry.log"; do
  kill -0 "$server" || { cat "$tmp/registry.log" >&2; exit 1; }
  sleep 0.1
done
local=127.0.0.1:$(sed -n 's/.*serving on port //p' "$tmp/registry.log")

# quiet COMMAND… runs the command, and prints the command's output only if the command fails.
quiet() { "$@" >"$tmp/quiet.log" 2>&1 || { cat "$tmp/quiet.log" >&2; exit 1; }; }

# copy IMAGE ARCHITECTURE copies a public image for one platform to the temporary registry, as $local/ARCHITECTURE/IMAGE. The function
# "copy" fails if the image does not exist for the platform.
copy() {
  target=$local/$2/$1
  if [ "$bases" = docker ]; then
    docker save -o "$tmp/image.tar" "$1" && "$crane" push "$tmp/image.tar" "$target"
  else
    "$crane" copy --platform "linux/$2" "$bases/${1#*/}" "$target"
  fi >"$tmp/copy.log" 2>&1 || return 1
  # crane ignores --platform if an image has only one platform, so the script checks the architecture.
  echo "its architecture is another" >"$tmp/copy.log"
  "$crane" config "$target" | grep -q "\"architecture\":\"$2\"" && echo "$1 $2 $("$crane" digest "$target")" >>"$tmp/materials"
}

# last WORD prints what follows WORD in the Dockerfile's last line that begins with WORD. A JSON list such as ["a", "b"] becomes "a","b",
# the format of crane's options.
last() { sed -n "s/^$1 //p" "$dockerfile" | tail -n 1 | sed 's/^\[\(.*\)\]$/\1/; s/", "/","/g'; }

# image NAME DOCKERFILE builds the last stage of the Dockerfile for each platform, and writes NAME.oci.tar.
image() {
  name=$1 dockerfile=$2 made=''
  from=$(last FROM)
  for arch in amd64 arm64; do
    to=$local/$arch/$name:$version
    pack "$tmp/$arch/$name" "$tmp/layer.tar"
    # The script compresses the layer, because crane's compression depends on the version of Go that has built crane.
    gzip -9nf "$tmp/layer.tar"
    if [ "$from" = scratch ]; then
      set -- --oci-empty-base
    elif copy "$from" $arch; then
      set -- -b "$local/$arch/$from"
    else
      echo "left out: $name for linux/$arch, because $from cannot be had: $(tail -n 1 "$tmp/copy.log")" >&2
      [ -z "${COMPLETE:-}" ] || exit 1
      continue
    fi
    quiet "$crane" append "$@" -f "$tmp/layer.tar.gz" -t "$to"
    set -- --user "$(last USER)" -l "org.opencontainers.image.version=$version" -l "org.opencontainers.image.revision=$commit"
    [ "$from" != scratch ] || set -- "$@" --set-platform "linux/$arch"
    [ -z "$(last ENTRYPOINT)" ] || set -- "$@" --entrypoint "$(last ENTRYPOINT)"
    [ -z "$(last CMD)" ] || set -- "$@" --cmd "$(last CMD)"
    [ -z "$(last EXPOSE)" ] || set -- "$@" --exposed-ports "$(last EXPOSE)/tcp"
    quiet "$crane" mutate "$to" -t "$to" "$@"
    made="$made -m $to"
    echo "$registry/$name:$version" >>"$tmp/$arch/images"
  done
  [ -n "$made" ] || { echo "release.sh: $from cannot be had for any platform: name its registry as BASES" >&2; exit 1; }
  # shellcheck disable=SC2086 # $made has two arguments for each platform
  quiet "$crane" index append $made -t "$local/$name:$version"
  quiet "$crane" pull --format=oci --annotate-ref "$local/$name:$version" "$tmp/oci/$name"
  # Programs that load the archive take the image's name from index.json.
  sed -i "s|$local/|$registry/|" "$tmp/oci/$name/index.json"
  pack "$tmp/oci/$name" "$dist/$name.oci.tar"
  digest=$("$crane" digest "$local/$name:$version")
  echo "$name $digest"
  echo "s|docker.io/library/$name:v1|$registry/$name:$version@$digest|" >>"$tmp/images.sed"
}

mkdir "$tmp/oci"
image gb-frontend-api api/Dockerfile
image gb-frontend-nginx nginx/Dockerfile
image gb-redis-slave redis-slave/Dockerfile

# The manifests of the bundle name images by tag and not by digest, because a cluster without a registry finds an image only by its tag.
for file in all-in-one/frontend.yaml all-in-one/frontend-replica.yaml all-in-one/frontend-leader-follower.yaml; do cp $file "$dist"; done
cp all-in-one/guestbook-all-in-one.yaml "$dist/guestbook.yaml"
for file in k8s/ha/*.yaml; do echo ---; cat "$file"; done >"$dist/ha.yaml"
# The release's compose.yaml uses published images, so sed removes the build sections.
sed '/^    build:/,/^    image:/ { /^    image:/!d }' compose.yaml >"$dist/compose.yaml"
sed -i "1i # This file is part of version $version, commit $commit." "$dist"/*.yaml
bundle=$tmp/bundle
mkdir "$bundle"
sed 's/@[^|]*|$/|/' "$tmp/images.sed" >"$tmp/tags.sed"
sed -f "$tmp/tags.sed" "$dist/guestbook.yaml" >"$bundle/guestbook.yaml"
sed -n 's/^ *image: *//p' "$dist"/*.yaml | sort -u | grep -v "/gb-" >"$tmp/stock"
while read -r image; do
  if [ "$bases" = docker ]; then
    echo "without a digest: $image, because a Docker engine does not tell that of the registry" >&2
    [ -z "${COMPLETE:-}" ] || exit 1
  else
    echo "s|$image|&@$("$crane" digest "$bases/${image#*/}")|" >>"$tmp/images.sed"
  fi
done <"$tmp/stock"
sed -i -f "$tmp/images.sed" "$dist"/*.yaml

# The bundle contains the manifests of k8s/, and an archive of all images for each platform. Docker, containerd, kind and minikube can load
# the archive. If an image lacks a platform, the bundle has no archive for the platform.
sed -n 's/^ *image: *//p' "$bundle/guestbook.yaml" | sort -u >"$tmp/bundled"
for arch in amd64 arm64; do
  [ "$(wc -l <"$tmp/$arch/images")" = 3 ] || continue
  set --
  while read -r image; do
    case $image in
      "$registry"/gb-*) ;;
      *) copy "$image" $arch || continue 2 ;;
    esac
    set -- "$@" "$local/$arch/${image#"$registry"/}"
  done <"$tmp/bundled"
  mkdir "$tmp/docker"
  quiet "$crane" pull "$@" "$tmp/docker.tar"
  tar -x -f "$tmp/docker.tar" -C "$tmp/docker"
  # The images of the archive get their final names instead of their names in the temporary registry.
  sed -i "s|$local/$arch/gb-|$registry/gb-|g; s|$local/$arch/||g" "$tmp/docker/manifest.json"
  pack "$tmp/docker" "$bundle/images-linux-$arch.tar"
  rm -rf "$tmp/docker" "$tmp/docker.tar"
done
pack "$bundle" "$dist/guestbook-$version-airgap.tar"

# The next commands write the list of the API's Go modules, the provenance of the files, and the checksums of all files.
quiet "$cyclonedx" bin -json -noserial -notimestamp -licenses -assert-licenses -std -version "$version" -output "$dist/sbom.cdx.json" \
  "$dist/api-linux-amd64"
# The hashes of cyclonedx-gomod itself differ between machines that have compiled cyclonedx-gomod.
sed -i '/^ *"tools": \[/,/^ *"component": / {/^ *"hashes": \[/,/^ *\],*$/d}' "$dist/sbom.cdx.json"
cd "$dist"
# listed KEY reads lines "NAME ALGORITHM DIGEST", and prints for each line a JSON object, with the name in the field KEY.
listed() { awk 'NR > 1 {print ","} {printf "    {\"%s\": \"%s\", \"digest\": {\"%s\": \"%s\"}}", key, $1, $2, $3} END {print ""}' key="$1"; }
{
  echo '{'
  echo '  "_type": "https://in-toto.io/Statement/v1",'
  echo '  "subject": ['
  sha256sum -- * | awk '{print $2, "sha256", $1}' | listed name
  echo '  ],'
  echo '  "predicateType": "https://slsa.dev/provenance/v1",'
  echo '  "predicate": {'
  echo '    "buildDefinition": {'
  echo '      "buildType": "urn:guestbook:make-release",'
  echo "      \"externalParameters\": {\"version\": \"$version\", \"registry\": \"$registry\", \"sourceDateEpoch\": $epoch},"
  echo "      \"internalParameters\": {\"go\": \"$go\", \"crane\": \"$("$crane" version)\"},"
  echo '      "resolvedDependencies": ['
  { echo "git+HEAD gitCommit $commit"; sort -u "$tmp/materials" | awk '{sub("sha256:", "", $3); print "oci://" $1 "?platform=linux/" $2, "sha256", $3}'; } | listed uri
  echo '      ]'
  echo '    },'
  echo "    \"runDetails\": {\"builder\": {\"id\": \"${BUILDER:-urn:guestbook:somebody}\"}}"
  echo '  }'
  echo '}'
} >"$tmp/provenance.json"
mv "$tmp/provenance.json" .
sha256sum -- * >SHA256SUMS
[ -z "${KEY:-}" ] || ssh-keygen -q -Y sign -f "$KEY" -n guestbook SHA256SUMS
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -R "$dist" "$out"
