"""Sends frames that mean harm to a server over HTTP, or over standard input
and output, and then asks it something plain.

Arguments: a plan as JSON, `http` or `stdio`, how many frames, and for stdio
how many rounds of them. Prints what came back as JSON.
"""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import urllib.parse

GOOD = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_power", "arguments": {}}}


def frame(number):
    """A frame: its headers and its body; the same for the same number."""
    dice = random.Random(number)
    good = json.dumps(GOOD).encode()
    kind = number % 12
    if kind == 0:
        return {}, b"[" * 200_000
    if kind == 1:
        return {}, b'{"a":' + b"[" * 20_000 + b"1" + b"]" * 20_000 + b"}"
    if kind == 2:
        return {}, b"x" * 2_000_000
    if kind == 3:
        return {"Origin": "https://evil.example"}, good
    if kind == 4:
        return {"Host": "169.254.169.254"}, good
    if kind == 5:
        fuzzed = bytearray(good)
        for _ in range(12):
            fuzzed[dice.randrange(len(fuzzed))] = dice.randrange(256)
        return {}, bytes(fuzzed)
    if kind == 6:
        wild = {"workload": "\0" * dice.randrange(5_000), "namespace": "../../secrets"}
        return {}, json.dumps({**GOOD, "params": {"name": "explain_verdict", "arguments": wild}}).encode()
    if kind == 7:
        return {"Mcp-Session-Id": "not-a-session"}, dice.randbytes(1_000)
    if kind == 8:
        wrong = dice.choice([{"params": [1, 2]}, {"id": {"a": 1}}, {"method": 7}, {"jsonrpc": "9.9"}, {"params": None}])
        return {}, json.dumps({**GOOD, **wrong}).encode()
    if kind == 9:
        return {}, json.dumps([GOOD] * 1_000).encode()
    if kind == 10:
        # A length that is a lie: the body breaks off.
        return {"Content-Length": "200000"}, good
    return {"Authorization": "Bearer " + "x" * dice.randrange(1, 20_000)}, good


def headers_of(plan, extra, body):
    plain = {
        "Host": plan["host"],
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Authorization": "Bearer " + plan["token"],
        "MCP-Protocol-Version": "2025-11-25",
        "Content-Length": str(len(body)),
    }
    return {**plain, **extra}


def send(plan, extra, body):
    """The status of the answer, 0 where the connection was cut."""
    url = urllib.parse.urlsplit(plan["url"])
    while True:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.putrequest("POST", url.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers_of(plan, extra, body).items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(body)
            if extra.get("Content-Length"):
                connection.sock.shutdown(1)
            answer = connection.getresponse()
            text = answer.read()
            # Too often is no refusal of this frame: it is to reach what it is aimed at.
            if answer.status == 429 and "Authorization" not in extra:
                time.sleep(float(answer.getheader("Retry-After") or 1))
                continue
            return answer.status, text
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def over_http(plan, count):
    statuses = {}
    for number in range(count):
        status, _ = send(plan, *frame(number))
        statuses[str(status)] = statuses.get(str(status), 0) + 1
    status, text = send(plan, {}, json.dumps(GOOD).encode())
    served = status == 200 and json.loads(text)["result"]["isError"] is False
    return {"statuses": statuses, "served": served}


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def over_stdio(plan, count, rounds):
    server = subprocess.Popen(plan["stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answers, last = [0], {}

    def drain():
        for line in server.stdout:
            answers[0] += 1
            answer = json.loads(line)
            last[json.dumps(answer.get("id"))] = answer

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()

    def say(value):
        server.stdin.write(json.dumps(value).encode() + b"\n")
        server.stdin.flush()

    def ask(number):
        say({**GOOD, "id": number})
        until = time.monotonic() + 120
        while str(number) not in last:
            if time.monotonic() > until or server.poll() is not None:
                raise AssertionError(f"no answer to {number}; the server's exit code is {server.poll()}")
            time.sleep(0.05)
        return last[str(number)]["result"]["isError"] is False

    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "hostile", "version": "1"}}
    say({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
    say({"jsonrpc": "2.0", "method": "notifications/initialized"})
    # A plain question first: what serving takes at all is no frame's doing.
    served = ask(999_999)
    resident = [resident_kib(server.pid)]
    for turn in range(rounds):
        for number in range(count):
            server.stdin.write(frame(number)[1].replace(b"\n", b" ") + b"\n")
            server.stdin.flush()
        served = served and ask(1_000_000 + turn)
        resident.append(resident_kib(server.pid))
    server.stdin.close()
    code = server.wait(timeout=60)
    return {"residentKib": resident, "served": served, "answers": answers[0], "exit": code}


with open(sys.argv[1], encoding="utf-8") as file:
    PLAN = json.load(file)
if sys.argv[2] == "http":
    found = over_http(PLAN, int(sys.argv[3]))
else:
    found = over_stdio(PLAN, int(sys.argv[3]), int(sys.argv[4]))
json.dump(found, sys.stdout)
