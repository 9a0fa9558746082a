import { rename, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import { writeGgufFile, type KeyValue } from '../../model/gguf/write-file.js'
import { ggufKeys } from '../../model/gguf/write-keys.js'
import { ggufPlan } from '../../model/gguf/write-plan.js'
import { ggufTensors } from '../../model/gguf/write-tensors.js'
import { fullLogits } from '../model/mixed.js'
import { blocks, openTiny, scratch, someIds } from '../model/tiny.js'

/** A model as parts in a folder, as llama-gguf-split makes them: all keys in the first. @returns folder, parts and logits */
async function split(count: number, seed = 1) {
  const model = await openTiny({}, seed)
  const folder = scratch()
  const plan = ggufPlan(model)
  const [keys, tensors] = [ggufKeys(model, plan, 'F32', []), ggufTensors(model, plan, 'F32')]
  const size = Math.ceil(tensors.length / count)
  const five = (n: number) => String(n).padStart(5, '0')
  const parts: string[] = []
  for (let i = 0; i < count; i++) {
    const own = new Map<string, KeyValue>([
      ...(i === 0 ? keys : []),
      ['split.no', { type: 'u16', value: i }],
      ['split.count', { type: 'u16', value: count }],
      ['split.tensors.count', { type: 'i32', value: tensors.length }],
    ])
    parts.push(join(folder, `m-${five(i + 1)}-of-${five(count)}.gguf`))
    await writeGgufFile(parts[i]!, own, tensors.slice(i * size, (i + 1) * size))
  }
  return { folder, parts, logits: await fullLogits(model, someIds(6)) }
}

test.each([1, 2, 3])('a model in %i parts is the same, whichever part or the folder is named', async (count) => {
  const { folder, parts, logits } = await split(count)
  for (const path of [folder, ...parts])
    expect(await fullLogits(await openModel(path, blocks), someIds(6)), basename(path)).toEqual(logits)
})

test('a part that is missing is named', async () => {
  const { parts } = await split(3)
  await rm(parts[1]!)
  await expect(openModel(parts[0]!, blocks)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${parts[0]}: is part 1 of 3, and 1 part is missing: m-00002-of-00003.gguf`,
  })
})

test('a part of another name is said for what it is', async () => {
  const { folder, parts } = await split(2)
  const path = join(folder, 'renamed.gguf')
  await rename(parts[1]!, path)
  await expect(openModel(path, blocks)).rejects.toMatchObject({
    message: `${path}: is part 2 of 2 of a split model, but its name does not say so`,
  })
})

test('parts whose names are exchanged are not put together', async () => {
  const { folder, parts } = await split(2)
  await rename(parts[0]!, join(folder, 'x'))
  await rename(parts[1]!, parts[0]!)
  await rename(join(folder, 'x'), parts[1]!)
  await expect(openModel(parts[0]!, blocks)).rejects.toMatchObject({
    message: `${parts[0]}: is part 2 of 2 (split.no, split.count), but its name says part 1 of 2`,
  })
})
