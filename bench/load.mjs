// Many searches at once: whether all of them end, how evenly they share the places, what the processes hold, and what a client
// does to them that asks for their progress without a pause. Real server, worker and child processes.
//   npm run build && node bench/load.mjs [SEARCHES] [ASKERS]
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { run } from '../dist/index.js'
import { ensureServer, stopServer } from '../dist/server/index.js'
import { Place } from '../dist/test/cli/puzzleflow.js'
import { tinySpec, writeTinySearch } from '../dist/test/cli/tiny-search.js'
import { childrenOf, serverOf } from '../dist/test/processes.js'
import { Memory } from '../dist/test/soak/memory.js'
import { makeStateHome } from '../dist/test/state-home.js'

const searches = Number(process.argv[2] ?? 20)
const askers = Number(process.argv[3] ?? 8)
const stateHome = await makeStateHome()
process.env.XDG_STATE_HOME = stateHome
const place = new Place(await writeTinySearch(), stateHome)
const { address } = await ensureServer({ log: (line) => console.error(line) })
const connection = await Connection.connect({ address })
const { workflow } = new Client({ connection })
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Costs from elsewhere, so that no search has the machine to itself; another seed each, so that none reuses another's tasks.
const spec = (i) =>
  tinySpec
    .replace('name: tiny', `name: load-${i}`)
    .replace('tokens: 60k', 'tokens: 4k')
    .replace('seed: 3', `seed: ${i + 1}`)
    .replace('seed:', '  profile: ./costs.json\nseed:')
const names = Array.from({ length: searches }, (_, i) => `load-${i}`)
const memories = ['worker', 'child', 'server'].map((kind) => new Memory(kind))
let together = 0
function sample() {
  const { worker } = place
  const server = serverOf(stateHome)
  const pids = [worker ? [worker] : [], worker ? childrenOf(worker) : [], server ? [server] : []]
  memories.forEach((memory, i) => memory.take(pids[i]))
  together = Math.max(
    together,
    memories.reduce((sum, memory) => sum + memory.now, 0),
  )
}

try {
  for (const [i, name] of names.entries()) writeFileSync(join(place.folder, `${name}.yaml`), spec(i))
  const begin = performance.now()
  const seconds = () => (performance.now() - begin) / 1000
  for (const name of names)
    await run(join(place.folder, `${name}.yaml`), { until: 'solve', address, store: place.store })
  console.log(`${searches} searches started in ${seconds().toFixed(1)} s`)
  let ids = []
  // The list is a little behind.
  for (; ids.length < searches; await pause(200)) {
    ids = []
    for await (const { workflowId } of workflow.list({ query: 'WorkflowType = "search"' })) ids.push(workflowId)
  }
  const ended = new Map()
  let over = false
  const ask = async (first) => {
    const times = []
    let refused = 0
    for (let i = first; !over; i++) {
      const since = performance.now()
      await workflow
        .getHandle(ids[i % ids.length])
        .query('progress')
        .then(
          () => times.push(performance.now() - since),
          () => refused++,
        )
    }
    return { times, refused }
  }
  const asking = Array.from({ length: askers }, (_, i) => ask(i))
  const watching = (async () => {
    while (!over) {
      sample()
      await pause(1000)
    }
  })()
  const start = seconds()
  const results = await Promise.allSettled(
    ids.map(async (id) => {
      await workflow.getHandle(id).result()
      ended.set(id, seconds() - start)
    }),
  )
  over = true
  await watching
  const answers = await Promise.all(asking)
  const failed = results.filter(({ status }) => status === 'rejected')
  const ends = [...ended.values()].toSorted((a, b) => a - b)
  console.log(
    `${ended.size} of ${searches} ended, the first after ${ends[0]?.toFixed(1)} s, half after ${ends[ends.length >> 1]?.toFixed(1)} s, the last after ${ends.at(-1)?.toFixed(1)} s`,
  )
  for (const { reason } of failed) console.log(`  failed: ${reason.cause?.message ?? reason.message}`)
  const times = answers.flatMap((own) => own.times).toSorted((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))]?.toFixed(0)
  const refused = answers.reduce((sum, own) => sum + own.refused, 0)
  console.log(
    `${askers} clients asked ${times.length} times for progress (${(times.length / (ends.at(-1) ?? 1)).toFixed(0)}/s), ${refused} without an answer; half of the answers took ${at(0.5)} ms, 99 % at most ${at(0.99)} ms`,
  )
  for (const memory of memories) console.log(memory.summary(60))
  console.log(`worker, its child processes and server together: at most ${together.toFixed(0)} MB`)
  process.exitCode = failed.length > 0 || ended.size < searches ? 1 : 0
} finally {
  await connection.close()
  await place.close()
  await stopServer()
  rmSync(stateHome, { recursive: true, force: true })
}
