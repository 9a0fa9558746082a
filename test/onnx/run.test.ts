import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generateAll, isOnnxFolder, OnnxModel, writeOnnx, type GenerateOptions, type Model } from '../../model/index.js'
import { difference, fullLogits } from '../model/mixed.js'
import { openTiny, scratch, someIds } from '../model/tiny.js'
import { openEvery } from './models.js'

async function exported(model: Model): Promise<string> {
  const folder = join(scratch(), 'exported')
  await writeOnnx(model, folder)
  return folder
}

async function tokens(
  model: Model | OnnxModel,
  prompts: readonly Int32Array[],
  options: GenerateOptions,
): Promise<number[][]> {
  const found: number[][] = prompts.map(() => [])
  const rows = prompts.map((ids) => [...ids])
  for await (const { sequence, token } of generateAll(model, rows, options)) found[sequence]!.push(token)
  return found
}

test('an exported graph of every block type goes on with several prompts as the model does', async () => {
  const model = await openEvery()
  const graph = await OnnxModel.open(await exported(model))
  const prompts = [someIds(5), someIds(30, 2), someIds(5, 3)]
  for (const options of [
    { maxTokens: 9, ignoreEos: true },
    { maxTokens: 9, ignoreEos: true, temperature: 1, topK: 20, repetitionPenalty: 1.2, seed: 4 },
  ])
    expect(await tokens(graph, prompts, options)).toEqual(await tokens(model, prompts, options))
  await graph.release()
})

test('a prompt that is read in several chunks has the logits of the whole', async () => {
  const model = await openTiny({ max_position_embeddings: 400 })
  const graph = await OnnxModel.open(await exported(model))
  // The longest chunk has 256.
  const ids = someIds(300)
  const whole = await fullLogits(model, ids)
  let t = 0
  for await (const row of graph.logits(ids)) expect(difference(row, whole[t++]!)).toBeLessThan(1e-5)
  expect(t).toBe(300)
  const options = { maxTokens: 4, ignoreEos: true }
  expect(await tokens(graph, [ids, ids], options)).toEqual(await tokens(model, [ids, ids], options))
  await graph.release()
})

test('it ends with the end tokens that the folder names', async () => {
  const model = await openTiny()
  const folder = await exported(model)
  const all = (await tokens(model, [someIds(5)], { maxTokens: 12, ignoreEos: true }))[0]!
  writeFileSync(join(folder, 'generation_config.json'), JSON.stringify({ eos_token_id: [49, all[2]] }))
  const graph = await OnnxModel.open(folder)
  expect(graph.config).toEqual({ vocabulary: 50, maxPositions: 256, eos: [49, all[2]] })
  const expected = all.slice(0, all.findIndex((id) => id === all[2] || id === 49) + 1)
  expect(await tokens(graph, [someIds(5)], { maxTokens: 12 })).toEqual([expected])
  await graph.release()
})

test('a folder is a graph when it holds no weights of a checkpoint', async () => {
  const model = await openTiny()
  const folder = await exported(model)
  expect(isOnnxFolder(folder)).toBe(true)
  expect(isOnnxFolder(model.folder)).toBe(false)
  copyFileSync(join(folder, 'model.onnx'), join(model.folder, 'model.onnx'))
  expect(isOnnxFolder(model.folder)).toBe(false)
  // One whose graph was lost is told so.
  rmSync(join(folder, 'model.onnx'))
  expect(isOnnxFolder(folder)).toBe(true)
  await expect(OnnxModel.open(folder)).rejects.toMatchObject({
    kind: 'InvalidInput',
    message: `${join(folder, 'model.onnx')} is missing`,
  })
  rmSync(join(model.folder, 'model.onnx'))
  rmSync(join(model.folder, 'model.safetensors'))
  expect(isOnnxFolder(model.folder)).toBe(false)
})

test('what does not describe the graph is refused, with the file that is wrong', async () => {
  const folder = await exported(await openTiny())
  type Fields = Record<string, unknown> & {
    puzzleflow: { onnx: { file: unknown; states: { input: string; output: string; shape: unknown[] }[] } }
  }
  const text = readFileSync(join(folder, 'config.json'), 'utf8')
  const opening = async (change: (fields: Fields) => void): Promise<string> => {
    const fields = JSON.parse(text) as Fields
    change(fields)
    writeFileSync(join(folder, 'config.json'), JSON.stringify(fields))
    const failure = await OnnxModel.open(folder).then(
      () => undefined,
      (error: unknown) => error as Error & { kind: string; remedy: string },
    )
    expect(failure).toMatchObject({ kind: 'InvalidInput', remedy: expect.stringContaining('export') as string })
    return failure!.message.replaceAll(folder, 'FOLDER')
  }
  expect(await opening((own) => delete (own as { puzzleflow?: unknown }).puzzleflow)).toBe(
    'FOLDER/config.json does not describe the graph',
  )
  expect(await opening((own) => (own.puzzleflow.onnx.file = '../model.onnx'))).toBe(
    'FOLDER/config.json names the graph "../model.onnx", which is not in the folder',
  )
  expect(await opening((own) => delete own.max_position_embeddings)).toBe(
    'FOLDER/config.json has no "max_position_embeddings"',
  )
  expect(await opening((own) => own.puzzleflow.onnx.states.pop())).toBe(
    'FOLDER/model.onnx has the input past_key_values.2.value, which config.json does not describe',
  )
  expect(await opening((own) => (own.puzzleflow.onnx.states[0]!.shape[1] = 2 ** 40))).toBe(
    'FOLDER/model.onnx has no input past_key_values.0.key as config.json describes it',
  )
  expect(await opening((own) => (own.puzzleflow.onnx.states[0]!.output = 'elsewhere'))).toBe(
    'FOLDER/model.onnx has no output elsewhere',
  )
  writeFileSync(join(folder, 'model.onnx'), 'no graph')
  expect(await opening(() => {})).toMatch(/^FOLDER\/model.onnx cannot be opened: /)
  mkdirSync(join(folder, 'empty'))
  await expect(OnnxModel.open(join(folder, 'empty'))).rejects.toMatchObject({ kind: 'InvalidInput' })
})
