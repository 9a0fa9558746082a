import { layerFacts, type Model } from '../../model/index.js'
import type { InputProblem } from '../../spec/registry.js'
import {
  Failure,
  slots,
  type BlockName,
  type Blocks,
  type BlockType,
  type Runs,
  type RunType,
} from '../../api/index.js'
import { withPlace } from '../place.js'
import type { Space } from '../../puzzle/inputs.js'
import { runVariants } from '../../puzzle/run-variants.js'
import { problem } from './mistake.js'
import { tryVariant } from './try-forward.js'

/** Whether variants of a type are tried: those of plugins are. */
export type Tried = (type: BlockType | RunType) => boolean

/**
 * Asks the run types of `space.runs` what layers of the parent become.
 * @param most   runs that may begin at one layer
 * @returns mistakes, and the block types that runs become
 */
export function inspectRuns(
  model: Model,
  space: Space,
  { blocks, runs }: { readonly blocks: Blocks; readonly runs: Runs },
  most: number,
  tried: Tried,
): { readonly problems: readonly InputProblem[]; readonly blocks: readonly BlockName[] } {
  const problems: InputProblem[] = []
  const used = new Map<string, BlockName>()
  const seen = new Set<string>()
  let count = 0
  for (const [i, entry] of (space.runs ?? []).entries()) {
    const { run, ...own } = entry
    const type = runs.get(run as string)
    try {
      // One by one, and no further than the limit: there may be no end of them.
      const each = type.variants(model.config.layers, own)[Symbol.iterator]()
      while (count <= most && each.next().done !== true) count++
      if (count > most) {
        const message = `with this entry there are more than ${most} runs at a layer`
        const remedy = 'Shorten its lists, or raise limits.maxVariants: each is trained and scored at every layer.'
        problems.push(
          problem(['space', 'runs', i], 'too-many-variants', new Failure('InvalidInput', message, { remedy })),
        )
        break
      }
      const fitting = [...runVariants(model, { runs: [entry] }, runs)]
      if (fitting.length === 0) {
        const message = `"${type.name}" cannot replace any run of the parent's ${model.config.layers} layers`
        const remedy = 'Remove the entry, or change its parameters: `npx puzzleflow plugins ls` lists them.'
        problems.push(problem(['space', 'runs', i], 'no-run', new Failure('InvalidInput', message, { remedy })))
      }
      for (const { layer, slots: becoming } of fitting)
        for (const slot of slots) {
          const { block, params, variant, empty } = becoming[slot]
          if (empty) continue
          used.set(`${slot}/${block}`, { slot, name: block })
          const becomes = blocks.get(slot, block)
          if (seen.has(`${slot}/${variant}`) || !(tried(type) || tried(becomes))) continue
          seen.add(`${slot}/${variant}`)
          tryVariant(becomes, layerFacts(model.config, layer), params)
        }
    } catch (error) {
      const failure = asFailure(error, type, tried)
      const code = failure.kind === 'PluginBug' ? 'broken-run' : 'impossible-variant'
      problems.push(problem(['space', 'runs', i], code, failure))
    }
  }
  return { problems, blocks: [...used.values()] }
}

/** What a plugin's run type throws is its author's mistake; what a built-in one throws is ours. */
function asFailure(error: unknown, type: RunType, tried: Tried): Failure {
  if (error instanceof Failure) return error
  if (!tried(type)) throw error
  const { message } = withPlace(error) as Error
  return new Failure('PluginBug', `run type "${type.name}": ${message}`, { cause: error })
}
