import type { ArtifactRef, Outputs, SingleStage } from '../../api/index.js'
import { curvePage, curveTable } from '../../report/curve.js'
import type { Evaluation, Measured } from '../../puzzle/evaluation.js'
import type { EvaluateOutputs } from '../../puzzle/hand-over.js'
import type { TargetInput } from '../../puzzle/inputs.js'
import { limitsOf } from '../../puzzle/scenarios.js'
import { mostPoints } from '../../spec/limit-range.js'
import { curveOf, type SweepCurve } from '../../puzzle/sweep-curve.js'
import { measurementOf, type SweepOutputs, type SweptLimit } from '../../puzzle/sweep-point.js'

interface CurveParams {
  readonly limit: SweptLimit
  readonly values: readonly number[]
}

interface CurveNeeds {
  readonly sweep: SweepOutputs
  /** Absent if children are not measured. */
  readonly measure?: EvaluateOutputs
}

type CurveOutputs = Outputs<
  { readonly points: number; readonly infeasible: number; readonly children: number },
  { readonly result: ArtifactRef<SweepCurve> } & Readonly<Record<'curve.json' | 'curve.csv' | 'curve.md', ArtifactRef>>
>

/** Writes the points of a sweep as one curve: JSON, a table, and a page. */
export const curve: SingleStage<CurveParams, CurveNeeds, CurveOutputs, TargetInput> = {
  name: 'curve',
  version: 1,
  reads: ['target'],
  about: { summary: 'Writes the curve of a sweep: curve.json, curve.csv and curve.md.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    required: ['limit', 'values'],
    properties: {
      limit: { description: 'As in `sweep`.', type: 'object' },
      values: {
        description: 'As in `sweep`.',
        type: 'array',
        maxItems: mostPoints,
        items: { type: 'number', maximum: 1e18 },
      },
    },
  },

  async run(context) {
    const { stages, spec, params } = context
    const { points, leftOut } = stages.sweep.values
    const evaluations = stages.measure?.values.evaluations
    const json = curveOf({
      swept: params.limit,
      values: params.values,
      limits: limitsOf(spec.target),
      scenario: spec.target.scenario!,
      points,
      measures: evaluations !== undefined,
      measurements: measurementsOf(points, evaluations),
      ...(leftOut && { leftOut }),
    })
    return {
      values: {
        points: json.points.length,
        infeasible: json.points.filter(({ status }) => status === 'infeasible').length,
        children: new Set(json.points.flatMap((point) => ('solutionDigest' in point ? [point.solutionDigest] : [])))
          .size,
      },
      files: {
        result: await context.put('result', json),
        'curve.json': await context.put('report', text(`${JSON.stringify(json, null, 2)}\n`)),
        'curve.csv': await context.put('report', text(curveTable(json))),
        'curve.md': await context.put('report', text(curvePage(json))),
      },
    }
  },
}

const text = (written: string) => new TextEncoder().encode(written)

/** Evaluations are in the order of children, each of which is listed once, where the first point has it. */
function measurementsOf(
  points: SweepOutputs['values']['points'],
  evaluations: readonly Evaluation<Measured>[] = [],
): ReadonlyMap<string, Evaluation<Measured>> {
  const names = points.flatMap((point) => (point.status === 'infeasible' ? [] : [measurementOf(point)]))
  return new Map([...new Set(names)].map((name, i) => [name, evaluations[i]!]))
}
