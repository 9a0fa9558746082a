// Gives one reader some inputs, in a process of its own: READER SEED FROM INPUTS CURRENT. Writes the number of each input to the file
// CURRENT before it is read, so that the input is known if it ends the process; prints the counts as JSON.
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { fuzz } from './fuzz.js'
import { readersIn } from './readers.js'

const [name, seed, from, inputs, current] = process.argv.slice(2) as [string, string, string, string, string]

/** CPU seconds of this process when the present input was begun. */
const began = new Float64Array(new SharedArrayBuffer(8))
const used = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

// Only another thread can end a reader that goes on for ever.
const watching = `
  const { workerData: began } = require('node:worker_threads')
  setInterval(() => {
    const { user, system } = process.cpuUsage()
    if (began[0] > 0 && (user + system) / 1e6 - began[0] > 20) {
      require('node:fs').writeSync(2, 'more than 20 s of CPU time\\n')
      process.kill(process.pid, 'SIGKILL')
    }
  }, 1000)`
new Worker(watching, { eval: true, workerData: began }).unref()

const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-fuzz-'))
try {
  const reader = (await readersIn(folder)).find((own) => own.name === name)
  if (!reader) throw new Error(`There is no reader "${name}".`)
  const file = openSync(current, 'w')
  const number = Buffer.alloc(8)
  const counts = await fuzz(reader, { seed: Number(seed), from: Number(from), inputs: Number(inputs) }, (input) => {
    number.writeDoubleLE(input)
    writeSync(file, number, 0, 8, 0)
    began[0] = used()
  })
  console.log(JSON.stringify(counts))
} finally {
  rmSync(folder, { recursive: true })
}
process.exit(0)
