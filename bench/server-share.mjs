// What the embedded server and the worker take of a processor: while nothing runs, while a task takes long, while somebody follows it
// as `watch` does, and for each task of many short ones.
//   npm run build && node bench/server-share.mjs [SECONDS] [TASKS]
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { claimWorker } from '../dist/cli/workers.js'
import { ensureServer, stopServer } from '../dist/server/index.js'
import { Rig } from '../dist/test/engine/rig.js'
import { serverOf } from '../dist/test/processes.js'
import { processorTime } from '../dist/test/soak/processor-time.js'

const seconds = Number(process.argv[2] ?? 20)
const count = Number(process.argv[3] ?? 500)
const home = mkdtempSync(join(tmpdir(), 'puzzleflow-share-'))
process.env.XDG_STATE_HOME = home
const { address } = await ensureServer({ log: (line) => console.error(line) })
const rig = await Rig.create({ address, client: new Client({ connection: await Connection.connect({ address }) }) })
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Processor time of server, worker and whoever else takes part, while some work is done. */
async function during(what, pids, work) {
  const before = pids.map(processorTime)
  const began = performance.now()
  await work()
  const [taken, used] = [(performance.now() - began) / 1000, pids.map((pid, i) => processorTime(pid) - before[i])]
  const share = (s) => `${((100 * s) / taken).toFixed(1)} %`
  const [server, worker, ...others] = used
  const more = others.map((s) => `, who follows ${share(s)}`).join('')
  console.log(`${what}: ${taken.toFixed(0)} s, of a core: server ${share(server)}, worker ${share(worker)}${more}`)
  return used
}

try {
  const worker = await rig.startWorker(2)
  // Who follows a run would start a worker without the stages of tests.
  const release = await claimWorker(rig.store, address)
  const pids = [serverOf(home), worker.process.pid]
  // What a start leaves behind.
  await pause(5000)
  await during('nothing runs', pids, () => pause(seconds * 1000))
  const run = await rig.run('long', 'pipeline: { stages: { step: {} } }')
  const call = await rig.steps.nextCall()
  await during('a task takes long', pids, () => pause(seconds * 1000))
  const program = new URL('../dist/cli/main.js', import.meta.url).pathname
  const args = ['watch', 'long', '--store', rig.store.root, '--address', address]
  const follower = spawn(process.execPath, [program, ...args], { cwd: home, stdio: 'ignore' })
  await pause(8000)
  await during('somebody follows it', [...pids, follower.pid], () => pause(seconds * 1000))
  follower.kill()
  await release()
  call.finish()
  await run.result()
  const [server, own] = await during(`${count} tasks that do nothing`, pids, async () => {
    const many = await rig.run('many', `pipeline: { stages: { many: { with: { count: ${count} } } } }`, {
      concurrency: 8,
    })
    await many.result()
  })
  const each = (s) => `${((1000 * s) / count).toFixed(1)} ms`
  console.log(`  of processor time for each: server ${each(server)}, worker ${each(own)}`)
} finally {
  await rig.close()
  await rig.client.connection.close()
  await stopServer()
  rmSync(home, { recursive: true, force: true })
}
