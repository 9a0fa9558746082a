import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { joined, type PairedPasses } from '../../puzzle/speed.js'
import { watchBeside, watchOthers } from '../../puzzle/machine-load.js'
import type { TimedModel } from '../../model/index.js'

const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds))

test('what another program uses of the processors is seen, and what this one uses is not', async () => {
  const other = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  const beside = watchOthers()
  await wait(1500)
  expect(beside()).toBeGreaterThan(0.05)
  other.kill()
})

test('of a moment nothing is said', () => {
  expect(watchOthers()()).toBeUndefined()
})

test('what an engine in a process of its own uses is not another program’s', async () => {
  const engine = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' })
  // It says that it uses all there is.
  const used = [0, 1000]
  const model = { processorSeconds: async () => used.shift()! } as Partial<TimedModel> as TimedModel
  const [withoutIt, withIt] = [await watchBeside([]), await watchBeside([model])]
  await wait(1500)
  const [seen, others] = [await withoutIt(), await withIt()]
  engine.kill()
  expect(seen).toBeGreaterThan(0.05)
  expect(others).toBe(0)
})

const passes = (n: number, load?: number): PairedPasses => ({
  parent: Array<number>(n).fill(1),
  child: Array<number>(n).fill(1),
  prefill: { parent: Array<number>(n).fill(1), child: Array<number>(n).fill(1) },
  error: 0.01,
  sessions: 1,
  ...(load !== undefined && { load }),
})

test('the load of several sessions is the mean over their passes, and unknown if one of them is', () => {
  expect(joined(passes(10, 0.1), passes(30, 0.5)).load).toBe(0.4)
  expect(joined(passes(10, 0.1), passes(30))).not.toHaveProperty('load')
})
