import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  ChatTemplate,
  configText,
  modelFiles,
  modelProblem,
  NoChatTemplate,
  parseConfig,
  Tokenizer,
  UnknownFamily,
  type Model,
  type ModelConfig,
} from '../../model/index.js'
import { Failure } from '../../errors/failure.js'
import { memoryOfProcess } from '../../plugins/inspect/resources.js'
import { loadPlugins } from '../../plugins/registry.js'
import { parameterCount } from '../../puzzle/costs.js'
import { describeBytes } from '../../errors/amounts.js'
import { openWithPlugins } from '../open-model.js'
import type { SpecOptions } from '../options.js'
import { failed, missing, ok, type Check } from './check.js'

/** Whether a model can be the parent of a search: its config, weights (headers only), tokenizer, chat template, and the memory
 *  that it takes. */
export async function modelChecks(path: string, options: SpecOptions): Promise<Check[]> {
  const place = placeCheck(path)
  if (place) return [place]
  const { model, checks } = await opened(path, options)
  return [...checks, tokenizerCheck(path, model?.config), chatCheck(path), ...(model ? [await memoryCheck(model)] : [])]
}

function placeCheck(path: string): Check | undefined {
  const name = 'model'
  if (!existsSync(path)) return missing(name, 'InvalidInput', `${path} does not exist`, 'Correct the path.')
  const problem = modelProblem(path, path)
  return problem && missing(name, 'InvalidInput', problem.message.replace(/\.$/, ''), sentence(problem.hint))
}

const sentence = (hint: string): string => `${hint[0]?.toUpperCase()}${hint.slice(1)}${hint.endsWith('?') ? '' : '.'}`

/** Config and weights: the first that cannot be read, or both. */
async function opened(
  path: string,
  options: SpecOptions,
): Promise<{ readonly model?: Model; readonly checks: readonly Check[] }> {
  try {
    const model = await openWithPlugins(path, options)
    const warnings = (model.warnings ?? []).map((found): Check => ({
      name: 'weights',
      state: 'warning',
      found,
      remedy: 'Where they disagree, the tensors count, not config.json.',
    }))
    return { model, checks: [ok('config', describe(model.config)), ok('weights', weightsOf(path, model)), ...warnings] }
  } catch (error) {
    const config = await configAlone(path)
    // A plugin's family has been read where something else is wrong.
    if (config instanceof UnknownFamily && !(error instanceof UnknownFamily))
      return { checks: [failed('weights', error)] }
    if (config instanceof Failure) return { checks: [failed('config', config)] }
    return { checks: [ok('config', describe(config)), failed('weights', error)] }
  }
}

/** The config without the weights, or why it cannot be read. */
async function configAlone(path: string): Promise<ModelConfig | Failure> {
  try {
    return parseConfig(await configText(path), join(path, 'config.json'))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return error
  }
}

const describe = ({ family, layers, hidden, vocabulary }: ModelConfig): string =>
  `${family}, ${layers} layers, hidden size ${hidden}, ${vocabulary} tokens`

function weightsOf(path: string, model: Model): string {
  const names = modelFiles(path).filter((name) => /\.(safetensors|gguf)$/.test(name))
  const files = names.length === 0 ? [path] : names.map((name) => join(path, name))
  const bytes = files.reduce((n, file) => n + statSync(file).size, 0)
  return `${parameterCount(model)} parameters, ${describeBytes(bytes)} in ${files.length} file${files.length > 1 ? 's' : ''}`
}

function tokenizerCheck(path: string, config: ModelConfig | undefined): Check {
  const name = 'tokenizer'
  try {
    const tokenizer = Tokenizer.open(path, config?.vocabulary)
    const ids = tokenizer.encode('A quick brown fox.')
    return ok(name, `${tokenizer.size} tokens; "A quick brown fox." has ${ids.length}`)
  } catch (error) {
    if (statSync(path).isFile() || existsSync(join(path, 'tokenizer.json'))) return failed(name, error)
    return { ...failed(name, error, 'warning'), found: 'there is no tokenizer.json, so data must be token ids' }
  }
}

function chatCheck(path: string): Check {
  const name = 'chat template'
  try {
    const template = ChatTemplate.open(path)
    template.render([{ role: 'user', content: 'Hello.' }], { addGenerationPrompt: true })
    return ok(name, template.file)
  } catch (error) {
    if (!(error instanceof NoChatTemplate)) return failed(name, error, 'warning')
    const found = 'there is none, as in base models; only conversations as data need one'
    return { ...failed(name, error, 'optional'), found }
  }
}

/** What the stage needs that needs most: training the whole child. */
async function memoryCheck(model: Model): Promise<Check> {
  const name = 'memory for the model'
  const loaded = loadPlugins()
  const { blocks, folder } = model
  const context = { params: {}, stages: {}, spec: { model: folder }, inputDigests: {}, blocks, runs: loaded.runs }
  const needed = (await loaded.stage('uptrain').resources?.(context))?.memory ?? 0
  const has = memoryOfProcess()
  const found = `training the whole child takes about ${describeBytes(needed)} of ${describeBytes(has)}`
  if (needed <= has) return ok(name, found)
  const remedy = 'Use a larger machine, or leave the training out: `stages: { uptrain: false, improve: false }`.'
  return missing(name, 'OutOfMemory', found, remedy)
}
