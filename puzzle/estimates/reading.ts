import type { ResourcesContext } from '../../api/index.js'
import { expectedTasks, expectedText, type ExpectedTasks } from '../../data/expected-text.js'
import type { BeginOfText, Packing } from '../../data/packing.js'
import type { Model } from '../../model/index.js'
import type { DataInput, ModelInput } from '../inputs.js'

/** What the stages of a search will read, estimated before `prepare` has read it. */
export interface ExpectedReading {
  /** Tokens of a sequence, padding included. */
  readonly length: number
  /** Share of the positions that hold a token. */
  readonly filled: number
  /** Seconds in which a sequence is made of its text. */
  readonly seconds: number
  /** Sequences; Infinity: of a large file. */
  readonly train: number
  readonly validate: number
  readonly test: number
  readonly tasks: ExpectedTasks
}

/** Parameters of `prepare` that say how much is read. */
interface Prepared {
  readonly packing?: Packing
  readonly beginOfText?: BeginOfText
  readonly maxSequences?: number
  readonly testShare?: number
}

/** Estimates what is read of the spec's data and tasks; undefined for a pipeline without `data`. */
export async function expectedReading(
  { spec, stages }: Pick<ResourcesContext<unknown, ModelInput & Partial<DataInput>>, 'spec' | 'stages'>,
  { config }: Pick<Model, 'config'>,
): Promise<ExpectedReading | undefined> {
  const { sequenceLength: length = 128 } = spec.data ?? {}
  const { testShare = 0.5, ...asked } = (stages.prepare ?? {}) as Prepared
  const how = { packing: 'documents' as const, ...asked, length }
  const train = await expectedText(spec, 'train', how)
  if (!train) return undefined
  const validate = (await expectedText(spec, 'validate', how))?.sequences ?? 0
  const test = (await expectedText(spec, 'test', how))?.sequences
  return {
    length,
    filled: Math.max(0.01, train.tokens / length),
    seconds: train.seconds,
    train: train.sequences,
    validate: test === undefined ? validate * (1 - testShare) : validate,
    test: test ?? validate * (testShare || 1),
    tasks: await expectedTasks(spec, config.maxPositions),
  }
}

/** As many sequences as are taken in any case: of a file too large to be counted, a million. */
export const bounded = (sequences: number): number => Math.min(sequences, 1e6)

/** Sequences that `capture` will keep. @param params  those of `capture`; undefined if there is no such stage */
export function capturedOf(
  params: { readonly sequences?: number; readonly validateSequences?: number } | undefined,
  read: ExpectedReading,
): { readonly train: number; readonly validate: number } {
  const { sequences = Infinity, validateSequences = Infinity } = params ?? {}
  return { train: Math.min(sequences, read.train), validate: Math.min(validateSequences, read.validate) }
}
