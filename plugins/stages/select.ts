import type { Scenario } from '../../model/index.js'
import { solve as solveProblem } from '../../solver/index.js'
import { digestJson, type JsonObject, type SingleStage } from '../api/index.js'
import { throughputOf } from './costs.js'
import { asTask, assemble, chosenEntries, readJson } from './library.js'
import { describeLimit, limitsOf, type Limit } from './limits.js'
import {
  evaluatePair,
  measureQuality,
  openYardstick,
  thoroughness,
  withPredictions,
  type Evaluation,
  type Quality,
  type Thoroughness,
  type Yardstick,
} from './measuring.js'
import { openParent } from './sequences.js'
import { problemParts, type SolveOutcome } from './solve.js'
import { makeProblem, parentCost, toSolution } from './solving.js'

interface SelectParams extends Thoroughness {
  readonly rounds: number
  readonly repetitions: number
}

/** How a limit was held. */
export interface Judged {
  readonly limit: string
  readonly held: boolean
  /** As measured (predicted for sizes, which are exact), and the limit, in its own unit. */
  readonly value: number
  readonly wanted: number
}

/**
 * The best solution among those that hold their limits as measured: the one with the least KL. If none does, limits are
 * corrected by predicted / measured and solved again.
 */
export const select: SingleStage<SelectParams> = {
  name: 'select',
  version: 4,
  reads: ['model', 'target'],
  exclusive: true,
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      rounds: { type: 'integer', minimum: 0, default: 3, description: 'Most corrected solves.' },
      repetitions: { type: 'integer', minimum: 1, default: 5 },
      ...thoroughness,
    },
  },

  async run(context) {
    const { params, stages, spec, seed } = context
    const limits = limitsOf(spec)
    const outcome = await readJson<SolveOutcome>(context, stages.solve!.files.solutions!)
    const parts = await problemParts(context, outcome.composition)
    const measured = stages.evaluate!.values.evaluations as unknown as Evaluation[]
    const candidates = outcome.solutions.map((solution, i) => ({ solution, evaluation: measured[i]!, round: 0 }))
    const judge = (c: (typeof candidates)[number]) => judgeLimits(limits, parts.scenario, c.evaluation)
    const holds = (c: (typeof candidates)[number]) => judge(c).every(({ held }) => held)

    let yardstick: Yardstick | undefined
    let parent: Quality | undefined
    let correction: Partial<Record<Limit['name'], number>> = {}
    for (let round = 1; round <= params.rounds && !candidates.some(holds); round++) {
      const last = candidates.at(-1)!
      const from = round === 1 ? candidates[0]! : last
      correction = corrected(limits, correction, from.evaluation)
      context.progress(
        round / (params.rounds + 1),
        `no solution holds its limits as measured: solving again, round ${round}`,
      )
      const result = await solveProblem({
        ...makeProblem(parts, { solutions: 1, minimumDifference: 0, gap: 1e-4, seed }, correction),
      })
      const best = result.solutions[0]
      if (!best) break
      const solution = toSolution(parts, best.choice, best.objective)
      const model = await openParent(context)
      yardstick ??= await openYardstick(context, model, stages.prepare!.files, parts.scenario, params)
      parent ??= await measureQuality(model, yardstick)
      const { fillings, inputs } = asTask(chosenEntries(parts.library, solution.choice))
      const child = assemble(model, fillings, inputs, context)
      candidates.push({
        solution,
        evaluation: withPredictions(await evaluatePair(yardstick, parent, child, params.repetitions), {
          parent: throughputOf(parts.scenario, parentCost(parts)),
          child: solution.predicted.throughput,
        }),
        round,
      })
    }
    const able = candidates.filter(holds)
    // The measured KL decides, never small differences of time.
    const chosen = (able.length > 0 ? able : candidates).reduce((a, b) =>
      b.evaluation.child.kl < a.evaluation.child.kl ? b : a,
    )
    const choice = chosen.solution.choice.map((own) => ({
      attention: parts.library.get(own.attention)!,
      ffn: parts.library.get(own.ffn)!,
    }))
    const solutionDigest = digestJson({
      parent: context.inputDigests.model,
      layers: choice.map((own) => ({
        attention: { variant: own.attention.variant, weights: own.attention.weights?.digest ?? null },
        ffn: { variant: own.ffn.variant, weights: own.ffn.weights?.digest ?? null },
      })),
    })
    return {
      values: {
        solutionDigest,
        limitsHeld: able.length > 0,
        limits: judge(chosen) as unknown as JsonObject[],
        round: chosen.round,
        predicted: chosen.solution.predicted,
        objective: chosen.solution.objective,
        evaluation: chosen.evaluation as unknown as JsonObject,
        layers: choice.map((own) => ({ attention: own.attention.variant, ffn: own.ffn.variant })),
      },
      files: { selected: await context.put('solution', chosen.solution as unknown as JsonObject) },
    }
  },
}

/** Limits against what was measured; relative ones against the parent measured in the same run. */
export function judgeLimits(
  limits: readonly Limit[],
  { batch, generate }: Scenario,
  { child, parent, ratios }: Evaluation,
): Judged[] {
  return limits.map((limit) => {
    const seconds = (speed: number) => (batch * generate) / speed
    const own = {
      throughput: child.throughput.measured,
      latency: seconds(child.throughput.measured),
      memory: child.memoryBytes,
      parameters: child.parameters,
    }[limit.name]
    const relative = {
      throughput: ratios.throughput,
      latency: seconds(child.throughput.measured) / seconds(parent.throughput.measured),
      memory: ratios.memory,
      parameters: ratios.parameters,
    }[limit.name]
    const value = limit.unit === 'parent' ? relative : own
    return {
      limit: describeLimit(limit),
      held: limit.bound === 'min' ? value >= limit.value : value <= limit.value,
      value,
      wanted: limit.value,
    }
  })
}

/** Aims further by as much as the prediction was too kind, and one per cent. */
function corrected(
  limits: readonly Limit[],
  before: Readonly<Partial<Record<Limit['name'], number>>>,
  { child, parent }: Evaluation,
): Partial<Record<Limit['name'], number>> {
  const next = { ...before }
  for (const limit of limits) {
    const { predicted, measured } = child.throughput
    if (limit.name !== 'throughput' && limit.name !== 'latency') continue
    const own = predicted / measured
    const kindness = limit.unit === 'parent' ? own / (parent.throughput.predicted / parent.throughput.measured) : own
    const factor = Math.max(1.005, kindness * 1.01)
    next[limit.name] = limit.name === 'throughput' ? factor : 1 / factor
  }
  return next
}
