import { isFeasible, layerMinima, total, type Cut, type Instance, type Selection } from './instance.js'
import { buildModel, toSelection, type Engine } from './model.js'
import type { EngineName } from './result.js'

/** The engines' answer for one model, verified. The bound is in units of the score. */
export interface Asked {
  readonly status: 'proved' | 'feasible' | 'infeasible' | 'unknown'
  readonly selection?: Selection
  readonly engine: EngineName
  readonly bound: number
}

/** A model and what to prove about it. */
export interface Question {
  readonly instance: Instance
  /** Mask of the options in the model. */
  readonly kept: Uint8Array
  readonly cuts: readonly Cut[]
  /** A typical objective above the sum of the layers' minima. */
  readonly size: number
  /** Relative gap in the model's own objective. */
  readonly gap: number
  /**
   * Selections that exceed a limit by less than the engine's tolerance. Each is excluded with a cut of its own; `ask`
   * extends the list.
   */
  readonly excluded: Cut[]
}

/** Asks the engines in order until one proves its answer. `left` returns the remaining seconds. */
export async function ask(question: Question, engines: readonly Engine[], left: () => number): Promise<Asked> {
  let best: Asked | undefined
  for (const [index, engine] of engines.entries()) {
    const seconds = index < engines.length - 1 ? left() / 3 : left()
    if (seconds <= 0) break
    const answer = await askOne(question, engine, seconds)
    if (answer.status === 'proved' || answer.status === 'infeasible') return answer
    best = better(question.instance, best, answer)
  }
  return best ?? { status: 'unknown', engine: engines[0]!.name, bound: -Infinity }
}

async function askOne(question: Question, engine: Engine, seconds: number): Promise<Asked> {
  const { instance, kept, cuts, size, gap, excluded } = question
  if (!hasOptions(instance, kept)) return { status: 'infeasible', engine: engine.name, bound: Infinity }
  const deadline = performance.now() + seconds * 1000
  for (let attempt = 0; attempt < 50; attempt++) {
    const model = buildModel(instance, kept, [...cuts, ...excluded], size)
    const left = (deadline - performance.now()) / 1000
    if (attempt > 0 && left <= 0) break
    const answer = await engine.solve(model, gap, left)
    const bound = model.base + answer.bound / model.scale
    if (!answer.chosen) return { status: answer.status, engine: engine.name, bound }
    const selection = toSelection(model, answer.chosen)
    if (isFeasible(instance, selection, cuts)) return { status: answer.status, engine: engine.name, bound, selection }
    excluded.push({ selection, maximumShared: instance.layers - 1 })
  }
  return { status: 'unknown', engine: engine.name, bound: -Infinity }
}

/** Whether every layer still has an option. A layer can lose all of them if they need options that were removed. */
function hasOptions(instance: Instance, kept: Uint8Array): boolean {
  return Number.isFinite(layerMinima(instance, instance.scores, kept).reduce((a, b) => a + b, 0))
}

function better(instance: Instance, a: Asked | undefined, b: Asked): Asked {
  if (!a) return b
  const bound = Math.max(a.bound, b.bound)
  if (!a.selection || !b.selection) return { ...(a.selection ? a : b), bound }
  return { ...(total(instance.scores, a.selection) <= total(instance.scores, b.selection) ? a : b), bound }
}
