import { expect, test } from 'vitest'
import { Failure } from '../../errors/failure.js'
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

/** The valid problem with the value at a path replaced, or removed if it is undefined. */
function changed(path: readonly (string | number)[], value: unknown): unknown {
  const problem = good()
  const parent = path.slice(0, -1).reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], problem)
  const last = path.at(-1)!
  if (value === undefined) delete (parent as Record<string, unknown>)[last]
  else (parent as Record<string, unknown>)[last] = value
  return problem
}

test('a valid problem is returned unchanged', () => {
  const problem = good()
  expect(readProblem(problem)).toBe(problem)
})

test.each([NaN, Infinity, -Infinity])('a score of %s is rejected with its layer and option', (value) => {
  expect(mistakes(changed(['layers', 1, 'options', 1, 'score'], value))).toEqual([
    `layers[1].options[1].score (layer 1, option "half"): must be a finite number, not ${value}.`,
  ])
})

test('a cost or limit that is not a finite number is rejected with its path', () => {
  const costs = changed(['layers', 0, 'options', 1, 'costs', 'peak memory'], NaN)
  expect(mistakes(costs)).toEqual([
    'layers[0].options[1].costs["peak memory"] (layer 0, option "half"): must be a finite number, not NaN.',
  ])
  expect(mistakes(changed(['limits', 0, 'max'], Infinity))).toEqual([
    'limits[0].max: must be a finite number, not Infinity.',
  ])
  expect(mistakes(changed(['limits', 0, 'max'], null))).toEqual(['limits[0].max: must be a finite number, not null.'])
})

test('a limit on a cost that an option lacks is rejected', () => {
  expect(mistakes(changed(['layers', 1, 'options', 0, 'costs', 'memory'], undefined))).toEqual([
    'layers[1].options[0].costs (layer 1, option "parent"): the cost "memory" is missing, but a limit applies to it.',
  ])
})

test('two options of a layer with the same id are rejected', () => {
  expect(mistakes(changed(['layers', 0, 'options', 1, 'id'], 'parent'))).toEqual([
    'layers[0].options[1].id (layer 0, option "parent"): option 0 has the same id.',
  ])
})

test('unknown and missing keys are named', () => {
  expect(mistakes(changed(['limit'], []))).toEqual(['The problem: the key "limit" is unknown.'])
  expect(mistakes(changed(['layers', 0, 'options', 0, 'score'], undefined))).toEqual([
    'layers[0].options[0] (layer 0, option "parent"): "score" is missing.',
  ])
  expect(mistakes({})).toEqual(['The problem: "layers" is missing.'])
})

test('values of the wrong type or out of range are named', () => {
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

test('a span is accepted if it fits and rejected otherwise', () => {
  expect(mistakes(changed(['layers', 0, 'options', 0, 'span'], 2))).toEqual([])
  expect(mistakes(changed(['layers', 1, 'options', 0, 'span'], 2))).toEqual([
    'layers[1].options[0].span (layer 1, option "parent"): a run of 2 layers does not fit; only 1 layer is left here.',
  ])
})

test.each([
  [[{ layer: 2, option: 'parent' }], 'there is no layer 2; the last is 1.'],
  [[{ layer: 1, option: 'third' }], 'layer 1 has no option "third".'],
  [[{ layer: 0, option: 'half' }], 'two options of the same layer cannot be chosen together.'],
])('a requirement that cannot be met is rejected: %j', (requires, message) => {
  expect(mistakes(changed(['layers', 0, 'options', 0, 'requires'], requires))).toEqual([
    `layers[0].options[0].requires[0] (layer 0, option "parent"): ${message}`,
  ])
})

test('a run that requires an option of a layer it covers is rejected', () => {
  const option = { id: 'run', score: 0, costs: { memory: 1 }, span: 2, requires: [{ layer: 1, option: 'half' }] }
  expect(mistakes(changed(['layers', 0, 'options', 0], option))).toEqual([
    'layers[0].options[0].requires[0] (layer 0, option "run"): this option already covers layer 1.',
  ])
})

test('options may require each other', () => {
  const problem = good()
  const tied = problem.layers.map(({ options }, i) => ({
    options: [{ ...options[0]!, requires: [{ layer: 1 - i, option: 'parent' }] }, options[1]!],
  }))
  expect(mistakes({ ...problem, layers: tied })).toEqual([])
})

test('of many mistakes the first are listed and the rest are counted', () => {
  const layers = Array.from({ length: 9 }, () => ({ options: [{ id: 'a', score: NaN, costs: {} }] }))
  const messages = mistakes({ layers })
  expect(messages).toHaveLength(6)
  expect(messages.at(-1)).toBe('… and 4 more.')
})

test('solve rejects an invalid problem', async () => {
  const problem = good()
  problem.layers[0]!.options[0]!.score = NaN
  await expect(solve(problem)).rejects.toThrow(/layers\[0\]\.options\[0\]\.score \(layer 0, option "parent"\)/)
})
