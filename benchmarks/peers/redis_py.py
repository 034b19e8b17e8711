"""A worker for redis-py's asyncio lock: the orders and reports of `src/order.rs`.

usage: python3 redis_py.py <folder with the package> <uri>
"""

import asyncio
import json
import os
import struct
import sys
import time

sys.path.insert(0, sys.argv[1])
import redis.asyncio as redis  # noqa: E402

TTL = 60
MOST_ERRORS = 20
now = time.monotonic_ns
client = redis.from_url(sys.argv[2])


def bucket(nanos):
    """The buckets of `src/histogram.rs`."""
    shift = max(0, nanos.bit_length() - 8)
    return shift * 256 + (nanos >> shift)


class Ground:
    """The ground of `src/ground.rs`."""

    def __init__(self, path):
        self.file = None if path is None else os.open(path, os.O_RDWR)
        self.state = (0, 0)

    def look(self):
        if self.file is None:
            return self.state
        return struct.unpack("<QQ", os.pread(self.file, 16, 0))

    def note(self, count, who):
        self.state = (count, who)
        if self.file is not None:
            os.pwrite(self.file, struct.pack("<QQ", count, who), 0)

    def enter(self, who):
        count, inside = self.look()
        self.note(count, who)
        return who, count, inside != 0

    def leave(self, visit):
        who, count, met = visit
        count_now, inside = self.look()
        self.note(count + 1, 0)
        return met or inside != who or count_now != count

    def close(self):
        if self.file is not None:
            os.close(self.file)


class Seen:
    def __init__(self):
        self.times, self.errors = [], []
        self.count = self.held = self.violations = self.elapsed = 0


async def own(key, pairs, millis):
    seen = Seen()
    start = before = now()
    while seen.count < pairs and before < start + millis * 1_000_000 and len(seen.errors) < MOST_ERRORS:
        try:
            lock = client.lock(key, timeout=TTL)
            await lock.acquire()
            await lock.release()
        except Exception as error:
            seen.errors.append(repr(error))
        after = now()
        seen.times.append(after - before)
        seen.count += 1
        before = after
    seen.elapsed = now() - start
    return seen


async def contend(order, ground, who):
    seen = Seen()
    end = order["start"] + order["millis"] * 1_000_000
    await asyncio.sleep(max(0, order["start"] - now()) / 1e9)
    while True:
        asked = now()
        if asked >= end or len(seen.errors) >= MOST_ERRORS:
            return seen
        try:
            lock = client.lock(order["key"], timeout=TTL)
            await lock.acquire()
            got = now()
            visit = ground.enter(who)
            if order["hold_micros"]:
                await asyncio.sleep(order["hold_micros"] / 1e6)
            met = ground.leave(visit)
            held = now() - got
            await lock.release()
            seen.times.append(got - asked)
            seen.held += held
            seen.violations += met
            seen.count += got < end
        except Exception as error:
            seen.errors.append(repr(error))


def gather(all_seen):
    times, errors, counts = {}, [], []
    report = {"elapsed": 0, "first": 0, "longest": 0, "total": 0, "held": 0, "violations": 0}
    for seen in all_seen:
        report["first"] = max([report["first"], *seen.times[:1]])
        report["longest"] = max([report["longest"], *seen.times])
        report["total"] += len(seen.times)
        for nanos in seen.times:
            times[bucket(nanos)] = times.get(bucket(nanos), 0) + 1
        counts.append(seen.count)
        errors += seen.errors
        report["held"] += seen.held
        report["violations"] += seen.violations
        report["elapsed"] = max(report["elapsed"], seen.elapsed)
    return {**report, "times": times, "counts": counts, "errors": errors[:MOST_ERRORS]}


async def work(order):
    load, key = order["load"], order["key"]
    tasks = range(order.get("tasks", 0))
    if load == "own":
        return gather(await asyncio.gather(*(own(f"{key}:{task}", order["pairs"], order["millis"]) for task in tasks)))
    if load == "one":
        ground = Ground(order["ground"])
        first = order["first"]
        report = gather(await asyncio.gather(*(contend(order, ground, first + task + 1) for task in tasks)))
        ground.close()
        return {**report, "elapsed": order["millis"] * 1_000_000}
    lock = client.lock(key, timeout=TTL)
    await lock.acquire()
    at = now()
    if load == "hold":
        say({"early": True})
        await asyncio.sleep(order["hold_micros"] / 1e6)
        at = now()
    await lock.release()
    return {"at": at}


def say(report):
    print(json.dumps(report), flush=True)


async def main():
    await client.ping()
    say({"early": True})
    loop = asyncio.get_running_loop()
    # Another thread reads, so that the loop runs on.
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        say(await work(json.loads(line)))


asyncio.run(main())
