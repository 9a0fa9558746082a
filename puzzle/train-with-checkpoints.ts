import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { NonFiniteError, readMetadata, readTensors, writeTensors, type Tensor, type Trainer } from '../tensor/index.js'
import { Failure } from '../api/index.js'

/** A point of a training curve: means over the steps since the previous point. */
export interface CurvePoint {
  /** Number of completed steps. */
  readonly step: number
  readonly loss: number
  readonly [metric: string]: number
}

/** A training: its trainer, data and checkpoints. */
export interface TrainingRun {
  readonly trainer: Trainer
  readonly steps: number
  /** Steps between two points of the curve, and in one call of the trainer. @default 16 */
  readonly stepsPerPoint?: number
  /** Path of the folder for checkpoints. */
  readonly checkpoint: string
  /** Points of the curve between two checkpoints. @default 4 */
  readonly pointsPerCheckpoint?: number
  /** Returns the batches of steps start..start+count-1, [count, ...]. They must depend on nothing else. */
  batches(start: number, count: number): Readonly<Record<string, Tensor>>
  readonly signal: AbortSignal
  progress(fraction: number, message: string): void
  /** Name of the training in errors. */
  readonly what: string
}

/**
 * Trains to the last step, from the newest checkpoint if there is one. The result is bit-identical to that of an uninterrupted
 * training. A checkpoint is one file, replaced by rename.
 * @returns the curve from its first point on
 * @throws Failure NonFinite if the loss or a weight is not finite
 */
export async function trainWithCheckpoints(run: TrainingRun): Promise<CurvePoint[]> {
  const { trainer, steps, stepsPerPoint = 16, pointsPerCheckpoint = 4 } = run
  const file = fileIn(run.checkpoint)
  const curve = await resumed(file, trainer, steps)
  let step = curve.at(-1)?.step ?? 0
  for (let point = curve.length; step < steps; point++) {
    const count = Math.min(stepsPerPoint, steps - step)
    try {
      const { losses, metrics } = await trainer.run(run.batches(step, count))
      const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length
      step += count
      const means = Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, mean(values)]))
      curve.push({ step, loss: mean(losses), ...means })
    } catch (error) {
      if (error instanceof NonFiniteError) throw notFinite(`${run.what}: ${error.message}`, error)
      throw error
    }
    const { loss } = curve.at(-1)!
    run.progress(step / steps, `step ${step} of ${steps}, loss ${loss.toPrecision(4)}`)
    if ((point + 1) % pointsPerCheckpoint === 0 && step < steps) {
      await save(file, trainer, curve)
      run.progress(step / steps, `step ${step} of ${steps}, checkpoint saved`)
    }
    // Lets messages arrive, and an abort take effect.
    await new Promise((resolve) => setImmediate(resolve))
    if (run.signal.aborted) {
      await save(file, trainer, curve)
      throw run.signal.reason
    }
  }
  // The last step's weights have not been through a loss, so they are checked here.
  for (const [name, data] of Object.entries(trainer.parameters()))
    if (!data.every(Number.isFinite))
      throw notFinite(`${run.what}: The weights ${name} are not finite after step ${step}`)
  return curve
}

/** The file of a training's newest checkpoint. @param checkpoint  the folder */
export const fileIn = (checkpoint: string): string => join(checkpoint, 'trainer.safetensors')

/** The curve of a training up to its newest checkpoint, for people to see; empty if there is none. @param checkpoint  the folder */
export async function curveSoFar(checkpoint: string): Promise<readonly CurvePoint[]> {
  try {
    return JSON.parse((await readMetadata(fileIn(checkpoint))).curve ?? '[]') as readonly CurvePoint[]
  } catch {
    // It is not there yet, or was replaced or removed just now.
    return []
  }
}

export const notFinite = (message: string, cause?: unknown) =>
  new Failure('NonFinite', message, {
    remedy: 'Lower the learning rate, or check data and weights for extreme values.',
    cause,
  })

/** @param curve  curve up to the current step */
async function save(file: string, trainer: Trainer, curve: readonly CurvePoint[]): Promise<void> {
  const { tensors } = trainer.state()
  // Another attempt that seemed lost may have completed the task and removed the folder.
  await mkdir(dirname(file), { recursive: true })
  const text = JSON.stringify(curve)
  await writeTensors(file, tensors, { curve: text, digest: digestOf(tensors, text) })
}

/** Restores the trainer from its checkpoint. A checkpoint that is incomplete, or of another training, is ignored.
 *  @returns the curve up to the checkpoint */
async function resumed(file: string, trainer: Trainer, steps: number): Promise<CurvePoint[]> {
  if (!existsSync(file)) return []
  try {
    const { tensors, metadata } = await readTensors(file)
    const { curve: text = '[]', digest } = metadata
    if (digest !== digestOf(tensors, text)) return []
    const curve = JSON.parse(text) as CurvePoint[]
    const step = curve.at(-1)?.step ?? 0
    if (step > steps) return []
    trainer.restore({ step, tensors })
    return curve
  } catch {
    return []
  }
}

/** Detects a damaged checkpoint: the tensors alone do not show that a bit has changed. */
function digestOf(tensors: Readonly<Record<string, Tensor>>, curve: string): string {
  const hash = createHash('sha256').update(curve)
  for (const [name, { data }] of Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return hash.digest('hex')
}
