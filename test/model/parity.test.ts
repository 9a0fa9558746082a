import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cacheWeights, Decoder, embed, Forward, Head, openModel } from '../../model/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { readTensors } from '../../tensor/index.js'

const root = join(import.meta.dirname, '../../../shared/fixtures/hf')
const blocks = makeBlocks()
const names = existsSync(root) ? readdirSync(root).filter((name) => !existsSync(join(root, name, 'REFUSE'))) : []

test.skipIf(names.length > 0)('SKIPPED: the reference checkpoints are not beside this checkout', () => {})

test.each(names)('%s has the logits, hidden states and greedy continuation of the reference', async (name) => {
  const { tensors } = await readTensors(join(root, name, 'reference.safetensors'))
  const [batch, length] = tensors.input_ids!.dims as [number, number]
  const ids = Int32Array.from(tensors.input_ids!.data as BigInt64Array, Number)
  const model = cacheWeights(await openModel(join(root, name), blocks))
  const { layers, vocabulary } = model.config

  const forward = new Forward(batch, length)
  let x = embed(await model.embedding(), model.config, ids)
  for (let layer = 0; layer <= layers; layer++) {
    close(x, tensors[`hidden_states_${layer}`]!.data as Float32Array)
    if (layer < layers) x = await forward.layers(model, x, layer, layer + 1)
  }
  const head = await Head.create(model)
  const expected = tensors.logits!.data as Float32Array
  for await (const { start, count, logits } of head.logits(x))
    close(logits.subarray(0, count * vocabulary), expected.subarray(start * vocabulary, (start + count) * vocabulary))
  await forward.release()
  await head.release()

  const decoder = await Decoder.create(model, { batch: 1 })
  const greedy = Array.from(tensors.greedy!.data as BigInt64Array, Number)
  const found = [(await decoder.prefill(ids.slice(0, 8))).best[0]!]
  while (found.length < greedy.length) found.push((await decoder.step(Int32Array.of(found.at(-1)!))).best[0]!)
  expect(found).toEqual(greedy)
  await decoder.release()
})

function close(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length)
  let [error, largest] = [0, 0]
  expected.forEach((value, i) => {
    error = Math.max(error, Math.abs(value - actual[i]!))
    largest = Math.max(largest, Math.abs(value))
  })
  expect(error).toBeLessThanOrEqual(2e-4 * largest)
}

const refused = existsSync(root) ? readdirSync(root).filter((name) => existsSync(join(root, name, 'REFUSE'))) : []

test.each(refused)('%s is refused by the name of its architecture', async (name) => {
  const { architectures } = JSON.parse(await readFile(join(root, name, 'config.json'), 'utf8')) as {
    architectures: [string]
  }
  const error: unknown = await openModel(join(root, name), blocks).catch((e: unknown) => e)
  expect(error).toMatchObject({ kind: 'InvalidInput' })
  expect((error as Error).message).toContain(`the architecture "${architectures[0]}"`)
})
