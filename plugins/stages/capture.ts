import { embed, Forward, type ModelConfig } from '../../model/index.js'
import { Failure, slots, type ArtifactRef, type SingleStage } from '../../api/index.js'
import { join } from 'node:path'
import { layerBytes, openBytes } from '../../puzzle/estimates/memory.js'
import { Contributions } from '../../puzzle/channel-contribution.js'
import { hiddenName, midName, tokensName, type CapturedFiles } from '../../puzzle/captured.js'
import { openBase } from '../../puzzle/base.js'
import type { BaseOutputs, CaptureOutputs, PrepareOutputs } from '../../puzzle/hand-over.js'
import { capturedOf, expectedReading } from '../../puzzle/estimates/reading.js'
import type { DataInput, ModelInput } from '../../puzzle/inputs.js'
import { layerName } from '../../puzzle/layer-name.js'
import { chunksOf, putSequences, readSequences, tokensOf } from '../../data/sequences.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { openParent } from '../../puzzle/parent.js'
import { batch, ofSequences } from '../../puzzle/parameters.js'
import { layersFlops } from '../../puzzle/estimates/flops.js'

interface CaptureParams {
  readonly sequences: number
  readonly validateSequences: number
  readonly maxBytes: number
  readonly batch: number
}

/**
 * Runs the parent, or the base of a later round, once over calibration text. Stores hidden states as 16-bit floats, for training
 * text and (`validate-…`) held-out text: those before every layer and after the last one (`hiddenNN`), and those between a
 * layer's slots (`midNN`). Also stores the tokens (`tokens`) and the contribution of each FFN channel.
 *
 * @source Bercovich et al., "Puzzle", arXiv 2411.19146, appendix A, for the contributions
 */
export const capture: SingleStage<
  CaptureParams,
  { readonly prepare: PrepareOutputs; readonly base?: BaseOutputs },
  CaptureOutputs,
  ModelInput & Partial<DataInput>
> = {
  name: 'capture',
  // 4: values include the number of tokens.
  version: 4,
  reads: ['model'],
  about: {
    summary: 'Stores the parent’s hidden states at every layer, and statistics for initial weights.',
  },
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      sequences: {
        type: 'integer',
        minimum: 1,
        ...ofSequences,
        default: 512,
        description: 'Training sequences, if the budget allows.',
      },
      validateSequences: {
        description: 'Held-out sequences, on which no block is trained.',
        type: 'integer',
        minimum: 1,
        ...ofSequences,
        default: 96,
      },
      maxBytes: {
        quantity: 'bytes',
        exclusiveMinimum: 0,
        default: 4294967296,
        description: 'Maximum number of bytes to store.',
      },
      batch: batch(16, 'Sequences per forward pass.'),
    },
  },

  async resources({ params, ...context }) {
    const model = await openParent(context)
    const { layers, hidden } = model.config
    const read = await expectedReading(context, model)
    if (!read) return {}
    const { length } = read
    const { train, validate } = capturedOf(params, read)
    const perSequence = (2 * layers + 1) * length * (2 * hidden + 4)
    const longer = Math.min(Math.max(train, validate), params.maxBytes / perSequence)
    return {
      disk: Math.min((train + validate) * perSequence, params.maxBytes),
      // The hidden states before and after a slot, as 32-bit floats.
      memory:
        openBytes(model) +
        2 * longer * length * hidden * 4 +
        layerBytes(model, Math.min(params.batch, longer) * length, length),
      work: { forward: (train + validate) * length * layersFlops(model, length) },
    }
  },

  async run(context) {
    const { params, stages } = context
    const model = await openBase(context, stages.base?.files.base)
    const { config } = model
    const { layers, hidden } = config
    const validate = await readSequences(context, stages.prepare.files.validate, params.validateSequences)
    const { fixed, perSequence } = sizes(model.config, validate.length)
    const least = fixed + (validate.count + 1) * perSequence
    if (params.maxBytes < least)
      throw new Failure(
        'InvalidInput',
        `capture.maxBytes ${params.maxBytes} is too small for one sequence of every layer`,
        { remedy: `Set it to at least ${least} bytes, or capture fewer validateSequences.` },
      )
    const affordable = 1 + Math.floor((params.maxBytes - least) / perSequence)
    const train = await readSequences(context, stages.prepare.files.train, Math.min(params.sequences, affordable))

    const files: Record<string, ArtifactRef> = {}
    const total = { error: 0, power: 0 }
    const statistics: Record<string, number[]> = {}
    for (const text of ['train', 'validate'] as const) {
      const sequences = { train, validate }[text]
      const { count, length, ids, mask } = sequences
      files[tokensName(text)] = await putSequences(context, join(context.scratch, 'tokens'), sequences)
      const batch = Math.min(params.batch, count)
      const forward = new Forward(batch, length, context.threads)
      const contributions = text === 'train' ? new Contributions(model, batch * length, context.threads) : undefined
      // All sequences go through one layer at a time: memory holds only two layers' hidden states, whatever the depth.
      const embedding = await model.embedding()
      let inputs = HiddenStates.empty(count * length, hidden)
      let exact: Float32Array[] = []
      const chunks = chunksOf(count, batch)
      for (const { first } of chunks)
        exact.push(embed(embedding, config, ids.subarray(first * length, (first + batch) * length)))
      const keep = (states: HiddenStates, what: string) => {
        for (const [i, { first, again }] of chunks.entries()) {
          const start = (first + again) * length
          const { error, power } = states.set(start, exact[i]!.subarray(again * length * hidden), what)
          total.error += error
          total.power += power
        }
      }
      keep(inputs, 'Embeddings')
      files[hiddenName(text, 0)] = await inputs.put(context, context.scratch, 'states')
      for (let layer = 0; layer < layers; layer++) {
        for (const slot of slots) {
          const next: Float32Array[] = []
          for (const [i, { first, again }] of chunks.entries()) {
            if (slot === 'ffn')
              await contributions?.add(
                layer,
                exact[i]!,
                mask.slice(first * length, (first + batch) * length).fill(0, 0, again * length),
              )
            next.push(await forward.slot(model, layer, slot, exact[i]!))
          }
          exact = next
          inputs = HiddenStates.empty(count * length, hidden)
          keep(inputs, `Hidden states after the ${slot} of layer ${layer}`)
          const name = slot === 'attention' ? midName(text, layer) : hiddenName(text, layer + 1)
          files[name] = await inputs.put(context, context.scratch, 'states')
        }
        context.progress(
          (layer + 1) / layers,
          `${text === 'train' ? '' : 'held-out text, '}layer ${layer + 1} of ${layers}`,
        )
        if (contributions) statistics[layerName(layer)] = Array.from(await contributions.result(layer))
      }
      await forward.release()
      await contributions?.release()
    }
    const left: CapturedFiles = {
      ...files,
      tokens: files[tokensName('train')]!,
      statistics: await context.put('statistics', statistics),
    }
    const bytes = Object.values(left).reduce((n, ref) => n + ref.bytes, 0)
    return {
      values: {
        sequences: train.count,
        validateSequences: validate.count,
        length: train.length,
        tokens: tokensOf(train),
        bytes,
        float16Error: total.error / total.power,
      },
      files: left,
    }
  },
}

/** An upper bound on the bytes that are stored for any number of sequences, and the bytes for each sequence. */
function sizes({ layers, hidden, intermediate }: ModelConfig, length: number) {
  const states = 2 * layers + 1
  const header = 256
  const numberInJson = 26
  return {
    fixed: 2 * (states + 1) * header + layers * (20 + intermediate * numberInJson),
    perSequence: states * length * (2 * hidden + 4) + 8 * length,
  }
}
