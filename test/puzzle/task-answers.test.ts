import { expect, test } from 'vitest'
import { likelihoods, Head, type TaskItem } from '../../model/index.js'
import type { Filter, TaskItems } from '../../data/task.js'
import { applied, cut, sameText } from '../../puzzle/generated-text.js'
import { likelihoodsByLogits, LogitsOf } from '../../puzzle/evaluate-logits.js'
import { paired } from '../../puzzle/paired-task.js'
import { estimate, pairedDifference, stderrOfMean } from '../../puzzle/statistics.js'
import { answersTo, type Respondent } from '../../puzzle/task-answers.js'
import { fullLogits } from '../model/mixed.js'
import { openTiny, someIds } from '../model/tiny.js'

const model = await openTiny()

/** The plain way: all logits of every sequence in float64. */
async function plainly({ prompt, answer }: TaskItem): Promise<{ sum: number; greedy: boolean }> {
  const rows = await fullLogits(model, Int32Array.from([...prompt, ...answer]))
  let [sum, greedy] = [0, true]
  for (const [i, id] of answer.entries()) {
    const row = [...rows[prompt.length - 1 + i]!]
    const largest = Math.max(...row)
    sum += row[id]! - largest - Math.log(row.reduce((all, x) => all + Math.exp(x - largest), 0))
    greedy &&= row.indexOf(largest) === id
  }
  return { sum, greedy }
}

test('likelihoods are those of the logits, whether sequences are shared, padded or computed alone', async () => {
  const [first, second, long] = [[...someIds(5)], [...someIds(9, 2)], [...someIds(30, 3)]]
  const greedy = (await fullLogits(model, Int32Array.from(first))).map((row) => row.indexOf(Math.max(...row))).at(-1)!
  const items: TaskItem[] = [
    { prompt: first, answer: [greedy] },
    // Its sequence is that of the first.
    { prompt: first, answer: [(greedy + 1) % 50] },
    { prompt: second, answer: [7, 9, 11] },
    { prompt: long, answer: [3] },
    { prompt: [1], answer: second },
  ]
  const expected = await Promise.all(items.map(plainly))
  const head = await Head.create(model)
  const whole = await LogitsOf.create(model, 40, 1)
  for (const found of [await likelihoods(model, head, items, 1), await likelihoodsByLogits(whole, items)]) {
    expect(found.map(({ greedy }) => greedy)).toEqual(expected.map(({ greedy }) => greedy))
    for (const [i, { sum }] of found.entries()) expect(sum).toBeCloseTo(expected[i]!.sum, 4)
  }
  expect(expected[0]!.greedy).toBe(true)
  await head.release()
  await whole.release()
})

/** Says what it is told to say. */
const told = (sums: readonly number[], greedy: readonly boolean[] = []): Respondent => ({
  model,
  threads: 1,
  likelihoods: (items) => Promise.resolve(items.map((_, i) => ({ sum: sums[i]!, greedy: greedy[i] ?? false }))),
  tokenizer: () => {
    throw new Error('Internal error: nothing is generated')
  },
})
const regex = (pattern: string, group = 0): Filter => ({ function: 'regex', pattern, group, fallback: '[invalid]' })
const choice = (characters: number, bytes = characters) => ({ answer: [2], characters, bytes })
const choices: TaskItems = {
  kind: 'choices',
  chance: 0.5,
  metrics: [{ name: 'acc' }, { name: 'acc_norm' }, { name: 'acc_bytes' }, { name: 'exact_match' }],
  items: [
    // The second is likelier for its length in characters, the third for that in bytes.
    { prompt: [1], choices: [choice(1), choice(5, 5), choice(3, 9)], gold: [1] },
    { prompt: [1], choices: [choice(2), choice(2)], gold: [0, 1] },
  ],
}
const texts: TaskItems = {
  kind: 'texts',
  chance: 0,
  metrics: (['word_perplexity', 'byte_perplexity', 'bits_per_byte', 'token_perplexity'] as const).map((name) => ({
    name,
  })),
  items: [
    {
      windows: [
        { prompt: [1], answer: [2, 3] },
        { prompt: [3], answer: [4] },
      ],
      words: 2,
      bytes: 8,
    },
    { windows: [{ prompt: [1], answer: [2] }], words: 1, bytes: 4 },
  ],
}

test.each<readonly [what: string, task: TaskItems, respondent: Respondent, values: object]>([
  [
    'choices: the likeliest, by itself, for a character and for a byte; and whether it would be said',
    choices,
    told([-2, -4, -4, -1, -3], [false, true, false, false, false]),
    { acc: 0.5, acc_norm: 1, acc_bytes: 0.5, exact_match: 0.5 },
  ],
  [
    'answers: whether they would be said, and their perplexity',
    {
      chance: 0,
      metrics: [{ name: 'acc' }, { name: 'perplexity' }],
      items: [
        { prompt: [1], answer: [2] },
        { prompt: [1], answer: [3] },
      ],
    },
    told([-1, -2], [true, false]),
    { acc: 0.5, perplexity: Math.exp(1.5) },
  ],
  [
    'texts: the loss of all windows for a word, a byte, a token',
    texts,
    told([-3, -1, -2]),
    {
      word_perplexity: Math.exp(6 / 3),
      byte_perplexity: Math.exp(6 / 12),
      bits_per_byte: 6 / 12 / Math.LN2,
      token_perplexity: Math.exp(6 / 4),
    },
  ],
])('%s', async (_, task, respondent, values) => {
  const { scores } = await answersTo(task, respondent)
  const found = Object.fromEntries(Object.entries(scores).map(([key, own]) => [key, estimate(own).value]))
  for (const [key, value] of Object.entries(values)) expect(found[key], key).toBeCloseTo(value as number, 12)
  expect(Object.keys(found)).toEqual(Object.keys(values))
})

test.each<readonly [what: string, text: string, filters: readonly Filter[], gold: string, right: boolean]>([
  ['a text ends where it says so', ' 12 or 7!\nmore', [], '12 or 7', true],
  ['without what does not count', ' 12 OR 7.\n', [], '12 or 7', true],
  ['as it is', '12 or 8', [], '12 or 7', false],
  ['the first match', 'so 12, or 7', [regex(String.raw`(\d+)`)], '12', true],
  ['the last match', 'so 12, or 7', [regex(String.raw`(\d+)`, -1)], '7', true],
  ['the first group that is there', 'so b3', [regex(String.raw`a(\d)|b(\d)`)], '3', true],
  ['nothing that matches', 'so', [regex(String.raw`\d`)], 'invalid', true],
  ['a filter after the other', ' X Y', [regex('[A-Z]+', 1), { function: 'lowercase' }], 'y', true],
])('generated: %s', (_, text, filters, gold, right) => {
  const said = filters.reduce(applied, cut(text, ['\n']))
  expect(sameText(gold, said.trim(), { ignoreCase: true, ignorePunctuation: true })).toBe(right)
})

test.each<readonly [values: readonly number[], stderr: number | null]>([
  [[1, 0, 1, 1], 0.25],
  [[1, 1, 1], 0],
  [[1], null],
])('the standard error of the mean of %j is that of the sample', (values, stderr) => {
  expect(stderrOfMean(values)).toEqual(stderr)
})

test('the error of a difference is that of the differences item by item', () => {
  const of = (values: readonly number[]) => ({ metric: 'acc' as const, values })
  const [parent, child] = [of([1, 0, 1, 1]), of([1, 0, 0, 1])]
  expect(pairedDifference(parent, child)).toEqual({ value: -0.25, stderr: 0.25 })
  // Each alone is much less certain.
  expect(estimate(parent).stderr! + estimate(child).stderr!).toBeGreaterThan(0.5)
})

test('the error of a perplexity is found by drawing items anew, with the same numbers every time', () => {
  const values = Array.from({ length: 200 }, (_, i) => -1 - (i % 10) / 10)
  const scores = { metric: 'perplexity' as const, values }
  const { value, stderr } = estimate(scores)
  // By the delta method: exp of the mean loss times the error of the mean.
  expect(stderr! / (value * stderrOfMean(values)!)).toBeCloseTo(1, 1)
  expect(estimate(scores)).toEqual({ value, stderr })
  expect(pairedDifference(scores, scores)).toEqual({ value: 0, stderr: 0 })
})

test('items that only one answers right are counted, and the first are listed', async () => {
  const items = Array.from({ length: 5 }, (_, i) => ({ prompt: [1, i], answer: [10 + i] }))
  const task: TaskItems = { chance: 0, items }
  const [parent, child] = [
    await answersTo(task, told([0, 0, 0, 0, 0], [true, true, true, false, false])),
    await answersTo(task, told([0, 0, 0, 0, 0], [true, false, false, true, false])),
  ]
  const decode = (ids: readonly number[]) => ids.join(' ')
  expect(paired(task, parent, child, { most: 1, decode })).toEqual({
    items: 5,
    differences: { acc: { value: expect.closeTo(-0.2, 12) as number, stderr: expect.any(Number) as number } },
    outcomes: {
      metric: 'acc',
      both: 1,
      neither: 1,
      parentOnly: 2,
      childOnly: 1,
      losses: [{ item: 1, prompt: '1 1', expected: '11' }],
      wins: [{ item: 3, prompt: '1 3', expected: '13' }],
    },
  })
})
