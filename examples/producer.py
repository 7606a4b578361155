"""A loop in another language writes a run: start it, append events, end it. Only the standard library."""

import json
import sys
import urllib.request

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"


def post(path, body):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


run = post("/runs", {"agent": None, "input": "Count to three"})["run"]
post(f"/runs/{run}/events", {"type": "text.started", "id": "1"})
for word in ["one", "two", "three"]:
    answer = post(f"/runs/{run}/events", {"type": "text.delta", "id": "1", "text": word + " "})
    print(f"entry {answer['last']} is committed")
answer = post(f"/runs/{run}/events", {"type": "run.finished"})
assert answer["ended"], answer
print(run)
