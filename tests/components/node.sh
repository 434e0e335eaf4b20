#!/usr/bin/env bash
# A real node for the API server of kube.sh: containerd and a kubelet, as root.
# It pulls nothing: images are imported. Its pods have addresses of their own and
# reach the node, with the API server at https://10.88.255.1, and nothing else.
#
#   node.sh start DIR KUBE     KUBE: the folder of kube.sh start
#   node.sh import DIR FILE    an image as an archive (OCI layout or docker save)
#   node.sh stop DIR
#
# DIR must be short (sockets). DIR then holds kubelet.log and containerd.log, and
# pods' logs below DIR/logs. The node is node-1.
. "$(dirname "$0")/_common.sh"

usage() { sed -n '2,/^\./s/^# \{0,1\}//p' "$0" >&2; exit 2; }

PAUSE=tabard.test/pause:1

ctr_in() { local dir=$1; shift; ctr --address "$dir/c.sock" --namespace k8s.io "$@"; }

configure() {
  local dir=$1 kube=$2 port=$3
  mkdir -p "$dir/cni" "$dir/net" "$dir/bin" "$dir/logs"
  install -m 0755 "$COMPONENTS_SRC/node/bridge" "$dir/bin/bridge"
  ln -sf bridge "$dir/bin/loopback"
  cat >"$dir/net/10-test.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "bridge", "folder": "$dir/cni"}]}
JSON
  cat >"$dir/containerd.toml" <<TOML
version = 2
root = "$dir/containerd"
state = "$dir/run"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$dir/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  disable_apparmor = true
  # Where a test may not lower it, as in some containers.
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$dir/bin"
    conf_dir = "$dir/net"
TOML
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $port
healthzPort: 0
readOnlyPort: 0
# Machines for tests may still have the first version of control groups.
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://$dir/c.sock
enforceNodeAllocatable: []
failSwapOn: false
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
podLogsDir: $dir/logs
resolvConf: ""
clusterDNS: [10.88.255.1]
syncFrequency: 5s
YAML
  # The node's own user: as such it may ask for the tokens of its pods.
  (
    umask 077
    sed 's/^    token: .*/&\n    as: system:node:node-1\n    as-groups: ["system:nodes"]/' "$kube/kubeconfig" >"$dir/kubeconfig"
  )
}

# An image that holds one program, as docker save writes one.
image_of() {
  python3 - "$1" "$2" <<'PY'
import hashlib, io, json, sys, tarfile
program, tag = sys.argv[1:]
layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as archive:
    member = tarfile.TarInfo("pause")
    content = open(program, "rb").read()
    member.size, member.mode = len(content), 0o755
    archive.addfile(member, io.BytesIO(content))
digest = hashlib.sha256(layer.getvalue()).hexdigest()
config = json.dumps({
    "architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
named = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
files = {"config.json": config, "layer.tar": layer.getvalue(), "manifest.json": json.dumps(named).encode()}
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
    for name, content in files.items():
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
PY
}

# The API server listens on loopback, and pods aren't there.
relay() {
  exec python3 - "$1" <<'PY'
import asyncio, sys
target = int(sys.argv[1])

async def pump(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()

async def serve(reader, writer):
    theirs, ours = await asyncio.open_connection("127.0.0.1", target)
    await asyncio.gather(pump(reader, ours), pump(theirs, writer))

async def main():
    server = await asyncio.start_server(serve, "10.88.255.1", 443)
    await server.serve_forever()

asyncio.run(main())
PY
}

start() {
  local dir=$1 kube=$2 bin port
  [ "$(id -u)" = 0 ] || die "a node needs root"
  bin=$("$COMPONENTS_SRC/kube-install.sh" node | tail -1)
  debian /usr/bin/containerd docker.io
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  read -r port <<<"$(free_ports 1)"
  configure "$dir" "$kube" "$port"
  launch "$dir" containerd containerd --config "$dir/containerd.toml"
  wait_for 60 ctr_in "$dir" version || { tail -20 "$dir/containerd.log" >&2; die "containerd did not come up"; }
  image_of "$bin/pause" "$PAUSE" >"$dir/pause.tar"
  import "$dir" "$dir/pause.tar"
  # The address exists with the first pod; until then it is on loopback.
  ip address add 10.88.255.1/32 dev lo 2>/dev/null || true
  port=$(sed -n 's|.*server: https://127.0.0.1:||p' "$kube/kubeconfig")
  launch "$dir" relay "$0" relay "$port"
  launch "$dir" kubelet "$bin/kubelet" --config "$dir/kubelet.yaml" --kubeconfig "$dir/kubeconfig" \
    --root-dir "$dir/kubelet" --cert-dir "$dir/certs" --hostname-override node-1 --node-ip 127.0.0.1
  wait_for 120 node_ready "$bin" "$kube" || { tail -20 "$dir/kubelet.log" >&2; die "the node isn't ready"; }
  printf '%s\n' "$dir"
}

node_ready() {
  "$1/kubectl" --kubeconfig "$2/kubeconfig" wait --for condition=Ready node/node-1 --timeout 2s
}

import() { ctr_in "$1" images import "$2" >&2; }

stop() {
  local dir
  dir=$(cd "$1" && pwd)
  halt "$dir" kubelet
  if [ -S "$dir/c.sock" ]; then
    ctr_in "$dir" tasks list --quiet | while read -r one; do
      ctr_in "$dir" tasks kill --all --signal KILL "$one" || true
      ctr_in "$dir" tasks delete --force "$one" || true
    done >/dev/null 2>&1
  fi
  halt "$dir" containerd
  halt "$dir" relay
  ip address del 10.88.255.1/32 dev lo 2>/dev/null || true
  ip -o link show type veth | sed -n 's/^[0-9]*: \(tabard[0-9]*\)@.*/\1/p' | while read -r one; do
    ip link del "$one" 2>/dev/null || true
  done
  # Pods' volumes in memory, and containers' file systems, would keep DIR from being removed.
  { grep -o " $dir/[^ ]*" /proc/self/mounts || true; } | sort -r | xargs -r umount --lazy
}

case ${1:-} in
  start) [ $# -eq 3 ] || usage; start "$2" "$3" ;;
  import) [ $# -eq 3 ] || usage; import "$2" "$3" ;;
  relay) [ $# -eq 2 ] || usage; relay "$2" ;;
  stop) [ $# -eq 2 ] || usage; stop "$2" ;;
  *) usage ;;
esac
