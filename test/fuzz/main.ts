// `npm run fuzz -- [--inputs 10000] [--seed 1] [--from 0] [--reader NAME]… [--results FILE]`: gives each reader generated inputs and
// prints what became of them. Ends with 1 if one of them crashed a reader, took more than 2 s of CPU time or too much memory, or
// was accepted wrongly. An input can be made again with its reader, --from and --inputs 1. What is in FILE is not done again.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Counts } from './fuzz.js'
import { readersIn } from './readers.js'
import { Results, table } from './results.js'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    reader: { type: 'string', multiple: true },
    results: { type: 'string' },
  },
})
const [inputs, seed, from] = [Number(values.inputs ?? 10_000), Number(values.seed ?? 1), Number(values.from ?? 0)]

/** Inputs that share a process. */
const batchSize = 10_000
/** V8's heap may not become larger: what needs more ends the process, and is told. */
const heapMebibytes = 768

const folder = mkdtempSync(join(tmpdir(), 'puzzleflow-fuzz-'))
const current = join(folder, 'current')
const results = new Results(values.results)
const known = (await readersIn(folder)).map(({ name }) => name)
const readers = values.reader ?? known
for (const reader of readers) {
  if (!known.includes(reader)) throw new Error(`There is no reader "${reader}": ${known.join(', ')}.`)
  for (let at = from; at < from + inputs;) {
    const size = Math.min(batchSize, from + inputs - at)
    const done = results.doneFrom(reader, seed, at)
    if (done === 0) await batch(reader, at, size)
    at += done || size
  }
}
rmSync(folder, { recursive: true })
const totals = results.totals().filter(({ reader }) => readers.includes(reader))
for (const { reader, crashes } of totals)
  for (const { input, message } of crashes) console.log(`${reader}, input ${input}: ${message}\n`)
console.log(`${table(totals)}\n\nSeed ${seed}, from ${from}.`)
process.exit(totals.some(({ crashes }) => crashes.length > 0) ? 1 : 0)

/** Reads a batch in a process. One that ends its process is a crash; the others are read without it. */
async function batch(reader: string, at: number, size: number): Promise<void> {
  const { counts, said } = await processOf(reader, at, size)
  if (counts) return results.add({ ...counts, seed, from: at })
  const input = Math.min(Math.max(at, readFileSync(current).readDoubleLE()), at + size - 1)
  const message = `ended the process: ${said.trim().split('\n').slice(-8).join('\n')}`
  const none = { accepted: 0, refused: 0, slowest: { input, milliseconds: 0 }, largest: { input, bytes: 0 } }
  if (input > at) await batch(reader, at, input - at)
  results.add({
    ...none,
    reader,
    seed,
    from: input,
    inputs: 1,
    crashes: [{ kind: 'ended the process', input, message }],
  })
  if (input + 1 < at + size) await batch(reader, input + 1, at + size - input - 1)
}

/** The counts of a batch; undefined if its process ended before. */
async function processOf(reader: string, at: number, size: number): Promise<{ counts?: Counts; said: string }> {
  const script = fileURLToPath(new URL('batch.js', import.meta.url))
  const flags = [`--max-old-space-size=${heapMebibytes}`, '--max-semi-space-size=16', '--no-warnings']
  const child = spawn(process.execPath, [...flags, script, reader, ...[seed, at, size].map(String), current])
  let [printed, said] = ['', '']
  child.stdout.on('data', (text) => (printed += String(text)))
  child.stderr.on('data', (text) => (said = (said + String(text)).slice(-4000)))
  await new Promise((closed) => child.on('close', closed))
  const line = printed.trim().split('\n').at(-1) ?? ''
  return { said, ...(line.startsWith('{') && child.exitCode === 0 && { counts: JSON.parse(line) as Counts }) }
}
