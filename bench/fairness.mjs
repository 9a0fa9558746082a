// Measures how long a search with 10 tasks waits next to one with 4,000: how many of the 4,000 complete before the 10 do.
// With first come, first served, all of them would. Uses a real server and a real worker with two slots; tasks are instant.
//   npm run build && node bench/fairness.mjs [TASKS]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { ensureServer, stopServer } from '../dist/server/index.js'
import { Rig } from '../dist/test/engine/rig.js'

const tasks = Number(process.argv[2] ?? 4000)
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-fairness-'))
process.env.XDG_STATE_HOME = home
const spec = (letter, count) => `
items: [${Array.from({ length: count }, (_, i) => `${letter}${i}`).join(', ')}]
pipeline:
  inputs: { items: { type: array } }
  stages:
    source: {}
    each: { needs: [source], with: { factor: 2 } }
`
const { address } = await ensureServer({ log: (line) => console.error(line) })
const rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })
const done = { l: 0, s: 0 }
async function answer() {
  for (;;) {
    const call = await rig.steps.nextCall()
    call.finish()
    done[call.info.task[0]]++
  }
}
try {
  await rig.startWorker(2)
  const large = await rig.run('large', spec('l', tasks), { concurrency: 1000 })
  // Asking more often would be load of its own beside what is measured.
  while ((await rig.inFlight(large)).length < Math.min(tasks, 1000)) await new Promise((r) => setTimeout(r, 200))
  void answer()
  const before = done.l
  const begin = performance.now()
  const small = await rig.run('small', spec('s', 10))
  await small.result()
  const seconds = (performance.now() - begin) / 1000
  console.log(
    `the search with 10 tasks took ${seconds.toFixed(1)} s, during which ${done.l - before} of the ${tasks} tasks of the other one completed`,
  )
  await large.result()
  const all = (performance.now() - begin) / 1000
  console.log(`the other one took ${all.toFixed(1)} s: ${(tasks / all).toFixed(0)} tasks/s through the engine`)
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
