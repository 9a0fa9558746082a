import fc from 'fast-check'
import type { Limit, Option, Problem } from '../../solver/problem.js'
import { uniform } from '../../solver/random.js'

/** Every selection of a small problem that meets its limits, as option indices, best first. */
export function bruteForce(problem: Problem): { readonly choice: readonly number[]; readonly objective: number }[] {
  const all: { choice: readonly number[]; objective: number }[] = []
  const visit = (choice: readonly number[]) => {
    const layer = problem.layers[choice.length]
    if (layer) return layer.options.forEach((_, j) => visit([...choice, j]))
    if (holdsLimits(problem, choice)) all.push({ choice, objective: sum(problem, choice, (option) => option.score) })
  }
  visit([])
  return all.sort((a, b) => a.objective - b.objective)
}

export function sum(problem: Problem, choice: readonly number[], value: (option: Option) => number): number {
  return choice.reduce((total, j, i) => total + value(problem.layers[i]!.options[j]!), 0)
}

/** Sums of floats are compared to one part in 10^12. */
export function holdsLimits(problem: Problem, choice: readonly number[]): boolean {
  return (problem.limits ?? []).every(
    ({ cost, max }) => sum(problem, choice, (option) => option.costs[cost]!) <= max + 1e-12 * Math.abs(max),
  )
}

/** Option indices of a solution's ids. */
export function indices(problem: Problem, choice: readonly string[]): number[] {
  return choice.map((id, i) => {
    const index = problem.layers[i]!.options.findIndex((option) => option.id === id)
    if (index < 0) throw new Error(`layer ${i} has no option ${id}`)
    return index
  })
}

export const differences = (a: readonly unknown[], b: readonly unknown[]) =>
  a.filter((value, i) => value !== b[i]).length

const costNames = ['memory', 'runtime', 'parameters'] as const

/**
 * Problems of at most 5 layers with at most 5 options. Half use a few distinct integers, so that equal sums and exactly met limits
 * are common. Scores go down to a KL of 1e-5, and limits range from loose to infeasible.
 */
export const smallProblem: fc.Arbitrary<Problem> = fc
  .record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    layers: fc.integer({ min: 1, max: 5 }),
    limits: fc.integer({ min: 0, max: 3 }),
    whole: fc.boolean(),
    scale: fc.constantFrom(1e-5, 1e-2, 1, 1e4),
    shift: fc.constantFrom(0, 0, -0.4),
    tightness: fc.double({ min: -0.1, max: 1, noNaN: true }),
  })
  .map(({ seed, layers, limits, whole, scale, shift, tightness }) => {
    const next = uniform(seed)
    const number = () => (whole ? Math.floor(next() * 4) : next())
    const built = Array.from({ length: layers }, () => ({
      options: Array.from({ length: 1 + Math.floor(next() * 5) }, (_, j) => ({
        id: `option-${j}`,
        score: (number() + shift) * scale,
        costs: Object.fromEntries(costNames.map((name, c) => [name, number() * 10 ** (3 * c)])),
      })),
    }))
    return {
      layers: built,
      limits: costNames.slice(0, limits).map((cost): Limit => {
        const of = (pick: (...values: number[]) => number) =>
          built.reduce((total, layer) => total + pick(...layer.options.map((option) => option.costs[cost]!)), 0)
        const max = of(Math.min) + tightness * (of(Math.max) - of(Math.min))
        return { cost, max: whole ? Math.floor(max) : max }
      }),
      gap: 1e-6,
      poolGap: 1e-6,
    }
  })

/** A problem like that of a search: with size, scores fall and costs rise; layers differ in sensitivity. */
export function searchProblem(layers: number, options: number, tightness: number, seed = 1): Problem {
  const next = uniform(seed)
  const built = Array.from({ length: layers }, () => {
    const sensitivity = 0.2 + next() ** 2 * 3
    return {
      options: Array.from({ length: options }, (_, j) => {
        const size = options === 1 ? 1 : 1 - j / (options - 1)
        return {
          id: j === 0 ? 'parent+parent' : j === options - 1 ? 'no-op+no-op' : `variant-${j}`,
          score: sensitivity * (1 - size) ** 2 * 0.01 * (0.8 + 0.4 * next()) * (j === 0 ? 0 : 1),
          costs: { memory: 200 * size * (0.9 + 0.2 * next()) + 1, runtime: 1000 * size * (0.7 + 0.6 * next()) + 10 },
        }
      }),
    }
  })
  const limit = (cost: 'memory' | 'runtime') => ({
    cost,
    max: tightness * built.reduce((total, layer) => total + layer.options[0]!.costs[cost], 0),
  })
  return { layers: built, limits: [limit('memory'), limit('runtime')] }
}
