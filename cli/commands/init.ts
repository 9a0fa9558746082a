import type { Command } from 'commander'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { Failure } from '../../api/index.js'
import { expectedText } from '../../data/expected-text.js'
import { forecast } from '../../lineage/forecast.js'
import { writing, type Model } from '../../model/index.js'
import { describedTypes } from '../../plugins/loading/load.js'
import { parameterCount } from '../../puzzle/costs.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { compileText } from '../../spec/plan.js'
import { parseQuantity } from '../../spec/units.js'
import { packageRoot } from '../../store/paths.js'
import { processors } from '../../tensor/processors.js'
import { action } from '../action.js'
import { describeSeconds } from '../../errors/amounts.js'
import { registryFor } from '../compiled-spec.js'
import { estimateRun, estimateSeconds, paceOfPlan } from '../estimate.js'
import { budgets, type Available, type Budgets } from '../init/budgets.js'
import { findModel } from '../init/find-model.js'
import { fittingScale } from '../init/fit.js'
import { splitData } from '../init/own-data.js'
import { proposedScenario, proposedSpace } from '../init/proposal.js'
import { writeOwnText } from '../init/self-data.js'
import { specText, type Proposal } from '../init/spec-text.js'
import { openAnyModel } from '../open-model.js'
import { readStore } from '../open-store.js'
import { wholeNumber } from '../option-values.js'
import { reading, type SpecOptions } from '../options.js'
import { log, print, printJson } from '../output.js'
import { planTable } from '../plan-table.js'
import { typed } from '../typed.js'

interface InitOptions extends SpecOptions {
  readonly output: string
  readonly data?: string
  readonly validate?: string
  readonly tasks?: string
  readonly selfData?: boolean | string
  readonly within: string
  readonly throughput: string
  readonly batch?: number
  readonly prefill?: number
  readonly generate?: number
  readonly force?: boolean
}

/** Proposes a spec for a model. */
export function initCommand(program: Command): void {
  reading(program.command('init [model]').description('write a spec for a model, its data and this machine'))
    .option('-o, --output <file>', 'the spec to write', 'search.yaml')
    .option('--data <file>', 'text to train on; without --validate, a tenth of it is held out')
    .option('--validate <file>', 'text that blocks are judged by')
    .option('--tasks <folder>', 'questions with answers that the child has to keep answering')
    .option('--self-data [tokens]', 'without data: let the model write this much text (default: 64k)')
    .option('--within <time>', 'how long the search may take on this machine: 30min, 8h, 2d', '2h')
    .option('--throughput <times>', 'how much faster the child has to be', '1.5x')
    .option('--batch <n>', 'sequences that are served at once (default: 1)', wholeNumber(1))
    .option('--prefill <n>', 'tokens of a prompt (default: 512)', wholeNumber(1))
    .option('--generate <n>', 'tokens that are generated for it (default: 128)', wholeNumber(1))
    .option('--force', 'overwrite the spec')
    .action(action(init))
}

async function init(named: string | undefined, options: InitOptions): Promise<void> {
  const output = resolve(options.output)
  if (existsSync(output) && options.force !== true)
    throw new Failure('InvalidInput', `${output} already exists`, { remedy: 'Use --force, or another --output.' })
  const within = secondsIn(options.within)
  const place = resolve(named ?? findModel(process.cwd()))
  const model = await openAnyModel(place, options)
  const files = await dataFiles(model, options, dirname(output))
  const proposal = await propose(model, place, files, output, options)
  const { text, plan } = await fitted(proposal, model, { output, within, options })
  const run = await estimateOf(plan, options)
  mkdirSync(dirname(output), { recursive: true })
  await writing(output, () => {
    writeFileSync(`${output}.tmp`, text)
    renameSync(`${output}.tmp`, output)
  })
  const late = run.seconds > within
  if (options.json) return printJson({ spec: output, within, ...run })
  // How the proposal differs from what ran before is no news to those who have just got it.
  const stages = run.stages.map((own) => ({ ...own, reasons: [] }))
  for (const line of planTable({ ...run, stages })) print(line)
  if (late)
    log(
      `Even with the smallest budgets the search takes about ${describeSeconds(run.seconds)}, longer than ${options.within}: allow more time, or shorten \`space\`.`,
    )
  print(`Wrote ${relative(process.cwd(), output) || output}. Look through it, then: ${typed('run', options.output)}`)
}

/** @throws Failure InvalidInput */
function secondsIn(text: string): number {
  const read = parseQuantity('duration', text)
  if ('error' in read) throw new Failure('InvalidInput', `--within ${text}: ${read.error}`, { remedy: `${read.hint}.` })
  return read.value as number
}

interface Files {
  readonly train: string
  readonly validate: string
}

/** The text to train on and to judge by. */
async function dataFiles(model: Model, options: InitOptions, folder: string): Promise<Files> {
  const { data, validate, selfData } = options
  if (data !== undefined && validate !== undefined) return { train: resolve(data), validate: resolve(validate) }
  const beside = join(folder, 'data')
  if (data !== undefined) return splitData(resolve(data), beside)
  if (selfData === undefined || selfData === false)
    throw new Failure('InvalidInput', 'There is no text to train blocks on', {
      remedy: `Name a file like what the model's users write and read (--data FILE: .jsonl, .txt, .csv or .parquet, a few megabytes), or let the model write its own: --self-data.`,
    })
  const tokens = selfData === true ? { value: 64_000 } : parseQuantity('tokens', selfData)
  if ('error' in tokens)
    throw new Failure('InvalidInput', `--self-data ${String(selfData)}: ${tokens.error}`, { remedy: `${tokens.hint}.` })
  const file = await writeOwnText(model, tokens.value as number, beside, { threads: processors(), log })
  const split = { train: join(beside, 'train.jsonl'), validate: join(beside, 'validate.jsonl') }
  return existsSync(split.train) && existsSync(split.validate) ? split : splitData(file, beside)
}

/** Everything but the budgets. */
async function propose(
  model: Model,
  place: string,
  files: Files,
  output: string,
  options: InitOptions,
): Promise<Omit<Proposal, 'budgets' | 'space'> & { readonly available: Available }> {
  const { config } = model
  const from = (path: string) => {
    const short = relative(dirname(output), path)
    return short.startsWith('..') ? path : `./${short}`
  }
  const { sequenceLength, ...available } = await lengthFor(model, files)
  const { batch, prefill, generate } = options
  const wanted = { ...(batch && { batch }), ...(prefill && { prefill }), ...(generate && { generate }) }
  return {
    name:
      basename(place)
        .replace(/\.gguf$/, '')
        .replace(/[^\w.-]+/g, '-')
        .replace(/^[^A-Za-z0-9]+/, '') || 'search',
    model: from(place),
    train: from(files.train),
    validate: from(files.validate),
    ...(options.tasks !== undefined && { tasks: from(resolve(options.tasks)) }),
    sequenceLength,
    scenario: proposedScenario(model, wanted),
    throughput: `>= ${options.throughput}`,
    schema: relative(dirname(output), join(packageRoot(), 'schemas/editor/spec.schema.json')),
    about: [
      `${config.family}: ${config.layers} layers, hidden size ${config.hidden}, ${millions(parameterCount(model))} parameters.`,
    ],
    available,
  }
}

const millions = (n: number) => `${Number((n / 1e6).toPrecision(3))} million`

/** The longest of the usual lengths that documents fill to some part. */
async function lengthFor(model: Model, files: Files): Promise<Available & { readonly sequenceLength: number }> {
  const inputs = { model: model.folder, data: { train: { path: files.train }, validate: { path: files.validate } } }
  let length = Math.min(512, model.config.maxPositions)
  for (;;) {
    const how = { packing: 'documents', length } as const
    const train = (await expectedText(inputs, 'train', how))!
    const validate = (await expectedText(inputs, 'validate', how))!
    if (train.tokens >= 0.4 * length || length <= 64)
      // Half of what is held out is for the final evaluation.
      return { sequenceLength: length, tokens: train.tokens, train: train.sequences, validate: validate.sequences / 2 }
    length >>= 1
  }
}

/** The spec whose search takes as long as it may, and its plan. */
async function fitted(
  { available, ...proposal }: Awaited<ReturnType<typeof propose>>,
  model: Model,
  { output, within, options }: { readonly output: string; readonly within: number; readonly options: InitOptions },
): Promise<{ readonly text: string; readonly plan: FrozenPlan }> {
  const compile = async (own: Budgets, small: boolean) => {
    const space = proposedSpace(model, small)
    const text = specText({ ...proposal, space, budgets: own })
    const { plan, diagnostics } = await compileText(output, text, registryFor(options))
    if (plan) return { text, plan }
    throw new Failure('InvalidInput', diagnostics.map(formatDiagnostic).join('\n'), {
      remedy: 'Bring data that fits the model, or write the spec by hand.',
    })
  }
  const usual = within * certain
  for (const small of [false, true]) {
    const { plan } = await compile(budgets(1, available), small)
    const loaded = await describedTypes(plan)
    const pace = await paceOfPlan(plan, loaded)
    const secondsAt = (scale: number) => estimateSeconds(withBudgets(plan, budgets(scale, available)), loaded, pace)
    const scale = await fittingScale(usual, secondsAt)
    const fits = (await secondsAt(scale)) <= usual
    if (fits || small) return compile(budgets(scale, available), small)
  }
  throw new Error('Internal error: no budgets')
}

/** Share of the time that is planned for: estimates are not exact. */
const certain = 0.8

const withBudgets = (plan: FrozenPlan, own: Budgets): FrozenPlan => ({
  ...plan,
  stages: plan.stages.map((stage) => ({ ...stage, params: { ...stage.params, ...own[stage.name] } })),
})

async function estimateOf(plan: FrozenPlan, options: InitOptions) {
  const loaded = await describedTypes(plan)
  return estimateRun(plan, loaded, await forecast(plan, await readStore(options, false), loaded))
}
