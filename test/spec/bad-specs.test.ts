import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileSpec, compileText } from '../../spec/plan.js'
import type { Registry } from '../../spec/registry.js'
import { goodSpec, specFolder } from './good-spec.js'
import { registry } from './registry.js'

/** Diagnostics of a spec as lines, the folder left out. */
async function problems(text: string, from: Registry = registry): Promise<string[]> {
  const { folder, file } = await specFolder(text)
  const { diagnostics, plan } = await compileSpec(file, from)
  expect(plan).toBeUndefined()
  return diagnostics.map((found) => formatDiagnostic(found).replaceAll(`${folder}/`, ''))
}

/** The good spec with one text for another. */
const change = (from: string, to: string) => {
  expect(goodSpec).toContain(from)
  return goodSpec.replace(from, to)
}
/** The good spec with more lines below `stages:`. */
const add = (lines: string) => goodSpec + lines

/** So many stages more, one a line. */
const moreStages = (count: number) => Array.from({ length: count }, (_, i) => `  more-${i}: { uses: echo }\n`).join('')

test.each<[string, () => string, readonly string[]]>([
  [
    'more stages than a run can have',
    () => add(moreStages(1000)),
    [
      'search.yaml:1007:3 too-many-stages There are 1017 stages; a run can have at most 1000. (merge similar stages into one stage with many tasks)',
    ],
  ],
  [
    'an unknown key',
    () => change('seed: 7', 'sed: 7'),
    [
      'search.yaml:20:1 unknown-key Unknown key "sed": neither a spec nor pipeline "puzzle" has it. (did you mean "seed"?)',
    ],
  ],
  [
    'an unknown key inside an input',
    () => change('validate:', 'validat:'),
    [
      'search.yaml:4:1 missing-key data lacks the key "validate".',
      'search.yaml:6:3 unknown-key data has no key "validat". (did you mean "validate"?)',
    ],
  ],
  [
    'an unknown parameter',
    () => change('tokens: 50k', 'tokns: 50k'),
    ['search.yaml:22:14 unknown-key stages.distill has no key "tokns". (did you mean "tokens"?)'],
  ],
  ['a missing key', () => change('model: ./parent\n', ''), ['search.yaml:1:1 missing-key The key "model" is missing.']],
  [
    'maps where quantities are wanted',
    () =>
      change('quality: ">= 97%"', 'quality: { perplexity: { x: 1 } }').replace(
        'throughput: ">= 1.7x"',
        'throughput: { bound: min }',
      ),
    [
      'search.yaml:16:17 wrong-unit target.limits.throughput: it must be a quantity, not a map. (allowed: ">= 1.7x", ">= 170%", "5500 tokens/s")',
      'search.yaml:18:26 wrong-unit target.quality.perplexity: it must be a quantity, not a map. (allowed: "<= 1.1x", "<= 110%")',
    ],
  ],
  [
    'bounds on quality that there are not',
    () => change('quality: ">= 97%"', 'quality: { loss: 3 }'),
    ['search.yaml:18:14 unknown-key target.quality has no key "loss". (allowed: accuracy, kl, perplexity)'],
  ],
  [
    'no bounds on quality',
    () => change('quality: ">= 97%"', 'quality: {}'),
    ['search.yaml:18:12 wrong-value target.quality has no keys. (allowed: accuracy, perplexity, kl)'],
  ],
  [
    'a wrong unit of a count',
    () => change('50k', '50 GiB'),
    [
      'search.yaml:22:22 wrong-unit stages.distill.tokens: "50 GiB" is not a valid count: unknown unit "GiB". (allowed: 50000, 50k, 1.5M)',
    ],
  ],
  [
    'a wrong unit of a limit',
    () => change('"<= 70%"', '5500 tokens/s'),
    [
      'search.yaml:17:13 wrong-unit target.limits.memory: "5500 tokens/s" is not a valid limit on memory: unknown unit "tokens/s". (allowed: "<= 70%", "<= 0.7x", "80 GiB", "500 MB")',
    ],
  ],
  [
    'a limit in the wrong direction',
    () => change('">= 1.7x"', '"<= 1.7x"'),
    [
      'search.yaml:16:17 wrong-unit target.limits.throughput: "<= 1.7x" is not a valid limit on throughput: it must be a lower bound (>=). (allowed: ">= 1.7x", ">= 170%", "5500 tokens/s")',
    ],
  ],
  [
    'a number out of its range',
    () => change('20%', '120%'),
    ['search.yaml:23:45 out-of-range stages.solve.minimumDifference must be <= 1, not 1.2.'],
  ],
  [
    'a negative number',
    () => change('solutions: 3', 'solutions: 0'),
    ['search.yaml:23:23 out-of-range stages.solve.solutions must be >= 1, not 0.'],
  ],
  [
    'a batch of nothing',
    () => change('batch: 16', 'batch: 0'),
    ['search.yaml:14:22 out-of-range target.scenario.batch must be >= 1, not 0.'],
  ],
  [
    'a batch in words',
    () => change('batch: 16', 'batch: many'),
    ['search.yaml:14:22 wrong-type target.scenario.batch must be a whole number or a list, not "many".'],
  ],
  [
    'no batch to choose from',
    () => change('batch: 16', 'batch: []'),
    ['search.yaml:14:22 wrong-value target.scenario.batch must NOT have fewer than 1 items.'],
  ],
  [
    'batches that are no whole numbers',
    () => change('batch: 16', 'batch: [8, 16.5, 32]'),
    ['search.yaml:14:26 wrong-type target.scenario.batch.1 must be a whole number, not 16.5.'],
  ],
  [
    'a batch that is listed twice',
    () => change('batch: 16', 'batch: [8, 16, 8]'),
    ['search.yaml:14:30 wrong-value target.scenario.batch lists 8 twice.'],
  ],
  [
    'several batches of one of several scenarios',
    () =>
      change(
        'scenario: { batch: 16, prefill: 64, generate: 128 }',
        'scenarios: { chat: { batch: [8, 16], prefill: 64, generate: 128 } }',
      ),
    ['search.yaml:14:31 wrong-type target.scenarios.chat.batch must be a whole number, not a list.'],
  ],
  [
    'a word that is not among those allowed',
    () => change('decoupled', 'decopled'),
    [
      'search.yaml:22:33 wrong-value stages.distill.mode must be one of "decoupled", "coupled", not "decopled". (did you mean "decoupled"?)',
    ],
  ],
  [
    'a missing file',
    () => change('./data/train.jsonl', './data/trian.jsonl'),
    ['search.yaml:5:18 missing-file There is no file "./data/trian.jsonl". (did you mean "train.jsonl"?)'],
  ],
  [
    'a file where a folder must be',
    () => change('./tasks', './data/train.jsonl'),
    ['search.yaml:19:8 wrong-file "./data/train.jsonl" is a file; it must be a folder.'],
  ],
  [
    'two nodes with one name',
    () => add('  distill: { tokens: 60k }\n'),
    ['search.yaml:24:3 duplicate-key There are two keys "distill" in one map.'],
  ],
  [
    'a new stage under a name that the pipeline has',
    () => add('  score: { uses: echo }\n'),
    [
      'search.yaml:24:3 duplicate-stage There are two stages "score": one here, one in pipeline "puzzle". (choose another name, or write `replace: true` to replace that one)',
    ],
  ],
  [
    'an unknown stage',
    () => change('distill: {', 'distil: {'),
    ['search.yaml:22:3 unknown-stage There is no stage "distil" in pipeline "puzzle". (did you mean "distill"?)'],
  ],
  [
    'an unknown stage type',
    () => add('  note: { uses: ehco }\n'),
    ['search.yaml:24:17 unknown-stage-type There is no stage type "ehco". (did you mean "echo"?)'],
  ],
  [
    'an unknown need',
    () => add('  note: { uses: echo, needs: [scor] }\n'),
    ['search.yaml:24:31 unknown-stage Stage "note" needs a stage "scor" that does not exist. (did you mean "score"?)'],
  ],
  [
    'a stage left out that others need',
    () => add('  select: false\n'),
    [
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "check-child" needs it. (leave out "check-child" too)',
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "evaluate-child" needs it. (leave out "evaluate-child" too)',
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "export" needs it. (leave out "export" too)',
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "improve" needs it. (leave out "improve" too)',
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "report" needs it. (leave out "report" too)',
      'search.yaml:24:11 needed-stage Stage "select" is left out, but stage "uptrain" needs it. (leave out "uptrain" too)',
    ],
  ],
  [
    'a circle',
    () =>
      add(
        '  a: { uses: echo, needs: [c] }\n  b: { uses: echo, needs: [a] }\n  c: { uses: echo, needs: [prepare, b] }\n',
      ),
    ['search.yaml:24:28 cycle Stages need each other in a cycle: a -> c -> b -> a. (remove one of these needs)'],
  ],
  [
    'a stage that needs itself',
    () => add('  a: { uses: echo, needs: [a] }\n'),
    ['search.yaml:24:28 cycle Stages need each other in a cycle: a -> a. (remove one of these needs)'],
  ],
  [
    'an expression of an unknown stage',
    () => add('  note:\n    uses: echo\n    needs: [solve]\n    with: { text: "${{ stages.slove.outputs.best }}" }\n'),
    ['search.yaml:27:19 bad-expression There is no stage "slove". (did you mean "solve"?)'],
  ],
  [
    'an expression of a stage that does not come before',
    () => add('  note:\n    uses: echo\n    needs: [solve]\n    with: { text: "${{ stages.report.outputs.best }}" }\n'),
    [
      'search.yaml:27:19 bad-expression Stage "note" does not need stage "report", so it cannot use its outputs. (add "report" to the needs of "note")',
    ],
  ],
  [
    'an expression of another form',
    () => add('  note: { uses: echo, with: { text: "${{ 1 + 1 }}" } }\n'),
    ['search.yaml:24:37 bad-expression "1 + 1" is not a valid expression. (write ${{ stages.NAME.outputs.PATH }})'],
  ],
  [
    'an expression inside a text',
    () => add('  note: { uses: echo, with: { text: "best: ${{ stages.solve.outputs.best }}" } }\n'),
    [
      'search.yaml:24:37 bad-expression An expression must be the whole value, with nothing before or after it. (write ${{ stages.NAME.outputs.PATH }})',
    ],
  ],
  [
    'an unknown block',
    () => change('swiglu', 'swigul'),
    ['search.yaml:11:16 unknown-block There is no block type "swigul" for slot "ffn". (did you mean "swiglu"?)'],
  ],
  [
    'a block of the other slot',
    () => change('    - no-op', '    - grouped-query'),
    [
      'search.yaml:12:7 unknown-block There is no block type "grouped-query" for slot "ffn". (allowed: linear, low-rank, no-op, parent, swiglu)',
    ],
  ],
  [
    'an unknown parameter of a block',
    () => change('kvHeads: [2, 1]', 'kvHeds: [2, 1]'),
    [
      'search.yaml:8:23 missing-key space.attention.1 lacks the key "kvHeads".',
      'search.yaml:8:47 unknown-key space.attention.1 has no key "kvHeds". (did you mean "kvHeads"?)',
    ],
  ],
  [
    'a wrong parameter of a block',
    () => change('[75%, 50%]', '[75%, half]'),
    ['search.yaml:11:37 wrong-value space.ffn.1.width.1 has the wrong form: "half".'],
  ],
  [
    'an impossible number of heads',
    () => change('[2, 1]', '[2, 0]'),
    ['search.yaml:8:60 out-of-range space.attention.1.kvHeads.1 must be >= 1, not 0.'],
  ],
  [
    'weights of an unknown kind',
    () => change('[75%, 50%] }', '[75%, 50%], weights: int6 }'),
    [
      'search.yaml:11:52 wrong-type space.ffn.1.weights must be "float32" or "int8" or "int4" or a list, not "int6". (did you mean "int8"?)',
    ],
  ],
  [
    'weights of an unknown kind in a list, for the parent’s own block',
    () => change('  ffn:\n    - parent', '  ffn:\n    - { block: parent, weights: [int8, int16] }'),
    ['search.yaml:10:40 wrong-value space.ffn.0.weights.1 must be "float32" or "int8" or "int4", not "int16".'],
  ],
  [
    'a parameter of the parent’s own block that is not its weights',
    () => change('  ffn:\n    - parent', '  ffn:\n    - { block: parent, weight: int8 }'),
    ['search.yaml:10:24 unknown-key The block "parent" has only the parameter "weights".'],
  ],
  [
    'weights by a wrong name',
    () => change('[75%, 50%] }', '[75%, 50%], weight: int8 }'),
    ['search.yaml:11:43 unknown-key space.ffn.1 has no key "weight". (did you mean "weights"?)'],
  ],
  [
    'weights of a block that has none',
    () => change('    - no-op', '    - { block: no-op, weights: int8 }'),
    ['search.yaml:12:23 unknown-key space.ffn.2 has no key "weights". (allowed: block)'],
  ],
  [
    'another version of the format',
    () => change('puzzleflow/v1', 'puzzleflow/v2'),
    ['search.yaml:1:13 wrong-value apiVersion must be "puzzleflow/v1", not "puzzleflow/v2".'],
  ],
  [
    'an unknown pipeline',
    () => change('seed: 7', 'pipeline: puzle'),
    ['search.yaml:20:11 unknown-pipeline There is no pipeline "puzle". (did you mean "puzzle"?)'],
  ],
  [
    'plugins where none can be loaded',
    () => change('seed: 7', 'plugins: [./mine]'),
    ['search.yaml:20:1 unknown-plugin Plugins cannot be loaded here.'],
  ],
  [
    'an alias bomb',
    () =>
      change(
        'seed: 7',
        [
          'a: &a [x,x,x,x,x,x,x,x,x]',
          ...'bcdefg'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[i]}`).join(',')}]`),
        ].join('\n'),
      ),
    ['search.yaml:24:8 alias-limit Together, the aliases stand for more than 10000 values.'],
  ],
  [
    'a text that is no YAML',
    () => 'apiVersion: [',
    ['search.yaml:1:14 yaml-syntax Flow sequence in block collection must be sufficiently indented and end with a ].'],
  ],
])('%s is refused at its place', async (_, text, expected) => {
  expect(await problems(text())).toEqual(expected)
})

test('all mistakes are reported at once, in the order of the text', async () => {
  const text = goodSpec
    .replace('name: quickstart', 'name: "no name"')
    .replace('train.jsonl', 'nothing.jsonl')
    .replace('swiglu', 'swigul')
    .replace('"<= 70%"', '80 apples')
    .replace('50k', 'many')
  const found = await problems(`${text}  note: { uses: echo, needs: [nothing] }\n`)
  expect(found.map((line) => line.split(' ')[0] + ' ' + line.split(' ')[1])).toEqual([
    'search.yaml:2:7 wrong-value',
    'search.yaml:5:18 missing-file',
    'search.yaml:11:16 unknown-block',
    'search.yaml:17:13 wrong-unit',
    'search.yaml:22:22 wrong-type',
    'search.yaml:24:31 unknown-stage',
  ])
})

test('a spec that is not there is a diagnostic', async () => {
  const { folder } = await specFolder()
  const file = join(folder, 'nothing.yaml')
  const { diagnostics } = await compileSpec(file, registry)
  expect(diagnostics.map(formatDiagnostic)).toEqual([`${file}:1:1 missing-file There is no file "${file}".`])
})

test('what only the model tells is reported at its place in the spec', async () => {
  const inspect = async () => ({
    problems: [
      {
        path: ['space', 'ffn', 1, 'width', 0],
        code: 'impossible-block',
        message: 'width 99 is impossible.',
        hint: 'use 8',
      },
    ],
    blocks: [],
  })
  expect(await problems(goodSpec, { ...registry, inspect })).toEqual([
    'search.yaml:11:32 impossible-block width 99 is impossible. (use 8)',
  ])
})

test('mistakes in a pipeline are reported in its own file', async () => {
  const text = 'name: broken\nstages:\n  a: { uses: echo, need: [b] }\n  b: { uses: echo, with: { count: x } }\n'
  const broken: Registry = { ...registry, pipeline: () => ({ text, file: 'broken.yaml' }) }
  const spec = 'apiVersion: puzzleflow/v1\nname: x\npipeline: broken\n'
  expect(await problems(spec, broken)).toEqual([
    'broken.yaml:3:20 unknown-key pipeline broken.stages.a has no key "need". (did you mean "needs"?)',
    'broken.yaml:4:35 wrong-type stages.b.count must be a whole number, not "x".',
  ])
})

test('an input with a wrong schema is refused in the pipeline', async () => {
  const spec =
    'apiVersion: puzzleflow/v1\nname: x\ny: 1\npipeline:\n  inputs: { y: { type: nmber } }\n  stages: { echo: {} }\n'
  const [line, ...more] = await problems(spec)
  expect(line).toMatch(/^search\.yaml:5:16 wrong-schema The schema of this input is not a valid JSON Schema: /)
  expect(more).toEqual([])
})

test('a pipeline that takes its inputs from itself is refused', async () => {
  const text = 'inputs: loop\nstages: { echo: {} }\n'
  const loop: Registry = { ...registry, pipeline: () => ({ text, file: 'loop.yaml' }) }
  expect(await problems('apiVersion: puzzleflow/v1\nname: x\npipeline: loop\n', loop)).toEqual([
    'loop.yaml:1:9 unknown-pipeline Pipeline "loop" takes its inputs from itself.',
  ])
})

test('a value of any wrong type anywhere is a diagnostic, never a crash', async () => {
  const paths: string[][] = []
  const walk = (value: unknown, path: string[]): void => {
    if (path.length > 0) paths.push(path)
    if (typeof value === 'object' && value !== null)
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key])
  }
  const good: unknown = parse(goodSpec)
  const own = { inputs: { y: { type: 'number' }, $defs: {} }, stages: { a: { uses: 'echo', needs: ['b'], with: {} } } }
  walk(
    { ...(good as object), pipeline: own, stages: { ...(good as { stages: object }).stages, x: { uses: 'echo' } } },
    [],
  )
  expect(paths.length).toBeGreaterThan(50)
  for (const path of paths)
    for (const wrong of [null, -0.5, '', [], [null], { uses: 3, needs: 4 }]) {
      const changed = structuredClone(good) as Record<string, unknown>
      if (path[0] === 'pipeline') changed.pipeline = structuredClone(own)
      const parent = path.slice(0, -1).reduce((at, key) => (at[key] ??= {}) as Record<string, unknown>, changed)
      parent[path.at(-1)!] = wrong
      const { diagnostics, plan } = await compileText('nowhere/search.yaml', JSON.stringify(changed), registry)
      expect(plan).toBeUndefined() // no file of the spec exists
      expect(diagnostics.length).toBeGreaterThan(0)
    }
})

test.each<[string, () => string]>([
  ['the seed', () => change('seed: 7', "seed: '${{ stages.a.outputs.b }}'")],
  ['an input', () => change('model: ./parent', "model: '${{ stages.a.outputs.b }}'")],
  [
    'a parameter of an added stage outside `with`',
    () => add("  more: { uses: echo, needs: '${{ stages.a.outputs.b }}' }\n"),
  ],
  ['a whole stage', () => add("  more: '${{ stages.a.outputs.b }}'\n")],
  ['how a stage is run', () => `${goodSpec}execution: { distill: { timeout: '\${{ stages.a.outputs.b }}' } }\n`],
  [
    'the stages of a pipeline',
    () => "apiVersion: puzzleflow/v1\nname: x\npipeline: { stages: '${{ stages.a.outputs.b }}' }\n",
  ],
  [
    'the type of a stage of a pipeline',
    () => "apiVersion: puzzleflow/v1\nname: x\npipeline: { stages: { a: { uses: '${{ stages.a.outputs.b }}' } } }\n",
  ],
])('an expression in place of %s is told at its place', async (_, text) => {
  expect(await problems(text())).toContainEqual(
    expect.stringMatching(
      /^search\.yaml:\d+:\d+ misplaced-expression \$\{\{ stages\.a\.outputs\.b \}\} is an expression, which can only stand for a parameter of a stage\.$/,
    ),
  )
})
