import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Exchanges } from '../../solver/exchanges.js'
import { marginalGreedy, unit } from '../../solver/greedy.js'
import { isFeasible, toInstance, total, type Instance, type Selection } from '../../solver/instance.js'
import { isAlone, leastSelection, place } from '../../solver/place.js'
import { compileProblem } from '../../solver/problem.js'
import { uniform } from '../../solver/random.js'
import { linkedProblem } from './covers.js'
import { smallProblem } from './problems.js'

/** Layers, options and limits with whole numbers (so that many are equal) or any, and scores that may be negative. */
const sizes = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  layers: fc.integer({ min: 1, max: 12 }),
  options: fc.integer({ min: 1, max: 8 }),
  limits: fc.integer({ min: 1, max: 4 }),
  whole: fc.boolean(),
  shift: fc.constantFrom(0, -0.5),
  floor: fc.constantFrom(-Infinity, 1e-12),
})

test('the cheapest exchange is that of all exchanges, while layers change and limits come to be met and violated', () => {
  let exchanged = 0
  fc.assert(
    fc.property(sizes, ({ seed, layers, options, limits, whole, shift, floor }) => {
      const next = uniform(seed)
      const number = () => (whole ? Math.floor(next() * 4) : next())
      const values = (value: () => number) => Float64Array.from({ length: layers * options }, value)
      const offsets = Int32Array.from({ length: layers + 1 }, (_, i) => i * options)
      const scores = values(() => number() + shift)
      const uses = Array.from({ length: limits }, () => values(number))
      const bounds = Float64Array.from({ length: limits }, () => layers * (whole ? 1 : 0.3 + 0.2 * next()))
      const units = Float64Array.from({ length: limits }, () => 1 + Math.floor(next() * 3))
      const chosen = Int32Array.from({ length: layers }, (_, i) => i * options + Math.floor(next() * options))
      const exchanges = new Exchanges(offsets, scores, uses, bounds, units)
      const useOf = () => Float64Array.from(uses, (use) => total(use, chosen))
      for (let step = 0; step < 30; step++) {
        const use = useOf()
        const isViolated = use.some((value, r) => value > bounds[r]!)
        expect(exchanges.update(chosen, use)).toBe(isViolated)
        if (isViolated) {
          expect(exchanges.cheapest(use, floor)).toEqual(cheapestOfAll(use))
          const odd = (k: number) => k % 2 === 1
          expect(exchanges.cheapest(use, floor, odd)).toEqual(cheapestOfAll(use, odd))
          exchanged++
        }
        const k = Math.floor(next() * layers * options)
        chosen[Math.floor(k / options)] = k
      }

      function cheapestOfAll(use: Float64Array, admits = (_: number) => true) {
        let best: { option: number; price: number } | undefined
        for (let k = 0; k < scores.length; k++) {
          const from = chosen[Math.floor(k / options)]!
          let removed = 0
          for (let r = 0; r < limits; r++) {
            const after = use[r]! + (uses[r]![k]! - uses[r]![from]!)
            removed += (Math.max(0, use[r]! - bounds[r]!) - Math.max(0, after - bounds[r]!)) / units[r]!
          }
          const price = Math.max(floor, scores[k]! - scores[from]!) / removed
          if (k !== from && removed > 1e-12 && admits(k) && !(price >= (best?.price ?? Infinity)))
            best = { option: k, price }
        }
        return best
      }
    }),
    { seed: 20260301, numRuns: 200 },
  )
  // Otherwise the test proves nothing.
  expect(exchanged).toBeGreaterThan(500)
})

/** The marginal greedy method without bounds: every swap is tried. Sums are taken in the same order, so that ties are the same. */
function plainGreedy(instance: Instance): Selection | undefined {
  const { rows, scores, layerOf } = instance
  const bounds = rows.map((row) => row.max + row.tolerance)
  const units = rows.map(unit)
  let selection = leastSelection(instance)
  while (selection) {
    const current = selection
    const use = rows.map((row) => total(row.use, current))
    if (use.every((value, r) => value <= bounds[r]!)) return current
    let best: { price: number; selection: Selection } | undefined
    for (let k = 0; k < scores.length; k++) {
      const from = current[layerOf[k]!]!
      if (from === k) continue
      const alone = isAlone(instance, from, k)
      const swapped = alone ? current.map((other) => (other === from ? k : other)) : place(instance, current, k)
      if (!swapped) continue
      const added = alone ? scores[k]! - scores[from]! : total(scores, swapped) - total(scores, current)
      let removed = 0
      for (const [r, row] of rows.entries()) {
        const after = alone ? use[r]! + (row.use[k]! - row.use[from]!) : total(row.use, swapped)
        removed += (Math.max(0, use[r]! - bounds[r]!) - Math.max(0, after - bounds[r]!)) / units[r]!
      }
      const price = added / removed
      if (removed > 1e-12 && price < (best?.price ?? Infinity)) best = { price, selection: swapped }
    }
    if (!best) return current
    selection = best.selection
  }
  return undefined
}

test.each([
  ['without links', smallProblem],
  ['with runs and requirements', linkedProblem],
] as const)('marginal greedy makes the swaps that trying all of them finds, %s', (_, problems) => {
  let feasible = 0
  fc.assert(
    fc.property(problems, (problem) => {
      const instance = toInstance(compileProblem(problem))
      const [selection, plain] = [marginalGreedy(instance), plainGreedy(instance)]
      expect(selection).toEqual(plain)
      if (selection && isFeasible(instance, selection)) feasible++
    }),
    { seed: 20260302, numRuns: 300 },
  )
  expect(feasible).toBeGreaterThan(50)
})
