import type { Work } from '../../api/index.js'
import type { Model } from '../../model/index.js'
import type { Thoroughness } from '../evaluation.js'
import type { TimingParams } from '../speed.js'
import { childShare, headFlops, layersFlops } from './flops.js'
import type { ExpectedReading } from './reading.js'

/** Passes of parent and child that decide a limit, as a multiple of those at first: some children are near it. */
const untilDecided = 1.5

/**
 * Estimates what it takes to measure children: KL on held-out text, answers to tasks, and passes through the scenarios in
 * alternation with the parent. The parent is examined once.
 * @param children  how many
 * @param read      with the sequences and items that there are
 */
export function evaluationsWork(
  model: Model,
  { items, sequences, threads, repetitions }: Thoroughness & TimingParams,
  read: ExpectedReading,
  children: number,
  split: 'validate' | 'test' = 'validate',
): Work {
  const { length, tasks } = read
  const layers = layersFlops(model, length)
  const head = headFlops(model)
  const held = Math.min(sequences, read[split]) * length
  const answered = items * tasks.positions
  // The parent's mean rows of the head take as long as its logits.
  const parent = held * (layers + 2 * head) + answered * (layers + head)
  const child = (held + answered) * (childShare * layers + head)
  return {
    forward: parent + children * child,
    passes: children * (repetitions * untilDecided + 1) * (1 + childShare),
    passThreads: threads,
  }
}
