"""The metrics proxy's configuration as setup applied it, in a real nginx."""

import http.server
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml
from checks import Skip, run, same


class Agent(http.server.BaseHTTPRequestHandler):
    """Stands where the agent's Service does."""

    seen: list = []

    def do_GET(self):
        Agent.seen.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"kepler_node_cpu_joules_total 1\n")

    def log_message(self, *_):
        """Silent."""


def find_nginx(cache):
    """The installed one, else Debian's package unpacked into the cache, without root."""
    if found := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"):
        return found
    unpacked = cache / "nginx"
    if not (unpacked / "usr/sbin/nginx").exists():
        if not shutil.which("apt-get"):
            raise Skip("nginx is not installed")
        part = cache / f"nginx.{os.getpid()}"
        part.mkdir()
        code, text = run(["sh", "-c", f"cd {part} && apt-get -q download nginx && dpkg -x nginx_*.deb . && rm nginx_*.deb"])
        if code != 0:
            shutil.rmtree(part)
            raise Skip(f"nginx is not installed and could not be fetched: {text.strip().splitlines()[-1]}")
        try:
            part.rename(unpacked)
        except OSError:  # another run was faster
            shutil.rmtree(part)
    return unpacked / "usr/sbin/nginx"


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(port, path, token=None):
    # The certificate's name is the machine's address: its being checked is not the point here.
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, context=tls, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, ""


def nginx_guards(machine: Path, manifest: Path, cache: Path):
    nginx = find_nginx(cache)
    objects = list(yaml.safe_load_all(manifest.read_text()))
    conf = next(each for each in objects if each["kind"] == "Secret")["stringData"]["nginx.conf"]
    token = (machine / "tanso/metrics-token").read_text().strip()
    agent = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=agent.serve_forever, daemon=True).start()
    port, folder = free_port(), machine / "nginx"
    folder.mkdir()
    # What differs from the pod: where its files, its port and the agent are.
    for pattern, there in [
        (r"/tmp/", f"{folder}/"),
        (r"default /tls;", f"default {machine / 'tanso'};"),
        (r"listen 8443 ssl", f"listen 127.0.0.1:{port} ssl"),
        (r"http://tanso-metrics-agent:28282", f"http://127.0.0.1:{agent.server_address[1]}"),
    ]:
        conf, count = re.subn(pattern, there, conf)
        assert count, f"{pattern} is not in the configuration"
    if os.geteuid() == 0:
        conf = "user root;\n" + conf
    (folder / "nginx.conf").write_text(conf)
    command = [nginx, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"]
    code, text = run([*command, "-t"])
    same(code, 0, f"nginx -t: {text}")
    served = subprocess.Popen([str(part) for part in command] + ["-g", "daemon off;"], stderr=subprocess.DEVNULL)
    try:
        await_port(port, served)
        same(ask(port, "/healthz")[0], 200, "/healthz")
        same(ask(port, "/metrics")[0], 401, "/metrics without a token")
        same(ask(port, "/metrics", token[:-1] + "x")[0], 401, "/metrics with a wrong token")
        same(ask(port, "/metrics", token), (200, "kepler_node_cpu_joules_total 1\n"), "/metrics with the token")
        same(ask(port, "/v1/energy", token)[0], 404, "another path")
        same(Agent.seen, [("/metrics", None)], "what reached the agent")
    finally:
        served.terminate()
        served.wait()
        agent.shutdown()
    return "200 with the token, 401 without or with a wrong one, 404 elsewhere; the token goes no further"


def await_port(port, served):
    end = time.monotonic() + 60
    while time.monotonic() < end and served.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("nginx did not listen")
