import {
  Forward,
  Head,
  layerFacts,
  replaceBlocks,
  type Comparison,
  type Model,
  type Replacement,
} from '../../model/index.js'
import type { JsonObject, Slot, Stage, TaskPlan, Weights } from '../api/index.js'
import { initialWeights } from './distill.js'
import { entryId, entryWeights, layerName, readLibrary, variants, type LibraryEntry } from './library.js'
import { uniform } from './random.js'
import { HiddenStates, openParent, readSequences } from './sequences.js'

interface ScoreParams {
  readonly sequences: number
  readonly pairs: number
  readonly batch: number
}

/** What replacing one slot, or both slots of a layer, does to the parent's predictions on held-out text. */
export interface ScoreRow {
  readonly layer: number
  /** `block`: both slots. */
  readonly slot: Slot | 'block'
  /** Variant in each slot; the parent's own where it was not replaced. */
  readonly attention: string
  readonly ffn: string
  /** Library entries that were in the slots. */
  readonly entries: { readonly attention: string; readonly ffn: string }
  /** KL(parent || child), mean per token, nats. */
  readonly kl: number
  /** With the training-free weights; null where nothing was trained. */
  readonly kl_before_distillation: number | null
  /** Change of the loss for the next token, nats. */
  readonly lossDelta: number
  /** Share of positions where the most likely token is the same. */
  readonly top1: number
  /** Of the hidden state before the last norm. */
  readonly nmse: number
}

type Pair = { readonly attention: LibraryEntry; readonly ffn: LibraryEntry }

/**
 * Scores library entries: KL(parent || parent with that block). Only layers from the changed one on are computed. Pairs
 * trained for each other are scored together; for others a few pairs are, to see how scores of slots add up.
 */
export const score: Stage<ScoreParams> = {
  name: 'score',
  version: 1,
  reads: ['model', 'space'],
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      sequences: { type: 'integer', minimum: 1, default: 64, description: 'Held-out sequences, of those captured.' },
      pairs: {
        type: 'integer',
        minimum: 0,
        default: 2,
        description: 'Pairs of each layer measured to choose the composition.',
      },
      batch: { type: 'integer', minimum: 1, default: 16 },
    },
  },

  async plan(context) {
    const model = await openParent(context)
    const { files } = context.stages.capture!
    return Array.from({ length: model.config.layers }, (_, layer): TaskPlan => {
      const number = (n: number) => layerName(n).slice(5)
      return {
        id: layerName(layer),
        label: `layer ${layer}: all variants`,
        group: layerName(layer),
        params: { layer, sequences: context.params.sequences, pairs: context.params.pairs },
        inputs: {
          input: files[`validate-hidden${number(layer)}`]!,
          final: files[`validate-hidden${number(model.config.layers)}`]!,
          library: context.stages.distill!.files.library!,
        },
      }
    })
  },

  async run(context) {
    const { params, task, stages, spec, blocks, seed } = context
    const layer = task.params.layer as number
    const model = await openParent(context)
    const library = await readLibrary(context)
    const { validateSequences, length } = stages.capture!.values as unknown as {
      validateSequences: number
      length: number
    }
    const count = Math.min(params.sequences, validateSequences)
    const { ids, mask } = await readSequences(context, stages.prepare!.files.validate!, count)
    const input = await HiddenStates.read(await context.open(task.inputs.input!))
    const final = (await HiddenStates.read(await context.open(task.inputs.final!))).rows(0, count * length)
    const scorer = await Scorer.create(
      model,
      layer,
      { input, final, ids, mask, count, length },
      Math.min(params.batch, count),
      context.threads,
    )

    const facts = layerFacts(model.config, layer)
    const entry = (slot: Slot, variant: string, beside: 'parent' | 'no-op') =>
      library.get(entryId(layer, slot, variant, beside))
    const of = (slot: Slot) => variants(spec.space as JsonObject, slot, facts, blocks)
    const parent = { attention: entry('attention', 'parent', 'parent')!, ffn: entry('ffn', 'parent', 'parent')! }
    const rows: ScoreRow[] = []
    const measure = async (slot: ScoreRow['slot'], pair: Pair, before: Weights | undefined) => {
      const weights = {
        attention: await entryWeights(pair.attention, model, context),
        ffn: await entryWeights(pair.ffn, model, context),
      }
      const after = await scorer.measure(pair, weights)
      const earlier =
        before && slot !== 'block' ? await scorer.measure(pair, { ...weights, [slot]: before }) : undefined
      rows.push(toRow(layer, slot, pair, after, earlier))
      context.progress(
        rows.length / total,
        `${rows.length} of ${total}: ${pair.attention.variant} + ${pair.ffn.variant}`,
      )
    }
    const singles = (['attention', 'ffn'] as const).flatMap((slot) =>
      of(slot)
        .filter(({ id }) => id !== 'parent')
        .map((variant) => ({ slot, variant })),
    )
    const pairs = [
      ...alone(of('attention'), of('ffn'), entry),
      ...sampled(context, layer, of('attention'), of('ffn'), entry, seed),
    ]
    const total = singles.length + pairs.length
    for (const { slot, variant } of singles) {
      const before = variant.empty ? undefined : await initialWeights(context, model, layer, slot, variant)
      await measure(slot, { ...parent, [slot]: entry(slot, variant.id, 'parent')! }, before)
    }
    for (const pair of pairs) await measure('block', pair, undefined)
    await scorer.release()
    return { values: { rows: rows as unknown as JsonObject[] }, files: {} }
  },

  /** The table of all rows, and how scores of two slots of a layer add up, judged by the pairs measured. */
  async gather(context) {
    const rows = context.tasks.flatMap(({ outputs }) => (outputs.values as unknown as { rows: ScoreRow[] }).rows)
    const single = (row: ScoreRow, slot: Slot) =>
      row[slot] === 'parent'
        ? 0
        : rows.find((r) => r.slot === slot && r.layer === row.layer && r[slot] === row[slot])?.kl
    const errors = { sum: [] as number[], rss: [] as number[] }
    for (const row of rows) {
      if (row.slot !== 'block' || row.entries.attention.endsWith('+no-op') || row.entries.ffn.endsWith('+no-op'))
        continue
      const [a, f] = [single(row, 'attention'), single(row, 'ffn')]
      if (a === undefined || f === undefined || row.kl <= 0) continue
      errors.sum.push(Math.abs(Math.log((a + f) / row.kl)))
      errors.rss.push(Math.abs(Math.log(Math.sqrt(a * a + f * f) / row.kl)))
    }
    const mean = (values: number[]) => (values.length ? values.reduce((x, y) => x + y, 0) / values.length : 0)
    const evidence = { pairs: errors.sum.length, sum: mean(errors.sum), rss: mean(errors.rss) }
    return {
      values: { rows: rows.length, composition: evidence.rss < evidence.sum ? 'rss' : 'sum', evidence },
      files: { scores: await context.put('scores', rows as unknown as JsonObject[]) },
    }
  },
}

type Find = (slot: Slot, variant: string, beside: 'parent' | 'no-op') => LibraryEntry | undefined
type Own = readonly { readonly id: string; readonly empty: boolean }[]

/** Pairs with an empty slot: entries trained for that where there are any, and the layer removed whole. */
function alone(attention: Own, ffn: Own, entry: Find): Pair[] {
  const pairs: Pair[] = []
  for (const a of attention)
    for (const f of ffn) {
      if (!a.empty && !f.empty) continue
      const beside = (other: { empty: boolean }, own: { empty: boolean }) =>
        other.empty && !own.empty ? 'no-op' : 'parent'
      const pair = { attention: entry('attention', a.id, beside(f, a)), ffn: entry('ffn', f.id, beside(a, f)) }
      if (pair.attention && pair.ffn) pairs.push(pair as Pair)
    }
  return pairs
}

/** Some pairs of changed slots, trained beside the parent's. */
function sampled(
  { params }: { params: ScoreParams },
  layer: number,
  attention: Own,
  ffn: Own,
  entry: Find,
  seed: number,
): Pair[] {
  const changed = (own: Own) => own.filter(({ id, empty }) => id !== 'parent' && !empty)
  const all = changed(attention).flatMap((a) => changed(ffn).map((f) => [a.id, f.id] as const))
  const random = uniform(seed * 7919 + layer)
  const pairs: Pair[] = []
  for (let n = Math.min(params.pairs, all.length); n > 0; n--) {
    const [[a, f]] = all.splice(Math.floor(random() * all.length), 1) as [readonly [string, string]]
    pairs.push({ attention: entry('attention', a, 'parent')!, ffn: entry('ffn', f, 'parent')! })
  }
  return pairs
}

function toRow(layer: number, slot: ScoreRow['slot'], pair: Pair, after: Comparison, before?: Comparison): ScoreRow {
  return {
    layer,
    slot,
    attention: pair.attention.variant,
    ffn: pair.ffn.variant,
    entries: { attention: pair.attention.id, ffn: pair.ffn.id },
    kl: after.kl / after.tokens,
    kl_before_distillation: before ? before.kl / before.tokens : null,
    lossDelta: (after.loss - after.parentLoss) / after.targets,
    top1: after.top1 / after.tokens,
    nmse: after.error / after.power,
  }
}

interface Held {
  readonly input: HiddenStates
  readonly final: Float32Array
  readonly ids: Int32Array
  readonly mask: Float32Array
  readonly count: number
  readonly length: number
}

/** The layers from one on, with that one changed. */
class Scorer {
  private constructor(
    private readonly model: Model,
    private readonly layer: number,
    private readonly held: Held,
    private readonly forward: Forward,
    private readonly head: Head,
  ) {}

  static async create(model: Model, layer: number, held: Held, batch: number, threads: number): Promise<Scorer> {
    return new Scorer(model, layer, held, new Forward(batch, held.length, threads), await Head.create(model, threads))
  }

  async measure(pair: Pair, weights: Readonly<Record<Slot, Weights>>): Promise<Comparison> {
    const { held, model, layer, forward } = this
    const replacements = (['attention', 'ffn'] as const).map((slot): Replacement => {
      const { block, params } = pair[slot]
      return { layer, slot, block, params, weights: weights[slot] }
    })
    const view = replaceBlocks(model, replacements)
    const rows = forward.batch * held.length
    const { hidden, layers } = model.config
    const out = new Float32Array(held.final.length)
    for (let first = 0; first < held.count; first += forward.batch) {
      const start = Math.min(first, held.count - forward.batch) * held.length
      out.set(await forward.layers(view, held.input.rows(start, rows), layer, layers), start * hidden)
    }
    return this.head.compare(held.final, out, held.ids, held.mask, held.length)
  }

  async release(): Promise<void> {
    await this.forward.release()
    await this.head.release()
  }
}
