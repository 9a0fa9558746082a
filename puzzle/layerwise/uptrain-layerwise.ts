import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TaskContext } from '../../api/index.js'
import { quantisationOf, rounded, weightName } from '../../model/index.js'
import { NonFiniteError, readMetadata, writeTensors, type TensorStream } from '../../tensor/index.js'
import { StoredParameters, type Arrays, type StoredPart, type StoredStep } from '../../tensor/stored-parameters.js'
import { fileIn, notFinite, type CurvePoint } from '../train-with-checkpoints.js'
import type { Uptraining } from '../uptraining-plan.js'
import { usualBounds } from './bounds.js'
import { LayerwiseTrainer, partsOf, type StepRecord } from './layerwise-trainer.js'

/** Steps between two points of the curve. */
const stepsPerPoint = 8

/** What is known of a training besides its weights. */
interface Progress {
  readonly stored: StoredStep
  readonly curve: readonly CurvePoint[]
  /** Steps after the curve's last point. */
  readonly since: readonly StepRecord[]
}

/**
 * Trains a child with one slot of it and of its parent in memory at a time. Weights and moments lie in files of the checkpoint:
 * every step is one, which counts when the file that names its files has replaced the one before.
 *
 * @param path    file of weights to write
 * @param bounds  smaller ones for tests
 */
export async function uptrainLayerwise(
  training: Uptraining,
  context: Pick<TaskContext, 'threads' | 'checkpoint' | 'scratch' | 'signal' | 'progress'>,
  path: string,
  bounds = usualBounds,
): Promise<CurvePoint[]> {
  const { steps } = training.plan
  const { stored, progress: known } = await resumed(training, context.checkpoint)
  let progress = known
  const folder = join(context.scratch, 'layerwise')
  await mkdir(folder, { recursive: true })
  const statesPath = join(context.scratch, 'parent-states')
  const trainer = await LayerwiseTrainer.create(training, stored, {
    threads: context.threads,
    folder,
    bounds,
    ...(training.params.keepParentStates && { statesPath }),
  })
  try {
    while (stored.step < steps) {
      const { step } = stored
      await trainer.step(
        (share, what) => {
          context.signal.throwIfAborted()
          context.progress((step + share) / steps, `step ${step + 1} of ${steps}, ${what}`)
        },
        async (next, own) => {
          progress = withStep(progress, next, own, steps)
          await save(context.checkpoint, progress)
        },
      )
      context.progress(stored.step / steps, `step ${stored.step} of ${steps}, checkpoint saved`)
      context.signal.throwIfAborted()
    }
  } catch (error) {
    if (error instanceof NonFiniteError) throw notFinite(`uptrain: ${error.message}`, error)
    throw error
  } finally {
    await trainer.release()
  }
  await writeTensors(path, await trainedWeights(training, stored))
  return [...progress.curve]
}

/** Adds a step to what is known. */
function withStep({ curve, since }: Progress, stored: StoredStep, own: StepRecord, steps: number): Progress {
  const all = [...since, own]
  if (stored.step % stepsPerPoint !== 0 && stored.step < steps) return { stored, curve, since: all }
  const mean = (name: keyof StepRecord) => all.reduce((n, record) => n + record[name]!, 0) / all.length
  const { loss, kl, cosine, ...more } = own
  const names = Object.keys({ loss, kl, cosine, ...more }) as (keyof StepRecord)[]
  const means = Object.fromEntries(names.map((name) => [name, mean(name)]))
  return { stored, curve: [...curve, { step: stored.step, ...means } as CurvePoint], since: [] }
}

const statesIn = (checkpoint: string): string => join(checkpoint, 'trainer.states')

async function save(checkpoint: string, { stored, curve, since }: Progress): Promise<void> {
  const file = fileIn(checkpoint)
  await mkdir(dirname(file), { recursive: true })
  await writeTensors(file, {}, { curve: JSON.stringify(curve), layerwise: JSON.stringify({ stored, since }) })
}

/** Goes on from the newest checkpoint; one that is incomplete, or of another training, is ignored. */
async function resumed(training: Uptraining, checkpoint: string) {
  const { child, plan } = training
  const { slotParts, normPart } = partsOf(training)
  const parts: StoredPart[] = [...slotParts, ...(normPart ? [normPart] : [])]
  const progress = await read(checkpoint)
  const found =
    progress && progress.stored.step <= plan.steps
      ? await StoredParameters.resume(statesIn(checkpoint), parts, progress.stored)
      : undefined
  if (progress && found) return { stored: found, progress }
  const begun = await StoredParameters.begin(statesIn(checkpoint), parts, async (part) => {
    const own = slotParts.find(({ name }) => name === part.name)
    return own ? child.weights(own.layer, own.slot) : { norm: { data: await child.norm() } }
  })
  return { stored: begun, progress: { stored: begun.current, curve: [], since: [] } as Progress }
}

async function read(checkpoint: string): Promise<Progress | undefined> {
  try {
    const { curve, layerwise } = await readMetadata(fileIn(checkpoint))
    const { stored, since } = JSON.parse(layerwise!) as Pick<Progress, 'stored' | 'since'>
    return { stored, since, curve: JSON.parse(curve!) as CurvePoint[] }
  } catch {
    return undefined
  }
}

/** The weights by the names of `modelShapes`, each slot read when it is written. Those that are integers in memory are rounded. */
async function trainedWeights(training: Uptraining, stored: StoredParameters): Promise<Record<string, TensorStream>> {
  const { slotParts, normPart } = partsOf(training)
  const all: Record<string, TensorStream> = {}
  const add = (part: StoredPart, named: (name: string) => string, weights: () => Promise<Arrays>) => {
    for (const [name, dims] of Object.entries(part.shapes))
      all[named(name)] = {
        dtype: 'float32',
        dims,
        bytes: finite(named(name), async () => (await weights())[name]!.data, stored.step),
      }
  }
  for (const part of slotParts) {
    const { layer, slot } = part
    const weights = async () => rounded(await stored.parameters(part), quantisationOf(training.child, layer, slot))
    add(part, (name) => weightName(layer, slot, name), weights)
  }
  if (normPart)
    add(
      normPart,
      (name) => name,
      () => stored.parameters(normPart),
    )
  return all
}

/** Yields a tensor. The last step's weights have not been through a loss, so they are checked here. */
async function* finite(name: string, read: () => Promise<Float32Array>, step: number): AsyncGenerator<Uint8Array> {
  const data = await read()
  if (!data.every(Number.isFinite)) throw notFinite(`uptrain: The weights ${name} are not finite after step ${step}`)
  yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
