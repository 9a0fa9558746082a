import type { Option, Problem } from '../solver/index.js'
import { KernelRegression } from './kernel-regression.js'
import type { MeasuredSelection, Selection } from './selection.js'

/** Names by which options of a layer are alike, such as the variants in its slots. */
export type Facets = (layer: number, option: string) => readonly string[]

/**
 * Predicts the degradation of whole selections from measured ones. The root of a KL grows like the length of what blocks add to
 * the hidden states. If the changes of all blocks were at right angles, the KL of a selection would be the sum of its scores, and
 * the square of the sum of their roots if they pointed the same way. Where between the two a selection lies is learned
 * (`KernelRegression`): it is much the same for selections with the same variants, or with ones of similar scores, and 0 far from
 * all that was measured. So is, for each pair of slots in a layer and the one after it, how well blocks get on with each other. A
 * block that is replaced alone has its score, whatever was measured.
 */
export class AssemblyPredictor {
  private constructor(
    private readonly space: Space,
    private readonly points: readonly Point[],
    private readonly unit: number,
    private readonly regression: KernelRegression,
  ) {}

  /** Fits measured selections, at least one.
   *  @param base  what the model loses that the scores are of: it counts as one more block, which all selections have */
  static fit(problem: Problem, facets: Facets, measured: readonly MeasuredSelection[], base = 0): AssemblyPredictor {
    const space = new Space(problem, facets, base)
    const points = measured.map(({ choice }) => space.point(choice))
    const roots = measured.map(({ value }) => root(value))
    const unit = Math.max(middle(roots), 1e-6)
    const covariances = points.map((a, i) =>
      points.map((b, j) =>
        // Selections may look the same, and none of them may lose anything.
        i === j
          ? covariance(a, b, unit) * (1 + 1e-6) + (noise * Math.max(roots[i]!, unit)) ** 2
          : covariance(a, b, unit),
      ),
    )
    const missed = roots.map((own, i) => own - points[i]!.length)
    return new AssemblyPredictor(space, points, unit, new KernelRegression(covariances, missed))
  }

  /** @param deviations  how many standard deviations below the mean; default: 0 */
  predict(choice: Selection, deviations = 0): number {
    const point = this.space.point(choice)
    const covariances = this.points.map((own) => covariance(own, point, this.unit))
    const mean = point.length + this.regression.mean(covariances)
    if (deviations === 0) return Math.max(0, mean) ** 2
    const variance = this.regression.scale * this.regression.variance(covariance(point, point, this.unit), covariances)
    return Math.max(0, mean - deviations * Math.sqrt(Math.max(0, variance))) ** 2
  }
}

/** How far measured roots may be from predicted ones, as a share of them. */
const noise = 0.02
/** Distance of selections, in roots of the median measured degradation, at which they are hardly alike: that of roots of scores. */
const reach = 0.8
/** The logarithm of how alike selections are in which all slots have other variants with the same scores. */
const otherVariants = -0.5

const root = (value: number): number => Math.sqrt(Math.max(0, value))
const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** A selection as the regression sees it. */
interface Point {
  readonly labels: Int32Array
  /** Roots of the scores of its facets. */
  readonly roots: Float64Array
  /** Of all pairs of facets in a layer and the one after it: the root of the product of their roots. */
  readonly neighbours: Float64Array
  /** Root of the sum of scores. */
  readonly length: number
  /** Sum of the roots without that: 0 if nothing or a single block is replaced. */
  readonly slack: number
}

function covariance(a: Point, b: Point, unit: number): number {
  let different = 0
  let squares = 0
  for (let i = 0; i < a.labels.length; i++)
    if (a.labels[i] !== b.labels[i]) {
      different++
      squares += (a.roots[i]! - b.roots[i]!) ** 2
    }
  let neighbours = 0
  for (let i = 0; i < a.neighbours.length; i++) neighbours += a.neighbours[i]! * b.neighbours[i]!
  const alike = Math.exp((otherVariants * different) / a.labels.length - squares / (reach * unit) ** 2)
  return a.slack * b.slack * alike + neighbours
}

/** What an option adds to a point. */
interface Part {
  readonly score: number
  readonly span: number
  readonly labels: readonly number[]
  readonly roots: readonly number[]
}

/** Turns selections into points. */
class Space {
  private readonly parts: readonly ReadonlyMap<string, Part>[]
  /** Facets of a layer. */
  private readonly width: number

  constructor(
    problem: Problem,
    facets: Facets,
    private readonly base: number,
  ) {
    let count = 0
    let width = 0
    this.parts = problem.layers.map(({ options }, layer) => {
      const labels = new Map<string, number>()
      // The least score of an option with this facet is that of the facet by itself.
      const scores = new Map<number, number>()
      const labelsOf = ({ id }: Option) =>
        facets(layer, id).map((facet, i) => {
          const key = `${i}/${facet}`
          const label = labels.get(key) ?? count++
          labels.set(key, label)
          return label
        })
      for (const option of options)
        for (const label of labelsOf(option)) scores.set(label, Math.min(scores.get(label) ?? Infinity, option.score))
      return new Map(
        options.map((option) => {
          const own = labelsOf(option)
          width = Math.max(width, own.length)
          const roots = own.map((label) => root(scores.get(label)!))
          return [option.id, { score: option.score, span: option.span ?? 1, labels: own, roots }]
        }),
      )
    })
    this.width = width
  }

  point(choice: Selection): Point {
    const labels = new Int32Array(choice.length * this.width).fill(-1)
    const roots = new Float64Array(labels.length)
    let sum = Math.max(0, this.base)
    for (let layer = 0; layer < choice.length;) {
      const part = this.parts[layer]!.get(choice[layer]!)!
      sum += part.score
      roots.set(part.roots, layer * this.width)
      // The other layers of a run are like those of the same run.
      for (let i = 0; i < part.span; i++) labels.set(part.labels, (layer + i) * this.width)
      layer += part.span
    }
    const length = root(sum)
    const sumOfRoots = roots.reduce((total, own) => total + own, root(this.base))
    const neighbours: number[] = []
    for (let i = 0; i < roots.length; i++) {
      const end = Math.min(roots.length, (Math.floor(i / this.width) + 2) * this.width)
      for (let j = i + 1; j < end; j++) neighbours.push(Math.sqrt(roots[i]! * roots[j]!))
    }
    return {
      labels,
      roots,
      neighbours: Float64Array.from(neighbours),
      length,
      slack: Math.max(0, sumOfRoots - length),
    }
  }
}
