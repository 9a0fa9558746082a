import { expect, test } from 'vitest'
import { AssemblyPredictor } from '../../puzzle/assembly-predictor.js'
import { randomAssemblies } from '../../puzzle/random-assemblies.js'
import { scoreOf, type Selection } from '../../puzzle/selection.js'
import type { Problem } from '../../solver/index.js'
import { uniform } from '../../tensor/random.js'

const attentions = ['parent', 'few', 'none']
const ffns = ['parent', 'narrow', 'none']
const size: Record<string, number> = { parent: 3, few: 2, narrow: 1, none: 0 }
const random = uniform(5)
/** Ten layers with two slots, of which half the size must go. */
const layers = Array.from({ length: 10 }, () => {
  const scoreOfSlot = new Map([...attentions, ...ffns].map((name) => [name, 0.05 * random() ** 2]))
  const score = (name: string) => (name === 'parent' ? 0 : scoreOfSlot.get(name)!)
  return {
    options: attentions.flatMap((a) =>
      ffns.map((f) => ({ id: `${a}+${f}`, score: score(a) + score(f), costs: { size: size[a]! + size[f]! } })),
    ),
  }
})
const problem: Problem = { layers, limits: [{ cost: 'size', max: 30 }] }
const variants = (_: number, option: string) => option.split('+')
const parent: Selection = layers.map(() => 'parent+parent')

/** All changes point more or less the same way, those of attentions the most. */
function truth(choice: Selection): number {
  const roots = choice.map((id, layer) => {
    const [attention, ffn] = id.split('+')
    const own = (option: string) => Math.sqrt(layers[layer]!.options.find(({ id }) => id === option)!.score)
    return 0.9 * own(`${attention}+parent`) + 0.4 * own(`parent+${ffn}`)
  })
  return scoreOf(problem, choice) + roots.reduce((a, b) => a + b, 0) ** 2 - roots.reduce((a, b) => a + b * b, 0)
}

const drawn = (await randomAssemblies(problem, 120, 1, { kinds: ['limit'] })).map(({ choice }) => choice)
const measured = drawn.slice(0, 60).map((choice) => ({ choice, value: truth(choice) }))
const predictor = AssemblyPredictor.fit(problem, variants, measured)
const errorOf = (choices: readonly Selection[], predict: (choice: Selection) => number) =>
  choices.reduce((sum, choice) => sum + Math.abs(predict(choice) / truth(choice) - 1), 0) / choices.length

test('selections that were not measured are predicted from those that were, where sums of scores are far off', () => {
  const others = drawn.slice(60)
  expect(errorOf(others, (choice) => scoreOf(problem, choice))).toBeGreaterThan(0.5)
  expect(errorOf(others, (choice) => predictor.predict(choice))).toBeLessThan(0.05)
})

test('a measured selection is predicted as it was measured', () => {
  expect(
    errorOf(
      measured.map(({ choice }) => choice),
      (choice) => predictor.predict(choice),
    ),
  ).toBeLessThan(0.02)
})

test('what the base has lost counts as one more block, which all selections have', () => {
  const base = 0.1
  // Its change points in a direction of its own.
  const beside = measured.map(({ choice, value }) => ({ choice, value: value + base }))
  const own = AssemblyPredictor.fit(problem, variants, beside, base)
  expect(own.predict(parent)).toBeCloseTo(base, 12)
  const others = drawn.slice(60)
  const error = others.reduce((sum, choice) => sum + Math.abs(own.predict(choice) / (truth(choice) + base) - 1), 0)
  expect(error / others.length).toBeLessThan(0.05)
})

test('a single replaced block loses its score, whatever was measured', () => {
  for (const id of ['few+parent', 'none+parent', 'parent+narrow', 'parent+none']) {
    const choice = parent.map((own, layer) => (layer === 4 ? id : own))
    expect(predictor.predict(choice)).toBeCloseTo(scoreOf(problem, choice), 12)
  }
  expect(predictor.predict(parent)).toBe(0)
})

test('what is like nothing that was measured gets the sum of its scores', () => {
  // In the first two layers, "none" does ten thousand times the damage of what was measured.
  const harmful = layers.map(({ options }, layer) => ({
    options: options.map((option) => {
      const own = option.id.split('+').map((name, i) => {
        const alone = options.find(({ id }) => id === (i === 0 ? `${name}+parent` : `parent+${name}`))!.score
        return layer < 2 && name === 'none' ? 1e4 * alone : alone
      })
      return { ...option, score: own[0]! + own[1]! }
    }),
  }))
  const other = { ...problem, layers: harmful }
  const known = measured.filter(({ choice }) => !choice.slice(0, 2).join('+').includes('none'))
  const far = parent.map((own, layer) => (layer === 0 ? 'none+parent' : layer === 9 ? 'parent+none' : own))
  expect(known.length).toBeGreaterThan(5)
  const predicted = AssemblyPredictor.fit(other, variants, known).predict(far)
  expect(predicted / scoreOf(other, far)).toBeCloseTo(1, 6)
})

test('the less is known of a selection, the lower its lower bound', () => {
  const share = (choice: Selection) => predictor.predict(choice, 1) / predictor.predict(choice)
  const known = Math.min(...measured.map(({ choice }) => share(choice)))
  const unknown = drawn.slice(60).map(share)
  for (const own of unknown) expect(own).toBeLessThan(1)
  expect(unknown.reduce((a, b) => a + b) / unknown.length).toBeLessThan(known)
})

test('the same measurements give the same predictions to the last bit, and a selection without loss does no harm', () => {
  const again = AssemblyPredictor.fit(problem, variants, measured)
  for (const choice of drawn) expect(again.predict(choice)).toBe(predictor.predict(choice))
  const none = AssemblyPredictor.fit(problem, variants, [{ choice: parent, value: 0 }, ...measured])
  expect(none.predict(drawn[100]!) / predictor.predict(drawn[100]!)).toBeCloseTo(1, 1)
  expect(AssemblyPredictor.fit(problem, variants, [{ choice: parent, value: 0 }]).predict(parent)).toBe(0)
})

test('a run of layers counts once, and is like the same run only', () => {
  const withRun: Problem = {
    layers: [
      {
        options: [
          { id: 'whole', score: 0, costs: {} },
          { id: 'both', score: 0.2, costs: {}, span: 2 },
        ],
      },
      { options: [{ id: 'whole', score: 0, costs: {} }] },
      {
        options: [
          { id: 'whole', score: 0, costs: {} },
          { id: 'half', score: 0.1, costs: {} },
        ],
      },
    ],
  }
  const fitted = AssemblyPredictor.fit(withRun, (_, id) => [id], [{ choice: ['both', 'both', 'half'], value: 0.5 }])
  expect(fitted.predict(['both', 'both', 'whole'])).toBeCloseTo(0.2, 12)
  expect(fitted.predict(['both', 'both', 'half'])).toBeCloseTo(0.5, 1)
})

test('selections that lose nothing, though their scores say so, are no obstacle', () => {
  const lossless = measured.map(({ choice }) => ({ choice, value: 0 }))
  expect(AssemblyPredictor.fit(problem, variants, lossless).predict(drawn[0]!)).toBeCloseTo(0, 3)
})
