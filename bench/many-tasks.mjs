// A stage of very many tasks that are done at once: how long it takes to its end and again, what each task costs the engine, how
// long the histories are, and what worker and server hold. Temporal ends workflows with 51,200 events. Real server and worker.
//   npm run build && node bench/many-tasks.mjs [TASKS] [SLOTS] [GROUPS] [--json FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { ensureServer, stopServer } from '../dist/server/index.js'
import { Rig } from '../dist/test/engine/rig.js'
import { childrenOf, serverOf } from '../dist/test/processes.js'
import { Memory } from '../dist/test/soak/memory.js'
import { processorTime } from '../dist/test/soak/processor-time.js'

const at = process.argv.indexOf('--json')
const [, file] = at < 0 ? [] : process.argv.splice(at, 2)
const count = Number(process.argv[2] ?? 12_000)
const slots = Number(process.argv[3] ?? 8)
// Without groups the list is done in pages.
const groups = Number(process.argv[4] ?? 0)
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-many-'))
process.env.XDG_STATE_HOME = home
const spec = (then) => `
pipeline:
  stages:
    many: { with: { count: ${count}, groups: ${groups} } }
    then: { uses: echo, needs: [many], with: { total: "\${{ stages.many.outputs.total }}", then: ${then} } }
`
const { address } = await ensureServer({ log: (line) => console.error(line) })
const rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })

const memories = { worker: new Memory('worker'), child: new Memory('child'), server: new Memory('server') }
/** Seconds of processor time of child processes, those that have ended included, as they were last seen. */
const times = new Map()
const usedByChildren = () => [...times.values()].reduce((a, b) => a + b, 0)
/** Looks at what the processes hold, and have used. */
function sample() {
  const { pid } = worker.process
  const children = childrenOf(pid)
  memories.worker.take([pid])
  memories.child.take(children)
  memories.server.take([server])
  for (const child of children) times.set(child, processorTime(child))
  return { worker: processorTime(pid), server: processorTime(server), children: usedByChildren() }
}

/** Events and bytes of a workflow's history. */
async function history(workflowId) {
  const { historyLength, historySize } = await rig.client.workflow.getHandle(workflowId).describe()
  return { events: Number(historyLength), bytes: Number(historySize) }
}
const text = ({ events, bytes }) => `${events} events, ${Math.round(bytes / 1024)} KiB`

async function once(name, note) {
  const before = sample()
  const begin = performance.now()
  const run = await rig.run(name, spec(note), { concurrency: slots * 4 })
  let [largest, over] = [0, false]
  const asking = (async () => {
    while (!over) {
      sample()
      const progress = await run.query('progress').catch(() => undefined)
      if (progress) {
        largest = Math.max(largest, JSON.stringify(progress).length)
        const [{ done }] = progress.stages
        if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${count} `)
      }
      // Asking more often would be load of its own beside what is measured.
      await new Promise((resolve) => setTimeout(resolve, 2000))
    }
  })()
  const { then } = await rig.outputs(run)
  over = true
  await asking
  const seconds = (performance.now() - begin) / 1000
  if (then.values.params.total !== (count * (count - 1)) / 2) throw new Error('not all tasks were gathered')
  console.log(`${name}: ${count} tasks in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} tasks/s`)
  console.log(
    `  the search has ${text(await history(run.workflowId))}; the largest answer of its progress ${largest} bytes`,
  )
  const parts = rig.client.workflow.list({ query: `WorkflowType IN ('page', 'group')` })
  const sizes = []
  for await (const { workflowId } of parts)
    if (workflowId.startsWith(`${run.workflowId}/`)) sizes.push(await history(workflowId))
  const longest = sizes.sort((a, b) => b.events - a.events)[0]
  if (longest) console.log(`  ${sizes.length} ${groups > 0 ? 'groups' : 'pages'}, the longest of ${text(longest)}`)
  const after = sample()
  const used = Object.fromEntries(Object.entries(after).map(([who, s]) => [who, s - before[who]]))
  const each = Object.entries(used).map(([who, s]) => `${who} ${((1000 * s) / count).toFixed(1)} ms`)
  console.log(`  processor time for each task: ${each.join(', ')}`)
  return { seconds, used, search: await history(run.workflowId), parts: sizes.length, longest }
}

const server = serverOf(home)
let worker
try {
  worker = await rig.startWorker(slots)
  const [first, again] = [await once('first', 1), await once('again', 2)]
  for (const memory of Object.values(memories)) console.log(memory.summary(60))
  const megabytes = Object.fromEntries(Object.entries(memories).map(([who, memory]) => [who, memory.most]))
  if (file !== undefined) writeFileSync(file, JSON.stringify({ count, slots, first, again, megabytes }))
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
