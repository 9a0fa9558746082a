import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  applyChoices,
  choiceMistakes,
  counts,
  describeRule,
  means,
  ruleLayers,
  type ChoiceRule,
  type Filled,
} from '../../puzzle/choices.js'
import { uniform } from '../../solver/random.js'
import { solveHere } from '../../solver/solve-here.js'

const parent: Filled = { variant: 'parent', block: 'grouped-query', own: true }
const linear: Filled = { variant: 'linear', block: 'linear' }
const narrow: Filled = { variant: 'grouped-query-2', block: 'grouped-query' }
const empty: Filled = { variant: 'no-op', block: 'no-op' }

test.each<[string, Filled, boolean]>([
  ['parent', parent, true],
  ['parent', linear, false],
  ['grouped-query', parent, false],
  ['grouped-query', narrow, true],
  ['grouped-query-2', narrow, true],
  ['linear', linear, true],
  ['no-op', empty, true],
])('the name %s means %j: %s', (name, filled, meant) => {
  expect(means(name, filled)).toBe(meant)
})

test.each<[ChoiceRule['layers'], number[]]>([
  [undefined, [0, 1, 2, 3, 4, 5]],
  [3, [3]],
  ['1-3', [1, 2, 3]],
  [' 4 - 5 ', [4, 5]],
  [
    [5, '0-1', 1],
    [0, 1, 5],
  ],
])('layers %j are %j', (layers, expected) => {
  expect(ruleLayers({ slot: 'ffn', ...(layers !== undefined && { layers }) }, 6)).toEqual(expected)
})

test('a rule is described by what it asks for', () => {
  const rule: ChoiceRule = { slot: 'attention', layers: [0, '4-7'], block: ['linear', 'no-op'], atLeast: 1, atMost: 3 }
  expect(describeRule(rule, 2)).toBe(
    'target.choices[2] (attention in layers 0, 4-7: at least 1 with linear or no-op, at most 3 with linear or no-op)',
  )
})

const three = Array.from({ length: 3 }, () => ({ attention: [parent, linear], ffn: [parent, empty] }))

test.each<[string, ChoiceRule[], string[]]>([
  [
    'a layer that does not exist',
    [{ slot: 'ffn', layers: '1-3', only: 'parent' }],
    ["there is no layer 3: the parent's layers are 0 to 2"],
  ],
  ['a range backwards', [{ slot: 'ffn', layers: '2-1', only: 'parent' }], ['the range 2-1 ends before it begins']],
  [
    'text that is no range',
    [{ slot: 'ffn', layers: 'first', only: 'parent' }],
    ['"first" is neither a layer nor a range such as "4-7"'],
  ],
  [
    'a name that no layer can have',
    [{ slot: 'ffn', forbid: 'linear' }],
    ['no layer of this rule can have ffn "linear"'],
  ],
  ['a rule without a wish', [{ slot: 'ffn' }], ['this rule says nothing']],
  ['a count of nothing', [{ slot: 'ffn', atMost: 1 }], ['a count needs `block`']],
  ['a block without a count', [{ slot: 'ffn', only: 'parent', block: 'no-op' }], ['`block` needs a count']],
  [
    'bounds that contradict each other',
    [{ slot: 'ffn', block: 'no-op', atLeast: 3, atMost: 1 }],
    ['atLeast 3 is more than atMost 1'],
  ],
  [
    'rules that leave nothing',
    [
      { slot: 'attention', only: 'parent' },
      { slot: 'attention', layers: 1, forbid: 'parent' },
    ],
    ['this leaves nothing for attention of layer 1 together with target.choices[0] (attention: only parent)'],
  ],
  [
    'more than the rest allows',
    [
      { slot: 'attention', layers: 0, only: 'parent' },
      { slot: 'attention', block: 'linear', atLeast: 3 },
    ],
    ['at least 3 layers are asked for, but only 2 can have it'],
  ],
  [
    'fewer than are forced',
    [
      { slot: 'attention', layers: '0-1', only: 'linear' },
      { slot: 'attention', block: 'linear', atMost: 1 },
    ],
    ['at most 1 layers are allowed, but 2 can have nothing else'],
  ],
  ['nothing wrong', [{ slot: 'attention', block: 'linear', atLeast: 1, atMost: 2 }], []],
])('contradictions show without costs: %s', (_, rules, messages) => {
  expect(choiceMistakes(rules, three, false).map(({ message }) => message)).toEqual(messages)
})

/** Problems of 3 layers with pairs and runs of 2, and up to 3 rules. */
const ruled = fc.integer({ min: 1, max: 2 ** 31 - 1 }).map((seed) => {
  const next = uniform(seed)
  const one = <T>(values: readonly T[]) => values[Math.floor(next() * values.length)]!
  const [attentions, ffns] = [
    [parent, linear, narrow, empty],
    [parent, empty],
  ]
  const layers = [0, 1, 2].map((layer) => {
    const pairs = attentions.flatMap((attention) =>
      ffns.map((ffn) => ({ id: `${attention.variant}+${ffn.variant}`, span: 1, fillings: [{ attention, ffn }] })),
    )
    const run = {
      id: 'run-2',
      span: 2,
      fillings: [
        { attention: one(attentions), ffn: parent },
        { attention: empty, ffn: empty },
      ],
    }
    return [...pairs, ...(layer < 2 ? [run] : [])].map((option) => ({
      ...option,
      score: option.span * next(),
      costs: { memory: option.span * next() },
    }))
  })
  const rules = Array.from({ length: 1 + Math.floor(next() * 3) }, (): ChoiceRule => {
    const slot = one(['attention', 'ffn'] as const)
    const name = one(slot === 'attention' ? ['parent', 'linear', 'grouped-query', 'no-op'] : ['parent', 'no-op'])
    const where = one([{}, { layers: 1 }, { layers: '0-1' }, { layers: [0, 2] }])
    const wish = one([
      { only: [name, 'parent'] },
      { forbid: name },
      { block: name, atLeast: 1 },
      { block: name, atMost: 1 },
      { block: name, atLeast: 1, atMost: 2 },
    ])
    return { slot, ...where, ...wish }
  })
  return { layers, rules, limits: [{ cost: 'memory', max: 0.5 + 1.5 * next() }] }
})

test('with rules the solver finds the best cover that keeps them, or that there is none', async () => {
  await fc.assert(
    fc.asyncProperty(ruled, async ({ layers, rules, limits }) => {
      type One = (typeof layers)[number][number]
      const keeps = (cover: readonly One[]) => {
        const filled = cover.flatMap(({ fillings }) => fillings)
        return rules.every((rule) => {
          const own = ruleLayers(rule, 3).map((layer) => filled[layer]![rule.slot])
          const named = (names: ChoiceRule['only'], one: Filled) =>
            [names ?? []].flat().some((name) => means(name, one))
          const count = own.filter((one) => counts(rule, one)).length
          return (
            own.every((one) => (rule.only === undefined || named(rule.only, one)) && !named(rule.forbid, one)) &&
            count >= (rule.atLeast ?? 0) &&
            count <= (rule.atMost ?? Infinity)
          )
        })
      }
      let least = Infinity
      const visit = (cover: readonly One[], layer: number) => {
        if (layer < 3) return layers[layer]!.forEach((option) => visit([...cover, option], layer + option.span))
        const sum = (value: (option: One) => number) => cover.reduce((total, option) => total + value(option), 0)
        if (sum(({ costs }) => costs.memory) <= limits[0]!.max && keeps(cover))
          least = Math.min(
            least,
            sum(({ score }) => score),
          )
      }
      visit([], 0)
      let problem
      try {
        const { layers: kept, limits: counted } = applyChoices(rules, layers)
        problem = {
          layers: kept.map((options) => ({ options: options.map(({ fillings: _, ...option }) => option) })),
          limits: [...limits, ...counted],
          gap: 1e-6,
        }
      } catch (error) {
        expect(error).toMatchObject({
          kind: 'Infeasible',
          message: expect.stringMatching(/^Nothing is left for layer/) as string,
        })
      }
      // A layer without an option of its own may still be covered by a run; such a space is refused all the same.
      if (!problem) return
      const { status, solutions } = await solveHere(problem)
      if (least === Infinity) expect(status).toBe('infeasible')
      else expect(solutions[0]!.objective).toBeCloseTo(least, 5)
    }),
    { seed: 20261129, numRuns: 150 },
  )
})
