import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allWeights, openModel, SafetensorsFile, writeModel, type Model } from '../../model/index.js'
import { inverseFrequencies } from '../../model/rotary.js'
import { Failure, type JsonObject } from '../../api/index.js'
import { noise } from '../noise.js'
import { blocks, scratch, tinyConfig, writeTiny } from '../model/tiny.js'
import { f32, i32s, text, u32, writeFile, type FileTensor, type Value } from './read-file.js'

type Key = readonly [string, Value]

/** What a tensor of a Hugging Face checkpoint is called in a GGUF file. */
const names: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens/, 'token_embd'],
  [/^model\.norm/, 'output_norm'],
  [/^lm_head/, 'output'],
  [/^model\.layers\.(\d+)\.input_layernorm/, 'blk.$1.attn_norm'],
  [/^model\.layers\.(\d+)\.pre_feedforward_layernorm/, 'blk.$1.ffn_norm'],
  [/^model\.layers\.(\d+)\.post_feedforward_layernorm/, 'blk.$1.post_ffw_norm'],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj/, 'blk.$1.attn_$2'],
  [/^model\.layers\.(\d+)\.self_attn\.([qk])_norm/, 'blk.$1.attn_$2_norm'],
  [/^model\.layers\.(\d+)\.self_attn\.(?:o_proj|linear_attn)/, 'blk.$1.attn_output'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj/, 'blk.$1.ffn_$2'],
]
const gemma: readonly (readonly [RegExp, string])[] = [
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, 'blk.$1.post_attention_norm'],
]
const others: readonly (readonly [RegExp, string])[] = [
  [/^model\.layers\.(\d+)\.post_attention_layernorm/, 'blk.$1.ffn_norm'],
]

/** Rows in the order of llama.cpp's `llama`: of each head, its first half and its second half take turns. */
function paired(data: Float32Array, rows: number, headDim: number): Float32Array {
  const width = data.length / rows
  const out: number[] = []
  for (let head = 0; head < rows / headDim; head++)
    for (let i = 0; i < headDim / 2; i++)
      for (const row of [head * headDim + i, head * headDim + headDim / 2 + i])
        out.push(...data.subarray(row * width, (row + 1) * width))
  return Float32Array.from(out)
}

/** The tensors of a Hugging Face checkpoint as a GGUF file has them. */
async function tensorsOf(folder: string, architecture: string, headDim: number): Promise<FileTensor[]> {
  const file = await SafetensorsFile.open(join(folder, 'model.safetensors'))
  const tensors: FileTensor[] = []
  for (const { name, shape } of file.tensors.values()) {
    const [pattern, stem] = [...names, ...(architecture.startsWith('gemma') ? gemma : others)].find(([own]) =>
      own.test(name),
    )!
    let data = await file.read(name)
    if (['llama', 'deci'].includes(architecture) && /self_attn\.[qk]_proj/.test(name))
      data = paired(data, shape[0]!, headDim)
    if (architecture.startsWith('gemma') && /norm\.weight$/.test(name)) data = data.map((value) => value + 1)
    tensors.push({ name: name.replace(pattern, stem), shape, data })
  }
  return tensors
}

const usualKeys = (architecture: string, own: readonly Key[] = []): Key[] => {
  const keys: Key[] = [
    ['general.architecture', text(architecture)],
    [`${architecture}.block_count`, u32(3)],
    [`${architecture}.context_length`, u32(256)],
    [`${architecture}.embedding_length`, u32(24)],
    [`${architecture}.attention.head_count`, u32(4)],
    [`${architecture}.attention.head_count_kv`, u32(2)],
    [`${architecture}.feed_forward_length`, u32(40)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, f32(1e-5)],
    [`${architecture}.attention.key_length`, u32(8)],
    [`${architecture}.attention.value_length`, u32(8)],
    [`${architecture}.rope.freq_base`, f32(10000)],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
  ]
  return [...new Map([...keys, ...own])]
}

interface Case {
  readonly architecture: string
  /** Fields of config.json. */
  readonly fields?: JsonObject
  readonly keys?: readonly Key[]
  readonly more?: (folder: string) => readonly FileTensor[]
}

async function bothOf({
  architecture,
  fields = {},
  keys,
  more,
}: Case): Promise<{ hf: Model; gguf: Model; path: string }> {
  const folder = await writeTiny(fields)
  const tensors = [...(await tensorsOf(folder, architecture, 8)), ...(more?.(folder) ?? [])]
  const path = writeFile(join(scratch(), 'model.gguf'), usualKeys(architecture, keys), tensors)
  return { hf: await openModel(folder, blocks), gguf: await openModel(path, blocks), path }
}

const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 }
/** Divisors as llama.cpp's converter computes them. */
function divisors(original: number, low = 1, high = 4): Float32Array {
  const plain = inverseFrequencies({ theta: 10000 }, 8, 1)
  const scaling = { kind: 'llama3', factor: 8, lowFrequencyFactor: low, highFrequencyFactor: high } as const
  const scaled = inverseFrequencies({ theta: 10000, scaling: { ...scaling, originalPositions: original } }, 8, 1)
  return plain.map((frequency, i) => frequency / scaled[i]!)
}
const factors = (original: number, low?: number, high?: number): FileTensor => ({
  name: 'rope_freqs.weight',
  shape: [4],
  data: divisors(original, low, high),
})

const gemmaFields: JsonObject = {
  model_type: 'gemma3_text',
  architectures: ['Gemma3ForCausalLM'],
  hidden_act: null,
  hidden_activation: 'gelu_pytorch_tanh',
  query_pre_attn_scalar: 8,
  rope_theta: 1000000,
  sliding_window: 8,
  layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
  tie_word_embeddings: true,
}
const gemma2Fields: JsonObject = {
  model_type: 'gemma2',
  architectures: ['Gemma2ForCausalLM'],
  hidden_act: null,
  hidden_activation: 'gelu_pytorch_tanh',
  query_pre_attn_scalar: 8,
  sliding_window: 8,
  tie_word_embeddings: true,
}
const qwen = (name: string): JsonObject => ({ model_type: name.toLowerCase(), architectures: [`${name}ForCausalLM`] })

const cases: Readonly<Record<string, Case>> = {
  llama: { architecture: 'llama' },
  'llama with tied embeddings and biases': {
    architecture: 'llama',
    fields: { tie_word_embeddings: true, attention_bias: true, mlp_bias: true },
  },
  'llama with Llama 3’s rotary scaling': {
    architecture: 'llama',
    fields: { rope_scaling: { ...llama3, original_max_position_embeddings: 64 } },
    more: () => [factors(64)],
  },
  'llama with linear rotary scaling': {
    architecture: 'llama',
    fields: { rope_scaling: { rope_type: 'linear', factor: 4 } },
    keys: [
      ['llama.rope.scaling.type', text('linear')],
      ['llama.rope.scaling.factor', f32(4)],
    ],
  },
  'qwen2 with YaRN': {
    architecture: 'qwen2',
    fields: {
      ...qwen('Qwen2'),
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, attention_factor: 1 },
    },
    keys: [
      ['qwen2.rope.scaling.type', text('yarn')],
      ['qwen2.rope.scaling.factor', f32(4)],
      ['qwen2.rope.scaling.original_context_length', u32(64)],
      ['qwen2.rope.scaling.attn_factor', f32(1 / (0.1 * Math.log(4) + 1))],
    ],
  },
  qwen3: { architecture: 'qwen3', fields: qwen('Qwen3') },
  'gemma3 with a pattern of windows': {
    architecture: 'gemma3',
    fields: gemmaFields,
    keys: [
      ['gemma3.rope.freq_base', f32(1000000)],
      ['gemma3.attention.sliding_window', u32(8)],
      ['gemma3.attention.sliding_window_pattern', u32(2)],
    ],
  },
  'gemma2 with the softcaps and the pattern that llama.cpp takes where nothing is said': {
    architecture: 'gemma2',
    fields: { ...gemma2Fields, attn_logit_softcapping: 50, final_logit_softcapping: 30 },
    keys: [['gemma2.attention.sliding_window', u32(8)]],
  },
  'gemma2 with softcaps and a pattern of its own': {
    architecture: 'gemma2',
    fields: {
      ...gemma2Fields,
      attn_logit_softcapping: 20,
      final_logit_softcapping: 10,
      layer_types: ['full_attention', 'sliding_attention', 'sliding_attention'],
    },
    keys: [
      ['gemma2.attention.sliding_window', u32(8)],
      ['gemma2.attention.sliding_window_pattern', i32s([0, 1, 1])],
      ['gemma2.attn_logit_softcapping', f32(20)],
      ['gemma2.final_logit_softcapping', f32(10)],
    ],
  },
  'deci with layers that differ': {
    architecture: 'deci',
    fields: {
      model_type: 'nemotron-nas',
      architectures: ['DeciLMForCausalLM'],
      block_configs: [
        { attention: { n_heads_in_group: 4 }, ffn: { intermediate_size: 33 } },
        { attention: { replace_with_linear: true }, ffn: { intermediate_size: 7 } },
        { attention: { no_op: true }, ffn: { no_op: true } },
      ],
    },
    keys: [
      ['deci.attention.head_count', i32s([4, 4, 0])],
      ['deci.attention.head_count_kv', i32s([1, 0, 0])],
      ['deci.feed_forward_length', i32s([33, 7, 0])],
    ],
  },
}

test.each(Object.entries(cases))('%s is the model that its Hugging Face checkpoint is', async (_, own) => {
  const { hf, gguf } = await bothOf(own)
  // Float32 has the factor of yarn only nearly.
  const rounded = (model: Model) =>
    JSON.parse(JSON.stringify(model.config), (_key, value: unknown) =>
      typeof value === 'number' ? Number(value.toPrecision(6)) : value,
    ) as unknown
  expect(rounded(gguf)).toEqual(rounded(hf))
  const [expected, found] = [await allWeights(hf), await allWeights(gguf)]
  expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, values] of Object.entries(expected))
    if (own.architecture.startsWith('gemma') && /norm|post/.test(name))
      // One was added in float32, and taken off again.
      values.forEach((value, i) => expect(Math.abs(found[name]![i]! - value)).toBeLessThan(2e-7))
    else expect(found[name], name).toEqual(values)
})

test('other bounds of Llama 3’s scaling are found from its divisors, or those that give the same', async () => {
  for (const [original, low, high] of [
    [8192, 1, 4],
    [100, 1, 8],
    [300, 2, 3],
  ] as const) {
    const { gguf } = await bothOf({ architecture: 'llama', more: () => [factors(original, low, high)] })
    const found = inverseFrequencies(gguf.config.rotaries[0]!, 8, 1)
    const plain = inverseFrequencies({ theta: 10000 }, 8, 1)
    const expected = divisors(original, low, high)
    found.forEach((frequency, i) => expect(plain[i]! / frequency).toBeCloseTo(expected[i]!, 4))
  }
})

test('divisors that are none of Llama 3’s are refused', async () => {
  const data = Float32Array.of(1, 3, 2, 8)
  await expect(
    bothOf({ architecture: 'llama', more: () => [{ name: 'rope_freqs.weight', shape: [4], data }] }),
  ).rejects.toThrow(/rope_freqs.weight has values that do not follow/)
})

test('biases that some layers lack are zeros there', async () => {
  const bias = Float32Array.from({ length: 24 }, (_, i) => i)
  const { gguf } = await bothOf({
    architecture: 'llama',
    more: () => [{ name: 'blk.1.ffn_down.bias', shape: [24], data: bias }],
  })
  expect((await gguf.weights(1, 'ffn'))['down.bias']!.data).toEqual(bias)
  expect((await gguf.weights(1, 'ffn'))['up.bias']!.data).toEqual(new Float32Array(40))
  expect((await gguf.weights(2, 'ffn'))['down.bias']!.data).toEqual(new Float32Array(24))
})

test('a layer with fewer query heads than others has the block type fewer-heads', async () => {
  const folder = await writeTiny()
  const all = await tensorsOf(folder, 'llama', 8)
  // Layer 1 keeps the first two heads, both of the first key/value head.
  const tensors = all.map(({ name, shape, data }): FileTensor => {
    if (name === 'blk.1.attn_q.weight') return { name, shape: [16, 24], data: data!.slice(0, 16 * 24) }
    if (/^blk\.1\.attn_[kv]\.weight$/.test(name)) return { name, shape: [8, 24], data: data!.slice(0, 8 * 24) }
    if (name !== 'blk.1.attn_output.weight') return { name, shape, data: data! }
    return {
      name,
      shape: [24, 16],
      data: Float32Array.from({ length: 24 * 16 }, (_, i) => data![(i >> 4) * 32 + (i & 15)]!),
    }
  })
  const keys = usualKeys('deci', [
    ['deci.attention.head_count', i32s([4, 2, 4])],
    ['deci.attention.head_count_kv', i32s([2, 1, 2])],
  ])
  const gguf = await openModel(writeFile(join(scratch(), 'model.gguf'), keys, tensors), blocks)
  expect(gguf.config.blocks.map(({ attention }) => attention)).toEqual([
    { block: 'grouped-query', params: { kvHeads: 2 } },
    { block: 'fewer-heads', params: { heads: 2, kvHeads: 1 } },
    { block: 'grouped-query', params: { kvHeads: 2 } },
  ])
  const full = await (await openModel(folder, blocks)).weights(1, 'attention')
  const own = await gguf.weights(1, 'attention')
  expect(own.norm).toEqual(full.norm)
  // Matrices lie as [in, out].
  const columns = (name: string, width: number, count: number) =>
    Float32Array.from({ length: 24 * count }, (_, i) => full[name]!.data[Math.floor(i / count) * width + (i % count)]!)
  expect(own.q).toEqual({ shape: [24, 16], data: columns('q', 32, 16) })
  expect(own.k).toEqual({ shape: [24, 8], data: columns('k', 16, 8) })
  expect(own.o).toEqual({ shape: [16, 24], data: full.o!.data.slice(0, 16 * 24) })
})

test('a folder with one GGUF file and no config.json is that model; one with several is refused', async () => {
  const { path, gguf } = await bothOf({ architecture: 'llama' })
  const folder = join(path, '..')
  expect((await openModel(folder, blocks)).config).toEqual(gguf.config)
  writeFile(join(folder, 'other.gguf'), [])
  await expect(openModel(folder, blocks)).rejects.toThrow(/several GGUF files: model.gguf, other.gguf/)
})

test('a GGUF file is written as a Hugging Face folder that is the same model', async () => {
  const { gguf } = await bothOf({ architecture: 'qwen3', fields: qwen('Qwen3') })
  const folder = join(scratch(), 'hf')
  await writeModel(gguf, folder, { dtype: 'float32' })
  expect(readdirSync(folder).sort()).toEqual(['README.md', 'config.json', 'model.safetensors'])
  expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))).toMatchObject({ model_type: 'qwen3' })
  const again = await openModel(folder, blocks)
  expect(again.config).toEqual(gguf.config)
  expect(await allWeights(again)).toEqual(await allWeights(gguf))
})

const refusals: Readonly<Record<string, { own: Case; message: RegExp }>> = {
  'an architecture that is not read': {
    own: { architecture: 'falcon' },
    message: /the architecture "falcon" is not supported in GGUF files/,
  },
  'mixtures of experts': {
    own: { architecture: 'llama', keys: [['llama.expert_count', u32(8)]] },
    message: /llama.expert_count is 8/,
  },
  'a tensor that is missing': {
    own: { architecture: 'llama', keys: [['llama.block_count', u32(4)]] },
    message: /tensor model.layers.3.+ is missing/,
  },
  'a tensor too many': {
    own: { architecture: 'llama', more: () => [{ name: 'blk.0.extra', shape: [1], data: Float32Array.of(1) }] },
    message: /tensor blk.0.extra is not part of this model/,
  },
  'a tensor of another shape': {
    own: { architecture: 'llama', keys: [['llama.feed_forward_length', u32(48)]] },
    message: /tensor model.layers.0.mlp.gate_proj.weight is \[40, 24\], not \[48, 24\]/,
  },
  'a key that is missing': {
    own: { architecture: 'llama', keys: [['llama.context_length', text('long')]] },
    message: /llama.context_length is "long", not a number/,
  },
  'layers that differ where the architecture has none': {
    own: { architecture: 'qwen2', fields: qwen('Qwen2'), keys: [['qwen2.feed_forward_length', i32s([40, 30, 40])]] },
    message: /layers of the architecture "qwen2" cannot differ/,
  },
  'a layer of deci with attention alone': {
    own: { architecture: 'deci', keys: [['deci.feed_forward_length', i32s([40, 0, 40])]] },
    message: /layer 1 has attention but no FFN/,
  },
  'a window that llama.cpp does not heed': {
    own: { architecture: 'llama', keys: [['llama.attention.sliding_window', u32(16)]] },
    message: /llama.attention.sliding_window is 16/,
  },
  'heads that are rotated in part': {
    own: { architecture: 'llama', keys: [['llama.rope.dimension_count', u32(4)]] },
    message: /partial rotary embedding/,
  },
  'a softcap of attention where llama.cpp has none': {
    own: {
      architecture: 'gemma3',
      fields: gemmaFields,
      keys: [['gemma3.attn_logit_softcapping', f32(50)]],
    },
    message: /gemma3.attn_logit_softcapping is 50, which is not supported/,
  },
  'a softcap of zero where llama.cpp divides by it': {
    own: { architecture: 'gemma2', fields: gemma2Fields, keys: [['gemma2.attn_logit_softcapping', f32(0)]] },
    message: /gemma2.attn_logit_softcapping is 0, and llama.cpp divides by it/,
  },
  'rotary embeddings of its own for Gemma 2’s layers with a window': {
    own: { architecture: 'gemma2', fields: gemma2Fields, keys: [['gemma2.rope.freq_base_swa', f32(500)]] },
    message: /gemma2.rope.freq_base_swa is 500 and gemma2.rope.freq_base 10000/,
  },
  'a quantisation that is not read': {
    own: {
      architecture: 'llama',
      fields: { tie_word_embeddings: true },
      more: () => [{ name: 'output.weight', shape: [50, 24], type: 31, bytes: new Uint8Array(2400) }],
    },
    message: /output.weight has the type number 31/,
  },
}

test.each(Object.entries(refusals))('%s: refused', async (_, { own, message }) => {
  const error = await bothOf(own).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Failure)
  expect((error as Failure).message).toMatch(message)
  expect((error as Failure).remedy).toBeTruthy()
  expect((error as Failure).file).toMatch(/model\.gguf$/)
})

test('a folder named like a GGUF file is a folder', async () => {
  const folder = join(scratch(), 'model.gguf')
  mkdirSync(folder)
  await writeTiny({}, 1, folder)
  expect((await openModel(folder, blocks)).config.hidden).toBe(tinyConfig.hidden_size)
})

test('a file with any damaged byte in its header opens or is refused, and never anything else', async () => {
  const { path } = await bothOf({ architecture: 'llama', more: () => [factors(64)] })
  const bytes = readFileSync(path)
  const random = noise(3)
  const header = bytes.indexOf('output.weight')
  let refused = 0
  for (let i = 0; i < 150; i++) {
    const damaged = Buffer.from(bytes)
    const at = 4 + (Math.floor(Math.abs(random()) * 1e6) % header)
    damaged[at] = damaged[at]! ^ (1 << (i % 8))
    writeFileSync(path, damaged)
    const error = await openModel(path, blocks).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined) continue
    refused++
    expect(error, `byte ${at}: ${String((error as Error).stack)}`).toBeInstanceOf(Failure)
  }
  expect(refused).toBeGreaterThan(40)
})
