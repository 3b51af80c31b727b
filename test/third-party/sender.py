#!/usr/bin/env python3
"""A sender for Leeward in Python's standard library alone, written from its documentation (docs/third-party.md).

    python3 sender.py ACCESS STATE [--wait SECONDS]

ACCESS is the site's access file, STATE a folder of its own. One run is one interval: it finds what changed in each
volume of the site, stores it as deltas, sends them, and answers what the cloud asks for until everything is applied.
Its last words on stdout are JSON; exit code 0 says that all volumes stand in the cloud as they were read.

It is an example to copy from, and leaves out what an example need not have: it reads volumes that nobody writes to
meanwhile (take a snapshot first), keeps the hashes of all blocks in one file (use a database where they are many), sets
no limit to what waits, and trusts that one process at a time uses STATE.
"""
import argparse
import base64
import hashlib
import json
import os
import re
import struct
import sys
import time
from pathlib import Path

from delta import CONTENT_MAX, EXTENTS_MAX, NO_DIGEST, PAGE, encode_delta, length_of
from ranges import BLOCK, ZERO_HASH, encode_range_list, hash_of_block
from siteprotocol import Later, Site, now_ms, say, write_durably

CHUNK = 1 << 20
INLINE_MAX = 34_560
RESEND_AFTER_S = 20.0
UNKNOWN_HASH = b"\xff" * 16


class Stop(Exception):
    """A volume cannot go on, and the reason is not an outage."""


def size_of(path):
    with open(path, "rb") as file:  # a block device has no size that stat would say
        return file.seek(0, os.SEEK_END)


def chunks_of(path, size):
    with open(path, "rb") as file:
        for start in range(0, size, CHUNK):
            chunk = file.read(min(CHUNK, size - start))
            if len(chunk) < min(CHUNK, size - start):
                raise Stop(f"{path} ended while it was read")
            yield start, chunk


class Volume:
    """One volume: its chain, the hashes of its blocks as the chain's last delta left them, and the outbox.

    The state file, a line of JSON and then 16 bytes for each block, is written as one, so that the hashes are never
    those of another delta than `last`. A delta is in the outbox before the state names it, and sent only after that.
    """

    def __init__(self, site, entry, folder):
        self.site, self.name, self.source = site, entry["volume"], entry["source"]
        self.folder = folder / self.name.replace("/", "~")
        self.outbox, self.state_file = self.folder / "outbox", self.folder / "state"
        self.outbox.mkdir(parents=True, exist_ok=True)
        self.state, self.hashes = None, bytearray()
        self.answer, self.trouble, self.forked = None, None, None
        self.sent, self.progress_s, self.is_unread = {}, 0.0, True
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
        return self.state is not None and self.answer is not None and not self.trouble and not self.is_unread and (
            self.state["last"] == self.state["acknowledged"] == self.answer["appliedNumber"])

    def report(self):
        """This volume's part of a heartbeat."""
        state = self.state or {"generation": 1, "last": 0}
        said = {"volume": self.name, "generation": state["generation"], "stored": state["last"]}
        if self.state is None and self.answer:  # heard, and not begun: see `begin`
            size = size_of(self.source)
            said.update(generation=self.answer["generation"], wants="generation", volumeBytes=size)
        if self.answer and self.answer.get("repair"):
            said["repaired"] = state["repaired"]
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
        state, acknowledged, base = self.state, answer["acknowledged"], answer.get("base")
        if base and base["phase"] != "ready":
            raise Stop(f"the generation's base is {base['phase']}")
        if base and not state["digests"]:
            state["digests"]["0"] = base["digest"]
            self.save()
        was = (state["generation"], state["term"], state["acknowledged"])
        now = (answer["generation"], answer["term"], acknowledged["number"])
        if any(new < old for new, old in zip(now, was)):
            raise Stop("the cloud's store was set back: nothing is sent before it is right or a person has looked")
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
        if answer.get("repair") and answer["repair"]["id"] != state["repaired"]:
            self.repair(answer["repair"])

    def begin(self, answer):
        """A generation: nothing of an earlier one counts any more."""
        if self.state is None and answer["acknowledged"]["number"] > 0:
            raise Stop("what this sender knew of the chain is lost: it asks for a new generation")
        for path in self.outbox.iterdir():
            path.unlink()
        self.sent, self.forked, self.hashes, self.is_unread = {}, None, bytearray(), True
        self.state = {
            "generation": answer["generation"], "term": answer["term"], "volumeBytes": 0, "repaired": "",
            "last": 0, "marked": 0, "acknowledged": 0, "digests": {} if answer.get("base") else {"0": NO_DIGEST},
        }
        self.save()

    def repair(self, repair):
        """Believes nothing of these ranges any more, so that the next delta sets them."""
        for wanted in repair["ranges"]:
            first, end = wanted["offset"] // BLOCK, -(-(wanted["offset"] + wanted["lengthBytes"]) // BLOCK)
            end = min(end, len(self.hashes) // 16)
            self.hashes[first * 16 : end * 16] = UNKNOWN_HASH * max(0, end - first)
        self.state["repaired"], self.is_unread = repair["id"], True
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
        size = size_of(self.source)
        if size % PAGE != 0:
            raise Stop(f"{self.source} has {size} bytes, which is not a multiple of {PAGE}")
        # A base of which no list was made, since this sender's folder was lost, may hold anything.
        blank = ZERO_HASH if self.hashes or self.state["digests"].get("0") == NO_DIGEST else UNKNOWN_HASH
        blocks = -(-size // BLOCK)
        self.hashes = (self.hashes + blank * (blocks - len(self.hashes) // 16))[: blocks * 16]
        extents, hashes = [], {}
        for start, chunk in chunks_of(self.source, size):
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
        self.is_unread = False

    def compare(self, start, chunk):
        """Extents of what is not as it was known, neighbours joined, and the new hashes by block."""
        found, hashes = [], {}
        for at in range(0, len(chunk), BLOCK):
            block, index = chunk[at : at + BLOCK], (start + at) // BLOCK
            new = hash_of_block(block)
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
        if self.answer is None or self.state is None:
            return
        base = self.answer.get("base") or {}
        if base.get("phase") in ("copying", "comparing") and not base.get("listed"):
            self.send_list()
        if self.trouble:
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

    def is_due(self, what):
        sent_s = self.sent.get(what)
        return sent_s is None or time.monotonic() >= max(sent_s, self.progress_s) + RESEND_AFTER_S

    def send_list(self):
        """The range list of the volume as a generation begins from a base. Made once: what it hashes is believed."""
        if not self.is_due("ranges"):
            return
        if not self.hashes:
            size, hashes = size_of(self.source), bytearray()
            for _, chunk in chunks_of(self.source, size):
                hashes += b"".join(hash_of_block(chunk[at : at + BLOCK]) for at in range(0, len(chunk), BLOCK))
            self.state["volumeBytes"], self.hashes = size, hashes
            self.save()
        said = {"volume": self.name, "generation": self.state["generation"], "number": 0, "digest": NO_DIGEST}
        content = encode_range_list({**said, "volumeBytes": self.state["volumeBytes"]}, self.hashes)
        entry = f"{self.answer['entryPrefix']}ranges/{0:010d}-{hashlib.sha256(content).hexdigest()}.ranges"
        self.site.put_entry(entry, content)
        self.site.send_message("ranges", self.answer["queue"], {**said, "entry": entry})
        self.sent["ranges"] = time.monotonic()
        say(f"{self.name}: range list sent")

    def send(self, number, form):
        if not self.is_due((number, form)):
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
        self.site.send_message("delta", self.answer["queue"], envelope)
        self.sent[(number, form)] = time.monotonic()
        say(f"{self.name}: delta {number} sent {'inline' if 'inline' in envelope else 'as ' + (form or 'literal-1')}")


def main():
    parser = argparse.ArgumentParser(description="one interval of every volume of a site")
    parser.add_argument("access", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--wait", type=float, default=300.0, help="seconds until everything must be applied")
    arguments = parser.parse_args()
    arguments.state.mkdir(parents=True, exist_ok=True)
    access = json.loads(arguments.access.read_text())
    site = Site(access, arguments.state)
    site.volumes = [Volume(site, entry, arguments.state) for entry in access["volumes"]]
    end_s = time.monotonic() + arguments.wait
    site.round()
    done = False
    while not done and time.monotonic() < end_s:
        for volume in site.volumes:
            try:
                if volume.is_unread:
                    volume.interval()
            except (Stop, OSError) as reason:
                say(f"{volume.name}: {reason}")
        site.round()
        done = all(volume.is_done() for volume in site.volumes)
        if not done:
            time.sleep(site.every_s)
    stands = [{**volume.report(), "trouble": volume.trouble} for volume in site.volumes]
    print(json.dumps({"done": done, "volumes": stands}))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
