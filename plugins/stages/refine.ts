import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Problem } from '../../solver/index.js'
import type { SingleStage } from '../../api/index.js'
import { forwardBytes } from '../../puzzle/estimates/memory.js'
import { AccuracyMeter } from '../../puzzle/accuracy-meter.js'
import { AssemblyMeter } from '../../puzzle/assembly-meter.js'
import type {
  BaseOutputs,
  CaptureOutputs,
  DepthOutputs,
  DistillOutputs,
  PrepareOutputs,
  ProfileOutputs,
  RefineOutputs,
  ScoreOutputs,
  SolveOutputs,
} from '../../puzzle/hand-over.js'
import { childShare, headFlops, layersFlops } from '../../puzzle/estimates/flops.js'
import { capturedOf, expectedReading } from '../../puzzle/estimates/reading.js'
import type { ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { readJson } from '../../puzzle/library.js'
import { judged, objectiveLabels } from '../../puzzle/objective.js'
import { variantsOf } from '../../puzzle/option-variants.js'
import { openParent } from '../../puzzle/parent.js'
import { batch, ofItems, ofSequences } from '../../puzzle/parameters.js'
import { problemParts } from '../../puzzle/problem-parts.js'
import { searchInContext } from '../../puzzle/search-in-context.js'
import { scoreOf, type MeasuredSelection, type Selection } from '../../puzzle/selection.js'
import { toOptions, toSolution } from '../../puzzle/selection-problem.js'
import { writeWhole } from '../../store/files.js'

interface RefineParams {
  readonly evaluations: number
  readonly sequences: number
  readonly items: number
  readonly batch: number
}

interface RefineNeeds {
  readonly capture: CaptureOutputs
  /** Needed if scores judge by accuracy. */
  readonly prepare?: PrepareOutputs
  readonly profile: ProfileOutputs
  readonly distill: DistillOutputs
  readonly depth?: DepthOutputs
  readonly score: ScoreOutputs
  readonly solve: SolveOutputs
  readonly base?: BaseOutputs
}

/**
 * Improves the solutions of `solve` by measuring whole children: scores of single blocks do not show how blocks get on with each
 * other. What it finds takes the place of the solutions, and later solves use the scores that options have beside it.
 */
export const refine: SingleStage<RefineParams, RefineNeeds, RefineOutputs, ModelInput & TargetInput> = {
  name: 'refine',
  // 2: random children are measured first, and whole children are predicted. 3: as `score` 4.
  version: 3,
  reads: ['model', 'target'],
  exclusive: true,
  about: {
    summary:
      'Measures whole children near the solutions, predicts others from them, and measures the most promising next.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      evaluations: {
        type: 'integer',
        minimum: 0,
        maximum: 100_000,
        reason: 'each one is a whole child',
        default: 120,
        description: 'Children to measure besides the solutions of `solve`. 0: none; the solutions stay as they are.',
      },
      sequences: {
        type: 'integer',
        minimum: 1,
        ...ofSequences,
        default: 64,
        description: 'How many of the captured held-out sequences to measure on.',
      },
      items: {
        type: 'integer',
        minimum: 1,
        ...ofItems,
        default: 40,
        description: 'Items of each task, if scores judge by accuracy.',
      },
      batch: batch(16, 'Sequences per forward pass: more take more memory and less time.'),
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    if (!read) return {}
    const { length } = read
    const held = Math.min(params.sequences, capturedOf(context.stages.capture, read).validate)
    const child = childShare * layersFlops(model, length) + 2 * headFlops(model)
    return {
      memory: forwardBytes(model, { held, batch: params.batch, length }),
      work: { forward: params.evaluations * held * length * child },
    }
  },

  async run(context) {
    const { params, stages } = context
    const outcome = await readJson(context, stages.solve.files.solutions)
    if (params.evaluations === 0) return { values: { evaluations: 0 }, files: {} }
    const problem = (await readJson(context, stages.solve.files.problem)) as Problem
    const model = await openParent(context)
    const parts = await problemParts(context, outcome.composition, outcome)
    const options = { ...params, threads: context.threads }
    const meter = await AssemblyMeter.open(context, model, parts.library, stages.capture.files, options)
    const done = await Measurements.resume(join(context.checkpoint, 'measured.json'))
    const objective = stages.score.values.objective?.name ?? 'kl'
    const tasks = stages.prepare?.files.tasks
    const accuracy =
      objective === 'accuracy' && tasks
        ? await AccuracyMeter.open(context, model, tasks, params.items, context.threads)
        : undefined
    const measure = async (choice: Selection) => {
      const before = done.get(choice)
      if (before !== undefined) return before
      const { choice: entries } = toSolution(parts, choice, 0)
      const comparison = await meter.measure(entries)
      const { degradation } = judged(objective, comparison, await accuracy?.measure(meter.viewOf(entries)))
      await done.add(choice, degradation)
      if (context.signal.aborted) throw context.signal.reason
      return degradation
    }
    const start = outcome.solutions.map((solution) => toOptions(parts, solution))
    const base = parts.base?.map(({ attention, ffn }) => `${attention}+${ffn}`)
    const found = await searchInContext(problem, start, measure, {
      ...(base && { base: await measure(base) }),
      evaluations: params.evaluations,
      seed: context.seed,
      facets: variantsOf(parts),
      progress: (n, best) =>
        context.progress(
          n / params.evaluations,
          `${n} of ${params.evaluations} children, least ${objectiveLabels[objective]} lost ${best.toPrecision(3)}`,
        ),
    })
    await meter.release()
    await accuracy?.release()
    const pool = different(found.measured, problem)
    const scores = found.problem.layers.map((layer) =>
      Object.fromEntries(layer.options.map(({ id, score }) => [id, score])),
    )
    const [before, after] = [done.get(start[0]!)!, pool[0]!.value]
    return {
      values: {
        evaluations: found.evaluations,
        predicted: outcome.solutions[0]!.objective,
        before,
        best: Math.min(...start.map((choice) => done.get(choice)!)),
        after,
        changedLayers: pool[0]!.choice.filter((id, layer) => id !== start[0]![layer]).length,
        scoreSum: scoreOf(problem, pool[0]!.choice),
      },
      files: {
        solutions: await context.put('solutions', {
          ...outcome,
          solutions: pool.map(({ choice, value }) => toSolution(parts, choice, value)),
        }),
        scores: await context.put('scores', scores),
        measured: await context.put('measured', found.measured),
      },
    }
  },
}

/** The best of the measured selections, as many and as different from each other as the problem asks for. */
function different(measured: readonly MeasuredSelection[], problem: Problem): MeasuredSelection[] {
  const { solutions = 1, minimumDifference = 0.2, layers } = problem
  const least = Math.max(1, Math.ceil(minimumDifference * layers.length - 1e-9))
  const pool: MeasuredSelection[] = []
  for (const own of measured) {
    const apart = (other: MeasuredSelection) => own.choice.filter((id, i) => id !== other.choice[i]).length >= least
    if (pool.length < solutions && pool.every(apart)) pool.push(own)
  }
  return pool
}

/** Measured values by selection, kept in a file of the checkpoint. */
class Measurements {
  private constructor(
    private readonly path: string,
    private readonly values: Map<string, number>,
  ) {}

  /** Continues an earlier attempt. What is unreadable is measured again. */
  static async resume(path: string): Promise<Measurements> {
    await mkdir(dirname(path), { recursive: true })
    let entries: [string, number][] = []
    if (existsSync(path))
      try {
        entries = JSON.parse(await readFile(path, 'utf8')) as [string, number][]
      } catch {
        entries = []
      }
    return new Measurements(path, new Map(entries))
  }

  get(choice: Selection): number | undefined {
    return this.values.get(JSON.stringify(choice))
  }

  async add(choice: Selection, value: number): Promise<void> {
    this.values.set(JSON.stringify(choice), value)
    await writeWhole(`${this.path}.tmp`, this.path, JSON.stringify([...this.values]))
  }
}
