import { readFile } from 'node:fs/promises'
import { Failure } from '../api/index.js'
import { refuseStandIn } from '../files/stand-in.js'
import { modelFile, mostConfigBytes } from './model-files.js'
import { shown } from '../errors/foreign.js'

/** How a model's generation_config.json chooses tokens. Missing values are undefined. */
export interface GenerationConfig {
  /** Whether tokens are sampled; otherwise the most likely one is chosen. */
  readonly sample: boolean
  /** Divides the logits. */
  readonly temperature?: number
  /** Number of most likely tokens to draw from. */
  readonly topK?: number
  /** Nucleus sampling: total probability of the tokens to draw from. */
  readonly topP?: number
  /** Penalty on tokens that have already occurred. */
  readonly repetitionPenalty?: number
}

/** The default of transformers (`GenerationConfig.top_k`). */
const usualTopK = 50

/** Reads a model's generation_config.json.
 *  @throws Failure InvalidInput for a file that is not JSON, or a number out of range */
export async function readGenerationConfig(folder: string): Promise<GenerationConfig> {
  const { fields, bad } = await read(folder)
  const number = (name: string, holds: (x: number) => boolean, what: string): number | undefined => {
    const value = fields[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !holds(value)) throw bad(`has "${name}": ${shown(value)}, not ${what}`)
    return value
  }
  const repetitionPenalty = number('repetition_penalty', (x) => x > 0, 'a number above 0')
  const penalty = repetitionPenalty === undefined ? {} : { repetitionPenalty }
  // Without sampling the other fields have no effect, and real files contain all sorts of values there.
  if (fields.do_sample !== true) return { sample: false, ...penalty }
  const topK = number('top_k', (x) => Number.isInteger(x) && x >= 0, 'a whole number, 0 or more') ?? usualTopK
  const topP = number('top_p', (x) => x > 0 && x <= 1, 'a number above 0, up to 1')
  return {
    sample: true,
    temperature: number('temperature', (x) => x > 0, 'a number above 0') ?? 1,
    ...(topK > 0 && { topK }),
    ...(topP !== undefined && { topP }),
    ...penalty,
  }
}

/** End tokens of generation_config.json; undefined if it has none. Those of chat models differ from config.json's.
 *  @throws Failure InvalidInput for a file that is not JSON */
export async function generationEnds(folder: string): Promise<readonly number[] | undefined> {
  const { fields } = await read(folder)
  const ids = [fields.eos_token_id].flat().filter((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0)
  return ids.length > 0 ? ids : undefined
}

async function read(
  folder: string,
): Promise<{ readonly fields: Readonly<Record<string, unknown>>; readonly bad: (message: string) => Failure }> {
  const file = modelFile(folder, 'generation_config.json')
  const bad = (message: string) =>
    new Failure('InvalidInput', `${file} ${message}`, {
      file,
      remedy: 'Copy the file from the original checkpoint again, or remove it.',
    })
  refuseStandIn(file, mostConfigBytes)
  const text = await readFile(file, 'utf8').catch(() => '{}')
  try {
    return { fields: (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>, bad }
  } catch (error) {
    throw bad(`is not JSON: ${(error as Error).message}`)
  }
}
