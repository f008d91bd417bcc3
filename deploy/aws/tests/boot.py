"""User data as CloudFormation rendered it, run unchanged on a machine of boxes.

Real: the script, bash, curl, openssl, tar, TLS with checked certificates.
Stood in for: the world beyond the network (boundary.py), and what Ubuntu and
the downloads would install: they record how they were called.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from checks import DEPLOY, Skip, has, run, same

HERE = Path(__file__).resolve().parent
HELM = "helm-v4.2.4-linux-amd64.tar.gz"
NAMES = [
    "get.k3s.io",
    "get.helm.sh",
    "amazoncloudwatch-agent.s3.amazonaws.com",
    "cloudformation-waitcondition-test.s3.amazonaws.com",
]

RECORD = '#!/bin/sh\necho "{name} $*" >>/tmp/called\n'

STUBS = {
    # The module is in a package apart, as on Ubuntu.
    "modprobe": """[ -e /run/rapl-module ] || exit 1
for zone in package-0:0 package-1:1 dram:0:0; do
  folder=/sys/class/powercap/intel-rapl:${zone#*:}; mkdir -p "$folder"
  echo "${zone%%:*}" >"$folder/name"; echo 1 >"$folder/energy_uj"
done
""",
    "apt-get": """case "$*" in
  *linux-modules-extra-[0-9]*) touch /run/rapl-module ;;
  *agent.deb)
    agent=/opt/aws/amazon-cloudwatch-agent/bin; mkdir -p $agent
    printf '#!/bin/sh\\necho "cloudwatch $*" >>/tmp/called\\n' >$agent/amazon-cloudwatch-agent-ctl
    chmod +x $agent/amazon-cloudwatch-agent-ctl ;;
esac
""",
}

KUBECTL = r"""#!/bin/sh
echo "kubectl $*" >>/tmp/called
case "$*" in
  *"wait"*powermonitor*) [ ! -e /run/never-ready ] ;;
  "get powermonitor"*) ls /sys/class/powercap 2>/dev/null | grep -c '^intel-rapl:0$' || true ;;
  *"delete secret"*owner=helm,name=tanso,*pending-install*) rm -f /run/cut-off ;;
  "apply -f -") cat >>/tmp/applied; echo --- >>/tmp/applied ;;
  *"--dry-run=client -o yaml"*) echo "# a secret of: $*" ;;
esac
"""

HELM_STUB = r"""#!/bin/sh
[ "$1" != version ] || { echo v4.2.4+g3d8990f; exit; }
echo "helm $*" >>/tmp/called
[ ! -e /run/cut-off ] || { echo 'Error: another operation (install/upgrade/rollback) is in progress' >&2; exit 1; }
"""


class Machines:
    """Boots machines; a certificate authority is made once for all."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tanso-boot-"))
        self.enter = self.find_namespaces()
        names = ",".join(f"DNS:{name}" for name in NAMES)
        for command in [
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.crt"],
            ["req", "-x509", "-CA", "ca.crt", "-CAkey", "ca.key", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=world",
             "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "tls.key", "-out", "tls.crt"],
        ]:  # fmt: skip
            subprocess.run(["openssl", *command], cwd=self.folder, check=True, capture_output=True)

    def find_namespaces(self):
        for enter in (["unshare", "--user", "--map-root-user", "--mount", "--net"], ["unshare", "--mount", "--net"]):
            if subprocess.run([*enter, "true"], capture_output=True, check=False).returncode == 0:
                return enter
        raise Skip("namespaces may not be made here (neither as a user nor as this one)")

    def root(self, folder, flags):
        root = folder / "root"
        (root / "etc/ssl/certs").mkdir(parents=True)
        shutil.copy(self.folder / "ca.crt", root / "etc/ssl/certs/ca-certificates.crt")
        shutil.copy("/etc/ssl/openssl.cnf", root / "etc/ssl/openssl.cnf")
        (root / "etc/modules-load.d").mkdir()
        (root / "etc/hosts").write_text("".join(f"127.0.0.1 {name}\n" for name in ["localhost", *NAMES]))
        (root / "etc/nsswitch.conf").write_text("hosts: files\n")
        (root / "var/log").mkdir(parents=True)
        (root / "var/lib").mkdir()
        (root / "run").mkdir()
        for flag in flags:
            (root / "run" / flag).touch()
        sbin = root / "usr/local/sbin"
        sbin.mkdir(parents=True)
        for name, body in STUBS.items():
            (sbin / name).write_text(RECORD.format(name=name) + body)
            (sbin / name).chmod(0o755)

    def world(self, folder, broken):
        files = folder / "files"
        installer = f"echo \"k3s $INSTALL_K3S_CHANNEL\" >>/tmp/called\ncat >/usr/local/bin/kubectl <<'EOF'\n{KUBECTL}EOF\nchmod +x /usr/local/bin/kubectl\n"
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            entry = tarfile.TarInfo("linux-amd64/helm")
            entry.mode, entry.size = 0o755, len(HELM_STUB)
            tar.addfile(entry, io.BytesIO(HELM_STUB.encode()))
        digest = hashlib.sha256(archive.getvalue()).hexdigest() if broken != "helm" else "0" * 64
        served = {
            "get.k3s.io/index": installer.encode(),
            f"get.helm.sh/{HELM}": archive.getvalue(),
            f"get.helm.sh/{HELM}.sha256sum": f"{digest}  {HELM}\n".encode(),
            "amazoncloudwatch-agent.s3.amazonaws.com/ubuntu/amd64/latest/amazon-cloudwatch-agent.deb": b"deb",
        }
        for path, content in served.items():
            if broken and broken != "helm" and path.startswith(broken):
                continue
            (files / path).parent.mkdir(parents=True, exist_ok=True)
            (files / path).write_bytes(content)
        (folder / "tls.pem").write_text((self.folder / "tls.crt").read_text() + (self.folder / "tls.key").read_text())

    def boot(self, name, user_data, *, runs=1, broken="", flags=()):
        folder = self.folder / name
        folder.mkdir()
        self.root(folder, flags)
        self.world(folder, broken)
        (folder / "user-data").write_text(user_data)
        (folder / "runs").write_text(str(runs))
        code, text = run([*self.enter, HERE / "machine", folder, sys.executable])
        assert code == 0 and (folder / f"code.{runs}").exists(), f"the machine did not boot: {text}"
        return Booted(folder)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Booted:
    """What a machine left behind."""

    def __init__(self, folder):
        self.folder = folder

    def text(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def code(self, number=1):
        return int(self.text(f"code.{number}"))

    def output(self, number=1):
        return self.text(f"output.{number}")

    def signals(self):
        return [json.loads(line) for line in self.text("signals.log").splitlines()]

    def called(self):
        return self.text("tmp/called").splitlines()


def metal_measures(machines, user_data):
    machine = machines.boot("metal", user_data, runs=2)
    same(machine.code(), 0, f"the first boot:\n{machine.output()}")
    zones = "package-0 dram package-1"
    same(
        machine.signals(),
        [{"Status": "SUCCESS", "Reason": "tanso is ready", "UniqueId": "setup", "Data": f"measured by RAPL: {zones}"}],
        "signals of two runs",
    )
    calls = "\n".join(machine.called())
    has(calls, "linux-modules-extra-", "k3s v1.34", "helm upgrade --install tanso oci://ghcr.io/tanso-dev/charts/tanso")
    has(calls, "kubectl wait --for=condition=Ready powermonitor/tanso", "rollout status deployment/tanso-metrics-proxy")
    has(calls, "cloudwatch -a fetch-config -m ec2 -s")
    has(machine.text("tanso/values.yaml"), 'repository: "registry.example/tanso"', "sources: [Rapl, Model]")
    has(machine.text("rancher/k3s/config.yaml"), "disable: [traefik, servicelb]", 'write-kubeconfig-mode: "0600"')
    has(machine.text("tanso/cloudwatch.json"), '"/tanso/tanso"')
    json.loads(machine.text("tanso/cloudwatch.json"))
    asked = machine.text("asked.log").splitlines()
    return f"{len(set(asked))} addresses asked, {len(calls.splitlines())} calls recorded; signalled once: measured by RAPL: {zones}"


def a_second_run_changes_nothing(machines):
    machine = Booted(machines.folder / "metal")
    same(machine.code(2), 0, f"the second run:\n{machine.output(2)}")
    first, second = machine.text("holds.1").splitlines(), machine.text("holds.2").splitlines()
    same(sorted(set(first) ^ set(second)), [], "files that differ after the second run")
    same(sum("apt-get" in call for call in machine.called()), 4, "apt-get calls of both runs")
    same(machine.text("asked.log").count(f"{HELM}\n"), 1, "downloads of Helm")
    secret = re.findall(r"Bearer ([0-9a-f]{64})", machine.text("tmp/applied"))
    same((len(secret), len(set(secret))), (2, 1), "tokens of both runs")
    for name in ["metrics-token", "tls.key", "setup.env"]:
        has(machine.text("holds.1"), f"600 etc/tanso/{name}")
    return f"{len(first) // 2} files, all the same"


def guests_model(machines, user_data):
    machine = machines.boot("guest", user_data)
    same(machine.code(), 0, f"the boot:\n{machine.output()}")
    signal = machine.signals()[0]
    same(signal["Status"], "SUCCESS", "the signal")
    has(signal["Data"], "modelled from CPU time and the published curve of m5.large, not measured")
    has(machine.output(), "is a virtual machine: it sees no power meter")
    calls = has("\n".join(machine.called()), "helm upgrade --install cert-manager", "wait --for=condition=Ready certificate/tanso-metrics")
    assert "modprobe" not in calls, calls
    has(machine.text("tmp/applied"), "kind: Certificate")
    return signal["Data"]


def by_hand_waits_for_a_hand(machines, user_data):
    machine = machines.boot("byhand", user_data)
    same((machine.code(), machine.signals(), machine.called()), (0, [], []), "a machine to be set up by hand")
    has(machine.text("holds.1"), "755 opt/tanso/setup")
    by_hand = user_data + "\nexec /opt/tanso/setup\n"
    machine = machines.boot("hand", by_hand)
    same((machine.code(), machine.signals()), (0, []), f"set up by hand:\n{machine.output()}")
    has(machine.output(), "ready: https://")


def failures_are_told(machines, user_data):
    told = []
    for name, fault, step in [
        ("k3s", {"broken": "get.k3s.io"}, "installing K3s"),
        ("helm", {"broken": "helm"}, "installing Helm"),
        ("unready", {"flags": ["never-ready"]}, "installing tanso"),
    ]:
        machine = machines.boot(f"fails-{name}", user_data, **fault)
        assert machine.code() != 0, f"{name}: ended well:\n{machine.output()}"
        signals = machine.signals()
        same([signal["Status"] for signal in signals], ["FAILURE"], f"{name}: signals")
        has(signals[0]["Reason"], f"failed while {step}", "/var/log/tanso-setup.log")
        has(machine.text("var/log/tanso-setup.log"), f"while {step}")
        told.append(signals[0]["Reason"])
    machine = machines.boot("no-cloudwatch", user_data, broken="amazoncloudwatch-agent")
    same([signal["Status"] for signal in machine.signals()], ["SUCCESS"], "without CloudWatch's agent")
    has(machine.output(), "logs stay on this machine")
    return "\n".join(told)


def a_run_that_was_cut_off_is_gone_on_with(machines, user_data):
    """A session that timed out killed Helm, and no run after that got past the pending release."""
    machine = machines.boot("cut-off", user_data, flags=["cut-off"])
    same(machine.code(), 0, f"the run after it:\n{machine.output()}")
    same([signal["Status"] for signal in machine.signals()], ["SUCCESS"], "signals")


def a_second_run_leaves_the_first_alone(machines, user_data):
    """It took the pending release of a living Helm away, and told CloudFormation that setting up had failed."""
    machine = machines.boot("second", f"exec 8>/run/tanso-setup.lock\nflock 8\n{user_data}")
    same(machine.code(), 1, f"the second run:\n{machine.output()}")
    has(machine.output(), "another run is under way", "tail -f /var/log/tanso-setup.log")
    same([machine.signals(), machine.called()], [[], []], "signals and calls")


def manifest(machines):
    """What the first run applied, without the Secret of the certificate, as a file."""
    applied = (machines.folder / "metal/tmp/applied").read_text()
    path = machines.folder / "proxy.yaml"
    begin = applied.index("apiVersion: v1\nkind: Secret\nmetadata: {name: tanso-metrics-proxy")
    path.write_text(applied[begin:].split("\n---\n# a secret")[0])
    return path


def values_fit_the_chart(machines, cache):
    chart = DEPLOY.parent.parent / "charts/tanso"
    if not chart.is_dir():
        raise Skip("charts/tanso is not in this tree")
    # That of this machine, else the newest that `cargo xtask` built.
    built = sorted((cache.parent / "helm").glob("*/helm"), key=lambda file: file.stat().st_mtime)
    helm = shutil.which("helm") or (built[-1] if built else None)
    if not helm:
        raise Skip("Helm is neither installed nor built; `cargo xtask chart` builds it")
    code, text = run([helm, "template", "tanso", chart, "--values", machines.folder / "metal/tanso/values.yaml"], env={"HOME": os.fspath(machines.folder)})
    same(code, 0, f"helm template:\n{text}")
    has(text, "kind: PowerMonitor", "registry.example/tanso/tanso-operator")
