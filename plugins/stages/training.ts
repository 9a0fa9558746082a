import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { NonFiniteError, readTensors, writeTensors, type Tensor, type Trainer } from '../../tensor/index.js'
import { Failure } from '../api/index.js'

/** A point of a training's curve: means over the steps since the point before. */
export interface CurvePoint {
  /** Steps done. */
  readonly step: number
  readonly loss: number
  readonly [metric: string]: number
}

export interface TrainingRun {
  readonly trainer: Trainer
  readonly steps: number
  /** Steps between two points of the curve, and in one call of the trainer. Default 16. */
  readonly stepsPerPoint?: number
  /** Folder of checkpoints. */
  readonly checkpoint: string
  /** Points between two checkpoints. Default 4. */
  readonly pointsPerCheckpoint?: number
  /** Batches of steps start..start+count-1, [count, ...]. Must depend on nothing else. */
  batches(start: number, count: number): Readonly<Record<string, Tensor>>
  readonly signal: AbortSignal
  progress(fraction: number, message: string): void
  /** Named in the error of a NaN. */
  readonly what: string
}

/**
 * Trains to the last step, from the newest checkpoint if there is one: bit-identical to a training that was never
 * interrupted. A checkpoint is one file, replaced by rename.
 * @returns the curve, from its first point on
 */
export async function trainWithCheckpoints(run: TrainingRun): Promise<CurvePoint[]> {
  const { trainer, steps, stepsPerPoint = 16, pointsPerCheckpoint = 4 } = run
  const file = join(run.checkpoint, 'trainer.safetensors')
  let curve: CurvePoint[] = []
  let step = 0
  if (existsSync(file)) {
    try {
      const { tensors, metadata } = await readTensors(file)
      trainer.restore({ step: Number(metadata.step), tensors })
      step = Number(metadata.step)
      curve = JSON.parse(metadata.curve!) as CurvePoint[]
    } catch {
      // A checkpoint that cannot be read is none: the training starts again.
      await rm(file, { force: true })
    }
  }
  const save = () => writeTensors(file, trainer.state().tensors, { step: String(step), curve: JSON.stringify(curve) })
  for (let point = curve.length; step < steps; point++) {
    const count = Math.min(stepsPerPoint, steps - step)
    try {
      const { losses, metrics } = await trainer.run(run.batches(step, count))
      const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / values.length
      step += count
      const means = Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, mean(values)]))
      curve.push({ step, loss: mean(losses), ...means })
    } catch (error) {
      if (error instanceof NonFiniteError)
        throw new Failure('NonFinite', `${run.what}: ${error.message}`, {
          remedy: 'Lower the learning rate, or look for extreme values in the data and weights.',
          cause: error,
        })
      throw error
    }
    const { loss } = curve.at(-1)!
    run.progress(step / steps, `step ${step} of ${steps}, loss ${loss.toPrecision(4)}`)
    if ((point + 1) % pointsPerCheckpoint === 0 && step < steps) await save()
    // Lets messages in, and the abort take effect.
    await new Promise((resolve) => setImmediate(resolve))
    if (run.signal.aborted) {
      await save()
      throw run.signal.reason
    }
  }
  return curve
}
