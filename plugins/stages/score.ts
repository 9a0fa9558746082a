import { Head, withHead, type Comparison, type HeadWeights, type Model } from '../../model/index.js'
import {
  Failure,
  slots as places,
  type ArtifactRef,
  type BlockName,
  type FanOutStage,
  type Files,
  type Outputs,
  type TaskContext,
  type TaskPlan,
} from '../../api/index.js'
import { forwardBytes } from '../../puzzle/estimates/memory.js'
import { captured, hiddenName, tokensName, type CapturedStatistics } from '../../puzzle/captured.js'
import { compositionOf } from '../../puzzle/composition.js'
import { earlierLibrary, earlierName, earlierWeights, openBase } from '../../puzzle/base.js'
import type {
  BaseOutputs,
  CaptureOutputs,
  DistillOutputs,
  PrepareOutputs,
  ScoreOutputs,
} from '../../puzzle/hand-over.js'
import type { ModelInput, SpaceInput } from '../../puzzle/inputs.js'
import { capturedOf, expectedReading } from '../../puzzle/estimates/reading.js'
import { scoresExpected } from '../../puzzle/estimates/scores.js'
import { initialWeights, sampleInputs, samplesFor } from '../../puzzle/initial-weights.js'
import { quantisedHeads } from '../../puzzle/heads.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { layerName } from '../../puzzle/layer-name.js'
import { asTask, fillingWeights, type Filling } from '../../puzzle/library.js'
import { readLibrary } from '../../puzzle/read-library.js'
import { runName, runVariants } from '../../puzzle/run-variants.js'
import { AccuracyMeter } from '../../puzzle/accuracy-meter.js'
import { declared, judged, objectiveNames, type Judgement, type ObjectiveName } from '../../puzzle/objective.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import { pairsOf } from '../../puzzle/scored-pairs.js'
import { readSequences } from '../../data/sequences.js'
import { Scorer, type HeldInputs } from '../../puzzle/scorer.js'
import { blocksOf, openParent } from '../../puzzle/parent.js'
import { batch, ofItems, ofSequences } from '../../puzzle/parameters.js'
import { Warm } from '../../puzzle/warm.js'

interface ScoreParams {
  readonly sequences: number
  readonly pairs: number | 'all'
  readonly batch: number
  readonly objective: ObjectiveName
  readonly items: number
  readonly beforeDistillation: boolean
}

interface ScoreTaskParams {
  readonly layer: number
  readonly slot: ScoreRow['slot']
  readonly attention: Filling
  readonly ffn: Filling
  /** Id of the run of layers that the layer replaces; absent for a single layer. */
  readonly run?: string
  readonly span?: number
  /** Whether the training-free weights are scored, too. */
  readonly before: boolean
  readonly sequences: number
  readonly batch: number
  /** Absent: the KL. */
  readonly objective?: Exclude<ObjectiveName, 'kl'>
  /** Items of each task, for the objective `accuracy`. */
  readonly items?: number
}

/** A head in the parent's place. */
interface HeadTaskParams extends Pick<ScoreTaskParams, 'sequences' | 'batch' | 'objective' | 'items'> {
  readonly head: HeadWeights
}

/** What a head loses, by the objective. */
interface HeadScore {
  readonly head: HeadWeights
  readonly degradation: number
}

interface ScoreTask {
  readonly params: ScoreTaskParams | HeadTaskParams
  /** Weights to score, and the sources of initial weights if those are scored, too. */
  readonly inputs: Files &
    HeldInputs & {
      readonly statistics?: ArtifactRef<CapturedStatistics>
      readonly tasks?: PrepareOutputs['files']['tasks']
      readonly base?: BaseOutputs['files']['base']
    }
  readonly outputs: Outputs<ScoreRow | HeadScore, object>
}

type Task = TaskPlan<ScoreTask['params'], ScoreTask['inputs']>

/**
 * Scores library entries: KL(parent || parent with that block); in a later round, of the base in the parent's place. Only layers
 * from the changed one on are computed. Pairs that were trained together are scored together. Of the other pairs, a few are
 * scored, to see how scores of slots combine, or all.
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146 (replace-1-block scores)
 */
export const score: FanOutStage<
  ScoreParams,
  {
    readonly distill: DistillOutputs
    readonly capture: CaptureOutputs
    readonly prepare?: PrepareOutputs
    readonly base?: BaseOutputs
  },
  ScoreOutputs,
  ScoreTask,
  ModelInput & SpaceInput
> = {
  name: 'score',
  // 4: the KL comes from the parent's mean rows of the head, not from logits of both.
  version: 4,
  reads: ['model', 'space'],
  taskReads: ['model'],
  partial: true,
  about: { summary: 'Replaces one block of the parent at a time and measures the effect on its predictions.' },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      sequences: {
        type: 'integer',
        minimum: 1,
        ...ofSequences,
        default: 64,
        description: 'How many of the captured held-out sequences to use.',
      },
      pairs: {
        anyOf: [{ type: 'integer', minimum: 0, maximum: 10_000, reason: 'each one is measured' }, { const: 'all' }],
        default: 2,
        description:
          'Pairs of replaced slots to measure per layer, to choose the composition; all: every pair is measured and none composed.',
      },
      batch: batch(16, 'Sequences per forward pass: more take more memory and less time.'),
      objective: {
        enum: [...objectiveNames],
        default: 'kl',
        description:
          'What blocks are judged by: the KL from the parent, the loss for the next token, the error of the hidden state before the last norm, or the mean accuracy on `tasks`, for which all items are answered once per block.',
      },
      items: {
        type: 'integer',
        minimum: 1,
        ...ofItems,
        default: 40,
        description: 'Items of each task, with `objective: accuracy`.',
      },
      beforeDistillation: {
        type: 'boolean',
        default: true,
        description:
          'Whether training-free weights are scored, too, to show what distillation gained. It takes as long again, and no choice depends on it.',
      },
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const read = await expectedReading(context, model)
    if (!read) return {}
    const sequences = Math.min(params.sequences, capturedOf(context.stages.capture, read).validate)
    const memory = forwardBytes(model, { held: sequences, batch: params.batch, length: read.length })
    return { ...scoresExpected(model, context, params, read, sequences), memory }
  },

  async plan(context) {
    const { params, spec, seed, stages } = context
    const base = stages.base?.files.base
    const model = await openBase(context, base)
    const earlier = await earlierLibrary(context, stages.base)
    const library = await readLibrary(context)
    const { files, values } = stages.capture
    const { layers } = model.config
    const { sequences, batch } = params
    const memory = forwardBytes(model, { held: sequences, batch, length: values.length })
    const states = (n: number) => captured(files, hiddenName('validate', n))
    const tokens = captured(files, tokensName('validate'))
    const { objective } = params
    // Tasks of the KL are what they were before there was a choice.
    const judging = objective !== 'kl' && { objective, ...(objective === 'accuracy' && { items: params.items }) }
    const items = objective === 'accuracy' && stages.prepare && { tasks: stages.prepare.files.tasks }
    const ofBase = base && { base }
    const single = Array.from({ length: layers }, (_, layer) =>
      pairsOf(model, spec.space, library, layer, params.pairs, seed).map(({ slot, attention, ffn }): Task => {
        const { fillings, inputs } = asTask([attention, ffn])
        const before = params.beforeDistillation && slot !== 'block' && { attention, ffn }[slot].weights !== null
        const changed = slot !== 'block' && { ...{ attention, ffn }[slot], slot }
        const from = changed && earlier && earlierWeights(model, earlier, layer, { ...changed, entry: changed.id })
        return {
          id: `${layerName(layer)}/${slot}/${attention.variant}+${ffn.variant}`,
          label: `layer ${layer}: ${attention.variant} and ${ffn.variant}`,
          group: layerName(layer),
          memory,
          params: {
            layer,
            slot,
            attention: fillings[0]!,
            ffn: fillings[1]!,
            before,
            sequences,
            batch,
            ...judging,
          },
          inputs: {
            ...inputs,
            ...items,
            ...ofBase,
            input: states(layer),
            final: states(layers),
            tokens,
            ...(before &&
              changed && {
                statistics: files.statistics,
                ...(earlier
                  ? from && { [earlierName(slot)]: from }
                  : samplesFor(model, layer, [changed], files, 'sampleText')),
              }),
          },
          blocks: [
            ...blocksOf(model),
            ...[attention, ffn].filter(({ slot, block }) => !base || !model.blocks.get(slot, block).empty).map(nameOf),
          ],
        }
      }),
    ).flat()
    const runs = runVariants(model, spec.space, context.runs).flatMap((run): Task[] => {
      const { id, layer, span, slots } = run
      const [attention, ffn] = [library.get(slots.attention.entry), library.get(slots.ffn.entry)]
      // Entries that are missing in the library are not scored.
      if (!attention || !ffn) return []
      const { fillings, inputs } = asTask([attention, ffn])
      const scored = {
        layer,
        slot: 'block' as const,
        attention: fillings[0]!,
        ffn: fillings[1]!,
        before: false,
        run: id,
        span,
      }
      return [
        {
          id: runName(run),
          label: `layers ${layer} to ${layer + span - 1}: ${id}`,
          group: layerName(layer),
          memory,
          params: { ...scored, sequences, batch, ...judging },
          inputs: { ...inputs, ...items, ...ofBase, input: states(layer), final: states(layers), tokens },
          blocks: [
            ...blocksOf(model),
            ...places.filter((slot) => !slots[slot].empty).map((slot) => ({ slot, name: slots[slot].block })),
          ],
        },
      ]
    })
    const heads = quantisedHeads(spec.space).map((head): Task => ({
      ...{ id: `head/${head}`, label: `head in ${head}`, group: 'head', memory },
      params: { head, sequences, batch, ...judging },
      inputs: { ...items, ...ofBase, input: states(layers), final: states(layers), tokens },
      blocks: [...blocksOf(model)],
    }))
    return [...single, ...runs, ...heads]
  },

  async run(context) {
    const { inputs, params: own } = context.task
    const model = await openBase(context, inputs.base)
    if ('head' in own) return { values: await headScore(context, model, own), files: {} }
    const { layer, slot } = own
    const scorer = await Scorer.open(context, model, own)
    const weights = {
      attention: await fillingWeights(own.attention, inputs, model, context),
      ffn: await fillingWeights(own.ffn, inputs, model, context),
    }
    const after = await scorer.measure(own, weights)
    let before: Comparison | undefined
    if (own.before && slot !== 'block') {
      const initial = await initialWeights(
        context,
        model,
        layer,
        slot,
        { ...own[slot], parent: false },
        {
          statistics: inputs.statistics!,
          ...sampleInputs(inputs, slot, 'sampleText'),
          earlier: inputs[earlierName(slot)],
        },
      )
      before = await scorer.measure(own, { ...weights, [slot]: initial })
    }
    const { objective } = own
    const accuracy =
      objective === 'accuracy'
        ? await accuracyMeter(context, model).then((meter) => meter.measure(scorer.view(own, weights)))
        : undefined
    const row = toRow(own, after, before, objective && judged(objective, after, accuracy))
    for (const measure of ['kl', 'kl_before_distillation', 'lossDelta', 'nmse'] as const)
      if (row[measure] !== null && !Number.isFinite(row[measure]))
        throw new Failure(
          'NonFinite',
          `layer ${layer}, ${row.attention} and ${row.ffn}: the score is not finite (${measure} ${row[measure]})`,
          { remedy: 'Remove the variant from `space`, or check the weights for extreme values.' },
        )
    return { values: row, files: {} }
  },

  /** Returns the table of all rows, and how scores of a layer's two slots combine, according to the measured pairs. */
  async gather(context) {
    const values = context.tasks.map(({ outputs }) => outputs.values)
    const rows = values.filter((own): own is ScoreRow => !('head' in own))
    const heads = values.filter((own): own is HeadScore => 'head' in own)
    const model = await openBase(context, context.stages.base?.files.base)
    return {
      values: {
        rows: rows.length,
        objective: declared(context.params.objective, rows[0]?.judged?.parent ?? 0),
        ...compositionOf(rows, model),
        ...(heads.length > 0 && {
          heads: Object.fromEntries(heads.map(({ head, degradation }) => [head, degradation])),
        }),
        leftOut: context.skipped,
      },
      files: { scores: await context.put('scores', rows) },
    }
  },
}

/** Scores a head: the parent's last hidden states with its predictions and with the parent's. */
async function headScore(
  context: TaskContext<ScoreTask, ModelInput>,
  model: Model,
  { head: kind, sequences, objective }: HeadTaskParams,
): Promise<HeadScore> {
  const { inputs } = context.task
  const { ids, mask, length, count } = await readSequences(context, inputs.tokens, sequences)
  const states = (await HiddenStates.read(await context.open(inputs.final))).rows(0, count * length)
  const changed = withHead(model, kind)
  const head = await Head.create(changed, context.threads, model)
  const comparison = await head.compare(states, states, ids, mask, length)
  await head.release()
  const accuracy =
    objective === 'accuracy' ? await accuracyMeter(context, model).then((meter) => meter.measure(changed)) : undefined
  const { degradation } = judged(objective ?? 'kl', comparison, accuracy)
  if (!Number.isFinite(degradation))
    throw new Failure('NonFinite', `head in ${kind}: the score is ${degradation}`, {
      remedy: 'Remove it from `space.head`, or check the head for extreme values.',
    })
  return { head: kind, degradation }
}

const nameOf = ({ slot, block }: Filling): BlockName => ({ slot, name: block })

const toRow = (
  { layer, slot, attention, ffn, run, span }: ScoreTaskParams,
  after: Comparison,
  before?: Comparison,
  judgement?: Judgement,
): ScoreRow => ({
  layer,
  slot,
  attention: attention.variant,
  ffn: ffn.variant,
  entries: { attention: attention.id, ffn: ffn.id },
  kl: after.kl / after.tokens,
  kl_before_distillation: before ? before.kl / before.tokens : null,
  lossDelta: (after.loss - after.parentLoss) / after.targets,
  top1: after.top1 / after.tokens,
  nmse: after.error / after.power,
  ...(run !== undefined && span !== undefined && { run, span }),
  ...(judgement && { judged: judgement }),
})

// The parent answers once for all tasks of a process.
const accuracyMeters = new Warm<AccuracyMeter>(1, (meter) => meter.release())

function accuracyMeter(context: TaskContext<ScoreTask, ModelInput>, model: Model): Promise<AccuracyMeter> {
  const { task, threads, inputDigests } = context
  const { tasks } = task.inputs
  const { items = 1 } = task.params
  if (!tasks)
    throw new Failure('InvalidInput', 'The objective "accuracy" needs the tasks of the stage prepare', {
      remedy: 'Add prepare to the `needs:` of the stage score in the pipeline.',
    })
  return accuracyMeters.get(`${inputDigests.model} ${tasks.digest} ${items} ${threads}`, () =>
    AccuracyMeter.open(context, model, tasks, items, threads),
  )
}
