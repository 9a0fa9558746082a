import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as web from 'onnxruntime-web'
import { expect, test } from 'vitest'
import { writeOnnx } from '../../model/index.js'
import { difference, fullLogits } from '../model/mixed.js'
import { scratch, someIds } from '../model/tiny.js'
import { Exported, type Runtime } from './exported.js'
import { openEvery } from './models.js'

/** WebAssembly in this process, from bytes: there is no server to fetch from. */
const runtime = {
  Tensor: web.Tensor,
  InferenceSession: {
    create: (path: string) =>
      web.InferenceSession.create(new Uint8Array(readFileSync(path)), {
        executionProviders: ['wasm'],
        logSeverityLevel: 3,
      }),
  },
} as unknown as Runtime

test('the exported graph runs on onnxruntime-web’s WebAssembly as in the whole sequence', async () => {
  web.env.wasm.numThreads = 1
  const model = await openEvery()
  const ids = [...someIds(40)]
  const whole = await fullLogits(model, Int32Array.from(ids))
  const folder = join(scratch(), 'exported')
  await writeOnnx(model, folder)
  const graph = await Exported.open(folder, runtime)
  graph.reset(1)
  const rows = [...(await graph.read([ids.slice(0, 9)]))[0]!]
  for (const id of ids.slice(9, 20)) rows.push((await graph.read([[id]]))[0]![0]!)
  rows.push(...(await graph.read([ids.slice(20)]))[0]!)
  rows.forEach((row, i) => expect(difference(row, whole[i]!), `token ${i}`).toBeLessThan(1e-5))
  expect(rows.length).toBe(ids.length)
  await graph.release()
})
