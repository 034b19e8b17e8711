// A worker for node-redlock, versions 4 and 5: the orders and reports of `src/order.rs`.
// usage: node redlock.mjs <folder with node_modules> <4|5> <uri>...
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { openSync, readSync, writeSync, closeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const [folder, version, ...uris] = process.argv.slice(2)
const require = createRequire(`${folder}/`)
const Redis = require('ioredis')
const module = require(`redlock${version}`)
const Redlock = module.default ?? module

const TTL = 60_000
const MOST_ERRORS = 20
const clients = uris.map((uri) => new Redis(uri, { maxRetriesPerRequest: null }))
// Errors are told by the calls; without a listener, each attempt to connect is reported as well.
clients.forEach((client) => client.on('error', () => {}))
// The defaults, but for the number of tries: whoever waits, waits.
const redlock = new Redlock(clients, { retryCount: -1 })
redlock.on(version === '5' ? 'error' : 'clientError', () => {})

const acquire = (key) => (version === '5' ? redlock.acquire([key], TTL) : redlock.lock(key, TTL))
const release = (lock) => (version === '5' ? lock.release() : lock.unlock())

const now = () => Number(process.hrtime.bigint())

/** The buckets of `src/histogram.rs`. */
function bucket(nanos) {
  let shift = 0
  let cut = nanos
  while (cut >= 256) {
    cut = Math.floor(cut / 2)
    shift += 1
  }
  return shift * 256 + cut
}

/** The ground of `src/ground.rs`. */
class Ground {
  constructor(path) {
    this.file = path === null ? null : openSync(path, 'r+')
    this.bytes = Buffer.alloc(16)
  }
  look() {
    if (this.file !== null) readSync(this.file, this.bytes, 0, 16, 0)
    return [this.bytes.readBigUInt64LE(0), this.bytes.readBigUInt64LE(8)]
  }
  note(count, who) {
    this.bytes.writeBigUInt64LE(count, 0)
    this.bytes.writeBigUInt64LE(who, 8)
    if (this.file !== null) writeSync(this.file, this.bytes, 0, 16, 0)
  }
  enter(who) {
    const [count, inside] = this.look()
    this.note(count, who)
    return { who, count, met: inside !== 0n }
  }
  leave(visit) {
    const [count, inside] = this.look()
    this.note(visit.count + 1n, 0n)
    return visit.met || inside !== visit.who || count !== visit.count
  }
  close() {
    if (this.file !== null) closeSync(this.file)
  }
}

const fresh = () => ({ times: [], count: 0, held: 0, violations: 0, errors: [], elapsed: 0 })

async function own(key, pairs, millis) {
  const seen = fresh()
  const start = now()
  let before = start
  while (seen.count < pairs && before < start + millis * 1e6 && seen.errors.length < MOST_ERRORS) {
    try {
      await release(await acquire(key))
    } catch (error) {
      seen.errors.push(String(error))
    }
    const after = now()
    seen.times.push(after - before)
    seen.count += 1
    before = after
  }
  seen.elapsed = now() - start
  return seen
}

async function contend({ start, millis, hold_micros, key }, ground, who) {
  const seen = fresh()
  const end = start + millis * 1e6
  await sleep(Math.max(0, (start - now()) / 1e6))
  for (;;) {
    const asked = now()
    if (asked >= end || seen.errors.length >= MOST_ERRORS) return seen
    try {
      const lock = await acquire(key)
      const got = now()
      const visit = ground.enter(who)
      if (hold_micros > 0) await sleep(hold_micros / 1e3)
      const met = ground.leave(visit)
      const held = now() - got
      await release(lock)
      seen.times.push(got - asked)
      seen.held += held
      seen.violations += met ? 1 : 0
      seen.count += got < end ? 1 : 0
    } catch (error) {
      seen.errors.push(String(error))
    }
  }
}

function gather(all) {
  const report = { early: false, elapsed: 0, times: {}, first: 0, longest: 0, counts: [], total: 0, held: 0, at: 0, violations: 0, errors: [] }
  for (const seen of all) {
    report.first = Math.max(report.first, seen.times[0] ?? 0)
    report.total += seen.times.length
    for (const nanos of seen.times) {
      const index = bucket(nanos)
      report.times[index] = (report.times[index] ?? 0) + 1
      report.longest = Math.max(report.longest, nanos)
    }
    report.counts.push(seen.count)
    report.held += seen.held
    report.violations += seen.violations
    report.elapsed = Math.max(report.elapsed, seen.elapsed)
    report.errors.push(...seen.errors)
  }
  report.errors.length = Math.min(report.errors.length, MOST_ERRORS)
  return report
}

async function work(order) {
  const tasks = [...Array(order.tasks ?? 0).keys()]
  switch (order.load) {
    case 'own':
      return gather(await Promise.all(tasks.map((task) => own(`${order.key}:${task}`, order.pairs, order.millis))))
    case 'one': {
      const ground = new Ground(order.ground)
      const who = (task) => BigInt(order.first + task + 1)
      const report = gather(await Promise.all(tasks.map((task) => contend(order, ground, who(task)))))
      ground.close()
      report.elapsed = order.millis * 1e6
      return report
    }
    case 'hold': {
      const lock = await acquire(order.key)
      say({ early: true })
      await sleep(order.hold_micros / 1e3)
      const at = now()
      await release(lock)
      return { at }
    }
    case 'wait': {
      const lock = await acquire(order.key)
      const at = now()
      await release(lock)
      return { at }
    }
  }
}

const say = (report) => process.stdout.write(`${JSON.stringify(report)}\n`)

await Promise.all(clients.map((client) => client.ping()))
say({ early: true })
for await (const line of createInterface({ input: process.stdin })) say(await work(JSON.parse(line)))
process.exit(0)
