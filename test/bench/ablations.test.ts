import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'

interface Estimate {
  readonly value: number
  readonly stderr: number
}
interface Figures {
  readonly kl: readonly number[]
  readonly tasks: Readonly<Record<string, { readonly metric: string; readonly values: readonly number[] }>>
}
interface Claim {
  readonly better: string
  readonly worse: string
  readonly when: 'before' | 'after'
  readonly measure: 'kl' | 'accuracy'
  readonly paper: string
}
interface Child {
  readonly seed: number
  readonly before: Figures
  readonly after?: Figures
  readonly objective: number
  readonly speed: number
}
type Arms = Readonly<Record<string, readonly Child[] | { readonly reason: string } | undefined>>

const load = async <T>(name: string) =>
  (await import(pathToFileURL(join(packageRoot(), 'bench/ablations', `${name}.mjs`)).href)) as T
const { verdict, judge, advantage, accuracyOf, klOf, pooled } = await load<{
  readonly verdict: (difference: Estimate) => string
  readonly judge: (claim: Claim, arms: Arms) => { verdict: string; difference?: Estimate; note?: string }
  readonly advantage: (a: Figures, b: Figures) => Record<'kl' | 'accuracy', Estimate>
  readonly accuracyOf: (figures: Figures) => Estimate
  readonly klOf: (figures: Figures) => Estimate
  readonly pooled: (estimates: readonly Estimate[]) => Estimate
}>('figures')
const { tableText } = await load<{ readonly tableText: (table: object, results: readonly object[]) => string }>(
  'document',
)
const { tables, tableNames } = await load<{
  tables: readonly { name: string; arms: readonly { name: string }[]; together?: { name: string }; claims: Claim[] }[]
  tableNames: readonly string[]
}>('tables')

/** A model that answers so many of 100 items right in each of two tasks, the same ones first. */
const figures = (right: number, kl: readonly number[]): Figures => ({
  kl,
  tasks: Object.fromEntries(
    ['add', 'copy'].map((name) => [
      name,
      { metric: 'acc', values: Array.from({ length: 100 }, (_, i) => (i < right ? 1 : 0)) },
    ]),
  ),
})
const child = (right: number, kl: readonly number[], seed = 1): Child => ({
  seed,
  before: figures(right - 20, kl),
  after: figures(right, kl),
  objective: 0.5,
  speed: 2.3,
})

const notTrained = ({ seed, before, objective, speed }: Child): Child => ({ seed, before, objective, speed })

describe('figures', () => {
  test('an accuracy is the mean over tasks, with the standard error of the items', () => {
    const { value, stderr } = accuracyOf(figures(80, []))
    expect(value).toBeCloseTo(0.8, 12)
    // Of one task: sqrt(0.8 * 0.2 / 99).
    expect(stderr).toBeCloseTo(Math.sqrt((0.8 * 0.2) / 99 / 2), 12)
  })

  test('a KL has the standard error between groups of sequences', () => {
    expect(klOf(figures(0, [1, 2, 3]))).toEqual({ value: 2, stderr: Math.sqrt(1 / 3) })
  })

  test('the better model has more accuracy and less KL, compared item by item and text by text', () => {
    const better = advantage(figures(90, [1, 2, 3]), figures(80, [1.1, 2.1, 3.1]))
    expect(better.accuracy.value).toBeCloseTo(0.1, 12)
    // Ten of a hundred items differ: far less than the noise of two accuracies side by side.
    expect(better.accuracy.stderr).toBeCloseTo(Math.sqrt((0.1 * 0.9) / 99 / 2), 12)
    expect(better.kl.value).toBeCloseTo(0.1, 12)
    expect(better.kl.stderr).toBeLessThan(1e-12)
    expect(advantage(figures(80, [2]), figures(90, [1])).accuracy.value).toBeCloseTo(-0.1, 12)
  })

  test('several seeds have the error between them if it is the larger', () => {
    const alike = [
      { value: 1, stderr: 0.3 },
      { value: 1, stderr: 0.4 },
    ]
    expect(pooled(alike)).toEqual({ value: 1, stderr: 0.25 })
    expect(pooled([1, 3].map((value) => ({ value, stderr: 0.1 })))).toEqual({ value: 2, stderr: 1 })
  })
})

describe('verdicts', () => {
  test.each([
    [0.1, 0.04, 'holds'],
    [-0.1, 0.04, 'does not hold'],
    [0.1, 0.06, 'within noise'],
    [-0.1, 0.06, 'within noise'],
    [0, 0, 'within noise'],
  ])('a difference of %d ± %d: %s', (value, stderr, expected) => {
    expect(verdict({ value, stderr })).toBe(expected)
  })

  const claim: Claim = { better: 'a', worse: 'b', when: 'after', measure: 'accuracy', paper: '' }
  test('come from the point and the measure that a claim is about', () => {
    const arms = { a: [child(90, [3, 3.1, 3])], b: [child(60, [1, 1, 1.1])] }
    expect(judge(claim, arms).verdict).toBe('holds')
    expect(judge({ ...claim, better: 'b', worse: 'a' }, arms).verdict).toBe('does not hold')
    expect(judge({ ...claim, measure: 'kl' }, arms).verdict).toBe('does not hold')
    const same = {
      a: [{ ...child(90, [1]), before: figures(50, [1]) }],
      b: [{ ...child(60, [1]), before: figures(50, [1]) }],
    }
    expect(judge({ ...claim, when: 'before' }, same).verdict).toBe('within noise')
  })

  test('one child is compared with each of several', () => {
    const { difference } = judge(claim, { a: [child(90, [1])], b: [child(60, [1]), child(80, [1])] })
    expect(difference!.value).toBeCloseTo(0.2, 12)
    expect(difference!.stderr).toBeCloseTo(0.1, 12)
  })

  test('arms that chose the same child are said to have', () => {
    const arms = { a: [child(90, [1, 2])], b: [child(90, [1, 2])] }
    expect(judge(claim, arms)).toEqual({ verdict: 'within noise', note: 'the same child' })
  })

  test('children are compared with those of their seed', () => {
    const arms = { a: [child(90, [1]), child(60, [1], 2)], b: [child(80, [1]), child(50, [1], 2)] }
    expect(judge(claim, arms).difference!.value).toBeCloseTo(0.1, 12)
    expect(judge(claim, arms).difference!.stderr).toBeLessThan(0.05)
  })

  test('children that are not uptrained yet say nothing about what comes after', () => {
    const untrained = notTrained(child(60, [1]))
    expect(judge(claim, { a: [child(90, [1])], b: [untrained] }).verdict).toBe('not run')
    expect(judge(claim, { a: [child(90, [1])], b: [untrained, child(70, [1])] }).difference!.value).toBeCloseTo(0.2, 12)
    expect(judge({ ...claim, when: 'before' }, { a: [child(90, [1])], b: [untrained] }).verdict).toBe('holds')
  })

  test('an arm that has not run decides nothing; a method without a child loses', () => {
    expect(judge(claim, { a: [child(90, [1])] }).verdict).toBe('not run')
    const none = { reason: 'its selection exceeds a limit' }
    expect(judge(claim, { a: [child(90, [1])], b: none })).toEqual({
      verdict: 'holds',
      note: 'no child of b: its selection exceeds a limit',
    })
    expect(judge(claim, { a: none, b: [child(90, [1])] }).verdict).toBe('does not hold')
  })
})

test('a table has its arms, those drawn at random as one, and a verdict for each claim', () => {
  const table = {
    title: 'Title',
    text: 'Text.',
    arms: [
      { name: 'reference', label: 'MIP' },
      { name: 'greedy' },
      { name: 'late' },
      { name: 'random 1' },
      { name: 'random 2' },
      { name: 'random 3' },
    ],
    together: { name: 'random', arms: ['random 1', 'random 2', 'random 3'] },
    claims: [
      { better: 'reference', worse: 'random', when: 'after', measure: 'accuracy', paper: '84.30, 74.01' },
      { better: 'reference', worse: 'greedy', when: 'before', measure: 'kl', paper: '' },
      { better: 'late', worse: 'greedy', when: 'before', measure: 'kl', paper: '' },
    ],
  }
  const results = [
    {
      reference: child(90, [1, 1.2, 1.4]),
      greedy: { reason: 'its selection exceeds a limit' },
      'random 1': child(60, [2, 2.2, 2.4]),
      'random 2': child(70, [2, 2.2, 2.4]),
      'random 3': notTrained(child(80, [2, 2.2, 2.4])),
    },
  ]
  const lines = tableText(table, results).split('\n')
  expect(lines.filter((line) => line.startsWith('| '))).toEqual([
    '| arm | speed | sum of scores | KL before | accuracy before | KL after | accuracy after | to the first |',
    '| --- | --: | --: | --: | --: | --: | --: | --: |',
    '| MIP | 2.30x | 0.500 | 1.20 ± 0.1 | 70.0 ± 3.3 | 1.20 ± 0.1 | 90.0 ± 2.1 |  |',
    '| greedy | no child: its selection exceeds a limit |  |  |  |  |  |  |',
    '| late | not run |  |  |  |  |  |  |',
    '| random (mean of 3, 2 uptrained) | 2.30x | 0.500 | 2.20 ± 0.07 | 50.0 ± 5.8 | 2.20 ± 0.08 | 65.0 ± 5.0 | -25.0 ± 5.0 |',
    '| ordering | uptraining | measure | in the paper | here, by how much | verdict |',
    '| --- | --- | --- | --- | --: | --- |',
    '| MIP over random | after | accuracy | 84.30, 74.01 | 25.0 ± 5.0 points | holds |',
    '| MIP over greedy | before | KL |  | no child of greedy: its selection exceeds a limit | holds |',
    '| late over greedy | before | KL |  |  | not run |',
  ])
  expect(lines.at(-2)).toBe('Of 3 orderings, holds: 2, not run: 1.')
})

test('every claim is about arms of its table', () => {
  for (const { name, arms, together, claims } of tables)
    for (const { better, worse } of claims)
      for (const arm of [better, worse])
        expect([name, arm, arms.some((own) => own.name === arm) || together?.name === arm]).toEqual([name, arm, true])
})

describe('npm run ablations', () => {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>
  }
  const run = (...args: string[]) => {
    const [program, ...rest] = scripts.ablations!.split(' ')
    expect(program).toBe('node')
    return spawnSync(process.execPath, [...rest, ...args], { cwd: packageRoot(), encoding: 'utf8' })
  }

  test.each([
    [['--only', 'gkd,serch'], `--only: there is no table "serch". There are: ${tableNames.join(', ')}.`],
    [['--seeds', '1,two'], '--seeds: "two" is not a whole number of at least 0.'],
    [['--quik'], "Unknown option '--quik'"],
  ])('refuses %j before any work, with exit code 2', (args, message) => {
    const { status, stderr, stdout } = run(...args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).toContain('npm run ablations --')
    expect(stdout).toBe('')
  })
})
