import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runHere } from './here.js'
import { Place } from './puzzleflow.js'
import { tinySpec, writeTinySearch } from './tiny-search.js'

let place: Place
let folder: string
beforeEach(async () => {
  folder = await writeTinySearch()
  place = new Place(folder)
})
afterEach(() => place.close())

const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
const change = (name: string, edit: (text: string) => string) =>
  write(name, edit(readFileSync(join(folder, name), 'utf8')))
/** One text for another that must be there. */
const swap = (from: string, to: string) => (text: string) => {
  expect(text).toContain(from)
  return text.replace(from, to)
}
const config = (fields: object) =>
  change('parent/config.json', (text) => JSON.stringify({ ...(JSON.parse(text) as object), ...fields }))

/** What `run` says of the spec in the folder, with the folder left out. It must not have begun anything. */
async function refused(): Promise<string> {
  const { code, stdout, stderr } = await runHere(place, 'run', 'search.yaml')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect([place.store, join(folder, 'state'), join(folder, 'runs')].filter(existsSync)).toEqual([])
  return stderr.replaceAll(`${folder}/`, '').replaceAll(folder, 'FOLDER')
}

test('all mistakes of a spec are said at once, each with its place and what to do', async () => {
  const stages = `pipeline:
  inputs: puzzle
  stages:
    one: { uses: prepare, needs: [two] }
    two: { uses: prepare, needs: [one] }
    prepare: { needs: [one] }
    prepare: {}
    distill: { needs: [prepare] }
stages:
  distill: { tokens: 20 km }
`
  write('search.yaml', tinySpec.replace(/stages:\n[^]*$/, stages))
  change('search.yaml', swap('sequenceLength: 16', 'sequenceLenght: 16'))
  change('search.yaml', swap('./data/validate.jsonl', './data/valid.jsonl'))
  change('search.yaml', swap("parameters: '<= 80%'", "memory: '<= 80 tokens/s'"))
  expect(await refused())
    .toBe(`search.yaml:6:21 missing-file There is no file "./data/valid.jsonl". (did you mean "validate.jsonl"?)
search.yaml:7:3 unknown-key data has no key "sequenceLenght". (did you mean "sequenceLength"?)
search.yaml:15:13 wrong-unit target.limits.memory: "<= 80 tokens/s" is not a valid limit on memory: unknown unit "tokens/s". (allowed: "<= 70%", "<= 0.7x", "80 GiB", "500 MB")
search.yaml:20:35 cycle Stages need each other in a cycle: one -> two -> one. (remove one of these needs)
search.yaml:23:5 duplicate-key There are two keys "prepare" in one map.
search.yaml:26:22 wrong-unit stages.distill.tokens: "20 km" is not a valid number of tokens: unknown unit "km". (allowed: 50000, 50k, 1.5M)
`)
})

test('validate --json lists the mistakes with their places, as one document', async () => {
  change('search.yaml', swap('seed:', 'sede:'))
  const { code, stdout, stderr } = await runHere(place, 'validate', 'search.yaml', '--json')
  expect({ code, stderr, json: JSON.parse(stdout) as unknown }).toEqual({
    code: 2,
    stderr: '',
    json: {
      valid: false,
      diagnostics: [
        {
          file: 'search.yaml',
          line: 16,
          column: 1,
          length: 4,
          code: 'unknown-key',
          message: 'Unknown key "sede": neither a spec nor pipeline "puzzle" has it.',
          hint: 'did you mean "seed"?',
        },
      ],
    },
  })
})

test('run --json says the same as an error with its kind and exit code', async () => {
  change('search.yaml', swap('seed:', 'sede:'))
  const { code, stdout, stderr } = await runHere(place, 'run', 'search.yaml', '--json')
  const message =
    'search.yaml:16:1 unknown-key Unknown key "sede": neither a spec nor pipeline "puzzle" has it. (did you mean "seed"?)'
  expect({ code, stderr }).toEqual({ code: 2, stderr: `${message}\n` })
  expect(JSON.parse(stdout)).toMatchObject({
    error: { kind: 'InvalidInput', exitCode: 2, message, diagnostics: [{ code: 'unknown-key' }] },
  })
})

test('a spec without mistakes is valid', async () => {
  const { code, stdout, stderr } = await runHere(place, 'validate', 'search.yaml')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^search\.yaml is valid: 17 stages, digest [0-9a-f]{12}\n(note: .*\n)*$/)
})

test('a width that the parent cannot have is refused at its place', async () => {
  change('search.yaml', swap('width: [50%]', 'width: [80]'))
  expect(await refused())
    .toBe(`search.yaml:11:17 impossible-variant width 80 is impossible: the parent's FFN has 64 channels (Use 1 to 64, or a percentage above 0% and up to 100%.)
`)
})

test('a grid that stands for more variants than the limit is refused at its place, without making them all', async () => {
  change('search.yaml', swap('width: [50%]', 'rank: [1, 2, 3, 4, 5, 6]'))
  change('search.yaml', swap('block: swiglu', 'block: low-rank'))
  change('search.yaml', (text) => `${text}limits: { maxVariants: 5 }\n`)
  expect(await refused())
    .toBe(`search.yaml:11:17 too-many-variants with this entry a layer's ffn has more than 5 variants (Shorten its lists, or raise limits.maxVariants: each variant is trained and scored in every layer.)
`)
})

test('a checkpoint that ends too early is refused', async () => {
  const file = join(folder, 'parent/model.safetensors')
  writeFileSync(file, readFileSync(file).subarray(0, -100))
  expect(await refused())
    .toBe(`search.yaml:3:8 bad-model parent/model.safetensors: is truncated: tensor lm_head.weight ends at byte 86704 of 86604 (Copy the file from its source again.)
`)
})

test('a checkpoint whose shapes are not those of its config is refused', async () => {
  config({ hidden_size: 64 })
  expect(await refused())
    .toBe(`search.yaml:3:8 bad-model parent/model.safetensors: tensor model.embed_tokens.weight is [40, 32], not [40, 64] as "hidden_size" in config.json says (The checkpoint does not fit its config.json: copy both from the same source.)
`)
})

test('an architecture that is not supported is refused by name', async () => {
  config({ architectures: ['BertForMaskedLM'], model_type: 'bert' })
  expect(await refused())
    .toBe(`search.yaml:3:8 bad-model parent/config.json: the architecture "BertForMaskedLM" (model_type "bert") is not supported (Supported: LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, SmolLM3ForCausalLM, Phi3ForCausalLM, GraniteForCausalLM, Gemma2ForCausalLM, Gemma3ForCausalLM, DeciLMForCausalLM.)
`)
})

test('a tokenizer with more tokens than the model knows is refused', async () => {
  change('parent/tokenizer.json', swap('"no":39', '"no":39,"more":40'))
  expect(await refused())
    .toBe(`search.yaml:3:8 bad-tokenizer parent/tokenizer.json has token ids up to 40, but the model has 40 tokens. (Use the tokenizer that belongs to the model.)
`)
})

test('data that is empty, too short or no data, and sequences that are too long, are said at once', async () => {
  write('data/train.jsonl', '\n')
  write('data/validate.jsonl', '{"text":"an ant is"}\n')
  write('data/test.jsonl', '{"text":"an ant is"}\n{"input_ids":[1,2,40]}\n')
  write('tasks/next.jsonl', '{"prompt":"an ant"}\n')
  change('search.yaml', swap('sequenceLength: 16', 'test: { path: data/test.jsonl }\n  sequenceLength: 128'))
  expect(await refused())
    .toBe(`search.yaml:5:18 bad-data data/train.jsonl holds 0 tokens: fewer than two sequences of 128. (Give more text, or a smaller data.sequenceLength.)
search.yaml:6:21 bad-data data/validate.jsonl holds 3 tokens: fewer than two sequences of 128. (Give more text, or a smaller data.sequenceLength.)
search.yaml:7:17 bad-data data/test.jsonl:2: has 40 in its "input_ids" (number 3), which is not a token id of the model. (Its ids are whole numbers from 0 to 39.)
search.yaml:8:19 too-long data.sequenceLength 128 is more than the model's 64 positions. (Give 64 or less.)
search.yaml:9:8 bad-tasks tasks/next.jsonl:1: has no prompt and answer. (tasks.json is {"NAME": {"chance": 0.1}}, and NAME.jsonl has lines {"prompt": "…", "answer": "…"}.)
`)
})

test('prompts that cannot be continued are refused at their place, long before they would be read', async () => {
  const named = (file: string) =>
    change('search.yaml', (text) => text.replace(/(evaluate-child: {).*? r/, `$1 prompts: ${file}, r`))
  write('prompts.txt', `an ant\n${'an ant '.repeat(32)}\n`)
  named('./promts.txt')
  expect(await refused()).toBe(
    'search.yaml:28:30 missing-file There is no file "./promts.txt". (did you mean "prompts.txt"?)\n',
  )
  named('./prompts.txt')
  expect(await refused()).toBe(
    'search.yaml:28:30 bad-prompts prompts.txt: prompt 2 has 64 tokens. (Shorten it to at most 63 tokens.)\n',
  )
})

test('a plain text that is too short is refused', async () => {
  write('data/train.txt', 'an ant is in a bat')
  change('search.yaml', swap('train.jsonl', 'train.txt'))
  expect(await refused())
    .toBe(`search.yaml:5:18 bad-data data/train.txt holds 6 tokens: fewer than two sequences of 16. (Give more text, or a smaller data.sequenceLength.)
`)
})

test('tasks of the harness that cannot be read are refused with their lines, all at once', async () => {
  write('one.yaml', 'task: one\ndataset_path: json\nprocess_docs: !function utils.process\n')
  write('two.yaml', 'task: two\ndataset_path: allenai/ai2_arc\ntest_split: test\n')
  write('text.jsonl', '{"text":"an ant is in a bat"}\n')
  write(
    'three.yaml',
    'task: three\ndataset_path: json\ndataset_kwargs: {data_files: {test: text.jsonl}}\ntest_split: test\noutput_type: loglikelihood\ndoc_to_text: an\ndoc_to_target: " {{text}}"\nmetric_list: [{metric: perplexity}]\n',
  )
  change('search.yaml', swap('tasks: ./tasks', 'tasks: [{ harness: one.yaml }, { harness: two.yaml }]'))
  expect(await refused())
    .toBe(`search.yaml:8:20 bad-tasks one.yaml:3:15: process_docs is !function utils.process, Python code, which is not run. (Write what the function makes as fields of the data file, once and with Python, and use Jinja templates over them.)
search.yaml:8:43 bad-tasks two.yaml:2:15: the data set "allenai/ai2_arc" is not local, and nothing is fetched. (Write each split as a file, once: \`python3 -c "import datasets; datasets.load_dataset('allenai/ai2_arc')['test'].to_parquet('test.parquet')"\`; then write \`dataset_path: parquet\` and \`dataset_kwargs: {data_files: {test: test.parquet}}\`.)
`)
  change('search.yaml', swap('[{ harness: one.yaml }, { harness: two.yaml }]', '[{ harness: three.yaml }]'))
  change('search.yaml', swap("parameters: '<= 80%'", "parameters: '<= 80%'\n  quality: '>= 90%'"))
  expect(await refused())
    .toBe(`search.yaml:16:12 no-accuracy None of the tasks has an accuracy that \`quality\` could be a share of. (add a task with acc, acc_norm or exact_match)
`)
})

test('a stage that would have more tasks than a stage can have is refused at its place, before any is made', async () => {
  await place.close()
  const upTo = (most: number, least = 1) => `[${Array.from({ length: most }, (_, i) => i + least).join(', ')}]`
  const attention = `{ block: sliding-window, window: ${upTo(60, 2)}, kvHeads: [1, 2] }`
  const ffn = `{ block: low-rank, rank: ${upTo(31)} }, { block: swiglu, width: ${upTo(63)} }`
  const spec = tinySpec
    .replace('{ block: grouped-query, kvHeads: [1] }', attention)
    .replace('{ block: swiglu, width: [50%] }', ffn)
    .replace('pairs: 1', 'pairs: all')
  folder = await writeTinySearch(spec, 12)
  place = new Place(folder)
  expect(await refused()).toBe(
    'search.yaml:21:34 too-many-tasks With 121 variants of attention and 95 variants of ffn in each of 12 layers, score has about 140532 tasks; a stage can have at most 100000. (leave pairs out, or shorten the lists of `space`)\n',
  )
})
