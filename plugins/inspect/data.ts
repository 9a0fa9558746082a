import type { ModelConfig } from '../../model/index.js'
import type { InputProblem } from '../../spec/registry.js'
import { Failure } from '../../api/index.js'
import { DocumentEncoder, readDocuments } from '../../data/documents.js'
import { sizeOf } from '../../data/expected-text.js'
import { Packer, requireEnough, requirePositions } from '../../data/packing.js'
import { readSplitTasks, taskEntries, type TasksInput } from '../../data/read-tasks.js'
import { mainMetric } from '../../data/task.js'
import type { DataInput, ModelInput, TargetInput } from '../../puzzle/inputs.js'
import { qualityBounds } from '../../puzzle/quality.js'
import { mistakesOf } from './mistake.js'

/** The inputs that are read as text. */
interface TextInputs extends ModelInput {
  readonly data?: Partial<DataInput['data']>
  readonly tasks?: TasksInput
  readonly target?: Partial<TargetInput['target']>
}

/** Items of a task to tokenise as a check. */
const itemsLookedAt = 1000

/** Characters of a file, about, that are looked at: the rest of a larger one is looked at by the run's first stage. */
const charactersLookedAt = 2 ** 27

/**
 * Mistakes in data and tasks that a run would meet in its first stage: a tokenizer that does not fit the model, files
 * that are not what they should be, or hold too little. All lines of files that are not very large are looked at, but only
 * as many are tokenised as are needed to know that there are enough.
 */
export async function inspectData(
  { model, data, tasks, target }: TextInputs,
  config: ModelConfig,
): Promise<InputProblem[]> {
  const problems: InputProblem[] = []
  const look = async (...place: Parameters<typeof mistakesOf>) => void problems.push(...(await mistakesOf(...place)))

  const encoder = new DocumentEncoder(model, config.vocabulary)
  if (await needsTokenizer(data, tasks, config.vocabulary))
    await look(['model'], 'bad-tokenizer', () => void encoder.tokenizer)
  if (problems.length > 0) return problems

  const length = data?.sequenceLength ?? 128
  await look(['data', 'sequenceLength'], 'too-long', () => requirePositions(length, config.maxPositions))
  for (const name of ['train', 'validate', 'test'] as const) {
    const file = data?.[name]
    if (file === undefined) continue
    await look(['data', name, 'path'], 'bad-data', async () => {
      const packer = new Packer('documents', length, undefined)
      let [tokens, characters, empty] = [0, 0, 0]
      for await (const document of readDocuments(file, config.vocabulary)) {
        if (document.kind === 'empty') empty++
        else if (tokens < 2 * length) for (const piece of packer.add(encoder.encode(document))) tokens += piece.length
        else if ((characters += sizeOf(document)) > charactersLookedAt) break
      }
      requireEnough(file.path, tokens, length, empty)
    })
  }
  if (tasks !== undefined) {
    const reader = { tokenizer: encoder.tokenizer, positions: config.maxPositions }
    const amount = { share: 0, most: itemsLookedAt }
    const before = problems.length
    let measured = false
    for (const [i, entry] of taskEntries(tasks).entries()) {
      const path =
        typeof tasks === 'string' ? ['tasks'] : typeof entry === 'string' ? ['tasks', i] : ['tasks', i, 'harness']
      await look(path, 'bad-tasks', async () => {
        const found = await readSplitTasks([entry], reader, amount)
        measured ||= Object.values(found).some(({ test }) => mainMetric(test))
      })
    }
    if (problems.length === before)
      await look(['tasks'], 'bad-tasks', () => readSplitTasks(tasks, reader, { ...amount, most: 1 }))
    const wantsAccuracy = target && qualityBounds(target).some(({ measure }) => measure === 'accuracy')
    if (problems.length === before && !measured && wantsAccuracy)
      problems.push({
        path: ['target', 'quality'],
        code: 'no-accuracy',
        message: 'None of the tasks has an accuracy that `quality` could be a share of.',
        hint: 'add a task with acc, acc_norm or exact_match',
      })
  }
  return problems
}

/** Whether there is any text. Files that cannot be read are told of later, by name. */
async function needsTokenizer(
  data: TextInputs['data'],
  tasks: TasksInput | undefined,
  vocabulary: number,
): Promise<boolean> {
  if (tasks !== undefined) return true
  for (const file of [data?.train, data?.validate, data?.test]) {
    if (file === undefined) continue
    try {
      for await (const { kind } of readDocuments(file, vocabulary)) {
        if (kind !== 'ids') return true
        break
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error
    }
  }
  return false
}
