// `npm run fuzz -- [--inputs 100000] [--seed 1] [--from 0] [--reader NAME]`: gives each reader generated inputs and counts what became
// of them. Ends with 1 if one of them crashed a reader or took more than 2 seconds. An input can be made again with --from and
// --inputs 1.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { fuzz } from './fuzz.js'
import { readersIn } from './readers.js'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    reader: { type: 'string' },
  },
})
const [inputs, seed, from] = [Number(values.inputs ?? 100_000), Number(values.seed ?? 1), Number(values.from ?? 0)]

/** The number of the input that is being read, and when it was begun. */
const current = new Float64Array(new SharedArrayBuffer(16))

// A reader that hangs can only be told of from another thread.
const watching = `
  const { workerData } = require('node:worker_threads')
  setInterval(() => {
    if (workerData[1] > 0 && Date.now() - workerData[1] > 60_000) {
      console.error('input ' + workerData[0] + ' takes more than a minute')
      process.exit()
    }
  }, 1000)`
const watcher = new Worker(watching, { eval: true, workerData: current })
watcher.on('exit', () => process.exit(1))

const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-fuzz-'))
let [total, bad] = [0, 0]
for (const reader of await readersIn(folder)) {
  if (values.reader !== undefined && reader.name !== values.reader) continue
  process.stdout.write(`${reader.name.padEnd(18)}`)
  const counts = await fuzz(reader, { seed, inputs, from }, (input) => {
    current[0] = input
    current[1] = Date.now()
  })
  current[1] = 0
  const { accepted, refused, crashes, slowest } = counts
  total += counts.inputs
  const memory = Math.round(process.memoryUsage().rss / 2 ** 20)
  console.log(
    `${String(counts.inputs).padStart(8)} inputs ${String(accepted).padStart(8)} accepted ${String(refused).padStart(8)} refused ` +
      `${String(crashes.length).padStart(3)} kinds of crashes, slowest ${slowest.milliseconds} ms (input ${slowest.input}), ${memory} MiB`,
  )
  for (const { input, message } of crashes) console.log(`  input ${input}: ${message}`)
  if (crashes.length > 0 || slowest.milliseconds > 2000) bad++
}
rmSync(folder, { recursive: true })
console.log(`${total} inputs, seed ${seed}`)
process.exit(bad > 0 ? 1 : 0)
