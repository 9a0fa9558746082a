import type { JsonObject, Stage, TaskPlan } from '../api/index.js'
import { throughputOf } from './costs.js'
import { assemble, readJson } from './library.js'
import { evaluatePair, measureQuality, openYardstick, type Quality } from './measuring.js'
import { costParts, type SolveOutcome } from './solve.js'
import { parentCost, type Solution } from './solving.js'
import { readChild } from './child.js'

interface EvaluateParams {
  readonly of: 'solutions' | 'child'
  readonly repetitions: number
  readonly items: number
  readonly sequences: number
  readonly threads: number
}

/** Measures assembled children: KL, perplexity, task accuracy, and generation throughput beside the parent's in one run. */
export const evaluate: Stage<EvaluateParams> = {
  name: 'evaluate',
  version: 2,
  reads: ['model', 'target'],
  exclusive: true,
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      of: {
        enum: ['solutions', 'child'],
        default: 'solutions',
        description: 'What is measured: the pool of `solve`, or the uptrained child.',
      },
      repetitions: {
        type: 'integer',
        minimum: 1,
        default: 5,
        description: 'Timed passes of parent and child in turn; the median counts.',
      },
      items: { type: 'integer', minimum: 1, default: 1000000, description: 'Most items of each task.' },
      sequences: {
        type: 'integer',
        minimum: 1,
        default: 128,
        description: 'Held-out sequences for KL and perplexity.',
      },
      threads: { type: 'integer', minimum: 1, default: 1 },
    },
  },

  async plan(context) {
    const { params, stages } = context
    if (params.of === 'child')
      return [
        { id: 'child', label: 'the uptrained child', params: {}, inputs: { child: stages.uptrain!.files.child! } },
      ]
    const { solutions } = await readJson<SolveOutcome>(context, stages.solve!.files.solutions!)
    return solutions.map((solution, i): TaskPlan => ({
      id: `solution-${i + 1}`,
      label: `solution ${i + 1} of ${solutions.length}`,
      params: { solution: solution as unknown as JsonObject },
      inputs: {},
    }))
  },

  async run(context) {
    const { params, stages, task } = context
    const parts = await costParts(context)
    const yardstick = await openYardstick(context, params)
    const solution =
      params.of === 'child'
        ? await readJson<Solution>(context, stages.select!.files.selected!)
        : (task.params.solution as unknown as Solution)
    const assembled = assemble(yardstick.parent, parts.library, solution.choice, context)
    const child = params.of === 'child' ? await readChild(assembled, await context.open(task.inputs.child!)) : assembled
    context.progress(0, 'the parent')
    const parent: Quality = await measureQuality(yardstick.parent, yardstick, (f, m) =>
      context.progress(f * 0.45, `parent, ${m}`),
    )
    const predicted = { parent: throughputOf(parts.scenario, parentCost(parts)), child: solution.predicted.throughput }
    const evaluation = await evaluatePair(yardstick, parent, child, predicted, params.repetitions, (f, m) =>
      context.progress(0.5 + f * 0.4, `child, ${m}`),
    )
    return { values: evaluation as unknown as JsonObject, files: {} }
  },

  async gather({ tasks }) {
    return { values: { evaluations: tasks.map(({ outputs }) => outputs.values) }, files: {} }
  },
}
