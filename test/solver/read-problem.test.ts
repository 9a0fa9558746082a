import { expect, test } from 'vitest'
import { Failure } from '../../plugins/api/failure.js'
import { readProblem } from '../../solver/read-problem.js'
import { solve } from '../../solver/solve.js'

const good = () => ({
  layers: [0, 1].map(() => ({
    options: [
      { id: 'parent', score: 0, costs: { memory: 10 } },
      { id: 'half', score: 0.1, costs: { memory: 5 } },
    ],
  })),
  limits: [{ cost: 'memory', max: 15 }],
})

function mistakes(data: unknown): string[] {
  try {
    readProblem(data)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    expect(error.kind).toBe('InvalidInput')
    expect(error.remedy).toContain('problem.schema.json')
    const [head, ...rest] = error.message.split('\n')
    expect(head).toBe('The problem is invalid.')
    return rest
  }
  return []
}

/** The good problem with the value at a path replaced, or removed when it is undefined. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const problem = good()
  const parent = path.slice(0, -1).reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], problem)
  const last = path.at(-1)!
  if (value === undefined) delete (parent as Record<string, unknown>)[last]
  else (parent as Record<string, unknown>)[last] = value
  return problem
}

test('a good problem is taken as it is', () => {
  const problem = good()
  expect(readProblem(problem)).toBe(problem)
})

test.each([NaN, Infinity, -Infinity])('a score of %s is refused, naming layer and option', (value) => {
  expect(mistakes(changed(['layers', 1, 'options', 1, 'score'], value))).toEqual([
    `layers[1].options[1].score (layer 1, option "half"): must be a finite number, not ${value}.`,
  ])
})

test('a cost or limit that is no finite number is refused by its path', () => {
  const costs = changed(['layers', 0, 'options', 1, 'costs', 'peak memory'], NaN)
  expect(mistakes(costs)).toEqual([
    'layers[0].options[1].costs["peak memory"] (layer 0, option "half"): must be a finite number, not NaN.',
  ])
  expect(mistakes(changed(['limits', 0, 'max'], Infinity))).toEqual([
    'limits[0].max: must be a finite number, not Infinity.',
  ])
  expect(mistakes(changed(['limits', 0, 'max'], null))).toEqual(['limits[0].max: must be a finite number, not null.'])
})

test('a limit on a cost that an option lacks is refused', () => {
  expect(mistakes(changed(['layers', 1, 'options', 0, 'costs', 'memory'], undefined))).toEqual([
    'layers[1].options[0].costs (layer 1, option "parent"): the cost "memory" is missing, and a limit is set on it.',
  ])
})

test('two options of a layer with one id are refused', () => {
  expect(mistakes(changed(['layers', 0, 'options', 1, 'id'], 'parent'))).toEqual([
    'layers[0].options[1].id (layer 0, option "parent"): the id is that of option 0 too.',
  ])
})

test('keys that are unknown or missing are named', () => {
  expect(mistakes(changed(['limit'], []))).toEqual(['The problem: there is no key "limit".'])
  expect(mistakes(changed(['layers', 0, 'options', 0, 'score'], undefined))).toEqual([
    'layers[0].options[0] (layer 0, option "parent"): "score" is missing.',
  ])
  expect(mistakes({})).toEqual(['The problem: "layers" is missing.'])
})

test('values of the wrong kind or range are named', () => {
  expect(mistakes([])).toEqual(['The problem: must be an object, not a list of 0.'])
  expect(mistakes({ layers: [] })).toEqual(['layers: must NOT have fewer than 1 items, not a list of 0.'])
  expect(mistakes(changed(['solutions'], 0))).toEqual(['solutions: must be >= 1, not 0.'])
  expect(mistakes(changed(['layers', 0, 'options', 0, 'score'], '0'))).toEqual([
    'layers[0].options[0].score (layer 0, option "parent"): must be a finite number, not "0".',
  ])
  expect(mistakes(changed(['layers', 0, 'options', 0, 'span'], 0))).toEqual([
    'layers[0].options[0].span (layer 0, option "parent"): must be >= 1, not 0.',
  ])
  expect(mistakes(changed(['layers', 0, 'options', 0, 'score'], 1e300))).toEqual([
    'layers[0].options[0].score (layer 0, option "parent"): 1e+300 is too large (at most 1e+150).',
  ])
})

test('a span that does not fit is refused, and one that does is taken', () => {
  expect(mistakes(changed(['layers', 0, 'options', 0, 'span'], 2))).toEqual([])
  expect(mistakes(changed(['layers', 1, 'options', 0, 'span'], 2))).toEqual([
    'layers[1].options[0].span (layer 1, option "parent"): 2 layers do not fit; from here on there is 1.',
  ])
})

test.each([
  [[{ layer: 2, option: 'parent' }], 'there is no layer 2; the last is 1.'],
  [[{ layer: 1, option: 'third' }], 'layer 1 has no option "third".'],
  [[{ layer: 0, option: 'half' }], 'two options of one layer cannot be chosen together.'],
])('a requirement that names nothing or cannot be is refused', (requires, message) => {
  expect(mistakes(changed(['layers', 0, 'options', 0, 'requires'], requires))).toEqual([
    `layers[0].options[0].requires[0] (layer 0, option "parent"): ${message}`,
  ])
})

test('a run cannot require an option of a layer that it covers', () => {
  const option = { id: 'run', score: 0, costs: { memory: 1 }, span: 2, requires: [{ layer: 1, option: 'half' }] }
  expect(mistakes(changed(['layers', 0, 'options', 0], option))).toEqual([
    'layers[0].options[0].requires[0] (layer 0, option "run"): layer 1 is covered by this option itself.',
  ])
})

test('options that require each other are a problem like others', () => {
  const problem = good()
  const tied = problem.layers.map(({ options }, i) => ({
    options: [{ ...options[0]!, requires: [{ layer: 1 - i, option: 'parent' }] }, options[1]!],
  }))
  expect(mistakes({ ...problem, layers: tied })).toEqual([])
})

test('many mistakes are counted, not all listed', () => {
  const layers = Array.from({ length: 9 }, () => ({ options: [{ id: 'a', score: NaN, costs: {} }] }))
  const found = mistakes({ layers })
  expect(found).toHaveLength(6)
  expect(found.at(-1)).toBe('… and 4 more.')
})

test('solve refuses what is no problem before it starts a thread', async () => {
  const problem = good()
  problem.layers[0]!.options[0]!.score = NaN
  await expect(solve(problem)).rejects.toThrow(/layers\[0\]\.options\[0\]\.score \(layer 0, option "parent"\)/)
})
