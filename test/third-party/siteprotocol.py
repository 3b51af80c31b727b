"""Talking with Leeward as docs/site-protocol.md says: heartbeats, journal entries, messages."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import sys
import time
from urllib.parse import urlsplit

REQUEST_LIMIT_S = 30.0
ENTRY_LIMIT_S = 300.0
VERSION = {"format": 1, "oldestReader": 1, "oldestWriter": 1}
STORAGE_VERSION = "2021-12-02"


class Later(Exception):
    """An outage: the same may succeed later. Everything that is stored is kept."""


def say(words):
    print(words, file=sys.stderr)


def now_ms():
    return int(time.time() * 1000)


def write_durably(path, content):
    """All of it or nothing is there after a crash: file, fsync, rename, fsync of the folder."""
    new = path.with_name(path.name + ".new")
    with open(new, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def call(method, url, headers, body, limit_s):
    """One request, never redirected. (status, headers, body); Later when no answer comes. No error says the query."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=limit_s)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Later(f"no answer from {parts.hostname} ({type(error).__name__})") from None
    finally:
        connection.close()


class Site:
    """A site as its access file names it. `volumes` are told every answer, and asked what to say and what to send."""

    def __init__(self, access, folder):
        self.given, self.counter_file = access, folder / "counter"
        self.name, self.key = access["site"], access["key"]
        self.access, self.every_s = None, 15.0  # both as the cloud's answers say
        self.volumes = []

    def sign(self, kind, payload):
        text = json.dumps(payload)
        signed = f"leeward {kind} {self.name} {self.key['name']} 1 1 1\n{text}".encode()
        mac = hmac.new(base64.b64decode(self.key["secret"]), signed, hashlib.sha256).hexdigest()
        message = {"version": VERSION, "kind": kind, "signer": self.name, "key": self.key["name"]}
        return json.dumps({**message, "payload": text, "mac": mac}).encode()

    def heartbeat(self):
        """Says what this site has, and lets every volume hear the answer. Later when there is none."""
        last = int(self.counter_file.read_text()) if self.counter_file.exists() else 0
        counter = max(now_ms(), last + 1)
        write_durably(self.counter_file, str(counter).encode())
        volumes = [volume.report() for volume in self.volumes]
        body = self.sign("heartbeat", {"counter": counter, "volumes": volumes, "groups": []})
        headers = {"content-type": "application/json"}
        if "functionsKey" in self.given:
            headers["x-functions-key"] = self.given["functionsKey"]
        url = self.given["functionsUrl"].rstrip("/") + "/api/heartbeat"
        status, _, text = call("POST", url, headers, body, REQUEST_LIMIT_S)
        try:
            answer = json.loads(text)
            if status != 200:
                raise Later(f"heartbeat: {answer['error']['code']}: {answer['error']['message']}")
            if answer["version"]["oldestReader"] > VERSION["format"]:
                raise Later("heartbeat: the cloud is newer than this sender: update it")
            if answer["site"] != self.name:
                raise Later("heartbeat: an answer for another site")
            self.access, self.every_s = answer["access"], answer["everyMs"] / 1000
            answers = {volume["volume"]: volume for volume in answer["volumes"]}
        except (ValueError, KeyError, TypeError):
            raise Later(f"heartbeat: status {status}, and not an answer of Leeward's") from None
        for volume in self.volumes:
            volume.hear(answers.get(volume.name))

    def storage(self, method, which, path, query, headers, body, limit_s=REQUEST_LIMIT_S):
        """One request below a URL of the access; once more with new URLs if they are refused. (status, error code)"""
        for is_last in (False, True):
            url = urlsplit(which(self.access))
            added = "&".join(part for part in (url.query, query) if part)
            address = f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}/{path}?{added}"
            headers = {"x-ms-version": STORAGE_VERSION, **headers}
            status, answered, text = call(method, address, headers, body, limit_s)
            found = re.search(rb"<Code>(\w{1,60})</Code>", text)
            code = answered.get("x-ms-error-code") or (found.group(1).decode() if found else "")
            mismatch_is_overwrite = "sp=c" in url.query and code == "AuthorizationPermissionMismatch"
            if status != 403 or code == "UnauthorizedBlobOverwrite" or mismatch_is_overwrite or is_last:
                return status, code
            self.heartbeat()

    def put_entry(self, name, content):
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        status, code = self.storage("PUT", lambda access: access["journal"], name, "", headers, content, ENTRY_LIMIT_S)
        there = ("BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite", "AuthorizationPermissionMismatch")
        if status != 201 and code not in there:
            raise Later(f"journal entry: storage answered {status} {code}")

    def send_message(self, kind, queue, payload):
        text = base64.b64encode(self.sign(kind, payload)).decode()
        body = f'<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>{text}</MessageText></QueueMessage>'
        headers = {"Content-Type": "application/xml"}
        status, code = self.storage(
            "POST", lambda access: access["queues"][queue], "messages", "messagettl=-1", headers, body.encode()
        )
        if status != 201:
            raise Later(f"message: storage answered {status} {code}")

    def round(self):
        """A heartbeat, and whatever its answer makes due. An outage is told, and no more."""
        try:
            self.heartbeat()
            for volume in self.volumes:
                volume.send_due()
        except Later as outage:
            say(f"later: {outage}")
