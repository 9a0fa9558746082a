import fc from 'fast-check'
import type { Limit, Option, Problem } from '../../solver/problem.js'
import { uniform } from '../../solver/random.js'

/** One way to cover all layers: the options chosen and the layer where each begins. */
export interface Cover {
  readonly parts: readonly { readonly from: number; readonly option: Option }[]
  readonly objective: number
}

const sum = (parts: Cover['parts'], value: (option: Option) => number) =>
  parts.reduce((total, { option }) => total + value(option), 0)

/** Every cover that meets limits and requirements, best first. */
export function covers(problem: Problem): Cover[] {
  const all: Cover[] = []
  const visit = (parts: Cover['parts'], layer: number) => {
    if (layer === problem.layers.length && holds(problem, parts))
      all.push({ parts, objective: sum(parts, ({ score }) => score) })
    for (const option of problem.layers[layer]?.options ?? [])
      visit([...parts, { from: layer, option }], layer + (option.span ?? 1))
  }
  visit([], 0)
  return all.sort((a, b) => a.objective - b.objective)
}

export function holds({ limits = [] }: Problem, parts: Cover['parts']): boolean {
  const chosen = (layer: number, id: string) => parts.some(({ from, option }) => from === layer && option.id === id)
  return (
    parts.every(({ option }) => (option.requires ?? []).every((need) => chosen(need.layer, need.option))) &&
    limits.every(({ cost, max }) => sum(parts, (option) => option.costs[cost]!) <= max + 1e-12 * Math.abs(max))
  )
}

/** A cover from the ids of a solution, read from the left. */
export function read(problem: Problem, choice: readonly string[]): Cover {
  const parts: { from: number; option: Option }[] = []
  for (let i = 0; i < choice.length;) {
    const option = problem.layers[i]!.options.find(({ id }) => id === choice[i])!
    const span = option.span ?? 1
    if (choice.slice(i, i + span).some((id) => id !== option.id)) throw new Error(`a run ends early: ${choice.join()}`)
    parts.push({ from: i, option })
    i += span
  }
  return { parts, objective: sum(parts, ({ score }) => score) }
}

/** Layers that two covers fill with different options. */
export function apart(a: Cover, b: Cover, layers: number): number {
  const at = ({ parts }: Cover, layer: number) => parts.findLast(({ from }) => from <= layer)!.option
  return Array.from({ length: layers }, (_, i) => i).filter((i) => at(a, i) !== at(b, i)).length
}

/**
 * Problems of at most 5 layers with spans and requirements, including cyclic and contradictory ones. Runs share their ids with
 * options of other layers.
 */
export const linkedProblem: fc.Arbitrary<Problem> = fc
  .record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    layers: fc.integer({ min: 1, max: 5 }),
    limits: fc.integer({ min: 0, max: 2 }),
    whole: fc.boolean(),
    spans: fc.double({ min: 0, max: 0.6, noNaN: true }),
    requirements: fc.constantFrom(0, 0.2, 0.5),
    tightness: fc.double({ min: -0.1, max: 0.8, noNaN: true }),
  })
  .map(({ seed, layers, limits, whole, spans, requirements, tightness }) => {
    const next = uniform(seed)
    const number = () => (whole ? Math.floor(next() * 4) : next())
    const below = (count: number) => Math.floor(next() * count)
    const counts = Array.from({ length: layers }, () => 1 + below(4))
    const built = counts.map((count, i) => ({
      options: Array.from({ length: count }, (_, j): Option => {
        const span = next() < spans ? 1 + below(layers - i) : 1
        const requires: { layer: number; option: string }[] = []
        for (let layer = 0; layer < layers; layer++)
          if ((layer < i || layer >= i + span) && next() < requirements)
            requires.push({ layer, option: `option-${below(counts[layer]!)}` })
        const costs = { memory: span * number(), runtime: 1e3 * span * number() }
        return { id: `option-${j}`, score: span * (number() - 0.2), costs, span, requires }
      }),
    }))
    const largest = (cost: 'memory' | 'runtime') =>
      built.reduce((total, { options }) => total + Math.max(...options.map(({ costs }) => costs[cost]!)), 0)
    const limited = (['memory', 'runtime'] as const).slice(0, limits)
    return {
      layers: built,
      limits: limited.map((cost): Limit => ({ cost, max: tightness * largest(cost) })),
      gap: 1e-6,
      poolGap: 1e-6,
    }
  })
