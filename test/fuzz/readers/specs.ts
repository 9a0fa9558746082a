import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { openHarness, readHarness } from '../../../data/harness/read.js'
import { Failure } from '../../../errors/failure.js'
import type { Tokenizer } from '../../../model/index.js'
import { formatDiagnostic, type Diagnostic } from '../../../spec/diagnostics.js'
import { readDocument } from '../../../spec/document.js'
import { explainExpression, parseExpression, resolveExpressions } from '../../../spec/expressions.js'
import { compileText } from '../../../spec/plan.js'
import { packageRoot } from '../../../store/paths.js'
import { goodSpec } from '../../spec/good-spec.js'
import { registry } from '../../spec/registry.js'
import type { Choices } from '../choices.js'
import { changedText } from '../mutate-text.js'
import { agree, holds, WrongAcceptance, type Files, type Reader } from '../reader.js'

const quickstart = readFileSync(join(packageRoot(), 'examples/quickstart/search.yaml'), 'utf8')
const yaml = [
  quickstart,
  goodSpec,
  'a: &x { b: [1, 2.5, .inf, ~, true, 0x1f, "q"] }\nc: *x\nd: |\n  text\n  more\n? e\n: f\n',
  'a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n',
  "'k': >-\n  folded\n\n  text\nlist:\n- a\n-  - b\n   - {c: d, e: [f, g]}\nn: [0o17, -0, 1e3, 1_000, 08, '']\n",
]

/** YAML that floods, nests or repeats, and changed texts. */
function yamlText(c: Choices): string {
  const many = c.size(2000)
  return c.of<() => string>([
    () => changedText(c.of(yaml), c),
    () => changedText(c.of(yaml), c),
    () => changedText(c.of(yaml), c),
    () => `a: ${'['.repeat(many)}${c.chance(0.5) ? ']'.repeat(many) : ''}\n`,
    () => Array.from({ length: c.size(80) }, (_, i) => `${' '.repeat(i)}k${i}:\n`).join(''),
    () =>
      `a0: &a0 [x]\n${Array.from({ length: c.size(30) }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]\n`).join('')}`,
    () => `a: &a\n  b: *a\n  <<: *a\n  ${c.of(['__proto__', 'constructor', 'toString'])}: { polluted: true }\n`,
    () =>
      `${c.of(['!!set', '!!omap', '!!binary', '!!timestamp', '!!merge', '!x', '!<tag:yaml.org,2002:js/function>', '!!float', '!!str'])} a: b\nc: !!int "1"\n`,
    () => `a: ${c.of(['"', "'", '|', '>', '? ', '- ', '# ', '& ', '!'])}${'x '.repeat(many)}\n`,
  ])()
}

const refused = (diagnostics: readonly Diagnostic[]): Failure =>
  new Failure('InvalidInput', diagnostics.slice(0, 5).map(formatDiagnostic).join('\n'))

const harness = `task: fuzz
dataset_path: json
dataset_kwargs: { data_files: { test: data.jsonl, train: data.jsonl } }
test_split: test
fewshot_split: train
num_fewshot: 1
output_type: multiple_choice
doc_to_text: "{{question}} {{ choices | join(', ') }}"
doc_to_choice: choices
doc_to_target: answer
target_delimiter: " "
metric_list: [{ metric: acc, aggregation: mean, higher_is_better: true }]
`
const generation = `task: fuzz
dataset_path: json
dataset_kwargs: { data_files: data.jsonl }
test_split: train
output_type: generate_until
doc_to_text: "{{question|upper}}: "
doc_to_target: "{{answer}}"
generation_kwargs: { until: ["\\n"], max_gen_toks: 8 }
filter_list: [{ name: a, filter: [{ function: regex, regex_pattern: "(\\\\d+)" }, { function: take_first }] }]
metric_list: [{ metric: exact_match, ignore_case: true, regexes_to_ignore: ["[a-z]+"] }]
`
const docs = '{"question":"1+1","choices":["2","3"],"answer":0}\n{"question":"2+1","choices":["2","3"],"answer":1}\n'

/** Readers of specs and what they may hold. */
export const specReaders = (files: Files, tokenizer: Tokenizer): readonly Reader[] => [
  {
    name: 'YAML',
    make(c) {
      const text = yamlText(c)
      return {
        bytes: Buffer.byteLength(text),
        read() {
          const { data, diagnostics, unreadable } = readDocument('spec.yaml', text)
          for (const { line, column } of diagnostics) holds(line >= 1 && column >= 1, 'a mistake has a place')
          if (diagnostics.length > 0) throw refused(diagnostics)
          holds(!unreadable, 'what cannot be read has a mistake')
          const second: unknown = parseDocument(text, {
            version: '1.2',
            schema: 'core',
            merge: false,
            logLevel: 'silent',
          }).toJS({ maxAliasCount: -1 })
          agree(data, second, 'the values of the YAML library')
        },
      }
    },
  },
  {
    name: 'specs',
    make(c) {
      const { path } = files.write('specs/search.yaml', '')
      files.write('specs/parent/config.json', '{}')
      files.write('specs/data/train.jsonl', '{"text":"a"}\n')
      files.write('specs/data/validate.jsonl', '{"text":"b"}\n')
      files.write('specs/tasks/add.jsonl', '{"prompt":"1+1=","answer":"2"}\n')
      // Not paths, whose files would be read.
      const at = goodSpec.indexOf(c.of(['space:', 'target:', 'seed:', 'stages:']))
      const text = goodSpec.slice(0, at) + changedText(goodSpec.slice(at), c).replaceAll(/tasks:.*/g, 'tasks: ./tasks')
      return {
        bytes: text.length,
        async read() {
          const { diagnostics, plan } = await compileText(path, text, registry)
          holds(
            (plan === undefined) === diagnostics.some(({ severity }) => severity === undefined),
            'a plan, or mistakes',
          )
          if (!plan) throw refused(diagnostics)
          holds(/^[0-9a-f]{64}$/.test(plan.digest), 'a digest')
          holds(/^[\w.-]+$/.test(plan.name) && !plan.name.includes('..'), `the name ${plan.name} stands in paths`)
          const again = await compileText(path, text, registry)
          agree(again.plan, plan, 'the same spec again')
        },
      }
    },
  },
  {
    name: 'expressions',
    make(c) {
      const whole = '${{ stages.solve.outputs.values.a-b.0 }}'
      const text = c.of([
        changedText(whole, c).slice(0, 20_000),
        `\${{ stages.${c.of(['solve', '__proto__', 'constructor', 'toString'])}.outputs.${c.of(['files.a.b', 'constructor.name', '__proto__.x', 'values.a-b.length', 'values.a-b'])} }}`,
        `\${{${' '.repeat(c.size(20_000))}stages.solve.outputs${'.a'.repeat(c.size(5000))}${c.of(['', '}', ' }}', '}} '])}`,
      ])
      return {
        bytes: text.length,
        read() {
          const parsed = parseExpression(text)
          if (!parsed) throw new Failure('InvalidInput', explainExpression(text).hint)
          agree(
            parseExpression(`\${{ stages.${parsed.stage}.outputs.${parsed.path.join('.')} }}`),
            parsed,
            'written again',
          )
          const outputs = { solve: { values: { values: { 'a-b': [1] } }, files: {} } }
          const { value } = resolveExpressions({ value: text }, outputs)
          if (typeof value === 'function') throw new WrongAcceptance('an expression leads to code')
        },
      }
    },
  },
  {
    name: 'tasks of lm-evaluation-harness',
    make(c) {
      const base = c.of([harness, generation])
      const text = changedText(base, c)
      const { path, bytes } = files.write('harness/task.yaml', text)
      files.write('harness/data.jsonl', docs)
      return {
        bytes: bytes + docs.length,
        async read() {
          const task = await openHarness(path)
          // What the YAML names as data must be its neighbours: other files are not read here.
          const named = [...task.splits.values()].flat()
          if (!named.every((file) => file.startsWith(files.path('harness'))))
            throw new Failure('InvalidInput', 'other data')
          const { items } = await readHarness(task, { tokenizer, positions: 2048 }, 10)
          holds(items.length > 0 && items.length <= 10, `${items.length} items`)
        },
      }
    },
  },
]
