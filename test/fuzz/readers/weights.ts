import type { JsonObject } from '../../../api/index.js'
import { GgufFile } from '../../../model/gguf/container.js'
import { openGguf } from '../../../model/gguf/read.js'
import { parseConfig } from '../../../model/hf/read-config.js'
import { SafetensorsFile } from '../../../model/safetensors.js'
import { Tokenizer } from '../../../model/tokenizer.js'
import { openWeightFiles, shardNames } from '../../../model/weight-files.js'
import { bool, f32, f32s, fileBytes, i32s, text, texts, u32, type Value } from '../../gguf/read-file.js'
import type { Choices } from '../choices.js'
import { mutateBytes } from '../mutate-bytes.js'
import { jsonText } from '../mutate-json.js'
import { oddNames, oddNumbers } from '../odd-values.js'
import { agree, holds, type Files, type Reader } from '../reader.js'
import { ggufOf, safetensorsOf } from '../second-readings.js'

const bytesOf: Readonly<Record<string, number>> = { F32: 4, BF16: 2, F16: 2, I64: 8, U8: 1, BOOL: 1 }

/** A header that agrees with its data, of a few tensors. */
function header(c: Choices): { readonly entries: JsonObject; readonly data: Buffer } {
  const entries: Record<string, JsonObject> = {}
  let end = 0
  for (let i = c.below(5); i >= 0; i--) {
    const dtype = c.of(Object.keys(bytesOf))
    const shape = Array.from({ length: c.below(4) }, () => c.of([0, 1, 1, 2, 3, 5]))
    const size = shape.reduce((n, d) => n * d, bytesOf[dtype]!)
    entries[c.chance(0.2) ? `${c.of(oddNames)}${i}` : `model.layers.${i}.weight`] = {
      dtype,
      shape,
      data_offsets: [end, end + size],
    }
    end += size
  }
  // Small bytes are small numbers in every type.
  return { entries: { __metadata__: { format: 'pt' }, ...entries }, data: Buffer.alloc(end, c.of([0, 1, 60, 255])) }
}

/** A safetensors file whose length is right for the text of its header, unless it is changed on purpose. */
function safetensors(text: string, data: Buffer, c: Choices): Buffer {
  const length = Buffer.alloc(8)
  const right = BigInt(Buffer.byteLength(text))
  length.writeBigUInt64LE(
    c.chance(0.95) ? right : c.of([0n, right - 1n, right + 1n, right + BigInt(data.length), 2n ** 63n]),
  )
  return Buffer.concat([length, Buffer.from(text), data])
}

const keys: readonly (readonly [string, Value])[] = [
  ['general.architecture', text('llama')],
  ['llama.context_length', u32(64)],
  ['llama.embedding_length', u32(8)],
  ['llama.block_count', u32(1)],
  ['llama.feed_forward_length', u32(8)],
  ['llama.attention.head_count', u32(2)],
  ['llama.attention.layer_norm_rms_epsilon', f32(1e-5)],
  ['tokenizer.ggml.model', text('gpt2')],
  ['tokenizer.ggml.pre', text('gpt-2')],
  ['tokenizer.ggml.tokens', texts(['a', 'b', 'ab', 'Ġ', '<s>'])],
  ['tokenizer.ggml.scores', f32s([0, 0, 0, 0, 0])],
  ['tokenizer.ggml.token_type', i32s([1, 1, 1, 1, 3])],
  ['tokenizer.ggml.merges', texts(['a b'])],
  ['tokenizer.ggml.add_bos_token', bool(true)],
]
const tensors = [
  ['token_embd.weight', [5, 8]],
  ['output_norm.weight', [8]],
  ['blk.0.attn_norm.weight', [8]],
  ...['q', 'k', 'v', 'output'].map((name) => [`blk.0.attn_${name}.weight`, [8, 8]]),
  ['blk.0.ffn_norm.weight', [8]],
  ...['gate', 'up', 'down'].map((name) => [`blk.0.ffn_${name}.weight`, [8, 8]]),
].map(([name, shape]) => ({
  name: name as string,
  shape: shape as number[],
  data: new Float32Array((shape as number[]).reduce((n, d) => n * d, 1)),
}))

/** Other values of a key: of its type and of others, lists in the place of numbers, what a model of another size has. */
function otherValue(c: Choices): Value {
  return c.of<() => Value>([
    () => u32(c.of([0, 1, 2, 3, 8, 16, 64, 255, 65_536, 2 ** 31, 2 ** 32 - 1])),
    () => f32(c.of([0, -1, 1e-5, 1e30, NaN, Infinity, 5e-324])),
    () => bool(c.chance(0.5)),
    () => text(c.chance(0.5) ? c.of(oddNames) : c.of(['llama', 'qwen2', 'gemma3', 'gpt2', 'x'.repeat(c.size(10_000))])),
    () => texts(Array.from({ length: c.size(300) }, () => c.of(['a', 'b', 'ab', '', '<0x41>', '▁', ...oddNames]))),
    () => i32s(Array.from({ length: c.size(300) }, () => c.of([0, 1, 2, 3, 4, 5, 6, 7, -1, 2 ** 31 - 1]))),
    () => f32s(Array.from({ length: c.size(300) }, () => c.of([0, 1, -1e30, NaN, Infinity]))),
    () => [10, c.of(oddNumbers.filter((n) => Number.isSafeInteger(n) && n >= 0))],
  ])()
}

/** A GGUF file that is whole but for what its keys and tensors say, or one with changed bytes in its header. */
function gguf(c: Choices): Buffer {
  if (c.chance(0.4)) return mutateBytes(c.of([plainGguf, nestedGguf]), c, 1200)
  let own = [...keys]
  for (let changes = c.of([1, 1, 2, 4]); changes > 0; changes--) {
    const at = c.below(own.length)
    const [name] = own[at] ?? ['general.name']
    const other = c.of<() => typeof own>([
      () => own.filter((_, i) => i !== at),
      () => own.map((entry, i) => (i === at ? ([name, otherValue(c)] as const) : entry)),
      () => [
        ...own,
        [
          c.of([
            'general.alignment',
            'split.count',
            'llama.rope.scaling.type',
            'llama.vocab_size',
            'tokenizer.chat_template',
            ...oddNames,
          ]),
          otherValue(c),
        ],
      ],
      () => [...own, [name, otherValue(c)]],
    ])()
    own = other
  }
  const alter = c.chance(0.3)
  const at = c.below(tensors.length)
  const changed = tensors.map((tensor, i) => {
    if (!alter || i !== at) return tensor
    const shape = c.of([[], [0], [1], [3], [8, 8], [1, 8, 8], [2, 2, 2, 2], [2, 2, 2, 2, 2]])
    const size = Math.max(
      1,
      shape.reduce((n, d) => n * d, 1),
    )
    return {
      name: c.chance(0.3) ? c.of([...oddNames, tensors[0]!.name]) : tensor.name,
      shape,
      type: c.of([0, 0, 1, 2, 8, 12, 14, 30, 99]),
      bytes: new Uint8Array(size * 4),
    }
  })
  const bytes = fileBytes(
    own,
    c.chance(0.9) ? changed : changed.filter((_, i) => i !== at),
    c.chance(0.9) ? {} : { alignment: c.of([8, 16, 64]), version: c.of([1, 2, 3, 4]) },
  )
  return c.chance(0.2) ? mutateBytes(bytes, c, 1200) : bytes
}

const plainGguf = fileBytes(keys, tensors)
/** With lists of lists, which the format allows and no model has: a list's element type stands where a number's would. */
const nestedGguf = fileBytes(
  [...keys.slice(0, 3), ['nested', [9, Array.from({ length: 40 }, () => 9), 4]], ...keys.slice(3)],
  tensors,
)

/** Readers of weights. */
export const weightReaders = (files: Files): readonly Reader[] => [
  {
    name: 'safetensors',
    make(c) {
      const { entries, data } = header(c)
      const whole = safetensors(c.chance(0.75) ? jsonText(entries, c) : JSON.stringify(entries), data, c)
      const bytes = c.chance(0.3) ? mutateBytes(whole, c) : whole
      const { path } = files.write('a.safetensors', bytes)
      return {
        bytes: bytes.length,
        async read() {
          const opened = await SafetensorsFile.open(path)
          const second = safetensorsOf(bytes)
          agree([...opened.tensors.keys()].sort(), [...second.keys()].sort(), 'names of tensors')
          for (const [name, { start, end, shape, dtype }] of opened.tensors) {
            const { type, shape: other, bytes: raw } = second.get(name)!
            agree([dtype, shape, end - start], [type, other, raw.length], `tensor ${name}`)
            if (opened.refusal(name)) continue
            const values = await opened.read(name)
            holds(values.length === shape.reduce((n, d) => n * d, 1), 'as many values as the shape says')
            if (dtype === 'F32') holds(Buffer.from(values.buffer).equals(raw), 'values of float32 are their bytes')
          }
        },
      }
    },
  },
  {
    name: 'safetensors index',
    make(c) {
      const { entries, data } = header(c)
      const names = ['a.safetensors', 'b.safetensors', 'c.safetensors']
      for (const name of names) files.write(`index/${name}`, safetensors(JSON.stringify(entries), data, c))
      const map = Object.fromEntries(Object.keys(entries).map((name) => [name, c.of(names)]))
      const written = jsonText({ metadata: { total_size: data.length }, weight_map: map }, c)
      const { bytes } = files.write('index/model.safetensors.index.json', written)
      return {
        bytes: bytes + 3 * data.length,
        async read() {
          const folder = files.path('index')
          const opened = await openWeightFiles(folder)
          const shards = shardNames(folder)
          holds(
            shards.every((name) => names.includes(name)),
            'only files of the folder are shards',
          )
          agree(opened.map(({ path }) => path).sort(), shards.map((name) => `${folder}/${name}`).sort(), 'shards')
        },
      }
    },
  },
  {
    name: 'GGUF',
    make(c) {
      const bytes = gguf(c)
      const { path } = files.write('gguf/model.gguf', bytes)
      return {
        bytes: bytes.length,
        async read() {
          const opened = GgufFile.open(path)
          const second = ggufOf(bytes)
          agree(
            [...opened.keys].map(([name, value]) => [name, plain(value)]),
            [...second.keys],
            'keys',
          )
          for (const [name, { shape, typeNumber, start }] of opened.tensors)
            agree([shape, typeNumber, start], Object.values(picked(second.tensors.get(name)!)), `tensor ${name}`)
          if (opened.tensors.size === 0) return
          const model = await openGguf(path)
          parseConfig(model.config, path)
          const tokenizer = Tokenizer.open(path)
          const ids = tokenizer.encode('ab a')
          holds(
            ids.every((id) => id >= 0 && id < tokenizer.size),
            'ids of the vocabulary',
          )
          tokenizer.decode(ids)
          for (const name of model.tensors.keys()) if (!model.refusal(name)) await model.read(name)
        },
      }
    },
  },
]

const plain = (value: unknown): unknown => (ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value)
const picked = ({ shape, type, at }: { shape: readonly number[]; type: unknown; at: number }) => ({ shape, type, at })
