import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { lookAt } from '../../data/data-file.js'
import { readJsonRecords } from '../../data/json-records.js'
import { readParquetRows } from '../../data/parquet-rows.js'
import { readTableRows } from '../../data/table-rows.js'
import { readLines } from '../../data/text-files.js'
import { Failure } from '../../errors/failure.js'
import { ChatTemplate } from '../../model/chat.js'
import { GgufFile } from '../../model/gguf/container.js'
import { openGguf } from '../../model/gguf/read.js'
import { parseConfig } from '../../model/hf/read-config.js'
import { SafetensorsFile } from '../../model/safetensors.js'
import { Tokenizer } from '../../model/tokenizer.js'
import { openWeightFiles } from '../../model/weight-files.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { openModel, type Scenario } from '../../model/index.js'
import { sizes } from '../../puzzle/costs.js'
import { withoutBlocks } from '../../puzzle/made-up.js'
import { readCostTable } from '../../puzzle/imported-costs.js'
import { readProblem } from '../../solver/read-problem.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { readDocument } from '../../spec/document.js'
import { explainExpression, parseExpression, resolveExpressions } from '../../spec/expressions.js'
import { digestJson, type Digest } from '../../store/digest.js'
import { readRecord, recordText } from '../../store/record.js'
import { packageRoot } from '../../store/paths.js'
import type { JsonObject } from '../../api/index.js'
import type { TaskRecord } from '../../store/store.js'
import { encodings, levels, parquetOf, plain, run } from '../data/write-parquet.js'
import { bool, f32, f32s, fileBytes, i32s, text, texts, u32, type Value } from '../gguf/read-file.js'
import type { Reader } from './fuzz.js'
import { changedText, mutateBytes, mutateJson, type Choices } from './mutate.js'

const contents = (name: string): string => readFileSync(join(packageRoot(), name), 'utf8')
const json = (name: string) => JSON.parse(contents(name)) as JsonObject

/** JSON of a changed value; now and then a changed text of it. */
function jsonText(value: unknown, choices: Choices): string {
  const written = textOf(mutateJson(value, choices))
  return choices.chance(0.1) ? changedText(written.slice(0, 100_000), choices) : written
}

/** JSON.stringify has no room for what is nested deeper than it can go: that is a text, too. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null'
  } catch {
    return '[{"a":'.repeat(20_000)
  }
}

const llama: JsonObject = { ...json('examples/quickstart/parent/config.json'), hidden_act: 'silu', head_dim: 32 }
const configs: readonly JsonObject[] = [
  llama,
  {
    ...llama,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 128,
    },
  },
  {
    ...llama,
    model_type: 'qwen2',
    architectures: ['Qwen2ForCausalLM'],
    use_sliding_window: true,
    sliding_window: 16,
    max_window_layers: 4,
  },
  {
    ...llama,
    ...{ model_type: 'gemma3_text', architectures: ['Gemma3ForCausalLM'], hidden_activation: 'gelu_pytorch_tanh' },
    ...{ sliding_window: 8, query_pre_attn_scalar: 32, rope_local_base_freq: 1e4 },
    layer_types: Array.from({ length: 8 }, (_, i) => (i % 2 ? 'full_attention' : 'sliding_attention')),
  },
  {
    ...llama,
    puzzleflow: {
      layers: Array.from({ length: 8 }, () => ({ attention: { block: 'no-op' }, ffn: { block: 'swiglu', width: 64 } })),
    },
  },
  {
    ...llama,
    ...{ model_type: 'nemotron-nas', architectures: ['DeciLMForCausalLM'] },
    block_configs: Array.from({ length: 8 }, () => ({ attention: { n_heads_in_group: 1 }, ffn: { ffn_mult: 2 } })),
  },
]

const bpe: JsonObject = {
  version: '1.0',
  added_tokens: [
    { id: 7, content: '<s>', special: true, normalized: false, single_word: false, lstrip: false, rstrip: false },
  ],
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }, { type: 'Replace', pattern: { String: 'é' }, content: 'e' }],
  },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '[^\\s]+|\\s+' }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
  post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    ...{ type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
    ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
    vocab: { a: 0, b: 1, c: 2, ab: 3, abc: 4, Ġ: 5, Ċ: 6 },
    merges: [
      ['a', 'b'],
      ['ab', 'c'],
    ],
  },
}
const wordPiece: JsonObject = {
  version: '1.0',
  added_tokens: [],
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null,
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, a: 1, '##b': 2 },
  },
}
const unigram = json('examples/quickstart/parent/tokenizer.json')

const components = { stage: 'a', kind: 'task', task: 'b' }
const record: TaskRecord = {
  version: 1,
  key: digestJson(components),
  outputs: { files: {}, values: { a: 1 } },
  components,
  seconds: 1,
  finishedAt: '',
  host: '',
}

const scenario: Scenario = { batch: 1, prefill: 8, generate: 8, weights: 'float32', cache: 'float32' }

const problem: JsonObject = {
  layers: Array.from({ length: 3 }, (_, i) => ({
    options: [
      { id: `a${i}`, score: 0, costs: { memory: 10, runtime: 2 } },
      { id: `b${i}`, score: 0.5, costs: { memory: 5, runtime: 1 }, requires: [] },
    ],
  })),
  limits: [{ cost: 'memory', max: 25 }],
  solutions: 2,
  minimumDifference: 0.2,
}

const ggufKeys: readonly (readonly [string, Value])[] = [
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
const ggufTensors = [
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
const gguf = fileBytes(ggufKeys, ggufTensors)

const safetensorsHeader: JsonObject = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
  b: { dtype: 'BF16', shape: [4], data_offsets: [24, 32] },
}

function safetensors(header: string, data = 32): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)))
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)])
}

const parquet: Uint8Array[] = [
  ...['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'].map((name) => `text-${name}`),
  ...['groups', 'ids-int64', 'messages', 'content', 'null'],
].map((name) => readFileSync(join(packageRoot(), 'test/data/parquet', `${name}.parquet`)))
parquet.push(
  parquetOf({ page: plain('one', 'two') }),
  parquetOf({ page: [...levels(run(2, 1)), ...plain('one', 'two')], optional: true }),
  parquetOf({
    page: [128, 1, 4, 2, 0, 2, 0, 0, 0, 0, 128, 1, 4, 2, 2, 0, 0, 0, 0, 0, 97, 98],
    encoding: encodings.DELTA_BYTE_ARRAY,
  }),
)

const lines = Array.from({ length: 5 }, (_, i) => ({
  text: `a text ${i}`,
  messages: [{ role: 'user', content: 'hello' }],
  ids: [i],
}))
const templates = [
  "{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'] | trim }}{% endfor %}{% if add_generation_prompt %}{{ '<|a|>' }}{% endif %}",
  '{%- set ns = namespace(a=0) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{{ "%s-%d" % ("a", ns.a) }}{% endfor %}{{ messages | tojson(indent=2) }}',
  '{% macro f(x, y=2) %}{{ x * y }}{% endmacro %}{{ f("ab") }}{{ {"a": [1, 2.5, none]}.items() | list }}{{ "a,b".split(",")[0:1] | join("-") | upper }}{{ raise_exception("no") if false }}',
]
const yaml = [
  contents('examples/quickstart/search.yaml'),
  'a: &x { b: [1, 2.5, .inf, ~, true, 0x1f, "q"] }\nc: *x\nd: |\n  text\n  more\n? [e]\n: f\n',
]

/** All readers of what strangers may have written. Each works in a folder of its own. */
export async function readersIn(folder: string): Promise<readonly Reader[]> {
  const model = await openModel(join(packageRoot(), 'examples/quickstart/parent'), makeBlocks())
  const { parameters } = sizes(withoutBlocks(model), scenario)
  const costs = {
    ...{ version: 1, scenario, attention: {}, ffn: {} },
    floor: { prefillSeconds: 1, decodeSeconds: 1, memoryBytes: 1, parameters },
  }

  /** A file with these contents; each reader has one of a name. */
  const file = (name: string, bytes: string | Uint8Array): string => {
    const path = join(folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, bytes)
    return path
  }
  const drain = async (rows: AsyncIterable<unknown>): Promise<void> => {
    for await (const row of rows) void row
  }
  const noColumn = (bad: (message: string) => Failure) => bad('has none of the columns')
  return [
    { name: 'config.json', read: (c) => void parseConfig(jsonText(c.of(configs), c), 'config.json') },
    {
      name: 'tokenizer.json',
      read(c) {
        file('tokenizer/tokenizer.json', jsonText(c.of([bpe, bpe, wordPiece, unigram]), c))
        const config = json('examples/quickstart/parent/tokenizer_config.json')
        file('tokenizer/tokenizer_config.json', c.chance(0.2) ? jsonText(config, c) : JSON.stringify(config))
        const tokenizer = Tokenizer.open(join(folder, 'tokenizer'))
        const ids = tokenizer.encode(`abc aé ${'a'.repeat(40)}!\n😀 <s>`)
        tokenizer.decode(ids)
      },
    },
    {
      name: 'safetensors',
      async read(c) {
        const header = c.chance(0.7) ? jsonText(safetensorsHeader, c) : JSON.stringify(safetensorsHeader)
        const bytes = safetensors(header)
        const opened = await SafetensorsFile.open(file('a.safetensors', c.chance(0.5) ? mutateBytes(bytes, c) : bytes))
        for (const name of opened.tensors.keys()) await opened.read(name)
      },
    },
    {
      name: 'safetensors index',
      async read(c) {
        file('index/a.safetensors', safetensors(JSON.stringify(safetensorsHeader)))
        file(
          'index/model.safetensors.index.json',
          jsonText({ metadata: {}, weight_map: { a: 'a.safetensors', b: 'a.safetensors' } }, c),
        )
        await openWeightFiles(join(folder, 'index'))
      },
    },
    {
      name: 'GGUF',
      async read(c) {
        const path = file('gguf/model.gguf', mutateBytes(gguf, c))
        const opened = GgufFile.open(path)
        if (opened.tensors.size === 0) return
        const model = await openGguf(path)
        parseConfig(model.config, path)
        Tokenizer.open(path).encode('ab a')
        for (const name of model.tensors.keys()) if (!model.refusal(name)) await model.read(name)
      },
    },
    {
      name: 'Parquet',
      read: (c) =>
        drain(
          readParquetRows(
            file('a.parquet', mutateBytes(c.of(parquet), c)),
            c.of([['text', 'input_ids', 'messages', 'content'], undefined]),
            [],
            noColumn,
          ),
        ),
    },
    {
      name: 'JSON lines',
      async read(c) {
        const written = lines
          .map((line) => (c.chance(0.5) ? jsonText(line, c) : JSON.stringify(line)))
          .join(c.of(['\n', '\n\n', ' ', '\r\n']))
        const path = file('a.jsonl', c.chance(0.3) ? changedText(written.slice(0, 200_000), c) : written)
        await drain(readJsonRecords(path, 'Mend it.', lookAt(path)))
      },
    },
    {
      name: 'gzip',
      async read(c) {
        const inside = c.chance(0.1) ? 'word\n'.repeat(200_000) : lines.map((line) => JSON.stringify(line)).join('\n')
        const bytes = gzipSync(c.chance(0.5) ? mutateBytes(Buffer.from(inside), c) : inside)
        await drain(readLines(file('a.jsonl.gz', c.chance(0.5) ? mutateBytes(bytes, c) : bytes), 'Mend it.'))
      },
    },
    {
      name: 'tables',
      async read(c) {
        const path = file('a.csv', changedText('text,label\n"a, ""b""\nc",1\nd,2\n'.repeat(3), c))
        await drain(readTableRows(path, 'Mend it.', lookAt(path)))
      },
    },
    {
      name: 'chat templates',
      read(c) {
        file(
          'chat/tokenizer_config.json',
          JSON.stringify({ chat_template: changedText(c.of(templates), c), bos_token: '<s>' }),
        )
        ChatTemplate.open(join(folder, 'chat')).render([{ role: 'user', content: 'hello' }], {
          addGenerationPrompt: true,
        })
      },
    },
    {
      name: 'YAML',
      read(c) {
        const { diagnostics } = readDocument('spec.yaml', changedText(c.of(yaml), c))
        if (diagnostics.length > 0)
          throw new Failure('InvalidInput', diagnostics.slice(0, 5).map(formatDiagnostic).join('\n'))
      },
    },
    {
      name: 'expressions',
      read(c) {
        const written = changedText('${{ stages.solve.outputs.values.a-b.0 }}', c).slice(0, 20_000)
        if (!parseExpression(written)) throw new Failure('InvalidInput', explainExpression(written).hint)
        const outputs = { solve: { values: { values: { 'a-b': [1] } }, files: {} } }
        const { value } = resolveExpressions({ value: written }, outputs)
        if (typeof value === 'function') throw new Error('an expression leads to code')
      },
    },
    { name: 'problems', read: (c) => void readProblem(parsed(jsonText(problem, c))) },
    {
      name: 'cost tables',
      async read(c) {
        await readCostTable(file('costs.json', jsonText(costs, c)), model, scenario, [])
      },
    },
    {
      name: 'records',
      read(c) {
        const written = JSON.parse(recordText(record)) as JsonObject
        const read = readRecord(c.chance(0.1) ? JSON.stringify(written) : jsonText(written, c), record.key)
        if (read === undefined) throw new Failure('InvalidInput', 'a damaged record')
        if (digestJson(read) !== (written.digest as Digest)) throw new Error('a record that is not what was written')
      },
    },
  ]
}

/** As a command reads a file. */
function parsed(written: string): unknown {
  try {
    return JSON.parse(written) as unknown
  } catch (error) {
    throw new Failure('InvalidInput', (error as Error).message)
  }
}
