"""The network as the machine of boot.py sees it: a few names over TLS.

Serves the downloads of setup from a folder, takes signals, answers as the
metrics port does. Run inside the machine's network namespace as
`python boundary.py FOLDER`; FOLDER holds tls.pem, files/HOST/PATH; what was
asked is written to asked.log, signals to signals.log. Ends with its parent.
"""

import fcntl
import http.server
import os
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path

FOLDER = Path(sys.argv[1])


class Boundary(http.server.BaseHTTPRequestHandler):
    def note(self, name, text):
        with open(FOLDER / name, "a", encoding="utf-8") as log:
            log.write(text + "\n")

    def answer(self, code, body=b""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        host = (self.headers["Host"] or "").partition(":")[0]
        self.note("asked.log", f"GET https://{host}{self.path}")
        if self.path == "/metrics":
            known = (self.headers["Authorization"] or "").startswith("Bearer ")
            self.answer(200 if known else 401, b"kepler_node_cpu_joules_total 1\n" if known else b"")
            return
        file = FOLDER / "files" / host / (self.path.lstrip("/") or "index")
        if file.is_file():
            self.answer(200, file.read_bytes())
        else:
            self.answer(404)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.note("asked.log", f"PUT https://{self.headers['Host']}{self.path}")
        self.note("signals.log", body)
        self.answer(200)

    def log_message(self, *_):
        """What matters is in the logs above."""


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING: the namespace is new, its loopback is down.
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x41))


def main():
    loopback_up()
    for port in (443, 30443):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Boundary)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(FOLDER / "tls.pem")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    (FOLDER / "listening").touch()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)


main()
