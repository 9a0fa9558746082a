import type { TaskContext, Weights } from '../api/index.js'
import { readSequences } from '../data/sequences.js'
import type { Model } from '../model/index.js'
import { shuffled } from '../tensor/random.js'
import type { Tensor } from '../tensor/index.js'
import { solveLesson } from './closed-form.js'
import { HiddenStates } from './hidden-states.js'
import { learned, learner, type Lesson, type LessonInputs } from './lesson.js'
import { trainWithCheckpoints, type CurvePoint } from './train-with-checkpoints.js'

/** What a lesson came to: weights by slot, and its curve, which is empty if nothing was trained. */
export interface Taught {
  readonly weights: Readonly<Record<string, Weights>>
  readonly curve: readonly CurvePoint[]
}

/** Gives a lesson, from its checkpoint if there is one. One of no steps is solved for, or leaves the weights as they are.
 *  @param initial  weights by slot */
export async function trainLesson(
  context: Pick<
    TaskContext<{ params: Lesson; inputs: LessonInputs }>,
    'task' | 'open' | 'seed' | 'threads' | 'checkpoint' | 'signal' | 'progress'
  >,
  model: Model,
  initial: Readonly<Record<string, Weights>>,
): Promise<Taught> {
  const { task, seed } = context
  const lesson = task.params
  const { batch, steps } = lesson
  if (lesson.solveOn !== undefined) return { weights: await solveLesson(context, model, initial), curve: [] }
  if (steps === 0) return { weights: learned(model, lesson, initial), curve: [] }
  const [inputs, targets] = await Promise.all(
    [task.inputs.input, task.inputs.target].map(async (ref) => HiddenStates.read(await context.open(ref))),
  )
  const { count, length, mask } = await readSequences(context, task.inputs.tokens)
  const trainer = await learner(model, lesson, initial, length, context.threads)
  const order = orders(count, seed)
  const curve = await trainWithCheckpoints({
    trainer,
    steps,
    stepsPerPoint: 8,
    pointsPerCheckpoint: 8,
    what: task.id,
    checkpoint: context.checkpoint,
    signal: context.signal,
    progress: (fraction, message) => context.progress(fraction, message),
    batches(start, steps) {
      const tokens = batch * length
      const width = model.config.hidden
      const x = new Float32Array(steps * tokens * width)
      const target = new Float32Array(steps * tokens * width)
      const weights = new Float32Array(steps * tokens)
      for (let i = 0; i < steps * batch; i++) {
        const from = order(start * batch + i) * length
        x.set(inputs!.rows(from, length), i * length * width)
        target.set(targets!.rows(from, length), i * length * width)
        weights.set(mask.subarray(from, from + length), i * length)
      }
      const rows = (data: Float32Array): Tensor => ({ dtype: 'float32', dims: [steps, tokens, width], data })
      return { x: rows(x), target: rows(target), mask: { dtype: 'float32', dims: [steps, tokens], data: weights } }
    },
  })
  const weights = learned(model, lesson, bySlot(trainer.parameters(), initial))
  await trainer.release()
  return { weights, curve }
}

/** Converts parameters of the trainer to weights of slots, with the shapes of the initial weights. */
function bySlot(
  parameters: Readonly<Record<string, Float32Array>>,
  initial: Readonly<Record<string, Weights>>,
): Record<string, Weights> {
  return Object.fromEntries(
    Object.entries(initial).map(([slot, weights]) => [
      slot,
      Object.fromEntries(
        Object.entries(weights).map(([name, { shape }]) => [name, { shape, data: parameters[`${slot}.${name}`]! }]),
      ),
    ]),
  )
}

/** Returns a function for the n-th training sequence: each epoch has its own order. */
function orders(count: number, seed: number): (n: number) => number {
  let epoch = -1
  let order: Uint32Array = new Uint32Array(0)
  return (n) => {
    if (Math.floor(n / count) !== epoch) {
      epoch = Math.floor(n / count)
      order = shuffled(count, seed * 1000003 + epoch)
    }
    return order[n % count]!
  }
}
