import { execFile } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { modelShapes, parseConfig } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import { blocks, scratch } from './tiny.js'

const run = promisify(execFile)

/** A Llama of 1.7e9 parameters. */
const config: JsonObject = {
  model_type: 'llama',
  vocab_size: 128256,
  hidden_size: 2048,
  num_hidden_layers: 24,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  intermediate_size: 8192,
  tie_word_embeddings: true,
}

/** What opens a checkpoint in a process of its own and says how many milliseconds its processors worked and how much memory there is more than before. */
const script = `
  const { openModel } = await import(process.argv[1] + '/model/index.js')
  const { makeBlocks } = await import(process.argv[1] + '/plugins/blocks/index.js')
  const blocks = makeBlocks()
  const [began, before] = [process.cpuUsage(), process.memoryUsage.rss()]
  const { config } = await openModel(process.argv[2], blocks)
  const { user, system } = process.cpuUsage(began)
  console.log(JSON.stringify([config.layers, (user + system) / 1000, process.memoryUsage.rss() - before, process.memoryUsage.rss()]))
`

test('a checkpoint of 3 GB opens in a second of work and 200 MB: no weight is read', async () => {
  const folder = scratch()
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const names: Record<string, string> = {
    embedding: 'model.embed_tokens.weight',
    norm: 'model.norm.weight',
    'attention.norm': 'input_layernorm.weight',
    'ffn.norm': 'post_attention_layernorm.weight',
  }
  const header: Record<string, unknown> = {}
  let end = 0
  for (const [name, shape] of Object.entries(modelShapes(parseConfig(JSON.stringify(config), 'config.json'), blocks))) {
    const [, layer, slot, weight] = /^layers\.(\d+)\.(\w+)\.(.+)$/.exec(name) ?? []
    const own = names[`${slot}.${weight}`] ?? `${slot === 'ffn' ? 'mlp' : 'self_attn'}.${weight}_proj.weight`
    const lying = name === 'embedding' ? shape : [...shape].reverse()
    const start = end
    end += 2 * shape.reduce((n, d) => n * d, 1)
    header[names[name] ?? `model.layers.${layer}.${own}`] = { dtype: 'BF16', shape: lying, data_offsets: [start, end] }
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = await open(join(folder, 'model.safetensors'), 'w')
  await file.writeFile(Buffer.concat([length, text]))
  // The rest of the file is a hole: it takes no place on the disk.
  await file.truncate(8 + text.length + end)
  await file.close()
  expect(end).toBeGreaterThan(3e9)

  const dist = join(import.meta.dirname, '../../dist')
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, dist, folder])
  const [layers, milliseconds, grown, all] = JSON.parse(stdout) as [number, number, number, number]
  expect(layers).toBe(24)
  expect(milliseconds).toBeLessThan(1000)
  expect(grown).toBeLessThan(50e6)
  expect(all).toBeLessThan(200e6)
})
