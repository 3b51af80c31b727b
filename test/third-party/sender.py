#!/usr/bin/env python3
"""A sender for Leeward in Python's standard library alone, written from docs/delta-format.md and docs/site-protocol.md.

    python3 sender.py ACCESS STATE [--wait SECONDS]

ACCESS is the site's access file, STATE a folder of the sender's own. One run is one interval: it finds what changed in each
volume of the site, stores it as deltas, sends them, and answers what the cloud asks for until everything is applied. Its
last words on stdout are JSON; exit code 0 says that all volumes stand in the cloud as they were read.

It is an example to copy from, and leaves out what an example need not have: it reads volumes that nobody writes to
meanwhile (take a snapshot first), keeps the hashes of all blocks in one file (use a database where they are many), sets no
limit to what waits, and trusts that one process at a time uses STATE.
"""
import argparse
import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import struct
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from delta import CONTENT_MAX, EXTENTS_MAX, NO_DIGEST, PAGE, encode_delta, length_of

BLOCK = 4096
CHUNK = 1 << 20
INLINE_MAX = 34_560
RESEND_AFTER_S = 20.0
REQUEST_LIMIT_S = 30.0
ENTRY_LIMIT_S = 300.0
VERSION = {"format": 1, "oldestReader": 1, "oldestWriter": 1}
STORAGE_VERSION = "2021-12-02"
ZEROS = bytes(BLOCK)
ZERO_HASH = bytes(16)
UNKNOWN_HASH = b"\xff" * 16


class Later(Exception):
    """An outage: the same may succeed later. Everything that is stored is kept."""


class Stop(Exception):
    """A volume cannot go on, and the reason is not an outage."""


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
    def __init__(self, access, folder):
        self.given, self.counter_file = access, folder / "counter"
        self.name, self.key = access["site"], access["key"]
        self.access, self.every_s = None, 15.0  # both as the cloud's answers say
        self.volumes = [Volume(self, entry, folder) for entry in access["volumes"]]

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

    def send_message(self, queue, envelope):
        text = base64.b64encode(self.sign("delta", envelope)).decode()
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


class Volume:
    """One volume: its chain, the hashes of its blocks as the chain's last delta left them, and the outbox.

    The state file, a line of JSON and then 16 bytes for each block, is written as one, so that the hashes are never those
    of another delta than `last`. A delta is in the outbox before the state names it, and sent only after that.
    """

    def __init__(self, site, entry, folder):
        self.site, self.name, self.source = site, entry["volume"], entry["source"]
        self.folder = folder / self.name.replace("/", "~")
        self.outbox, self.state_file = self.folder / "outbox", self.folder / "state"
        self.outbox.mkdir(parents=True, exist_ok=True)
        self.state, self.hashes = None, bytearray()
        self.answer, self.trouble, self.forked = None, None, None
        self.sent, self.progress_s = {}, 0.0
        if self.state_file.exists():
            line, _, hashes = self.state_file.read_bytes().partition(b"\n")
            self.state, self.hashes = json.loads(line), bytearray(hashes)
            for path in self.outbox.iterdir():  # made, and not named by the state: never sent
                if not path.stem.isdigit() or int(path.stem) > self.state["last"]:
                    path.unlink()

    def save(self):
        write_durably(self.state_file, json.dumps(self.state).encode() + b"\n" + self.hashes)

    def path(self, number):
        return self.outbox / f"{number:010d}.delta"

    def waiting(self):
        return range(self.state["acknowledged"] + 1, self.state["last"] + 1) if self.state else range(0)

    def waiting_bytes(self):
        return sum(self.path(number).stat().st_size for number in self.waiting())

    def is_done(self):
        return self.state is not None and self.answer is not None and not self.trouble and (
            self.state["last"] == self.state["acknowledged"] == self.answer["appliedNumber"])

    def report(self):
        state = self.state or {"generation": 1, "last": 0}
        said = {"volume": self.name, "generation": state["generation"], "stored": state["last"]}
        return {**said, "waitingBytes": self.waiting_bytes()}

    def hear(self, answer):
        """Takes in what the cloud says. `trouble` says why nothing may be made or sent; `forked` stays for ever."""
        self.answer, self.trouble = answer, None
        try:
            if answer is None:
                raise Stop("the cloud does not know this volume now: what is stored is kept")
            self.follow(answer)
        except Stop as reason:
            self.trouble = str(reason)

    def follow(self, answer):
        _, _, group, volume = self.name.split("/")
        if answer["entryPrefix"] != f"{group}/{volume}/{answer['generation']:08d}/":
            raise Stop("the cloud names its journal otherwise than this sender does")
        if self.state is None or answer["generation"] > self.state["generation"]:
            self.begin(answer)
        state, acknowledged = self.state, answer["acknowledged"]
        was = (state["generation"], state["term"], state["acknowledged"])
        now = (answer["generation"], answer["term"], acknowledged["number"])
        if any(new < old for new, old in zip(now, was)):
            raise Stop("the cloud's store was set back: nothing is sent until it is right again, or a person has looked")
        known = state["digests"].get(str(acknowledged["number"]))
        if acknowledged["number"] > state["last"] or (known is not None and known != acknowledged["digest"]):
            self.forked = "two writers made this chain: stopped"
        if self.forked:
            raise Stop(self.forked)
        if acknowledged["number"] > state["acknowledged"]:
            state["acknowledged"], self.progress_s = acknowledged["number"], time.monotonic()
            self.save()
        self.release(min(acknowledged["number"], answer["appliedNumber"]))
        if answer["writable"] and answer["term"] > state["term"]:
            if state["last"] != state["acknowledged"]:
                raise Stop("deltas of an ended term are left over: the volume needs a new generation")
            state["term"] = answer["term"]
            self.save()

    def begin(self, answer):
        """A generation: nothing of an earlier one counts any more."""
        base = answer.get("base") or {"phase": "ready", "digest": NO_DIGEST}
        if base["phase"] != "ready":
            raise Stop("the generation's base is not ready: this sender waits")
        for path in self.outbox.iterdir():
            path.unlink()
        self.sent, self.forked, self.hashes = {}, None, bytearray()
        # Zeros are known to be there; what another base holds is not known to this sender, which sends everything.
        blank = ZERO_HASH if base["digest"] == NO_DIGEST else UNKNOWN_HASH
        self.state = {
            "generation": answer["generation"], "term": answer["term"], "volumeBytes": 0, "blank": blank.hex(),
            "last": 0, "marked": 0, "acknowledged": 0, "digests": {"0": base["digest"]},
        }
        self.save()

    def release(self, number):
        """What is applied is never asked for again. The newest digest stays: acknowledgements are held against it."""
        for old in [int(text) for text in self.state["digests"] if int(text) < number]:
            del self.state["digests"][str(old)]
        for path in self.outbox.iterdir():
            if int(path.stem) <= number:
                path.unlink()

    def interval(self):
        """Reads the volume, and stores what differs from the last delta's state, the last part with a marker."""
        if self.trouble or not self.state or (self.answer and not self.answer["writable"]):
            raise Stop(self.trouble or "the cloud has not said yet that this volume may be written")
        extents, hashes = [], {}
        with open(self.source, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size % PAGE != 0:
                raise Stop(f"{self.source} has {size} bytes, which is not a multiple of {PAGE}")
            blocks = (size + BLOCK - 1) // BLOCK
            blank = bytes.fromhex(self.state["blank"])
            self.hashes = (self.hashes + blank * (blocks - len(self.hashes) // 16))[: blocks * 16]
            for start in range(0, size, CHUNK):
                file.seek(start)
                chunk = file.read(min(CHUNK, size - start))
                if start + len(chunk) < min(start + CHUNK, size):
                    raise Stop(f"{self.source} ended while it was read")
                more, new_hashes = self.compare(start, chunk)
                content = sum(len(what) for _, what in extents + more if not isinstance(what, int))
                if content > CONTENT_MAX or len(extents) + len(more) > EXTENTS_MAX:
                    self.store(extents, hashes, size, "")
                    extents, hashes = [], {}
                extents += more
                hashes.update(new_hashes)
        first, resized = self.state["last"] == 0, self.state["volumeBytes"] != size
        if extents or first or resized or self.state["marked"] < self.state["last"]:
            self.store(extents, hashes, size, f"interval-{now_ms()}")

    def compare(self, start, chunk):
        """Extents of what is not as it was known, neighbours joined, and the new hashes by block."""
        found, hashes = [], {}
        for at in range(0, len(chunk), BLOCK):
            block, index = chunk[at : at + BLOCK], (start + at) // BLOCK
            new = ZERO_HASH if block == ZEROS[: len(block)] else hashlib.sha256(block).digest()[:16]
            if new == self.hashes[index * 16 : index * 16 + 16]:
                continue
            hashes[index] = new
            what = len(block) if new == ZERO_HASH else block
            offset, last = found[-1] if found else (0, None)
            if type(last) is type(what) and offset + length_of(last) == start + at:
                found[-1] = (offset, last + what)
            else:
                found.append((start + at, what))
        return found, hashes

    def store(self, extents, hashes, size, marker):
        """Makes the next delta of the chain, and puts it on stable storage."""
        state, number = self.state, self.state["last"] + 1
        head = {
            "volume": self.name, "generation": state["generation"], "term": state["term"], "number": number,
            "volumeBytes": size, "predecessor": state["digests"][str(state["last"])],
            "marker": marker, "timeMs": now_ms(),
        }
        content, digest = encode_delta(head, extents)
        write_durably(self.path(number), content)
        for index, value in hashes.items():
            self.hashes[index * 16 : index * 16 + 16] = value
        state.update(last=number, volumeBytes=size, marked=number if marker else state["marked"])
        state["digests"][str(number)] = digest
        self.save()

    def send_due(self):
        """Sends what was asked for again, then what waits and was not sent, or too long ago without any progress."""
        if self.answer is None or self.state is None or self.trouble:
            return
        for ask in self.answer["resend"]:
            number, form = ask["number"], ask["form"]
            if not re.fullmatch(r"literal-\d{1,4}", form):
                say(f"{self.name}: delta {number} is wanted as {form}: a newer sender is needed")
            elif not self.path(number).exists():
                say(f"{self.name}: delta {number} is wanted again, and is not here any more")
            else:
                self.send(number, form)
        if self.answer["writable"]:
            for number in self.waiting():
                self.send(number, None)

    def send(self, number, form):
        sent_s = self.sent.get((number, form))
        if sent_s is not None and time.monotonic() < max(sent_s, self.progress_s) + RESEND_AFTER_S:
            return
        content, digest = self.path(number).read_bytes(), self.state["digests"][str(number)]
        # The term that the delta was made in, which is not always the newest: it stands in the delta's head.
        generation, term = struct.unpack_from("<II", content, 24)
        envelope = {"volume": self.name, "generation": generation, "term": term, "number": number}
        envelope.update(digest=digest, sizeBytes=len(content))
        if form is None and len(content) <= INLINE_MAX:
            envelope["inline"] = base64.b64encode(content).decode()
        else:
            envelope["entry"] = f"{self.answer['entryPrefix']}{number:010d}-{digest}-{form or 'literal-1'}.delta"
            self.site.put_entry(envelope["entry"], content)
        self.site.send_message(self.answer["queue"], envelope)
        self.sent[(number, form)] = time.monotonic()
        say(f"{self.name}: delta {number} sent {'inline' if 'inline' in envelope else 'as ' + (form or 'literal-1')}")


def main():
    parser = argparse.ArgumentParser(description="one interval of every volume of a site")
    parser.add_argument("access", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--wait", type=float, default=300.0, help="seconds until everything must be applied")
    arguments = parser.parse_args()
    arguments.state.mkdir(parents=True, exist_ok=True)
    site = Site(json.loads(arguments.access.read_text()), arguments.state)
    end_s = time.monotonic() + arguments.wait
    site.round()
    unread, done = list(site.volumes), False
    while not done and time.monotonic() < end_s:
        for volume in list(unread):
            try:
                volume.interval()
                unread.remove(volume)
            except (Stop, OSError) as reason:
                say(f"{volume.name}: {reason}")
        site.round()
        done = not unread and all(volume.is_done() for volume in site.volumes)
        if not done:
            time.sleep(site.every_s)
    stands = [{**volume.report(), "trouble": volume.trouble} for volume in site.volumes]
    print(json.dumps({"done": done, "volumes": stands}))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
