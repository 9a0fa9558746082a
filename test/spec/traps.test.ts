import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { specRegistry } from '../../cli/spec-registry.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileText } from '../../spec/plan.js'
import { decodeText } from '../../spec/spec-text.js'
import { specFolder } from './good-spec.js'

const good = `apiVersion: puzzleflow/v1
name: q
model: ./parent
data:
  train: { path: ./data/train.jsonl }
  validate: { path: ./data/validate.jsonl }
space:
  attention: [parent, no-op]
  ffn: [parent]
target:
  scenario: { batch: 2, prefill: 8, generate: 8 }
  limits:
    throughput: '>= 1.7x'
  quality: '>= 97%'
tasks: ./tasks
execution:
  distill: { exclusive: true, timeout: 2 h }
stages:
  distill: { tokens: 50k, learningRate: 0.001 }
`

let folder: string
beforeAll(async () => {
  folder = (await specFolder()).folder
  const write = async (name: string, text = '') => {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  for (const name of ['models/a', 'models/b', 'one/x', 'hub/snapshots/abc']) await write(`${name}/config.json`, '{}')
  await write('parent/model.safetensors')
  await write('tasks/tasks.json', '{"add":{}}')
  await write('untold/add.jsonl')
  await write('weights.bin')
  await symlink('/gone/x', join(folder, 'dangling'))
})

// What the model says of itself is not looked at here.
const registry = { ...specRegistry(), inspect: async () => ({ problems: [], blocks: [] }) }

async function compile(from: string, to: string) {
  expect(good).toContain(from)
  const { diagnostics, plan } = await compileText(
    join(folder, 's.yaml'),
    good.replace(from, () => to),
    registry,
  )
  return { plan, lines: diagnostics.map((found) => formatDiagnostic(found).replaceAll(`${folder}/s.yaml:`, '')) }
}

const limit = "throughput: '>= 1.7x'"
const model = 'model: ./parent'
const data = 'path: ./data/train.jsonl'
const limitExamples = '(allowed: ">= 1.7x", ">= 170%", "5500 tokens/s")'
const block = (value: string) =>
  `13:17 unquoted-value The value ${value} begins with "${value[0]}", which begins a block of text in YAML. (put it in quotes: '${value}')`
const reserved = (value: string) =>
  `13:17 unquoted-value The value ${value} begins with "${value[0]}", which is reserved in YAML. (put it in quotes: '${value}')`

test.each<[from: string, to: string, ...lines: string[]]>([
  // Signs of YAML's own.
  [limit, 'throughput: >= 1.7x', block('>= 1.7x')],
  [limit, 'throughput: >= 1.7x # fast', block('>= 1.7x')],
  [limit, 'throughput: >1.7x', block('>1.7x')],
  [limit, 'throughput: >2', block('>2')],
  [limit, 'throughput: @x', reserved('@x')],
  [limit, 'throughput: %70', reserved('%70')],
  [
    limit,
    "throughput: '1.7x' or so",
    '13:24 yaml-syntax There is more text after the value. (put all of it in one pair of quotes)',
  ],
  [
    limit,
    "throughput: '>= 1.7x'# fast",
    '13:26 yaml-syntax There is more text after the value. (put a space before the # of a comment)',
  ],
  [limit, 'throughput: "1.7x', '13:17 yaml-syntax The quote is not closed.'],
  [
    '  ffn: [parent]',
    '  ffn: [parent]\nplugins: [@me/x]',
    `10:11 unquoted-value The value @me/x begins with "@", which is reserved in YAML. (put it in quotes: '@me/x')`,
  ],
  [
    'name: q',
    'name: a: b',
    '2:7 yaml-syntax There are two keys in one value. (put a string with ": " in quotes; begin all keys of a map in the same column)',
  ],
  ['name: q', 'name: q\nseed:7', '3:1 yaml-syntax A key is followed by a colon and a space. (write "seed: 7")'],
  ['name: q', 'name: q\nseed = 7', '3:1 yaml-syntax A key is followed by a colon and a space. (write "seed: 7")'],
  [
    'name: q',
    'name: q\n---',
    '3:1 multiple-documents There is more than one document in the file. (remove the line "---" and everything after it)',
  ],
  [
    'name: q',
    'name: q\n<<: *x',
    '3:1 merge-key YAML 1.2 has no merge keys: the keys behind << would be ignored. (write its keys here: an alias stands for a whole value (key: *name))',
  ],
  // Words and numbers that are taken for others.
  [
    'exclusive: true',
    'exclusive: no',
    '17:25 wrong-type execution.distill.exclusive must be true or false, not "no". (YAML 1.2 reads no as a string: write false)',
  ],
  [
    'exclusive: true',
    'exclusive: On',
    '17:25 wrong-type execution.distill.exclusive must be true or false, not "On". (YAML 1.2 reads On as a string: write true)',
  ],
  [
    'exclusive: true',
    "exclusive: 'true'",
    '17:25 wrong-type execution.distill.exclusive must be true or false, not "true". (remove the quotes)',
  ],
  [
    '  distill: { tokens',
    '  uptrain: off\n  distill: { tokens',
    '19:12 wrong-type stages.uptrain must be false or a map or empty, not "off". (YAML 1.2 reads off as a string: write false)',
  ],
  [
    '[parent, no-op]',
    '[parent, no]',
    '8:23 unknown-block There is no block type "no" for slot "attention". (did you mean "no-op"?)',
  ],
  [
    '[parent, no-op]',
    'parent, no-op',
    '8:14 wrong-type space.attention must be a list, not "parent, no-op". (write [parent, no-op])',
  ],
  ['name: q', 'name: 1e3', "2:7 wrong-type name must be a string, not 1000. (put it in quotes: '1e3')"],
  ['name: q', 'name: ~', '2:7 wrong-type name must be a string, not empty. (YAML reads ~ as null)'],
  [
    'tokens: 50k',
    'tokens: 010',
    "19:22 ambiguous-number 010 is 10 in YAML 1.2, and 8 in YAML 1.1. (write 10, or '010' for the string)",
  ],
  ['tokens: 50k', 'tokens: 1e400', '19:22 wrong-value 1e400 is not finite. (write a number, or leave the key out)'],
  ['tokens: 50k', 'tokens: .nan', '19:22 wrong-value .nan is not finite. (write a number, or leave the key out)'],
  [
    'tokens: 50k',
    'tokens:',
    '19:21 wrong-unit stages.distill.tokens: the value is missing. (allowed: 50000, 50k, 1.5M)',
  ],
  [
    'tokens: 50k',
    'tokens: 50,000',
    '19:25 unknown-key stages.distill has no key "0". (a comma in { } ends a value: write 50000, or 50.000 with a point)',
  ],
  [
    'tokens: 50k',
    'tokens: 50k#x',
    '19:22 wrong-unit stages.distill.tokens: "50k#x" is not a valid number of tokens: unknown unit "k#x". (put a space before the # of a comment)',
  ],
  [
    'tokens: 50k',
    'tokens: 0',
    '19:22 wrong-unit stages.distill.tokens: 0 is not a valid number of tokens: it is less than 1. (allowed: 50000, 50k, 1.5M)',
  ],
  [
    'timeout: 2 h',
    'timeout: 12:30',
    '17:40 wrong-unit execution.distill.timeout: "12:30" is not a valid duration: unknown unit ":30". (write 750 min for hours and minutes, or 750 s for minutes and seconds)',
  ],
  ['timeout: 2 h', 'timeout: 0 s', '17:40 wrong-unit execution.distill.timeout: "0 s" must be above 0.'],
  [
    'learningRate: 0.001',
    'learningRate: 1e6',
    '19:41 out-of-range stages.distill.learningRate must be <= 1, not 1000000: AdamW moves every weight by about this much per step.',
  ],
  ['learningRate: 0.001', 'learningRate: 0', '19:41 out-of-range stages.distill.learningRate must be > 0, not 0.'],
  [
    'batch: 2',
    'batch: 1000000',
    '11:22 out-of-range target.scenario.batch must be <= 65536, not 1000000: their states are in memory at once.',
  ],
  [
    limit,
    'throughput: 1,7x',
    '13:17 wrong-unit target.limits.throughput: "1,7x" is not a valid limit on throughput: unknown unit ",7x". (write numbers with a decimal point and without commas: 1.7x or 17x)',
  ],
  [
    limit,
    "throughput: '>=1.7'",
    `13:17 wrong-unit target.limits.throughput: ">=1.7" is not a valid limit on throughput: it has no unit. ${limitExamples}`,
  ],
  [
    limit,
    "throughput: '>= 1.7 constructor'",
    `13:17 wrong-unit target.limits.throughput: ">= 1.7 constructor" is not a valid limit on throughput: unknown unit "constructor". ${limitExamples}`,
  ],
  [
    limit,
    "throughput: '>= 1e308 k tokens/s'",
    `13:17 wrong-unit target.limits.throughput: ">= 1e308 k tokens/s" is not a valid limit on throughput: it is too large. ${limitExamples}`,
  ],
  [
    limit,
    "throughput: '>= 17000x'",
    `13:17 wrong-unit target.limits.throughput: ">= 17000x" is not a valid limit on throughput: it is more than 1000 times the parent's value. ${limitExamples}`,
  ],
  // Characters that look like others.
  [
    limit,
    'throughput: “>= 1.7x”',
    '13:17 wrong-unit target.limits.throughput: "“>= 1.7x”" is not a valid limit on throughput. (it contains “ (U+201C): write ")',
  ],
  [
    limit,
    'throughput: ≥ 1.7x',
    '13:17 wrong-unit target.limits.throughput: "≥ 1.7x" is not a valid limit on throughput. (it contains ≥ (U+2265): write >=)',
  ],
  [
    'name: q',
    'name: q\n\u00a0seed: 1',
    '3:1 unknown-key Unknown key "\u00a0seed": neither a spec nor pipeline "puzzle" has it. (it contains the invisible character U+00A0: write a space)',
  ],
  // Floors that nothing is measured for.
  [
    'tasks: ./tasks\n',
    '',
    '14:12 missing-key target.quality requires the key "tasks". (add `tasks:`, or leave `quality` out)',
  ],
  // Paths that are none of this machine.
  [model, 'model: ~/m', `3:8 missing-file "~/m" begins with "~", which is not expanded here. (write "${homedir()}/m")`],
  [
    model,
    'model: $HOME/m',
    `3:8 missing-file "$HOME/m" contains the variable $HOME, which is not expanded here. (write "${homedir()}/m")`,
  ],
  [
    model,
    'model: ${DATA}/m',
    '3:8 missing-file "${DATA}/m" contains the variable ${DATA}, which is not expanded here. (write its value)',
  ],
  [
    model,
    'model: meta-llama/Llama-3.2-1B',
    '3:8 missing-file There is no file or folder "meta-llama/Llama-3.2-1B". (a model on the Hugging Face Hub? download it first: hf download meta-llama/Llama-3.2-1B --local-dir Llama-3.2-1B)',
  ],
  [
    model,
    'model: https://huggingface.co/a/b',
    '3:8 missing-file "https://huggingface.co/a/b" is an address, not a file or folder on this machine. (download it first: hf download a/b --local-dir b)',
  ],
  [
    model,
    'model: s3://b/m',
    '3:8 missing-file "s3://b/m" is an address, not a file or folder on this machine. (copy it here first: aws s3 cp --recursive s3://b/m .)',
  ],
  [model, 'model: ./paren/', '3:8 missing-file There is no file or folder "./paren/". (did you mean "parent"?)'],
  [
    model,
    'model: ./parnt/x/y',
    '3:8 missing-file There is no file or folder "./parnt/x/y". (the folder parnt does not exist either; did you mean "parent"?)',
  ],
  [model, 'model: ./models', '3:8 wrong-file "./models" has several models: a, b. (name one: "./models/a")'],
  [model, 'model: ./one/', '3:8 wrong-file "./one/" is not a model, but the folder of one. (did you mean "./one/x"?)'],
  [
    model,
    'model: ./hub',
    '3:8 wrong-file "./hub" is not a model, but the folder of one. (did you mean "./hub/snapshots/abc"?)',
  ],
  [
    model,
    'model: ./weights.bin',
    '3:8 wrong-file "./weights.bin" is neither the folder of a model nor a GGUF file. (weights.bin must end in .gguf, or be a folder with config.json)',
  ],
  [
    model,
    'model: ./parent/config.json',
    '3:8 wrong-file "./parent/config.json" is one file of a model. (name its folder: "./parent")',
  ],
  [model, 'model: ./dangling', '3:8 missing-file "./dangling" is a link to "/gone/x", which does not exist.'],
  [model, 'model: .\\parent', '3:8 missing-file There is no file or folder ".\\parent". (write "./parent")'],
  [
    model,
    'model: "C:\\models"',
    '3:11 yaml-syntax \\m is not a valid escape in double quotes. (use single quotes, or / in a path)',
  ],
  [
    model,
    'model: \'"./parent"\'',
    '3:8 missing-file There is no file or folder ""./parent"". (there are quotes within the quotes)',
  ],
  [
    data,
    'path: ./data/*.jsonl',
    '5:18 missing-file "./data/*.jsonl" is a pattern, not the name of a single file. (join the files first: cat ./data/*.jsonl > all.jsonl)',
  ],
  [
    data,
    'path: ./data',
    '5:18 wrong-file "./data" is a folder; it must be a file. (it has train.jsonl, validate.jsonl)',
  ],
  [
    data,
    'path: hf://datasets/a/b',
    '5:18 missing-file "hf://datasets/a/b" is an address, not a file on this machine. (download it first: hf download --repo-type dataset a/b --local-dir b)',
  ],
  [
    'tasks: ./tasks',
    'tasks: ./untold',
    '15:8 bad-tasks The folder "./untold" has no tasks.json. (write it, with the accuracy of guessing: {"add":{"chance":0}})',
  ],
  ['tasks: ./tasks', 'tasks: .', '15:8 bad-tasks The folder "." has no tasks.json. (did you mean "./tasks"?)'],
])('instead of `%s`, `%s` is told for what it is', async (from, to, ...lines) => {
  expect((await compile(from, to)).lines).toEqual(lines)
})

test.each<[from: string, to: string]>([
  ['tokens: 50k', 'tokens: 50K'],
  ['tokens: 50k', 'tokens: 50 k'],
  ['tokens: 50k', 'tokens: 50_000'],
  ['tokens: 50k', 'tokens: 5e4'],
  ['tokens: 50k', "tokens: '50000'"],
  ['tokens: 50k', 'tokens: 0xC350'],
])('instead of `%s`, `%s` is the same', async (from, to) => {
  const { plan } = await compile(from, to)
  expect(plan!.stages.find(({ name }) => name === 'distill')!.params.tokens).toBe(50_000)
})

test.each(["'1e-3'", "'1E-3'", '1e-3', '.001', '0.1%'])('a learning rate of %s is 0.001', async (written) => {
  const { plan } = await compile('learningRate: 0.001', `learningRate: ${written}`)
  expect(plan!.stages.find(({ name }) => name === 'distill')!.params.learningRate).toBe(0.001)
})

test('a byte order mark is no part of a spec, and JSON is one', async () => {
  expect((await compile('apiVersion', '\ufeffapiVersion')).lines).toEqual([])
  const json =
    '{\n\t"apiVersion": "puzzleflow/v1",\n\t"name": "x",\n\t"pipeline": {"stages": {"a": {"uses": "approve"}}}\n}'
  expect((await compileText(join(folder, 's.json'), json, registry)).diagnostics).toEqual([])
})

test('a text that is not UTF-8 is told so', () => {
  const problem = (bytes: Buffer) =>
    (decodeText(bytes, 's.yaml') as { problem: Parameters<typeof formatDiagnostic>[0] }).problem
  expect(formatDiagnostic(problem(Buffer.from('\ufeffname: q', 'utf16le')))).toBe(
    's.yaml:1:1 not-utf8 The file is not UTF-8: it is UTF-16, or not text. (save it as UTF-8: iconv -f UTF-16 -t UTF-8)',
  )
  expect(formatDiagnostic(problem(Buffer.from('name: caf\u00e9', 'latin1')))).toBe(
    's.yaml:1:1 not-utf8 The file is not UTF-8. (save it as UTF-8)',
  )
})

test('a flood of signs is refused before it is parsed, and of many mistakes the first are told', async () => {
  const flood = await compileText(join(folder, 's.yaml'), ']'.repeat(900_000), registry)
  expect(flood.diagnostics.map(({ message }) => message)).toEqual(['The text has more than 50000 words and symbols.'])
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}: 1\n`).join('')
  const many = await compileText(join(folder, 's.yaml'), good + keys, registry)
  expect(many.diagnostics).toHaveLength(201)
  expect(many.diagnostics.at(-1)!.message).toBe('There are 100 more mistakes from here on.')
})

test("a pattern of a spec's own that does not come to an end is a mistake at its value", async () => {
  const text = `apiVersion: puzzleflow/v1
name: q
pipeline: { inputs: { x: { type: string, pattern: '^(a+)+$' } }, stages: { a: { uses: approve } } }
x: ${'a'.repeat(60)}!
`
  const { diagnostics } = await compileText(join(folder, 's.yaml'), text, registry)
  expect(diagnostics.map(({ line, column, message }) => `${line}:${column} ${message}`)).toEqual([
    '4:4 x takes more than a second to match against the pattern "^(a+)+$".',
  ])
})
