"""Gives up calls that are under way, over standard input and output by the
protocol's notification and over HTTP by closing the connection, and then asks
something plain each time.

Argument: a plan as JSON. Prints what came back as JSON.
"""

import http.client
import json
import queue
import subprocess
import sys
import threading
import time
import urllib.parse

PLAIN = {"name": "get_power", "arguments": {}}
# More than are let in at once: connections that are closed must leave their places.
CLOSED = 100
# How often a call is given up until one was still under way.
TRIES = 50


def call(number, params):
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def over_stdio(plan):
    server = subprocess.Popen(plan["stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = queue.Queue()

    def drain():
        for line in server.stdout:
            lines.put(json.loads(line))

    threading.Thread(target=drain, daemon=True).start()

    def say(*messages):
        # In one write: the call is not answered before the next line is read.
        server.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in messages))
        server.stdin.flush()

    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "leaver", "version": "1"}}
    say({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
    say({"jsonrpc": "2.0", "method": "notifications/initialized"})
    given_up, tried = 0, 0
    while given_up == 0 and tried < TRIES:
        tried += 1
        left, asked = 1_000 + tried, 2_000 + tried
        gone = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": left, "reason": "left"}}
        say(call(left, plan["slow"]), gone, call(asked, PLAIN))
        answers = {}
        while asked not in answers:
            answer = lines.get(timeout=120)
            answers[answer.get("id")] = answer
        if answers[asked]["result"]["isError"]:
            raise AssertionError(f"not answered after a call was given up: {answers[asked]}")
        answer = answers.get(left, {})
        # No answer at all, or one that says why there is none.
        if "error" in answer or answer.get("result", {"isError": True})["isError"]:
            given_up += 1
    server.stdin.close()
    return {"givenUp": given_up, "tried": tried, "exit": server.wait(timeout=60)}


def over_http(plan):
    url = urllib.parse.urlsplit(plan["url"])
    headers = {
        "Host": plan["host"],
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Authorization": "Bearer " + plan["token"],
        "MCP-Protocol-Version": "2025-11-25",
    }

    def ask(params, waits):
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            connection.putrequest("POST", url.path, skip_host=True, skip_accept_encoding=True)
            body = json.dumps(call(1, params)).encode()
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            if not waits:
                return 0, b"", None
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Retry-After")
        finally:
            connection.close()

    for _ in range(CLOSED):
        ask(plan["slow"], False)
    until = time.monotonic() + 120
    while True:
        status, text, wait = ask(PLAIN, True)
        if status == 200 or time.monotonic() > until:
            break
        time.sleep(float(wait or 1))
    served = status == 200 and json.loads(text)["result"]["isError"] is False
    return {"closed": CLOSED, "served": served, "status": status}


with open(sys.argv[1], encoding="utf-8") as file:
    PLAN = json.load(file)
json.dump({"stdio": over_stdio(PLAN), "http": over_http(PLAN)}, sys.stdout)
