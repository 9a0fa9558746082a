import { Failure, slots, type Runs, type Slot } from '../api/index.js'
import type { Space } from './inputs.js'
import type { Lesson, Pupil } from './lesson.js'
import { asRunTask, runPupils, runVariants } from './run-variants.js'
import { entryId, variants, type Base, type Variant } from './library.js'

/** Parameters of stage `distill`, which trains variants block by block (blockwise local distillation).
 *  @source Bercovich et al., "Puzzle", arXiv 2411.19146, section 3 */
export interface DistillParams {
  /** Tokens to train each variant on, without padding. @default 1,000,000 */
  readonly tokens: number
  /** Sequences per step. @default 8 */
  readonly batch: number
  /** Peak learning rate of AdamW. @default 0.002 */
  readonly learningRate: number
  readonly weightDecay: number
  /** `decoupled` trains each variant on its own; `coupled` also trains every pair of variants of a layer. @default decoupled */
  readonly mode: 'decoupled' | 'coupled'
  /** `closed-form` solves for the last matrix of each variant; `none` leaves variants their training-free weights.
   *  @default gradient */
  readonly training: 'gradient' | 'closed-form' | 'none'
  /** Pairs that are trained together even in decoupled mode. @default none */
  readonly coupled: readonly CoupledPair[]
  /** Variants that are also trained with the other slot removed. @default all */
  readonly besideNoOp: 'all' | 'parent' | 'none'
}

/** Two variants that are trained together. */
interface CoupledPair {
  readonly attention: string
  readonly ffn: string
  /** Layers in which they are trained together. @default all */
  readonly layers?: readonly number[]
}

/** JSON Schema of the parameter `coupled`. */
export const coupledParameter = {
  type: 'array',
  maxItems: 10_000,
  reason: 'each one is trained',
  default: [],
  description: 'Pairs of variants to train together as well, by the names that `puzzleflow scores` shows.',
  items: {
    type: 'object',
    required: [...slots],
    additionalProperties: false,
    properties: {
      attention: { type: 'string' },
      ffn: { type: 'string' },
      layers: {
        type: 'array',
        maxItems: 1000,
        items: { type: 'integer', minimum: 0, maximum: 1000 },
        description: 'Default: all layers.',
      },
    },
  },
}

/** Of these, what decides which lessons there are. */
export type CurriculumParams = Pick<DistillParams, 'mode' | 'coupled' | 'besideNoOp'>

type Aim = Pick<Lesson, 'layer' | 'train' | 'beside' | 'run'>

/** Lists all variants of all slots, layer by layer. */
export function allVariants(model: Base, space: Space): { layer: number; slot: Slot; variant: Variant }[] {
  return Array.from({ length: model.config.layers }, (_, layer) =>
    slots.flatMap((slot) => variants(space, slot, model, layer).map((variant) => ({ layer, slot, variant }))),
  ).flat()
}

/** Lists all lessons of a space: every variant next to the base's block in the other slot, and next to an empty slot; the
 *  requested pairs; and runs of layers. The base's own blocks need no lesson next to each other.
 *  @throws Failure InvalidInput for a requested pair that does not exist */
export function lessons(model: Base, space: Space, params: CurriculumParams, runs: Runs): Aim[] {
  const all = allVariants(model, space)
  const aims: Aim[] = []
  const pupil = (layer: number, slot: Slot, { id, block, params }: Variant, beside: string): Pupil => ({
    entry: entryId(layer, slot, id, beside),
    slot,
    variant: id,
    block,
    params,
  })
  const mayGo = new Set(
    all.flatMap(({ layer, slot, variant }) => (variant.empty && !variant.own ? [`${layer} ${slot}`] : [])),
  )
  for (const { layer, slot, variant } of all) {
    if (variant.empty) continue
    const othersMayGo = slots.some((other) => other !== slot && mayGo.has(`${layer} ${other}`))
    const wanted = params.besideNoOp === 'all' || (params.besideNoOp === 'parent' && variant.own)
    // A block of the base next to the base's other block has nothing to learn.
    if (!variant.own) aims.push({ layer, train: [pupil(layer, slot, variant, 'parent')], beside: 'parent' })
    if (othersMayGo && wanted) aims.push({ layer, train: [pupil(layer, slot, variant, 'no-op')], beside: 'no-op' })
  }
  for (const { layer, attention, ffn } of coupledPairs(all, params))
    aims.push({
      layer,
      train: [pupil(layer, 'attention', attention, ffn.id), pupil(layer, 'ffn', ffn, attention.id)],
      beside: 'parent',
    })
  for (const run of runVariants(model, space, runs)) {
    const train = runPupils(run)
    // A run replaces the whole layer: none of the base's blocks is used.
    if (train.length > 0) aims.push({ layer: run.layer, train, beside: 'no-op', run: asRunTask(run) })
  }
  return aims
}

function coupledPairs(all: ReturnType<typeof allVariants>, { mode, coupled }: CurriculumParams) {
  if (mode === 'decoupled' && coupled.length === 0) return []
  const learnable = all.filter(({ variant }) => !variant.empty && !variant.own)
  const ffns: Variant[][] = []
  for (const { layer, slot, variant } of learnable) if (slot === 'ffn') (ffns[layer] ??= []).push(variant)
  const pairs = learnable
    .filter(({ slot }) => slot === 'attention')
    .flatMap(({ layer, variant: attention }) => (ffns[layer] ?? []).map((ffn) => ({ layer, attention, ffn })))
  if (mode === 'coupled') return pairs
  const chosen = new Set<(typeof pairs)[number]>()
  for (const wanted of coupled) {
    const named = pairs.filter(({ attention, ffn }) => attention.id === wanted.attention && ffn.id === wanted.ffn)
    const missing = wanted.layers?.filter((layer) => !named.some((pair) => pair.layer === layer)) ?? []
    if (named.length === 0 || missing.length > 0) throw noSuchPair(wanted, missing, all)
    for (const pair of named) if (wanted.layers?.includes(pair.layer) ?? true) chosen.add(pair)
  }
  return pairs.filter((pair) => chosen.has(pair))
}

function noSuchPair(
  { attention, ffn }: CoupledPair,
  missing: readonly number[],
  all: ReturnType<typeof allVariants>,
): Failure {
  const learnable = all.filter(({ variant }) => !variant.empty && !variant.own)
  const names = (slot: Slot) => [...new Set(learnable.filter((v) => v.slot === slot).map((v) => v.variant.id))]
  const where = missing.length === 0 ? 'any layer' : `layer${missing.length > 1 ? 's' : ''} ${missing.join(', ')}`
  return new Failure('InvalidInput', `distill.coupled: there is no pair ${attention} and ${ffn} to train in ${where}`, {
    remedy: `Attention: ${names('attention').join(', ')}. FFN: ${names('ffn').join(', ')}. Layers: 0 to ${all.at(-1)!.layer}.`,
  })
}
