// A worker for bentocache: the orders of `src/cache/order.rs`, the reports of `src/order.rs`.
// usage: node bentocache.mjs <folder with node_modules> <L1|L2> <uri>
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { createInterface } from 'node:readline'
import { openSync, readSync, writeSync, closeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const [folder, level, uri] = process.argv.slice(2)
const require = createRequire(`${folder}/`)
const load = (name) => import(pathToFileURL(require.resolve(name)).href)
const { BentoCache, bentostore } = await load('bentocache')
const { redisDriver, redisBusDriver } = await load('bentocache/drivers/redis')
const { memoryDriver } = await load('bentocache/drivers/memory')

const MOST_ERRORS = 20
const { hostname: host, port } = new URL(uri)
const connection = { host, port: Number(port) }
// The values on the server alone, or in the process as well, kept in step by its bus.
let store = bentostore()
if (level === 'L1') store = store.useL1Layer(memoryDriver({ maxSize: '64mb' }))
store = store.useL2Layer(redisDriver({ connection }))
if (level === 'L1') store = store.useBus(redisBusDriver({ connection }))
const cache = new BentoCache({ default: 'users', stores: { users: store }, ttl: 60_000 })

const user = (version) => ({
  version,
  name: 'Augusta Ada King, Countess of Lovelace',
  email: 'ada.lovelace@analytical-engine.example',
})
const get = (key, factory, ttl = 60_000) => cache.getOrSet({ key, factory, ttl })
const now = () => Number(process.hrtime.bigint())
const until = (start) => sleep(Math.max(0, (start - now()) / 1e6))

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

/** The source of `src/cache/source.rs`. */
class Source {
  constructor(path) {
    this.file = openSync(path, 'r+')
    this.bytes = Buffer.alloc(8)
  }
  number(at) {
    readSync(this.file, this.bytes, 0, 8, at)
    return Number(this.bytes.readBigUInt64LE(0))
  }
  note(at, number) {
    this.bytes.writeBigUInt64LE(BigInt(number), 0)
    writeSync(this.file, this.bytes, 0, 8, at)
  }
  version(row) {
    return this.number(row * 16)
  }
  least(row) {
    return this.number(row * 16 + 8)
  }
  change(row) {
    const version = this.version(row) + 1
    this.note(row * 16, version)
    return version
  }
  told(row, version) {
    this.note(row * 16 + 8, version)
  }
  close() {
    closeSync(this.file)
  }
}

/** Zipf's law, as in `src/cache/zipf.rs`. */
class Zipf {
  constructor(keys) {
    let sum = 0
    this.sums = Float64Array.from({ length: keys }, (_, index) => (sum += 1 / (index + 1)))
  }
  draw() {
    const point = Math.random() * this.sums.at(-1)
    let [low, high] = [0, this.sums.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.sums[middle] <= point) low = middle + 1
      else high = middle
    }
    return low
  }
}

const fresh = () => ({ times: [], count: 0, violations: 0, errors: [], failedAfter: 0, elapsed: 0 })
const tasks = (count, task) => Promise.all([...Array(count).keys()].map(task))

/** One answer with the time it took, or the error. */
async function timed(seen, begun, answer) {
  try {
    const value = await answer()
    seen.times.push(now() - begun)
    seen.count += 1
    return value
  } catch (error) {
    seen.failedAfter = Math.max(seen.failedAfter, now() - begun)
    seen.errors.push(String(error))
    return null
  }
}

async function hits({ batch, millis, key }, task) {
  const seen = fresh()
  const missing = () => {
    throw new Error('it is not there')
  }
  await get(`${key}:${task}`, () => user(1))
  const start = now()
  let before = start
  while (before < start + millis * 1e6 && seen.errors.length < MOST_ERRORS) {
    for (let hit = 0; hit < batch; hit++) {
      try {
        await get(`${key}:${task}`, missing)
      } catch (error) {
        seen.errors.push(String(error))
      }
    }
    const after = now()
    seen.times.push(Math.round((after - before) / batch))
    seen.count += batch
    before = after
  }
  seen.elapsed = now() - start
  return seen
}

async function misses({ millis, key }) {
  const seen = fresh()
  const start = now()
  while (now() < start + millis * 1e6 && seen.errors.length < MOST_ERRORS) {
    await timed(seen, now(), () => get(`${key}:${seen.count}`, () => user(1)))
  }
  seen.elapsed = now() - start
  return seen
}

async function mix(order, source, zipf, counter, task) {
  const { keys, writes, load_micros, start, millis, key, all } = order
  const seen = fresh()
  await until(start)
  const end = start + millis * 1e6
  while (now() < end && seen.errors.length < MOST_ERRORS) {
    const row = zipf.draw()
    const own = row - (row % all) + task
    if (Math.random() * 100 < writes && own < keys) {
      try {
        const version = source.change(own)
        await cache.delete({ key: `${key}:${own}` })
        source.told(own, version)
      } catch (error) {
        seen.errors.push(String(error))
      }
      continue
    }
    const least = source.least(row)
    const factory = async () => {
      counter.loads += 1
      const version = source.version(row)
      if (load_micros > 0) await sleep((load_micros / 1e3) * Math.random())
      return user(version)
    }
    const answer = await timed(seen, now(), () => get(`${key}:${row}`, factory))
    if (answer !== null && answer.version < least) seen.violations += 1
  }
  return seen
}

function gather(all, loads = 0) {
  const report = { early: false, elapsed: 0, times: {}, first: 0, longest: 0, counts: [], total: 0, held: 0, at: 0, violations: 0, loads, errors: [] }
  for (const seen of all) {
    report.first = Math.max(report.first, seen.times[0] ?? 0)
    report.total += seen.times.length
    for (const nanos of seen.times) {
      const index = bucket(nanos)
      report.times[index] = (report.times[index] ?? 0) + 1
      report.longest = Math.max(report.longest, nanos)
    }
    report.longest = Math.max(report.longest, seen.failedAfter)
    report.counts.push(seen.count)
    report.violations += seen.violations
    report.elapsed = Math.max(report.elapsed, seen.elapsed)
    report.errors.push(...seen.errors)
  }
  report.errors.length = Math.min(report.errors.length, MOST_ERRORS)
  return report
}

async function work(order) {
  const counter = { loads: 0 }
  const slow = async () => {
    counter.loads += 1
    const version = counter.loads
    await sleep(order.load_micros / 1e3)
    return user(version)
  }
  switch (order.load) {
    case 'hits':
      return gather(await tasks(order.tasks, (task) => hits(order, task)))
    case 'misses':
      return gather([await misses(order)])
    case 'stampede': {
      const seen = await tasks(order.callers, async () => {
        const seen = fresh()
        await until(order.start)
        await timed(seen, order.start, () => get(order.key, slow))
        return seen
      })
      return gather(seen, counter.loads)
    }
    case 'hot': {
      await get(order.key, slow, order.ttl_millis)
      counter.loads = 0
      const end = now() + order.millis * 1e6
      const seen = await tasks(order.tasks, async () => {
        const seen = fresh()
        while (now() < end && seen.errors.length < MOST_ERRORS) {
          await timed(seen, now(), () => get(order.key, slow, order.ttl_millis))
        }
        return seen
      })
      return gather(seen, counter.loads)
    }
    case 'mix': {
      const source = new Source(order.source)
      const zipf = new Zipf(order.keys)
      const seen = await tasks(order.tasks, (task) => mix(order, source, zipf, counter, order.first + task))
      source.close()
      return { ...gather(seen, counter.loads), elapsed: order.millis * 1e6 }
    }
    case 'change': {
      const source = new Source(order.source)
      const version = source.change(0)
      const at = now()
      await cache.delete({ key: order.key })
      source.told(0, version)
      source.close()
      return { at }
    }
    case 'see': {
      const source = new Source(order.source)
      const read = () => get(order.key, () => user(source.version(0)))
      await read()
      await read()
      say({ early: true })
      const end = now() + 5e9
      while (now() < end) {
        if ((await read()).version >= order.version) {
          source.close()
          return { at: now() }
        }
        // Its connections are this thread's: they get their turn.
        await new Promise((resolve) => setImmediate(resolve))
      }
      throw new Error('the change was not seen in 5 s')
    }
  }
}

const say = (report) => process.stdout.write(`${JSON.stringify(report)}\n`)

await get('warm', () => user(0))
say({ early: true })
for await (const line of createInterface({ input: process.stdin })) say(await work(JSON.parse(line)))
process.exit(0)
