// A stage of very many tasks that are done at once: how long it takes to its end and again, what each task costs the engine, how
// long the histories are, and what worker and server hold. Temporal ends workflows with 51,200 events. Real server and worker.
//   npm run build && node bench/many-tasks.mjs [TASKS] [SLOTS]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { ensureServer, stopServer } from '../dist/server/index.js'
import { Rig } from '../dist/test/engine/rig.js'
import { childrenOf, serverOf } from '../dist/test/processes.js'
import { Memory } from '../dist/test/soak/memory.js'

const count = Number(process.argv[2] ?? 12_000)
const slots = Number(process.argv[3] ?? 8)
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-many-'))
process.env.XDG_STATE_HOME = home
const spec = (then) => `
pipeline:
  stages:
    many: { with: { count: ${count} } }
    then: { uses: echo, needs: [many], with: { total: "\${{ stages.many.outputs.total }}", then: ${then} } }
`
const { address } = await ensureServer({ log: (line) => console.error(line) })
const rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })

const memories = { worker: new Memory('worker'), child: new Memory('child'), server: new Memory('server') }
/** Looks at what the processes hold. */
function sample() {
  const { pid } = worker.process
  memories.worker.take([pid])
  memories.child.take(childrenOf(pid))
  memories.server.take([serverOf(home)].filter(Boolean))
}

/** Events and bytes of a workflow's history. */
async function history(workflowId) {
  const { historyLength, historySize } = await rig.client.workflow.getHandle(workflowId).describe()
  return { events: Number(historyLength), bytes: Number(historySize) }
}
const text = ({ events, bytes }) => `${events} events, ${Math.round(bytes / 1024)} KiB`

async function once(name, note) {
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
  const page = rig.client.workflow.list({ query: `WorkflowType = 'page'` })
  const sizes = []
  for await (const { workflowId } of page)
    if (workflowId.startsWith(`${run.workflowId}/`)) sizes.push(await history(workflowId))
  const longest = sizes.sort((a, b) => b.events - a.events)[0]
  if (longest) console.log(`  ${sizes.length} pages, the longest of ${text(longest)}`)
}

let worker
try {
  worker = await rig.startWorker(slots)
  await once('first', 1)
  await once('again', 2)
  for (const memory of Object.values(memories)) console.log(memory.summary(60))
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
