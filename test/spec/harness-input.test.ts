import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { specRegistry } from '../../cli/spec-registry.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { compileText } from '../../spec/plan.js'
import { goodSpec, specFolder } from './good-spec.js'

// What the model says of itself is not looked at here.
const registry = { ...specRegistry(), inspect: async () => ({ problems: [], blocks: [] }) }

let folder: string
beforeEach(async () => {
  folder = (await specFolder(goodSpec)).folder
  await mkdir(join(folder, 'harness/data'), { recursive: true })
  await write('parent/model.safetensors', '')
  await write('tasks/tasks.json', '{"add":{}}')
  await write('harness/base.yaml', 'dataset_path: json\noutput_type: loglikelihood\ndoc_to_target: a\n')
  await write(
    'harness/own.yaml',
    'include: base.yaml\ntask: own\ndoc_to_text: q\ntest_split: test\ndataset_kwargs: {data_files: {test: data/a.jsonl}}\n',
  )
  await write('harness/data/a.jsonl', '{"q": "w1", "a": " w2"}\n')
})
const write = (name: string, text: string) => writeFile(join(folder, name), text)

async function compile(tasks: string) {
  const text = goodSpec.replace(/^stages:[^]*$/m, '').replace('tasks: ./tasks', `tasks: ${tasks}`)
  expect(text).toContain(`tasks: ${tasks}`)
  const { diagnostics, plan } = await compileText(join(folder, 's.yaml'), text, registry)
  return {
    plan,
    lines: diagnostics.map((found) =>
      formatDiagnostic(found)
        .replaceAll(`${folder}/`, '')
        .replace(/^s.yaml:\d+:/, ''),
    ),
  }
}
const digestOf = async () =>
  (await compile('[./tasks, { harness: harness/own.yaml }]')).plan!.inputDigests['tasks.1.harness']

test('a list of tasks has paths, and digests by their places', async () => {
  const { plan } = await compile('[./tasks, { harness: harness/own.yaml, metric: acc }]')
  expect(plan!.inputs.tasks).toEqual([
    join(folder, 'tasks'),
    { harness: join(folder, 'harness/own.yaml'), metric: 'acc' },
  ])
  expect(Object.keys(plan!.inputDigests).filter((name) => name.startsWith('tasks'))).toEqual([
    'tasks.0',
    'tasks.1.harness',
  ])
})

test.each([
  ['its YAML', 'harness/own.yaml', true],
  ['what it includes', 'harness/base.yaml', true],
  ['its data', 'harness/data/a.jsonl', true],
  ['what lies beside it', 'harness/data/b.jsonl', false],
])('of %s the key of a task of the harness depends', async (_, name, depends) => {
  const before = await digestOf()
  const text = await readFile(join(folder, name), 'utf8').catch(() => '')
  await write(name, `${text}\n`)
  expect((await digestOf()) !== before).toBe(depends)
})

test.each<readonly [tasks: string, line: string]>([
  [
    './harness/own.yaml',
    '8 wrong-file "./harness/own.yaml" is a file; it must be a folder. (for a task of lm-evaluation-harness, write `tasks: [{ harness: ./harness/own.yaml }]`)',
  ],
  [
    './harness',
    '8 bad-tasks The folder "./harness" has no tasks.json. (for a task of lm-evaluation-harness, write `tasks: [{ harness: ./harness/base.yaml }]`)',
  ],
  [
    '[{ harness: ./harness }]',
    '20 wrong-file "./harness" is a folder; it must be a file. (it has base.yaml, own.yaml)',
  ],
  [
    '[{ harness: ./harness/owl.yaml }]',
    '20 missing-file There is no file "./harness/owl.yaml". (did you mean "own.yaml"?)',
  ],
  ['[{ harnes: ./harness/own.yaml }]', '9 missing-key tasks.0 lacks the key "harness".'],
  ['[]', '8 wrong-value tasks must NOT have fewer than 1 items.'],
])('%s is told for what it is', async (tasks, line) => {
  expect((await compile(tasks)).lines).toEqual([line])
})
