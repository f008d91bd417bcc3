"""Passes requests on with a bearer token, for programs that cannot send one.

Arguments: the token's file and the address to pass on to; prints its own port.
"""

import http.client
import http.server
import sys
import time
import urllib.parse

TOKEN = open(sys.argv[1], encoding="utf-8").read().strip()
TARGET = urllib.parse.urlsplit(sys.argv[2])
DROPPED = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
        kept["Authorization"] = "Bearer " + TOKEN
        while True:
            there = http.client.HTTPConnection(TARGET.hostname, TARGET.port, timeout=60)
            there.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in kept.items():
                there.putheader(name, value)
            there.putheader("Content-Length", str(len(body)))
            there.endheaders(body)
            answer = there.getresponse()
            text = answer.read()
            if answer.status != 429:
                break
            time.sleep(float(answer.getheader("Retry-After") or 1))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PUT = do_OPTIONS = pass_on

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # The programs reset their connections when they end.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


server = Server(("127.0.0.1", 0), Proxy)
print(server.server_address[1], flush=True)
server.serve_forever()
