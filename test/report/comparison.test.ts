import { expect, test } from 'vitest'
import { compared, figureText, type ComparedRun } from '../../report/comparison.js'
import { comparisonPage } from '../../report/html/comparison.js'
import { activeParts, chartsOf, open, rowsOf, textOf } from './page-text.js'
import { searchReport } from './search-report.js'
import { sweepData } from './sweep-data.js'

const common = {
  parent: { name: 'parent', digest: 'a'.repeat(64) },
  scenario: '{ batch: 16, prefill: 32, generate: 64 }',
  measuredOn: 'd'.repeat(64),
  machine: 'a processor',
  settings: { seed: '1', 'target.limits.throughput': '>= 2x', 'stages.uptrain.tokens': '500000' },
  seconds: 100,
}

/** A search that found a child of this layer 1. */
function search(run: string, attention = 'variant-1', changes: Partial<ComparedRun> = {}): ComparedRun {
  const { result } = searchReport({ text: 'task' })
  const layers = result.child.layers.map((own, layer) => (layer === 1 ? { ...own, attention } : own))
  return {
    ...common,
    run,
    found: { kind: 'search', result: { ...result, child: { ...result.child, layers } } },
    ...changes,
  }
}

const sweep = (run: string): ComparedRun => ({
  ...{ ...common, run, found: { kind: 'sweep', curve: sweepData({ text: 'x' }).sweep } },
  settings: { seed: '1', 'target.limits.throughput': '>= 2x' },
})

const tighter = { ...common.settings, 'target.limits.throughput': '>= 3x' }

test('of runs with the same parent, scenario and data, figures, settings and blocks stand side by side', () => {
  const { cautions, figures, settings, layers } = compared([
    search('first'),
    search('second', 'no-op', { settings: tighter, seconds: 50 }),
  ])
  expect(cautions).toEqual([])
  expect(figures.map(({ name, isComparable }) => [name, isComparable])).toEqual(
    [
      ...['throughput', 'time to the first token', 'time per token', 'memory in the scenario', 'parameters'],
      ...['accuracy kept', 'accuracy, child minus parent', 'perplexity', 'KL to the parent', 'time of all tasks'],
    ].map((name) => [name, true]),
  )
  expect(figures[0]!.values).toEqual([
    { value: 2.175, interval: [2.171, 2.19] },
    { value: 2.175, interval: [2.171, 2.19] },
  ])
  expect(figures.find(({ unit }) => unit === 'points')!.values[0]).toMatchObject({ stderr: 0.004 })
  expect(figures.at(-1)!.values).toEqual([{ value: 100 }, { value: 50 }])
  expect(settings).toEqual([{ setting: 'target.limits.throughput', values: ['>= 2x', '>= 3x'] }])
  expect(layers).toEqual([{ layer: 1, slot: 'attention', values: ['variant-1', 'no-op'] }])
})

test.each([
  [
    'parents',
    { parent: { name: 'other', digest: 'b'.repeat(64) } },
    'The parents differ (first: parent, aaaaaaaa; second: other, bbbbbbbb).',
    ['time of all tasks'],
  ],
  [
    'scenarios',
    { scenario: '{ batch: 1 }' },
    'The scenarios differ',
    [
      ...['parameters', 'accuracy kept', 'accuracy, child minus parent', 'perplexity', 'KL to the parent'],
      'time of all tasks',
    ],
  ],
  [
    'test data',
    { measuredOn: 'e'.repeat(64) },
    'Quality was measured on different text or tasks',
    [
      ...['throughput', 'time to the first token', 'time per token', 'memory in the scenario', 'parameters'],
      'time of all tasks',
    ],
  ],
] as const)('runs with other %s say that they do not compare, and share no chart', (_, other, caution, comparable) => {
  const runs = [search('first'), search('second', 'no-op', other)]
  const { cautions, figures } = compared(runs)
  expect(cautions).toHaveLength(1)
  expect(cautions[0]).toContain(caution)
  expect(figures.flatMap(({ name, isComparable }) => (isComparable ? [name] : []))).toEqual(comparable)
  const document = open(comparisonPage(runs))
  expect(chartsOf(document)).toEqual([])
  expect(textOf(document.querySelector('li.bad'))).toContain(caution)
})

test('blocks of children of different parents are not compared', () => {
  const other = search('second', 'no-op', { parent: { name: 'other', digest: 'b' } })
  expect(compared([search('first'), other])).not.toHaveProperty('layers')
})

test('another machine is told, though ratios compare', () => {
  const { cautions, sharesAxes } = compared([search('first'), search('second', 'no-op', { machine: 'another' })])
  expect(cautions).toEqual([
    'Costs were measured on different machines (first: a processor; second: another): a child may be fast on one of them only.',
  ])
  expect(sharesAxes).toBe(true)
})

test('a sweep beside a search has no child’s figures, and lacks no stage’s settings', () => {
  const { figures, settings, runs } = compared([search('first'), sweep('second')])
  expect(runs.map(({ kind, verdict }) => [kind, verdict])).toEqual([
    ['search', 'no acceptable child'],
    ['sweep', null],
  ])
  expect(figures[0]!.values[1]).toBeNull()
  expect(settings).toEqual([])
  expect(compared([sweep('first'), sweep('second')]).figures).toEqual([])
})

test('figures are told with what is known of their errors', () => {
  expect(figureText('ratio', { value: 2.30515, interval: [2.2004, 2.4366] })).toBe('2.305x (2.2 to 2.437)')
  expect(figureText('points', { value: -0.00622, stderr: 0.0025 })).toBe('-0.62 ± 0.25 points')
  expect(figureText('share', { value: 0.36913 })).toBe('36.91 %')
  expect(figureText('nats', null)).toBe('–')
})

test('the page has one chart with the children of all runs, and what differs', () => {
  const document = open(
    comparisonPage([search('first'), search('second', 'no-op', { settings: tighter }), sweep('third')]),
  )
  expect(textOf(document.querySelector('h1'))).toBe('Comparison of 3 runs')
  expect(chartsOf(document)).toEqual(['KL against throughput, by run'])
  const titles = [...document.querySelectorAll('svg title')].map(textOf)
  expect(titles).toContain('second, its child: KL 0.01235, 2.175x')
  expect(titles).toContain('third, throughput >= 2x of the parent: KL 0.06, 2.02x')
  expect(rowsOf(document)).toEqual(
    expect.arrayContaining([
      'throughput, times the parent’s|2.175x (2.171 to 2.19)|2.175x (2.171 to 2.19)|–',
      'target.limits.throughput|>= 2x|>= 3x|>= 2x',
      '1|attention|variant-1|no-op|–',
    ]),
  )
})

test('text from outside is never markup on the page of a comparison', () => {
  const text = `</title></style></script>"'><script>alert(1)</script><img src=x onerror=alert(1)>`
  const strange = search(text, text, {
    ...{ parent: { name: text, digest: text }, scenario: text, machine: text, measuredOn: text },
    settings: { [text]: text },
  })
  const document = open(comparisonPage([search('first'), strange]))
  expect(activeParts(document)).toEqual([])
  expect(textOf(document.querySelector('main'))).toContain(text)
})

test('a comparison of children of 80 layers has less than 3 MB', () => {
  const large = (run: string, variants: number): ComparedRun => ({
    ...search(run),
    found: { kind: 'search', result: searchReport({ layers: 80, variants }).result },
  })
  expect(comparisonPage([large('a', 54), large('b', 53), large('c', 52)]).length).toBeLessThan(3e6)
})
