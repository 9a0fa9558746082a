import { Tokenizer, type ModelConfig } from '../model/index.js'
import type { InputProblem } from '../spec/registry.js'
import { Failure, type JsonObject } from './api/index.js'
import { cut, readDocuments, requireEnough, requirePositions, tokensOf } from './stages/documents.js'
import { readTasks } from './stages/task-items.js'

/** What of a spec's inputs is read as text. */
interface TextInputs {
  readonly model: string
  readonly data?: {
    readonly train?: { readonly path: string }
    readonly validate?: { readonly path: string }
    readonly test?: { readonly path: string }
    readonly sequenceLength?: number
  }
  readonly tasks?: string
}

/** Items of a task that are tokenised to see that they can be. */
const itemsLookedAt = 1000

/**
 * Mistakes in data and tasks that a run would meet in its first stage: a tokenizer that does not fit the model, files
 * that are not what they should be, or hold too little. All lines are looked at, but only as many are tokenised as are
 * needed to know that there are enough.
 */
export async function inspectData(inputs: JsonObject, config: ModelConfig): Promise<InputProblem[]> {
  const { model, data, tasks } = inputs as unknown as TextInputs
  const problems: InputProblem[] = []
  const look = async (path: InputProblem['path'], code: string, work: () => void | Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const { message, remedy } = error
      problems.push({ path, code, message: `${message}.`, ...(remedy === undefined ? {} : { hint: remedy }) })
    }
  }

  // Opened when a text is met: data may be token ids, of a model without a tokenizer.
  let opened: Tokenizer | undefined
  const tokenizer = () => (opened ??= Tokenizer.open(model, config.vocabulary))
  if (needsTokenizer(data, tasks, config.vocabulary)) await look(['model'], 'bad-tokenizer', () => void tokenizer())
  if (problems.length > 0) return problems

  const length = data?.sequenceLength ?? 128
  await look(['data', 'sequenceLength'], 'too-long', () => requirePositions(length, config.maxPositions))
  for (const name of ['train', 'validate', 'test'] as const) {
    const path = data?.[name]?.path
    if (path === undefined) continue
    await look(['data', name, 'path'], 'bad-data', () => {
      let tokens = 0
      for (const document of readDocuments(path, config.vocabulary))
        if (tokens < 2 * length)
          tokens += cut(tokensOf(document, tokenizer), length).reduce((n, piece) => n + piece.length, 0)
      requireEnough(path, tokens, length)
    })
  }
  if (tasks !== undefined) await look(['tasks'], 'bad-tasks', () => readTasks(tasks, tokenizer(), itemsLookedAt))
  return problems
}

/** Whether there is any text. Files that cannot be read are told of later, by name. */
function needsTokenizer(data: TextInputs['data'], tasks: string | undefined, vocabulary: number): boolean {
  if (tasks !== undefined) return true
  return [data?.train, data?.validate, data?.test].some((set) => {
    if (set === undefined) return false
    try {
      for (const document of readDocuments(set.path, vocabulary)) return typeof document === 'string'
    } catch {
      return false
    }
    return false
  })
}
